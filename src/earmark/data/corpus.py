"""Corpora: tracks with a genre each, from folders, a manifest, or arrays of spectrograms."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.data import gtzan
from earmark.errors import CorpusError
from earmark.files import walk


@dataclass(frozen=True)
class Track:
    """One track of a corpus.

    Attributes
    ----------
    id : str
        Unique within the corpus; the file's name without suffix where that is unique.
    genre : str
        The first, where a track has several.
    path : Path or None
        Sound file.
    spectrogram : ndarray of float32, shape (frames, bins), or None
        Frames, where the corpus holds arrays instead of sound.
    artist, album : str
        Empty where unknown.
    others : tuple of str
        Its other genres, such as the rest of a tag's.
    embedding : ndarray, shape (clips, numbers), or None
        Means of its clips, of a track that a model has learned from, where neither sound nor frames are at hand.
    """

    id: str
    genre: str
    path: Path | None = None
    spectrogram: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    artist: str = ""
    album: str = ""
    others: tuple[str, ...] = ()
    embedding: NDArray[np.floating] | None = field(default=None, repr=False, compare=False)

    @property
    def genres(self) -> tuple[str, ...]:
        """All its genres, the first first."""
        return (self.genre, *self.others)


@dataclass(frozen=True)
class Corpus:
    """Tracks to train on or to evaluate with.

    Attributes
    ----------
    name : str
        In cards and reports; see :func:`name_corpus`.
    tracks : tuple of Track
        Sorted by genre and id.
    notes : tuple of str
        What was left out or changed in opening it, in words.
    """

    name: str
    tracks: tuple[Track, ...]
    notes: tuple[str, ...] = ()

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that occur, sorted."""
        return tuple(sorted({track.genre for track in self.tracks}))

    @property
    def counts(self) -> dict[str, int]:
        """Tracks per genre."""
        return dict(sorted(Counter(track.genre for track in self.tracks).items()))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids and genres: tells whether two runs speak of the same corpus."""
        lines = "".join(f"{track.id}\t{track.genre}\n" for track in self.tracks)
        # names of files need not be Unicode: their bytes stand as lone surrogates
        return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()

    def subset(self, indices: Sequence[int] | NDArray[np.intp]) -> Corpus:
        """Return the corpus of these tracks only."""
        return Corpus(self.name, tuple(self.tracks[i] for i in indices))

    def rename(self, names: Mapping[str, str]) -> Corpus:
        """Return the corpus with its genres under other names, by name; those that are not given keep theirs."""
        tracks = []
        for track in self.tracks:
            genre, *others = dict.fromkeys(names.get(name, name) for name in track.genres)
            tracks.append(replace(track, genre=genre, others=tuple(others)))
        return replace(self, tracks=sort_tracks(tracks))


def open_corpus(source: str | os.PathLike[str]) -> Corpus:
    """Open a corpus of any kind; for a library whose genres are in its tags, see :mod:`earmark.data.tag_corpus`.

    Parameters
    ----------
    source : path
        A folder with one folder per genre, a CSV manifest (see :func:`read_manifest`), or an ``.npz`` of
        spectrograms (see :func:`read_arrays`).

    Returns
    -------
    Corpus
        Tracks named as GTZAN names them get the artists of GTZAN's index.

    Raises
    ------
    CorpusError
        If there is no such thing, or it holds no tracks.
    """
    path = Path(source)
    if path.is_dir():
        corpus = read_folder(path)
    elif not path.is_file():
        raise CorpusError(f"no corpus at {path}: need a folder of genre folders, a .csv manifest or an .npz of arrays")
    elif path.suffix.lower() == ".csv":
        corpus = read_manifest(path)
    elif path.suffix.lower() == ".npz":
        corpus = read_arrays(path)
    else:
        raise CorpusError(f"{path} is no corpus: need a folder of genre folders, a .csv manifest or an .npz of arrays")
    if not corpus.tracks:
        raise CorpusError(f"{path} holds no tracks")
    return corpus


def name_corpus(path: Path, tracks: Sequence[Track] = ()) -> str:
    """Return what a corpus is called: GTZAN, where all tracks are; else as its folder, or its file without suffix."""
    if tracks and all(track.id in gtzan.load_index() for track in tracks):
        return f"GTZAN ({len(tracks)} of 1000 tracks)"
    return Path(os.path.abspath(path)).name if path.is_dir() else path.stem  # noqa: PTH100 (links keep their names)


def explain_failures(failed: Mapping[str, str]) -> str:
    """Return why no track gave anything, as the end of a message; `failed` is errors by track id."""
    for name, error in failed.items():
        return f"; the first: {name}: {error}"
    return ": all are silent or too short"


def read_folder(folder: Path) -> Corpus:
    """Read a folder of folders: each directly below is a genre, all audio inside, at any depth, its tracks."""
    genres = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    found = [(genre.name, path) for genre in genres for path in walk(genre)]
    if not found:
        raise CorpusError(
            f"{folder} holds no audio in genre folders: expected GENRE/TRACK below it, such as jazz/so-what.mp3"
        )
    tracks = make_tracks([(path, genre, "") for genre, path in found], folder)
    return Corpus(name_corpus(folder, tracks), tracks)


def read_manifest(path: Path) -> Corpus:
    """Read a CSV manifest with a header: columns ``path`` and ``genre``, optionally ``artist``.

    Relative paths start at the manifest's own folder.
    """
    rows: list[tuple[Path, str, str]] = []
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.DictReader(file)
        missing = {"path", "genre"} - set(reader.fieldnames or ())
        if missing:
            raise CorpusError(
                f"{path}: no column {' or '.join(sorted(missing))} in the header; it has: "
                f"{', '.join(reader.fieldnames or ()) or 'nothing'}"
            )
        for row in reader:
            if not row["path"] or not row["genre"]:
                raise CorpusError(f"{path}, line {reader.line_num}: path and genre must both be given")
            rows.append((path.parent / row["path"], row["genre"].strip(), (row.get("artist") or "").strip()))
    tracks = make_tracks(rows, path.parent)
    return Corpus(name_corpus(path, tracks), tracks)


def read_arrays(path: Path) -> Corpus:
    """Read an ``.npz`` of log-mel spectrograms.

    ``X`` (tracks, bins, frames) holds bytes, 0 to 255 for −80 to 0 dB, or floats in dB; ``ids`` (tracks,)
    the track names, ``y`` (tracks,) the index of each track's genre, ``genres`` their names.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            X, ids, y, genres = (arrays[key] for key in ("X", "ids", "y", "genres"))
    except (OSError, ValueError, KeyError) as error:
        raise CorpusError(f"{path}: not an .npz with the arrays X, ids, y and genres ({error})") from error
    if X.ndim != 3 or not len(X) == len(ids) == len(y) or y.min(initial=0) < 0 or y.max(initial=0) >= len(genres):
        raise CorpusError(
            f"{path}: shapes do not fit: X {X.shape}, ids {ids.shape}, y {y.shape}, genres {genres.shape}"
        )
    # bytes 0 to 255 are -80 to 0 dB; each x is (bins, frames), a spectrogram (frames, bins)
    to_db, floor = (np.float32(80 / 255), np.float32(80)) if X.dtype == np.uint8 else (np.float32(1), np.float32(0))
    tracks = sort_tracks(
        Track(str(i), str(genres[k]), None, x.T.astype(np.float32) * to_db - floor, gtzan.find_artist(str(i)))
        for x, i, k in zip(X, ids, y, strict=True)
    )
    return Corpus(name_corpus(path, tracks), tracks)


def make_tracks(rows: list[tuple[Path, str, str]], root: Path) -> tuple[Track, ...]:
    """Make tracks of files, each with its genre and artist, sorted.

    A file's id is its stem, or its path from `root` where that is not unique.
    """
    full = [os.path.relpath(path, root) for path, _, _ in rows]
    # stems and full names together, for a.mp3 may also be the stem of a.mp3.wav
    taken = Counter([path.stem for path, _, _ in rows] + full)
    ids = [path.stem if taken[path.stem] == 1 else name for (path, _, _), name in zip(rows, full, strict=True)]
    twice = [i for i, n in Counter(ids).items() if n > 1]
    if twice:
        raise CorpusError(f"listed twice: {twice[0]}" + (f" and {len(twice) - 1} more" if len(twice) > 1 else ""))
    return sort_tracks(
        Track(i, genre, path, artist=artist or gtzan.find_artist(i))
        for i, (path, genre, artist) in zip(ids, rows, strict=True)
    )


def sort_tracks(tracks: Iterable[Track]) -> tuple[Track, ...]:
    """Return tracks sorted by genre and id."""
    return tuple(sorted(tracks, key=lambda track: (track.genre, track.id)))
