"""Taking back what a tagging run has written, byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from earmark.errors import TagError
from earmark.library.tags.byte_delta import apply_delta
from earmark.library.tags.genre_tags import GenreTags, RawGenres
from earmark.library.tags.journal import Entry
from earmark.library.tags.result import TagResult
from earmark.library.tags.safe_replace import (
    Stamp,
    check_writable,
    describe_error,
    finish_draft,
    make_draft,
    put_in_place,
    remove_drafts,
)
from earmark.library.tags.writer import contains_tags, digest, edit_tags, same_sound

_PLANNED = {"restored": "would restore", "genre restored": "would restore genre"}
"""Outcomes of a dry run."""


def undo(
    entries: Iterable[Entry],
    *,
    dry_run: bool = False,
    break_links: bool = False,
    on_change: Callable[[Path, Stamp, Stamp], object] | None = None,
) -> Iterator[TagResult]:
    """Take changes back, the last one first; what has been taken back already is passed over.

    Parameters
    ----------
    entries : iterable of Entry
        As :func:`earmark.library.tags.journal.read_journal` gives them.
    dry_run : bool
        Only say what would become of them.
    break_links : bool
        As of :class:`earmark.library.tags.writer.GenreWriter`.
    on_change : callable, optional
        Called after each file that was changed, with its stamps before and after, such as
        :meth:`earmark.library.library.Library.note_change`.

    Yields
    ------
    TagResult
        Of outcome "restored" (byte for byte), "genre restored" (others had changed the file since), in a dry run "would
        restore" and "would restore genre", "as it was" or "failed"; `before` and `genres` are the genres that the run
        wrote, and those that were there before.
    """
    cleaned: set[Path] = set()
    # a plan that was taken back and applied again has two changes of a file, of which the later one tells all
    told: set[Path] = set()
    # in a dry run: digests that files would have by now, where a journal holds several changes of one
    pretended: dict[Path, str] = {}
    for entry, earlier in _reverse(list(entries)):
        path, error = Path(entry.path), None
        try:
            if path.parent not in cleaned and not dry_run:
                cleaned.add(path.parent)
                remove_drafts(path.parent)
            sha256, stamp = pretended.get(path) or digest(path), Stamp.of(path)
            if sha256 != entry.before.sha256 and sha256 in earlier:
                # taken back already, as far as an earlier change goes
                continue
            outcome = _undo(entry, path, sha256, dry_run, break_links)
            if on_change and outcome in _PLANNED and not dry_run:
                on_change(path, stamp, Stamp.of(path))
            if dry_run:
                if outcome == "restored":
                    pretended[path] = entry.before.sha256
                outcome = _PLANNED.get(outcome, outcome)
        except OSError as failure:
            outcome, error = "failed", describe_error(failure)
        if outcome == "as it was" and path in told:
            continue
        told.add(path)
        yield TagResult(
            entry.path, outcome, _main_genres(entry.after.genres), _main_genres(entry.before.genres), error=error
        )


def _reverse(entries: list[Entry]) -> Iterator[tuple[Entry, set[str]]]:
    """Yield changes, the last one first; with each, the digests that its file had before and after earlier ones."""
    digests: dict[str, list[str]] = {}
    for entry in entries:
        digests.setdefault(entry.path, []).extend((entry.before.sha256, entry.after.sha256))
    for entry in reversed(entries):
        del digests[entry.path][-2:]
        yield entry, set(digests[entry.path])


def _main_genres(raw: RawGenres) -> tuple[str, ...]:
    return tuple(raw.get("main") or next(iter(raw.values()), ()))


def _undo(entry: Entry, path: Path, sha256: str, dry_run: bool, break_links: bool) -> str:
    """Put back what was there, if the file, of digest `sha256`, still is what it was made into."""
    stamp = Stamp.of(path)
    if sha256 == entry.before.sha256:
        return "as it was"
    if sha256 != entry.after.sha256:
        return _undo_genre(entry, path, dry_run, break_links)
    check_writable(path, break_links=break_links)
    if not dry_run:
        with make_draft(path, copy=False) as draft:
            with path.open("rb") as new, draft.open("wb") as file:
                file.writelines(apply_delta(entry.delta, new))
            # proved on the draft, before the file is touched
            if digest(draft) != entry.before.sha256:
                raise TagError("the journal does not give back what was there: left as it was")
            finish_draft(draft, path, entry.before.mtime_ns)
            put_in_place(draft, path, stamp)
    return "restored"


def _undo_genre(entry: Entry, path: Path, dry_run: bool, break_links: bool) -> str:
    """Take back the genre alone where somebody has changed the file since, if it is still the one written."""
    stamp = Stamp.of(path)
    found = GenreTags(path)
    raw, before, after = found.raw, entry.before.genres, entry.after.genres
    # fields that were left alone may have any value by now
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if all(raw.get(name) == before.get(name) for name in changed):
        return "as it was"
    if any(raw.get(name) != after.get(name) for name in changed):
        raise TagError("its genre was changed by another program since: left as it is")
    restored = {**raw, **{name: before.get(name, []) for name in changed}}
    check_writable(path, break_links=break_links)
    if not dry_run:
        with make_draft(path) as draft:
            edit_tags(draft, lambda tags: tags.restore(restored))
            if not contains_tags(GenreTags(draft).other_tags, found.other_tags) or not same_sound(draft, path):
                raise TagError("other tags or the sound would have been altered: left as it was")
            finish_draft(draft, path, None)
            put_in_place(draft, path, stamp)
    return "genre restored"
