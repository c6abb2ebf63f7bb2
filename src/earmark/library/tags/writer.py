"""Writing genres into files so that nothing is ever lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from earmark.errors import AudioError, TagError
from earmark.library.tags.byte_delta import encode_delta
from earmark.library.tags.genre_tags import GenreTags
from earmark.library.tags.journal import Entry, Journal, State
from earmark.library.tags.safe_replace import (
    Stamp,
    check_writable,
    finish_draft,
    make_draft,
    put_in_place,
    resolve_links,
    system_errors_as_tag_errors,
)
from earmark.library.tags.values import TagValues


class GenreWriter:
    """Writes genres into files, each change in a journal first.

    A copy beside the file gets the tag. It is proved that the copy has the genres, all other tags, and the same
    encoded sound; only then, with the change in the journal and on the disk, does it take the file's place, at
    one stroke. Killed at any moment, a run leaves each file as it was or as it should be.

    Parameters
    ----------
    journal : Journal
    keep_mtime : bool
        Keep the modification time.
    break_links : bool
        Replace a file of several names (hard links) under this one; the others then keep what was there.
        Without, such a file is refused.
    """

    def __init__(self, journal: Journal, *, keep_mtime: bool = False, break_links: bool = False) -> None:
        self.journal = journal
        self.keep_mtime, self.break_links = keep_mtime, break_links

    def write(self, path: Path, values: TagValues, seen: Stamp | None = None) -> bool:
        """Write exactly these values into a file; moods that are there stay where there are none to write.

        Parameters
        ----------
        path : Path
            Of a symbolic link, the file that it leads to.
        values : TagValues
        seen : Stamp, optional
            Of the file when the values were chosen; if it is another by now, it is left alone.

        Returns
        -------
        bool
            False if there was nothing to write: the file has these values already.

        Raises
        ------
        TagError
            If it could not be written; the file then is what it was.
        """
        path = resolve_links(path)
        with system_errors_as_tag_errors():
            before = seen or Stamp.of(path)
            old = GenreTags(path)
            if old.holds(values):
                return False
            check_writable(path, break_links=self.break_links)
            with make_draft(path) as draft:
                entry = self._edit_draft(old, draft, values, before)
                # the order matters: a change is on the disk, in the journal, before the file is touched
                self.journal.intend(entry)
                try:
                    put_in_place(draft, path, before)
                except TagError:
                    self.journal.mark(entry, "dropped")
                    raise
                self.journal.mark(entry, "done")
        return True

    def _edit_draft(self, old: GenreTags, draft: Path, values: TagValues, before: Stamp) -> Entry:
        """Write the tags into the draft, and prove that they are the only thing that differs."""
        path = old.path
        edit_tags(draft, lambda tags: tags.write(values))
        new = GenreTags(draft)
        # moods that are there stay where there are none to write
        values = replace(values, moods=values.moods or old.values.moods)
        if not new.holds(values) or new.values.provenance != values.provenance:
            raise TagError("the genre does not read back as it was written: left as it was")
        if not contains_tags(new.other_tags, old.other_tags):
            raise TagError("other tags would have been altered: left as it was")
        if not same_sound(draft, path):
            raise TagError("the sound would have been altered: left as it was")
        # metadata last: writing the tag has touched the modification time
        mtime_ns = before.mtime_ns if self.keep_mtime else None
        finish_draft(draft, path, mtime_ns)
        was = State(digest(path), before.mtime_ns, old.raw)
        return Entry(str(path), was, State(digest(draft), mtime_ns, new.raw), encode_delta(path, draft))


def edit_tags(draft: Path, edit: Callable[[GenreTags], None]) -> None:
    """Edit a draft's tags; whatever a tag library stumbles over becomes a TagError."""
    try:
        edit(GenreTags(draft))
    except OSError:
        raise
    except Exception as error:
        raise TagError(f"the tag cannot be written ({error}): left as it was") from error


def contains_tags(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Return whether all tags that were there still are; where there was nothing, a library may put its name."""
    return all(new.get(key) == value for key, value in old.items() if value)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same_sound(one: Path, other: Path) -> bool:
    """Return whether two files hold the same sound; a TagError if it cannot be read.

    Every packet that FFmpeg would hand its decoder is compared, which takes a hundredth of decoding. Only where they
    differ are the samples: FFmpeg takes a tag at the end of an APE file for part of its last packet.
    """
    try:
        return any(hash_of(one) == hash_of(other) for hash_of in (_hash_packets, _hash_samples))
    except AudioError as error:
        raise TagError(f"its sound cannot be read ({error}): left as it was") from error


def _hash_packets(path: Path) -> str:
    from earmark.audio.decode import AudioFile

    with AudioFile(path) as recording:
        info = recording.info
        sha = hashlib.sha256(repr((info.codec, info.sample_rate, info.channels)).encode())
        for packet in recording.packets():
            sha.update(packet)
    return sha.hexdigest()


def _hash_samples(path: Path) -> str:
    from earmark.audio.decode import AudioFile

    sha = hashlib.sha256()
    with AudioFile(path) as recording:
        for block in recording.blocks(recording.info.sample_rate):
            sha.update(block.tobytes())
    return sha.hexdigest()
