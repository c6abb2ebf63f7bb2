"""Writing genres into files so that nothing is ever lost, and taking them back out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import AudioError, TagError
from earmark.library.tags.byte_delta import delta, restored
from earmark.library.tags.genre_tags import GenreTags
from earmark.library.tags.journal import Entry, Journal, State
from earmark.library.tags.safe_replace import (
    Stamp,
    check_writable,
    draft_of,
    finish,
    put_in_place,
    reason,
    remove_drafts,
    resolved,
)


class GenreWriter:
    """Writes genres into files, each change in a journal first.

    A copy beside the file gets the tag. It is proved that the copy has the genres, all other tags, and the same
    encoded sound; only then, with the change in the journal and on the disk, does it take the file's place, at
    one stroke. Killed at any moment, a run leaves each file as it was or as it should be.

    Parameters
    ----------
    journal : Journal
    overwrite : bool
        Write over genres that are there.
    keep_mtime : bool
        Keep the modification time.
    break_links : bool
        Replace a file of several names (hard links) under this one; the others then keep what was there.
        Without, such a file is refused.
    """

    def __init__(
        self, journal: Journal, *, overwrite: bool = False, keep_mtime: bool = False, break_links: bool = False
    ) -> None:
        self.journal, self.overwrite = journal, overwrite
        self.keep_mtime, self.break_links = keep_mtime, break_links

    def wants(self, tags: GenreTags) -> bool:
        """Say, before anything is listened to, whether a file may get a genre.

        Parameters
        ----------
        tags : GenreTags
            Of the file, links resolved.

        Returns
        -------
        bool
            False if it has one, and keeps it.

        Raises
        ------
        TagError
            If the file could not be written.
        """
        if tags.genres and not self.overwrite:
            return False
        check_writable(tags.path, break_links=self.break_links)
        return True

    def write(self, path: Path, genres: tuple[str, ...], seen: Stamp | None = None) -> bool:
        """Write genres into a file.

        Parameters
        ----------
        path : Path
            Of a symbolic link, the file that it leads to.
        genres : tuple of str
        seen : Stamp, optional
            Of the file when it was listened to; if it is another by now, it is left alone.

        Returns
        -------
        bool
            False if there was nothing to write: the file has a genre and keeps it, or has these already.

        Raises
        ------
        TagError
            If it could not be written; the file then is what it was.
        """
        path = resolved(path)
        try:
            before = seen or Stamp.of(path)
            old = GenreTags(path)
            if not self.wants(old) or old.raw.get("main") == list(genres):
                return False
            with draft_of(path) as draft:
                entry = self._altered(old, draft, genres, before)
                self.journal.intend(entry)
                self._replace(draft, path, before, entry)
        except OSError as error:
            if isinstance(error, TagError):
                raise
            raise TagError(reason(error)) from error
        return True

    def _altered(self, old: GenreTags, draft: Path, genres: tuple[str, ...], before: Stamp) -> Entry:
        """Write the tag into the draft, and prove that it is the only thing that differs."""
        path = old.path
        _edit(draft, genres)
        new = GenreTags(draft)
        if tuple(new.raw.get("main", ())) != genres:
            raise TagError("the genre does not read back as it was written: left as it was")
        if not _contains(new.others, old.others):
            raise TagError("other tags would have been altered: left as it was")
        if not same_sound(draft, path):
            raise TagError("the sound would have been altered: left as it was")
        mtime_ns = before.mtime_ns if self.keep_mtime else None
        finish(draft, path, mtime_ns)
        was = State(digest(path), before.mtime_ns, old.raw)
        return Entry(str(path), was, State(digest(draft), mtime_ns, new.raw), delta(path, draft))

    def _replace(self, draft: Path, path: Path, before: Stamp, entry: Entry) -> None:
        try:
            put_in_place(draft, path, before)
        except TagError:
            self.journal.mark(entry, "dropped")
            raise
        self.journal.mark(entry, "done")


@dataclass(frozen=True)
class Undone:
    """What became of a change that was to be undone.

    Attributes
    ----------
    entry : Entry
    outcome : str
        "restored" (byte for byte), "genre restored" (others had changed the file since), "as it was" or "failed".
    error : str or None
        Why it failed.
    """

    entry: Entry
    outcome: str
    error: str | None = None


def undo(entries: list[Entry], *, dry_run: bool = False, break_links: bool = False) -> Iterator[Undone]:
    """Take changes back, the last one first; what has been taken back already is passed over.

    Parameters
    ----------
    entries : list of Entry
        As :func:`earmark.library.tags.journal.read_journal` gives them.
    dry_run : bool
        Only say what would become of them.
    break_links : bool
        As of :class:`GenreWriter`.

    Yields
    ------
    Undone
    """
    cleaned: set[Path] = set()
    pretended: dict[Path, str] = {}  # in a dry run: what a file would be by now
    for entry in reversed(entries):
        path = Path(entry.path)
        try:
            if path.parent not in cleaned and not dry_run:
                cleaned.add(path.parent)
                remove_drafts(path.parent)
            found = pretended.get(path) or digest(path)
            outcome = _undo(entry, path, found, dry_run, break_links)
            if dry_run and outcome == "restored":
                pretended[path] = entry.before.sha256
            yield Undone(entry, outcome)
        except OSError as error:
            yield Undone(entry, "failed", str(error) if isinstance(error, TagError) else reason(error))


def _undo(entry: Entry, path: Path, found: str, dry_run: bool, break_links: bool) -> str:
    """Put back what was there, if the file of digest `found` is still what it was made into."""
    stamp = Stamp.of(path)
    if found == entry.before.sha256:
        return "as it was"
    if found != entry.after.sha256:
        return _undo_genre(entry, path, dry_run, break_links)
    check_writable(path, break_links=break_links)
    if not dry_run:
        with draft_of(path, copy=False) as draft:
            with path.open("rb") as new, draft.open("wb") as file:
                file.writelines(restored(entry.delta, new))
            if digest(draft) != entry.before.sha256:
                raise TagError("the journal does not give back what was there: left as it was")
            finish(draft, path, entry.before.mtime_ns)
            put_in_place(draft, path, stamp)
    return "restored"


def _undo_genre(entry: Entry, path: Path, dry_run: bool, break_links: bool) -> str:
    """Somebody has changed the file since: if its genre is still ours, take that back and leave the rest."""
    stamp = Stamp.of(path)
    there = GenreTags(path)
    if there.raw == entry.before.genres:
        return "as it was"
    if there.raw != entry.after.genres:
        raise TagError("its genre was changed by another program since: left as it is")
    check_writable(path, break_links=break_links)
    if not dry_run:
        with draft_of(path) as draft:
            _restore(draft, entry)
            if not _contains(GenreTags(draft).others, there.others) or not same_sound(draft, path):
                raise TagError("other tags or the sound would have been altered: left as it was")
            finish(draft, path, None)
            put_in_place(draft, path, stamp)
    return "genre restored"


def _edit(draft: Path, genres: tuple[str, ...]) -> None:
    with _as_tag_error():
        GenreTags(draft).write(genres)


def _restore(draft: Path, entry: Entry) -> None:
    with _as_tag_error():
        GenreTags(draft).restore(entry.before.genres)


@contextmanager
def _as_tag_error() -> Iterator[None]:
    """Make whatever a tag library stumbles over an outcome for this file."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise TagError(f"the tag cannot be written ({error}): left as it was") from error


