"""What was named on the command line → sound files → their verdicts."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from earmark.inference.classifier import Tagger
    from earmark.inference.verdict import Verdict

STDIN = "-"
"""Stands for names that come from standard input; a file of this name is ``./-``."""


def verdicts(
    tagger: Tagger,
    paths: Iterable[str],
    *,
    jobs: int = 1,
    preview: bool = False,
    exclude: Sequence[str] = (),
    null: bool = False,
    wanted: Callable[[str], bool] | None = None,
) -> Iterator[Verdict]:
    """Verdicts of files and of all audio in folders; a folder without any is an error of its own.

    Files that are not `wanted` are passed over before anything is decoded.
    """
    search = Search(paths, exclude=exclude, null=null)
    files = (path for path, _ in search if wanted is None or wanted(path))
    yield from tagger.classify_many(files, jobs=jobs, preview=preview)
    yield from search.failures(tagger.card.name)


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
    """

    def __init__(self, paths: Iterable[str], *, exclude: Sequence[str] = (), null: bool = False) -> None:
        self.paths = list(paths) or [STDIN] * null
        self.null = null
        self.problems: list[tuple[str, str]] = []
        self.exclude = exclude
        self._excluded = _matcher(exclude)
        self._folders = [path for path in self.paths if os.path.isdir(path)]  # noqa: PTH112 (Path raises, see below)

    def __iter__(self) -> Iterator[tuple[str, os.stat_result | None]]:
        names = self.paths
        if len(names) == 1 and names[0] != STDIN and not _is_pattern(names[0]):  # cannot name a file twice
            yield from self._below(names[0])
            return
        seen: set[str] = set()
        for name in self._names():
            for path, status in self._below(name):
                key = os.path.abspath(path)  # noqa: PTH100 (Path.absolute keeps '..')
                if key not in seen:
                    seen.add(key)
                    yield path, status

    def count(self) -> int | None:
        """How many files there are, by going through them once more; None where names come from elsewhere."""
        if STDIN in self.paths:
            return None
        return sum(1 for _ in Search(self.paths, exclude=self.exclude))

    def failures(self, model: str) -> Iterator[Verdict]:
        """Say of :attr:`problems` what they are, as the last verdicts."""
        from earmark.inference.verdict import Verdict

        for path, why in self.problems:
            yield Verdict.failed(model, path, why)

    def _names(self) -> Iterator[str]:
        for path in self.paths:
            if path == STDIN:
                yield from _lines(sys.stdin.buffer, b"\0" if self.null else b"\n")
            elif _is_pattern(path):
                yield from sorted(glob.glob(path, recursive=True)) or [path]  # noqa: PTH207 (Path has no absolute patterns)
            else:
                yield path

    def _below(self, name: str) -> Iterator[tuple[str, os.stat_result | None]]:
        """One file, or all below a folder."""
        if not os.path.isdir(name):  # noqa: PTH112 (Path raises where a name is too long)
            if not self._excluded(name):
                yield name, _status(name)
            return
        from earmark.files import scan

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
            yield path, _status(entry)
        if not found and len(self.problems) == unread:
            self.problems.append((name, "no audio files in this folder"))


def _matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path, with a slash at the end if it is a folder's, is left out."""
    if not patterns:
        return lambda path: False
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns).match_file


def _is_pattern(path: str) -> bool:
    """Whether it is a pattern: no shell expands them on Windows, nor anywhere in quotes. A file's name goes first."""
    return glob.has_magic(path) and not os.path.lexists(path)


def _status(file: str | os.DirEntry[str]) -> os.stat_result | None:
    try:
        return os.stat(file) if isinstance(file, str) else file.stat()  # noqa: PTH116 (Path raises for odd names)
    except (OSError, ValueError):
        return None


def _lines(stream: BinaryIO, end: bytes) -> Iterator[str]:
    """Names as they come, whatever bytes they are of; empty ones are passed over."""
    rest = b""
    while block := stream.read1(65536):  # type: ignore[attr-defined]
        *names, rest = (rest + block).split(end)
        yield from map(_name, filter(None, names))
    if rest:
        yield _name(rest)


def _name(line: bytes) -> str:
    return os.fsdecode(line.removesuffix(b"\r") if os.name == "nt" else line)
