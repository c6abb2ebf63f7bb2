"""Playlists: extended M3U in UTF-8, one for each genre."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from earmark.files import open_atomic
from earmark.library.vocabulary import Vocabulary

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict

_MODEL_NAMES = Vocabulary("model")

_MARK = "#GENERATOR:Earmark"
"""The second line of a playlist of ours, a comment to players; a file without it is somebody's own."""


class Playlist(NamedTuple):
    """A playlist: where, how many tracks, how many seconds of them; not written where somebody's own file is there."""

    path: Path
    tracks: int
    seconds: float
    written: bool = True


def write_playlists(
    folder: Path,
    verdicts: Iterable[Verdict],
    genres: Sequence[str],
    vocabulary: Vocabulary = _MODEL_NAMES,
    *,
    overwrite: bool = False,
) -> Iterator[Playlist]:
    """Write ``GENRE.m3u8`` for each genre that has tracks, each whole or not at all.

    Parameters
    ----------
    folder : Path
        Made where missing.
    verdicts : iterable of Verdict
        With absolute paths; unknown ones are in no list.
    genres : sequence of str
        Genres to write lists of; the list of one without tracks is emptied where there is one of ours from before.
    vocabulary : Vocabulary, optional
        The words for a verdict's genre; where it has several, the track is in the list of each. The model's own names
        when left out.
    overwrite : bool
        Whether to write over files of that name that are not of ours.

    Yields
    ------
    Playlist
    """
    tracks: dict[str, list[tuple[str, float | None]]] = {genre: [] for genre in genres}
    for verdict in verdicts:
        if verdict.genre and verdict.path:
            for word in vocabulary.translate(verdict.genre):
                if word in tracks:
                    tracks[word].append((verdict.path, verdict.duration))
    for genre, name in zip(genres, _make_file_names(genres), strict=True):
        path = folder / name
        # Without tracks, only a list of ours has something to lose.
        if tracks[genre] or (path.exists() and not _is_foreign(path)):
            yield write_playlist(path, genre, tracks[genre], overwrite=overwrite)


def write_playlist(
    path: Path, title: str, tracks: Sequence[tuple[str, float | None]], *, overwrite: bool = False
) -> Playlist:
    """Write one playlist, whole or not at all.

    Parameters
    ----------
    path : Path
    title : str
    tracks : sequence of (str, float or None)
        Absolute paths, and seconds where they are known.
    overwrite : bool
        Whether to write over a file that is not of ours.
    """
    length = sum(duration or 0.0 for _, duration in tracks)
    if _is_foreign(path) and not overwrite:
        return Playlist(path, len(tracks), length, written=False)
    with open_atomic(path) as file:
        file.write(f"#EXTM3U\n{_MARK}\n#PLAYLIST:{_to_line(title)}\n")
        for track, duration in tracks:
            # of an unknown duration players expect -1
            seconds = -1 if duration is None else round(duration)
            file.write(f"#EXTINF:{seconds},{_to_line(Path(track).stem)}\n{format_entry(track, path.parent)}\n")
    return Playlist(path, len(tracks), length)


def _is_foreign(path: Path) -> bool:
    """Tell whether something is there that we did not write."""
    try:
        with path.open("rb") as file:
            return [file.readline(100), file.readline(100)][1].strip() != _MARK.encode()
    except FileNotFoundError:
        return False
    # A folder of that name, or a file that may not be read.
    except OSError:
        return True


def format_entry(track: str, folder: Path) -> str:
    """Return how a playlist in a folder names a track: by a relative path where a player would read it rightly.

    Parameters
    ----------
    track : str
        Absolute path.
    folder : Path

    Returns
    -------
    str
        A path relative to `folder`; an absolute one on another drive; a ``file://`` address where the name
        has line breaks, blanks at its ends, bytes that are no text, or would be taken for something else.
    """
    try:
        path = os.path.relpath(track, folder)
    except ValueError:  # on another drive
        path = track
    # a player would strip it, take it for a comment or an address, or lose it at a line break
    odd = path != path.strip() or path.startswith("#") or "://" in path or not path.isprintable()
    return Path(track).as_uri() if odd else path


def _to_line(text: str) -> str:
    """Return a title as text that stays on its line."""
    # bytes that are no text, surrogates in Python, become U+FFFD
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in shown)


def _make_file_names(genres: Sequence[str]) -> Iterator[str]:
    """Yield a name for each genre that any file system takes, no two alike."""
    used: set[str] = set()
    for genre in genres:
        plain = re.sub(r'[\x00-\x1f<>:"/\\|?*\ud800-\udfff]', "-", genre).strip(" .") or "genre"
        # file systems take 255 bytes
        plain = name = plain.encode()[:200].decode("utf-8", "ignore")
        number = 1
        while name.casefold() in used:
            number += 1
            name = f"{plain} {number}"
        # some file systems do not tell capitals from small letters
        used.add(name.casefold())
        yield name + ".m3u8"
