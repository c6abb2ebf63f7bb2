"""A corpus → clips of frames, in parallel, cached on disk by content and settings."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from earmark.errors import AudioError, CorpusError
from earmark.learn.corpus import Corpus, Track
from earmark.listen import FrontEnd, Recording, cut
from earmark.listen.clips import cut_frames
from earmark.listen.files import replacing


@dataclass(frozen=True)
class Features:
    """Clips of a corpus, ready for an estimator.

    Attributes
    ----------
    X : ndarray of float32, shape (clips, frames, bins)
        A clip shorter than the others ends in NaN frames.
    y : ndarray of str, shape (clips,)
        Genres.
    track : ndarray of int, shape (clips,)
        Index of each clip's track in the corpus.
    failed : dict of int to str
        Tracks that could not be read, and why.
    """

    X: NDArray[np.float32]
    y: NDArray[np.str_]
    track: NDArray[np.intp]
    failed: dict[int, str]

    def part(self, clips: NDArray[np.intp]) -> Features:
        """Return only these clips."""
        return Features(self.X[clips], self.y[clips], self.track[clips], self.failed)


def stack(sequences: Sequence[NDArray[np.floating]], frames: int | None = None) -> NDArray[np.float32]:
    """Put sequences of different lengths into one array, filled with NaN frames at their ends.

    Parameters
    ----------
    sequences : sequence of ndarray, shape (frames, bins)
    frames : int, optional
        Frames of the array; those of the longest sequence when left out.

    Returns
    -------
    ndarray of float32, shape (clips, frames, bins)

    Examples
    --------
    >>> stack([np.ones((2, 1)), np.ones((1, 1))])[:, :, 0]
    array([[ 1.,  1.],
           [ 1., nan]], dtype=float32)
    """
    longest = max(len(s) for s in sequences) if frames is None else frames
    X = np.full((len(sequences), longest, sequences[0].shape[1]), np.nan, np.float32)
    for row, sequence in zip(X, sequences, strict=True):
        row[: len(sequence)] = sequence
    return X


def default_cache() -> Path:
    """Where features are kept between runs: ``earmark/features`` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earmark" / "features"


def extract(
    corpus: Corpus,
    front_end: FrontEnd,
    clip_seconds: float,
    *,
    hop_seconds: float | None = None,
    min_frames: int = 1,
    cache: Path | None = None,
    jobs: int = 1,
    on_track: Callable[[Track], None] | None = None,
) -> Features:
    """Compute the clips of every track; silent clips are left out, as they are when classifying.

    Parameters
    ----------
    corpus : Corpus
    front_end : StftDensity or LogMel
    clip_seconds : float
    hop_seconds : float, optional
        From clip to clip; `clip_seconds` (no overlap) when left out.
    min_frames : int
        Clips with fewer frames are left out.
    cache : Path, optional
        Folder to keep results in, one file a track, named by the sound's content and the settings.
    jobs : int
        Tracks worked on at once.
    on_track : callable, optional
        Called after each track.

    Returns
    -------
    Features
        Clips in corpus order; tracks that cannot be read are in ``failed``.

    Raises
    ------
    CorpusError
        If no track can be read, or arrays do not fit the front end.
    """
    hop = clip_seconds if hop_seconds is None else hop_seconds
    width = front_end.n_frames(round(clip_seconds * front_end.sample_rate))

    def one(track: Track) -> list[NDArray[np.float32]] | AudioError:
        try:
            if track.spectrogram is not None:
                return _clips_of_array(track, front_end, clip_seconds, hop, width)
            return _cached(track, front_end, clip_seconds, hop, cache)
        except AudioError as error:
            return error
        finally:
            if on_track:
                on_track(track)

    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(one, corpus.tracks))
    failed = {i: str(result) for i, result in enumerate(results) if isinstance(result, AudioError)}
    heard = {i: result for i, result in enumerate(results) if not isinstance(result, AudioError)}
    clips = [(i, clip) for i, result in heard.items() for clip in result if len(clip) >= min_frames]
    if not clips:
        first = next(iter(failed.items()), None)
        raise CorpusError(
            f"none of the {len(corpus.tracks)} tracks gave a clip"
            + (f"; the first: {corpus.tracks[first[0]].id}: {first[1]}" if first else ": all are silent or too short")
        )
    X = stack([clip for _, clip in clips], width)
    index = np.array([i for i, _ in clips])
    return Features(X, np.array([corpus.tracks[i].genre for i in index]), index, failed)


def _clips_of_array(
    track: Track, front_end: FrontEnd, clip_seconds: float, hop_seconds: float, width: int
) -> list[NDArray[np.float32]]:
    assert track.spectrogram is not None
    frames, bins = track.spectrogram.shape
    if bins != front_end.n_bins:
        raise CorpusError(f"{track.id} has {bins} bins a frame, the recipe's front end gives {front_end.n_bins}")
    seconds = frames * front_end.hop_length / front_end.sample_rate
    return [clip for _, clip in cut_frames(track.spectrogram, seconds, clip_seconds, width, hop_seconds)]


def _clips_of_sound(
    path: Path, front_end: FrontEnd, clip_seconds: float, hop_seconds: float
) -> list[NDArray[np.float32]]:
    rate = front_end.sample_rate
    with Recording(path) as recording:
        clips = cut(recording.blocks(rate), round(clip_seconds * rate), round(hop_seconds * rate))
        return [front_end(clip.samples[: clip.length]) for clip in clips if not clip.silent]


def _cached(
    track: Track, front_end: FrontEnd, clip_seconds: float, hop_seconds: float, cache: Path | None
) -> list[NDArray[np.float32]]:
    assert track.path is not None
    if cache is None:
        return _clips_of_sound(track.path, front_end, clip_seconds, hop_seconds)
    settings = json.dumps([asdict(front_end), clip_seconds, hop_seconds], sort_keys=True)
    try:
        with track.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioError(f"cannot be read ({error.strerror})") from error
    key = hashlib.sha256(f"{content} {settings}".encode()).hexdigest()
    kept = cache / key[:2] / f"{key}.npz"
    try:
        with np.load(kept, allow_pickle=False) as arrays:
            return np.split(arrays["frames"], arrays["ends"][:-1])
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        BadZipFile,
    ):  # not there yet, or damaged: make it (again)
        clips = _clips_of_sound(track.path, front_end, clip_seconds, hop_seconds)
    if clips:
        with replacing(kept) as partial, partial.open("wb") as file:
            np.savez(file, frames=np.concatenate(clips), ends=np.cumsum([len(c) for c in clips]))
    return clips
