"""Finding sound files below a folder, weighing them, and writing files whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from earmark.listen.bytestream import reason_of

_NAMES = """
3g2 3gp aac ac3 aif aifc aiff amr ape au caf dff dsf flac m4a m4b mka mkv mov mp2 mp3 mp4 mpc mpeg mpg oga ogg ogv
opus ra rm snd spx tta w64 wav wave weba webm wma wmv wv
"""

SUFFIXES = frozenset("." + name for name in _NAMES.split())
"""What is taken for sound when a folder is walked; a file named outright is always tried."""

FEW, LITTLE = 15, 20_000_000
"""Files, and bytes of them together, that one process has done before several would have started."""


def walk(
    root: str | os.PathLike[str],
    *,
    within: Iterable[str | os.PathLike[str]] | None = None,
    on_error: Callable[[Path, str], None] | None = None,
) -> Iterator[Path]:
    """All sound files below a folder, in sorted order.

    Hidden files and folders are left out. Links to folders are not followed, so no loop is entered, nor a folder
    that contains itself otherwise (mounted below itself, say).

    Parameters
    ----------
    root : path
        If it is a link itself, it is followed: it was named.
    within : iterable of path, optional
        Folders that links to files must not lead out of. Left out, they may lead anywhere.
    on_error : callable, optional
        Called with the path, and with what is wrong in words, of folders that cannot be read and of links that lead
        out. Left out, these are passed over.

    Yields
    ------
    Path
    """
    for entry in scan(root, within=within, on_error=on_error):
        yield Path(entry.path)


def scan(
    root: str | os.PathLike[str],
    *,
    within: Iterable[str | os.PathLike[str]] | None = None,
    on_error: Callable[[Path, str], None] | None = None,
    left_out: Callable[[os.DirEntry[str], bool], bool] | None = None,
) -> Iterator[os.DirEntry[str]]:
    """Find what :func:`walk` finds, as directory entries, whose sizes and times cost little.

    Parameters
    ----------
    root, within, on_error
        As in :func:`walk`.
    left_out : callable, optional
        Given an entry and whether it is a folder, says whether to pass it over.

    Yields
    ------
    os.DirEntry
        Of each folder first its files, then what is in its folders.
    """
    report = on_error or (lambda path, words: None)
    allowed = None if within is None else [os.path.realpath(folder) for folder in within]
    pending: list[tuple[str, frozenset[tuple[int, int]]]] = [(os.fspath(root), frozenset())]
    while pending:  # no recursion: trees may be deeper than Python's stack
        folder, above = pending.pop()
        try:
            status = os.stat(folder)
            files, folders = _listed(folder, left_out)
        except OSError as error:
            report(Path(folder), f"folder cannot be read ({reason_of(error)})")
            continue
        here = (status.st_dev, status.st_ino)
        if here in above and status.st_ino:  # some network drives number nothing
            continue
        for entry in files:
            if allowed is not None and entry.is_symlink() and not _inside(entry.path, allowed):
                report(Path(entry.path), "is a link out of the folders given: name it outright to follow it")
            else:
                yield entry
        pending.extend((entry.path, above | {here}) for entry in reversed(folders))


def _listed(
    folder: str, left_out: Callable[[os.DirEntry[str], bool], bool] | None
) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """Sound files and folders in a folder, by name."""
    with os.scandir(folder) as found:
        entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
    files: list[os.DirEntry[str]] = []
    folders: list[os.DirEntry[str]] = []
    for entry in entries:
        if is_folder := _is_folder(entry):
            wanted = not entry.is_symlink()
        else:
            wanted = os.path.splitext(entry.name)[1].lower() in SUFFIXES
        if wanted and not (left_out and left_out(entry, is_folder)):
            (folders if is_folder else files).append(entry)
    return files, folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say: whoever opens it will see
        return False


def _inside(path: str, folders: Sequence[str]) -> bool:
    """Whether what a link leads to lies below one of the folders; a broken one is for the reader to report."""
    target = os.path.realpath(path)
    return not os.path.exists(path) or any(target.startswith(os.path.join(folder, "")) for folder in folders)


def patience(path: str | os.PathLike[str]) -> float:
    """Seconds that a file may keep a process busy, see :func:`allowance`."""
    return allowance(_size(path))


def allowance(size: int) -> float:
    """Seconds that so many bytes may keep a process busy: a minute, and a second more for each 50 kB.

    A slow machine hears a second of the most tightly packed music (6 kB) in a fiftieth of that.

    Parameters
    ----------
    size : int
        Bytes.

    Returns
    -------
    float
    """
    return 60 + size / 50_000


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
    except OSError as error:
        if error.filename == str(partial):
            error.filename = str(path)  # which is the name that people know
        raise
    finally:
        partial.unlink(missing_ok=True)
