"""Find sound files below a folder; write files whole or not at all; make names fit for anchors."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TextIO

from earmark.errors import SettingError, reason_of

_NAMES = """
3g2 3gp aac ac3 aif aifc aiff amr ape au caf dff dsf flac m4a m4b mka mkv mov mp2 mp3 mp4 mpc mpeg mpg oga ogg ogv
opus ra rm snd spx tta w64 wav wave weba webm wma wmv wv
"""

SUFFIXES = frozenset("." + name for name in _NAMES.split())
"""Suffixes of sound files when a folder is walked; a file named outright is always tried."""


def is_hidden(name: str) -> bool:
    """Tell whether a name is passed over when a folder is walked: hidden, or what a Synology keeps of its own."""
    return name.startswith(".") or name == "@eaDir"


def walk(
    root: str | os.PathLike[str],
    *,
    within: Iterable[str | os.PathLike[str]] | None = None,
    on_error: Callable[[Path, str], None] | None = None,
) -> Iterator[Path]:
    """Yield all sound files below a folder, in sorted order.

    Hidden files and folders (:func:`is_hidden`) are left out. Links to folders are not followed, so no loop is entered,
    nor is a folder that contains itself otherwise (mounted below itself, say).

    Parameters
    ----------
    root : path
        Followed if it is a link itself: it was named.
    within : iterable of path, optional
        Folders that links to files must not lead out of; they may lead anywhere when left out.
    on_error : callable, optional
        Called with the path, and what is wrong in words, of folders that cannot be read and of links that lead out.
    """
    for entry in scan(root, within=within, on_error=on_error):
        yield Path(entry.path)


def scan(
    root: str | os.PathLike[str],
    *,
    within: Iterable[str | os.PathLike[str]] | None = None,
    on_error: Callable[[Path, str], None] | None = None,
    exclude: Callable[[os.DirEntry[str], bool], bool] | None = None,
) -> Iterator[os.DirEntry[str]]:
    """Yield what :func:`walk` finds as directory entries, whose sizes and times cost little.

    Of each folder, its files come first, then what is in its folders. `exclude`, given an entry and whether it is a
    folder, returns whether to pass it over; the other parameters are those of :func:`walk`.
    """
    report = on_error or (lambda path, words: None)
    allowed = None if within is None else [os.path.realpath(folder) for folder in within]
    pending: list[tuple[str, frozenset[tuple[int, int]]]] = [(os.fspath(root), frozenset())]
    # no recursion: trees may be deeper than Python's stack
    while pending:
        folder, above = pending.pop()
        try:
            status = os.stat(folder)
            files, folders = _list_folder(folder, exclude)
        except OSError as error:
            report(Path(folder), f"folder cannot be read ({reason_of(error)})")
            continue
        here = (status.st_dev, status.st_ino)
        # a folder inside itself; some network drives number nothing
        if here in above and status.st_ino:
            continue
        for entry in files:
            if allowed is not None and entry.is_symlink() and not _inside(entry.path, allowed):
                report(Path(entry.path), "is a link out of the folders given: name it outright to follow it")
            else:
                yield entry
        # the last one is popped first: reversed, folders come in the order of their names
        pending.extend((entry.path, above | {here}) for entry in reversed(folders))


def _list_folder(
    folder: str, exclude: Callable[[os.DirEntry[str], bool], bool] | None
) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """Return the sound files and the folders in a folder, sorted by name."""
    with os.scandir(folder) as found:
        entries = sorted((entry for entry in found if not is_hidden(entry.name)), key=lambda entry: entry.name)
    files: list[os.DirEntry[str]] = []
    folders: list[os.DirEntry[str]] = []
    for entry in entries:
        is_folder = _is_folder(entry)
        # a link to a folder may lead back up, and round for ever
        wanted = not entry.is_symlink() if is_folder else os.path.splitext(entry.name)[1].lower() in SUFFIXES
        if wanted and not (exclude and exclude(entry, is_folder)):
            (folders if is_folder else files).append(entry)
    return files, folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say: opening it will tell
        return False


def _inside(path: str, folders: Sequence[str]) -> bool:
    """Tell whether a link leads below one of the folders; a broken one counts as inside: opening it will tell."""
    target = os.path.realpath(path)
    # join adds a slash: /music must not match /musicals
    return not os.path.exists(path) or any(target.startswith(os.path.join(folder, "")) for folder in folders)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all: yield a name beside it to write to, and move that there if all goes well.

    The folder of `path` is made where missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # in the same folder, for a rename is atomic only within a file system; the number keeps runs apart
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        if error.filename == str(partial):
            # the name that people know
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def open_atomic(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file that appears when it is whole (:func:`replacing`); surrogates become their bytes."""
    with (
        replacing(path) as partial,
        partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        yield file


def find_free_name(path: Path) -> Path:
    """Return a path where nothing is yet: `path`, or else with -2, -3 and so on before the suffix."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(free for free in chain([path], numbered) if not os.path.lexists(free))


def slug(name: str) -> str:
    """Return a name as part of an anchor; different names stay different.

    Examples
    --------
    >>> slug("lstm-2x250"), slug("a b")
    ('lstm-2x250', 'a-b-806c5cd3')
    """
    plain = re.sub(r"[^A-Za-z0-9-]", "-", name)
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode('utf-8', 'surrogateescape')):08x}"


def refuse_edits(path: Path) -> None:
    """Raise :class:`SettingError` for a file that is there: people edit such files after Earmark has written them."""
    if path.exists():
        raise SettingError(f"{path} is there already, and may hold your edits: give another name, or delete it")
