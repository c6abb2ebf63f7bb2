"""Finding sound files below a folder, weighing them, and writing files whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_NAMES = """
3g2 3gp aac ac3 aif aifc aiff amr ape au caf dff dsf flac m4a m4b mka mkv mov mp2 mp3 mp4 mpc mpeg mpg oga ogg ogv
opus ra rm snd spx tta w64 wav wave weba webm wma wmv wv
"""

SUFFIXES = frozenset("." + name for name in _NAMES.split())
"""What is taken for sound when a folder is walked; a file named outright is always tried."""

FEW, LITTLE = 15, 20_000_000
"""Files, and bytes of them together, that are done before processes would have started."""


def walk(root: str | os.PathLike[str]) -> Iterator[Path]:
    """All sound files below a folder, in sorted order.

    Hidden files and folders are left out, and links to folders are not followed.

    Parameters
    ----------
    root : path

    Yields
    ------
    Path
    """
    for entry in scan(root):
        yield Path(entry.path)


def scan(
    root: str | os.PathLike[str],
    left_out: Callable[[os.DirEntry[str], bool], bool] | None = None,
    on_error: Callable[[OSError], None] | None = None,
) -> Iterator[os.DirEntry[str]]:
    """Find what :func:`walk` finds, as directory entries, whose sizes and times cost little.

    Parameters
    ----------
    root : path
    left_out : callable, optional
        Given an entry and whether it is a folder, says whether to pass it over.
    on_error : callable, optional
        Told of folders that cannot be read; they are passed over.

    Yields
    ------
    os.DirEntry
        Of each folder first its files, then what is in its folders.
    """
    pending = [os.fspath(root)]
    while pending:
        try:
            with os.scandir(pending.pop()) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if on_error:
                on_error(error)
            continue
        folders: list[str] = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            folder = _is_folder(entry)
            if left_out and left_out(entry, folder):
                continue
            if not folder and os.path.splitext(entry.name)[1].lower() in SUFFIXES:  # noqa: PTH122 (pathlib is slow)
                yield entry
            elif folder and not entry.is_symlink():
                folders.append(entry.path)
        pending.extend(reversed(folders))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def little(paths: Sequence[str | os.PathLike[str]]) -> bool:
    """Say whether these files are so few and small that processes are not worth starting for them."""
    return len(paths) <= FEW and sum(map(_size, paths)) < LITTLE


def _size(path: str | os.PathLike[str]) -> int:
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):
        return 0


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all: give another name to write to, and put that in place if all goes well.

    Parameters
    ----------
    path : Path
        The file to be; its folder is made where missing.

    Yields
    ------
    Path
        A name beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
