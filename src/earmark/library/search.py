"""Finding the sound files that somebody names: files, folders, patterns, names from standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict

STDIN = "-"
"""Stands for names that come from standard input; a file of this name is ``./-``."""


class Search:
    """Finds what was named: files, folders, patterns that no shell has expanded, names from standard input.

    Iterating gives each file once, under the name that leads to it first, with its size and times (None where
    there is no such file). Nothing is held but, where several names were given, the names.

    Parameters
    ----------
    paths : iterable of str
        ``-`` stands for names from standard input, one a line.
    exclude : sequence of str
        Patterns as in a ``.gitignore``, for files as they are named and for what is below folders.
    null : bool
        Names from standard input end with a NUL character; without `paths`, they are read from there.

    Attributes
    ----------
    problems : list of (str, str)
        After iterating: what below folders, or which folders, gave nothing, and why.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.mp3", "b.flac", "cover.jpg"):
    ...         _ = Path(folder, name).write_bytes(b"")
    ...     [(Path(path).name, status.st_size) for path, status in Search([folder], exclude=["*.flac"])]
    [('a.mp3', 0)]
    """

    def __init__(self, paths: Iterable[str], *, exclude: Sequence[str] = (), null: bool = False) -> None:
        self.paths = list(paths) or [STDIN] * null
        self.null = null
        self.problems: list[tuple[str, str]] = []
        self.exclude = exclude
        self._excluded = make_matcher(exclude)
        self._folders = [path for path in self.paths if os.path.isdir(path)]  # noqa: PTH112 (Path raises, see below)

    def __iter__(self) -> Iterator[tuple[str, os.stat_result | None]]:
        # one name cannot name a file twice: then nothing need be remembered, however large the folder
        if len(self.paths) == 1 and self.paths[0] != STDIN and not _is_pattern(self.paths[0]):
            yield from self._find_below(self.paths[0])
            return
        seen: set[str] = set()
        for name in self._iterate_names():
            for path, status in self._find_below(name):
                # by name, links unresolved: a link counts as a file of its own
                key = os.path.abspath(path)  # noqa: PTH100 (Path.absolute keeps '..')
                if key not in seen:
                    seen.add(key)
                    yield path, status

    def count(self) -> int | None:
        """Count the files, by going through them once more; None where names come from standard input."""
        if STDIN in self.paths:
            return None
        return sum(1 for _ in Search(self.paths, exclude=self.exclude))

    def failures(self, model: str) -> Iterator[Verdict]:
        """Yield the :attr:`problems` as verdicts that failed."""
        from earmark.inference.verdict import Verdict

        for path, why in self.problems:
            yield Verdict.from_error(model, path, why)

    def _iterate_names(self) -> Iterator[str]:
        for path in self.paths:
            if path == STDIN:
                yield from _split_names(sys.stdin.buffer, b"\0" if self.null else b"\n")
            elif _is_pattern(path):
                yield from sorted(glob.glob(path, recursive=True)) or [path]  # noqa: PTH207 (Path has no absolute patterns)
            else:
                yield path

    def _find_below(self, name: str) -> Iterator[tuple[str, os.stat_result | None]]:
        """Yield one file, or all below a folder."""
        if not os.path.isdir(name):  # noqa: PTH112 (Path raises where a name is too long)
            if not self._excluded(name):
                yield name, _stat(name)
            return
        from earmark.files import scan

        # without a slash at the end, nor "./" before it; "." itself is taken off below
        root = str(Path(name))
        start = len(os.path.join(root, ""))  # noqa: PTH118
        found, unread = False, len(self.problems)
        entries = scan(
            root,
            within=[name, *self._folders],
            on_error=lambda path, words: self.problems.append((str(path), words)),
            exclude=lambda entry, folder: self._excluded(entry.path[start:] + "/" * folder),
        )
        for entry in entries:
            found = True
            path = entry.path if root != "." else entry.path[start:]
            yield path, _stat(entry)
        if not found and len(self.problems) == unread:
            self.problems.append((name, "no audio files in this folder"))


def make_matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return what says of a path, with a slash at the end if it is a folder's, whether it is left out."""
    if not patterns:
        return lambda path: False
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns).match_file


def _is_pattern(path: str) -> bool:
    """Return whether it is a pattern, which no shell expands on Windows or in quotes; a file's name goes first."""
    return glob.has_magic(path) and not os.path.lexists(path)


def _stat(file: str | os.DirEntry[str]) -> os.stat_result | None:
    try:
        return os.stat(file) if isinstance(file, str) else file.stat()  # noqa: PTH116 (Path raises for odd names)
    except (OSError, ValueError):
        return None


def _split_names(stream: BinaryIO, end: bytes) -> Iterator[str]:
    """Yield names as they come, whatever bytes they are of; empty ones are passed over."""
    rest = b""
    # read1 gives what has come; read would wait for a full block
    while block := stream.read1(65536):  # type: ignore[attr-defined]
        if end != b"\0" and b"\0" in block:
            raise SettingError(
                "standard input holds no names, one a line, but other data: 'earmark listen -' takes sound, and -0 "
                "names that end with NUL, as of 'find -print0'"
            )
        # the last piece may be half a name: it waits for the next block
        *names, rest = (rest + block).split(end)
        yield from map(_decode_name, filter(None, names))
    if rest:
        yield _decode_name(rest)


def _decode_name(line: bytes) -> str:
    # on Windows lines end with CR LF; elsewhere a CR may belong to the name
    return os.fsdecode(line.removesuffix(b"\r") if os.name == "nt" else line)
