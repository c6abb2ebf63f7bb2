"""A music library as a corpus: each file's own tags say its genre and its artist."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from earmark.data.corpus import Corpus, Track, make_tracks, name_corpus
from earmark.data.known_genres import assign_known_genres
from earmark.data.rare_genres import MIN_TRACKS, Assignment, Rare, assign_common_genres
from earmark.errors import CorpusError, SettingError, format_count
from earmark.files import walk
from earmark.library.tags.file_tags import FileTags, read_file_tags
from earmark.library.tags.genre_tags import require_mediafile
from earmark.library.tags.spelling import unify_spellings


def open_tag_corpus(
    folder: str | os.PathLike[str],
    *,
    min_tracks: int = MIN_TRACKS,
    rare: Rare = "drop",
    known: Sequence[str] | None = None,
    jobs: int = 1,
    on_file: Callable[[Path], None] | None = None,
) -> Corpus:
    """Open a folder of tagged music as a corpus, wherever below it the files lie.

    Spellings that differ in case, blanks and hyphens only are one genre, called as it is most often. A track
    gets the first of its genres that is common enough. Files without a genre tag, or whose tags cannot be read, are
    left out; the corpus's notes say how many.

    Parameters
    ----------
    folder : path
    min_tracks, rare : int, {"drop", "merge"}
        What is rare, and what becomes of it; see :func:`earmark.data.rare_genres.assign_common_genres`.
    known : sequence of str, optional
        Labels of a model to be evaluated: they, and not `min_tracks` and `rare`, then say which genres count;
        see :func:`earmark.data.known_genres.assign_known_genres`.
    jobs : int
        Files read at once.
    on_file : callable, optional
        Called after each file.

    Raises
    ------
    SettingError
        If it is a file, such as a list that names its genres itself.
    CorpusError
        If there is no such folder, no file with a genre, or no genre with enough tracks.
    MissingExtra
        If the packages of the extra "tags" are not installed.
    """
    folder = Path(folder)
    if folder.is_file():
        raise SettingError(
            f"{folder} is a file, but genre tags are read from a folder of music: give a folder, or leave out "
            "--labels tags (lists and arrays name their genres themselves)"
        )
    if not folder.is_dir():
        raise CorpusError(f"no folder {folder}: genre tags are read from the sound files below a folder")
    require_mediafile("labels from tags")
    files = _read_all(walk(folder), jobs, on_file)
    usable = [file for file in files if file.genres]
    if not usable:
        lacking = f"none of {format_count(len(files), 'file')} has a genre tag" if files else "no sound files below it"
        raise CorpusError(
            f"{folder}: {lacking}; tag some first, or sort them into folders by genre and leave out --labels tags"
        )
    choices = unify_spellings([file.genres for file in usable], known or ())
    if known is None:
        filed = assign_common_genres(choices, min_tracks, rare)
    else:
        filed = Assignment(assign_known_genres(choices, known))
    paths = [Path(file.path) for file in usable]
    named = zip(paths, filed.genres, usable, strict=True)
    rows = [(path, genre, file.known_artist) for path, genre, file in named if genre]
    tracks = _add_others(make_tracks(rows, folder), dict(zip(paths, choices, strict=True)))
    return Corpus(f"{name_corpus(folder)}, by its tags", tracks, _describe_untagged(files) + filed.notes)


def _add_others(tracks: Sequence[Track], choices: Mapping[Path | None, Sequence[str]]) -> tuple[Track, ...]:
    """Give each track the rest of its file's genres, of those that are the first of some track."""
    common = {track.genre for track in tracks}
    return tuple(
        replace(track, others=tuple(name for name in choices[track.path] if name in common - {track.genre}))
        for track in tracks
    )


def read_origins(corpus: Corpus, jobs: int = 1) -> Corpus:
    """Return a corpus whose tracks bear the artists and albums that the tags of their files name."""
    paths = [track.path for track in corpus.tracks if track.path and not track.album]
    tags = {Path(file.path): file for file in _read_all(paths, jobs, None)}
    tracks = (
        replace(track, artist=track.artist or tags[track.path].known_artist, album=_name_album(tags[track.path]))
        if track.path in tags
        else track
        for track in corpus.tracks
    )
    return replace(corpus, tracks=tuple(tracks))


def _name_album(tags: FileTags) -> str:
    """Return an album with its artist, as many are called alike."""
    return tags.album and f"{tags.album} ({tags.albumartist})"


def _read_all(paths: Iterable[Path], jobs: int, on_file: Callable[[Path], None] | None) -> list[FileTags]:
    files = []
    # threads: reading tags mostly waits for disks and networks
    with ThreadPoolExecutor(jobs) as pool:
        for file in pool.map(read_file_tags, paths):
            files.append(file)
            if on_file:
                on_file(Path(file.path))
    return files


def _describe_untagged(files: list[FileTags]) -> tuple[str, ...]:
    """Say how many files had no genre."""
    without = [file for file in files if not file.genres]
    if not without:
        return ()
    unreadable = sum(not file.readable for file in without)
    why = f" ({unreadable} of them cannot be read)" if unreadable else ""
    return (f"left out {len(without)} of {format_count(len(files), 'file')}, without a genre tag{why}",)