def _contains(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether all that was there still is; where there was nothing, a library may put its name."""
    return all(new.get(key) == value for key, value in old.items() if value)


def digest(path: Path) -> str:
    """SHA-256 of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        Hexadecimal.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same_sound(one: Path, other: Path) -> bool:
    """Say whether two files hold the same sound.

    Every packet that FFmpeg would hand its decoder is compared, which takes a hundredth of decoding. Only where they
    differ are the samples: FFmpeg takes a tag at the end of an APE file for part of its last packet.

    Parameters
    ----------
    one, other : Path

    Returns
    -------
    bool

    Raises
    ------
    TagError
        If the sound cannot be read.
    """
    try:
        return any(hashed(one) == hashed(other) for hashed in (_packets, _samples))
    except AudioError as error:
        raise TagError(f"its sound cannot be read ({error}): left as it was") from error


def _packets(path: Path) -> str:
    from earmark.audio.decode import AudioFile

    sha = hashlib.sha256()
    with AudioFile(path) as recording:
        sha.update(repr((recording.info.codec, recording.info.sample_rate, recording.info.channels)).encode())
        for packet in recording.packets():
            sha.update(packet)
    return sha.hexdigest()


def _samples(path: Path) -> str:
    from earmark.audio.decode import AudioFile

    sha = hashlib.sha256()
    with AudioFile(path) as recording:
        for block in recording.blocks(recording.info.sample_rate):
            sha.update(block.tobytes())
    return sha.hexdigest()
