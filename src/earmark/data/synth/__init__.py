"""A procedural composer: ten styles of music, written note by note and rendered with NumPy.

A track is a `Score`: a list of `Note`s in beats, and the key and chords that its parts share. A style is a
function that writes a score: it hands patterns to instruments. One renderer turns any score into samples.
Chance (tempo, key, chords, melody, arrangement, timbre, mix) comes from the caller's generator alone, so a
seed fixes a track.
"""

from __future__ import annotations

import math
import wave
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earmark.data.synth.instruments import Rng, Samples
from earmark.data.synth.render import master, render_score
from earmark.data.synth.score import Score
from earmark.data.synth.styles import BOOK, STYLES, TEMPI
from earmark.errors import SettingError, WorkerError
from earmark.files import replacing
from earmark.parallel import Pool

__all__ = ["STYLES", "TEMPI", "compose", "write_corpus"]


def compose(style: str, rng: Rng, *, seconds: float = 30.0, sample_rate: int = 22050) -> Samples:
    """Return a new track of a style.

    Parameters
    ----------
    style : str
        One of `STYLES`.
    rng : numpy.random.Generator
        Source of everything by which one track differs from another.
    seconds : float, default 30
        Length of the track, at least 0.5 s.
    sample_rate : int, default 22050
        In Hz, from 4000 to 48000.

    Returns
    -------
    ndarray of float32, shape (round(seconds * sample_rate),)
        Mono samples without DC, whose peak lies between 0.3 and 0.95.

    Raises
    ------
    SettingError
        For a style, a length or a sample rate that is not allowed.

    Examples
    --------
    >>> compose("waltz", np.random.default_rng(7), seconds=2).shape
    (44100,)
    """
    _check([style], seconds, sample_rate)
    score = Score(BOOK[style], rng, seconds)
    BOOK[style].write(score)
    return master(render_score(score, round(seconds * sample_rate), sample_rate), score, sample_rate)


def _check(styles: Sequence[str], seconds: float, sample_rate: int) -> None:
    for style in styles:
        if style not in BOOK:
            raise SettingError(f"unknown style {style!r}: choose from {', '.join(STYLES)}")
    if not 0.5 <= seconds < math.inf:
        raise SettingError(f"a track of {seconds} seconds: allowed are 0.5 and more")
    if not 4000 <= sample_rate <= 48000:
        raise SettingError(f"sample_rate {sample_rate} Hz: allowed are 4000 to 48000")


class _Job(NamedTuple):
    path: Path
    style: str
    seed: tuple[int, int, int]
    seconds: float
    sample_rate: int


def _compose(job: _Job) -> Samples:
    return compose(job.style, np.random.default_rng(job.seed), seconds=job.seconds, sample_rate=job.sample_rate)


def _write(job: _Job, track: Samples) -> None:
    """Write a track's WAV file, which appears under its name only when it is whole."""
    with replacing(job.path) as unfinished, wave.open(str(unfinished), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(job.sample_rate)
        file.writeframes(np.rint(track * 32768).astype("<i2").tobytes())


def write_corpus(
    folder: Path,
    *,
    tracks: int = 10,
    seconds: float = 30.0,
    sample_rate: int = 22050,
    seed: int = 0,
    styles: Sequence[str] = STYLES,
    jobs: int = 1,
    on_track: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Write tracks of every style as ``folder/<style>/<style>.<number>.wav``, mono, 16-bit; return their paths.

    A track depends on the seed, its style and its number only, and so is the same, byte for byte, however
    many others are written, and by however many processes. SettingError for what is not allowed: see :func:`compose`.

    Parameters
    ----------
    folder : Path
        Where the styles' folders go; made when missing. Files of the same name are replaced.
    tracks : int, default 10
        Number of tracks per style.
    seconds : float, default 30
        Length of a track, at least 0.5 s.
    sample_rate : int, default 22050
        In Hz, from 4000 to 48000.
    seed : int, default 0
        Not negative; another seed gives another corpus.
    styles : sequence of str, default STYLES
        Which styles to write.
    jobs : int, default 1
        Number of processes.
    on_track : callable, optional
        Called with each path, in order, when its file is whole. What it raises ends the writing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = write_corpus(Path(folder), tracks=2, seconds=1, styles=["bossa"])
    >>> [path.name for path in paths]
    ['bossa.00000.wav', 'bossa.00001.wav']
    """
    _check(styles, seconds, sample_rate)
    if tracks < 0 or seed < 0 or jobs < 1:
        raise SettingError(f"tracks={tracks}, seed={seed}, jobs={jobs}: allowed are 0, 0 and 1 and more")
    queue = []
    for style in styles:
        (folder / style).mkdir(parents=True, exist_ok=True)
        for track in range(tracks):
            path = folder / style / f"{style}.{track:05}.wav"
            queue.append(_Job(path, style, (seed, STYLES.index(style), track), seconds, sample_rate))
    # when on_track raises, the processes end before this does
    with closing(_compose_all(queue, jobs)) as composed:
        for job, samples in zip(queue, composed, strict=True):
            _write(job, samples)
            if on_track:
                on_track(job.path)
    return [job.path for job in queue]


def _compose_all(queue: Sequence[_Job], jobs: int) -> Generator[Samples, None, None]:
    """Yield the track of every job, in order; files are written by the caller, whom nobody kills while it writes."""
    if jobs == 1:
        yield from map(_compose, queue)
    else:
        # called in each process, partial(partial, f) returns partial(f), which composes its tracks
        yield from Pool(partial(partial, _compose), jobs, _report_crash).map(iter(queue))


def _report_crash(job: _Job, failure: str) -> Samples:
    raise WorkerError(f"{job.path}: its process died; was there enough memory?")
