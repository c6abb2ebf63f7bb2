"""Finding sound files below a folder, weighing them, and writing files whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
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
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(folder, name)


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
