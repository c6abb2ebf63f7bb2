"""Decoded frames of any format → blocks of mono floats, at any rate: libavfilter mixes, soxr resamples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from numbers import Real
from typing import Any, NamedTuple

import av
import av.error
import av.filter
import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from earmark.errors import AudioError, SettingError, reason_of

# Hz. A damaged header may claim 1 Hz, and resampling would fill the memory; DSD reaches 5.6 MHz.
_RATES = (1000, 10_000_000)

# What tells the channels of an array from its samples: arrays of frames have more bins than that
_MAX_CHANNELS, _MIN_RATIO = 8, 100


class FrameFormat(NamedTuple):
    """Sample format and channel layout by FFmpeg's names, number of channels, sample rate in Hz."""

    sample_format: str
    layout: str
    channels: int
    rate: int


def frame_format(frame: av.AudioFrame) -> FrameFormat:
    """Return the format of a frame."""
    return FrameFormat(frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate)


def check_rate(rate: int) -> None:
    """Refuse a sample rate (Hz) that no audio has."""
    if not _RATES[0] <= rate <= _RATES[1]:
        raise AudioError(f"a sample rate of {rate} Hz: need {_RATES[0]} to {_RATES[1]}")


def mix_to_mono(
    frames: Iterator[av.AudioFrame], form: FrameFormat, block_size: int, drain_every: int
) -> Iterator[tuple[NDArray[np.float32], int | None]]:
    """Join small frames of one format, in C, into large mono blocks; yield each with the first frame's time (pts)."""
    sample_format, layout, channels, rate = form
    check_rate(rate)
    graph = av.filter.Graph()
    try:
        source = graph.add_abuffer(sample_rate=rate, format=sample_format, layout=layout)
        steps = [
            source,
            graph.add("aformat", "sample_fmts=fltp"),
            # the mean of all channels, whatever they are called
            graph.add("pan", "mono|c0=" + "+".join(f"{1 / channels!r}*c{i}" for i in range(channels))),
            # blocks of one size; p=0: the last one is not filled up with zeros
            graph.add("asetnsamples", f"n={block_size}:p=0"),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*steps).configure()
        first: int | None = None
        for i, frame in enumerate(chain(frames, [None])):  # None ends the graph's input
            if i == 0 and frame is not None:
                first = frame.pts
            source.push(frame)
            if frame is None or i % drain_every == drain_every - 1:
                for block in _pull_blocks(steps[-1]):
                    yield block, first
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        reason = reason_of(error)
        raise AudioError(f"{layout} of {sample_format} at {rate} Hz cannot be mixed ({reason})") from error


def _pull_blocks(sink: av.filter.context.FilterContext) -> Iterator[NDArray[np.float32]]:
    while True:
        try:
            frame: Any = sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        # planar mono: (1, samples) → (samples,)
        yield frame.to_ndarray()[0]


def resample(blocks: Iterator[NDArray[np.float32]], rate: int, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """Resample blocks from `rate` to `sample_rate` (Hz); of the shortest sound, too, at least one sample comes out."""
    if rate == sample_rate:
        yield from blocks
        return
    resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    given, block = 0, np.empty(0, np.float32)
    for block in blocks:
        resampled = resampler.resample_chunk(block)
        given += len(resampled)
        if len(resampled):
            yield resampled
    rest = resampler.resample_chunk(np.empty(0, np.float32), last=True)
    if not given and not len(rest):
        rest = block[:1]
    if len(rest):
        yield rest


def mix_array(samples: ArrayLike, rate: float | None) -> NDArray[np.float32]:
    """Return a user's array as mono samples: the one place that decides which arrays are sound.

    Parameters
    ----------
    samples : array of float, shape (samples,), (channels, samples) or (samples, channels)
        Full scale ±1. Their lengths tell which axis is which: 8 channels at most, 100 samples of each at least.
    rate : float
        Sample rate in Hz; checked, for the mixing needs none.

    Returns
    -------
    ndarray of float32, shape (samples,)

    Raises
    ------
    AudioError
        If the array holds something else, or its shape does not tell which axis is which.
    SettingError
        If its sample rate is no number of Hz.
    """
    samples = np.asarray(samples)
    if not isinstance(rate, Real) or rate <= 0:
        raise SettingError("an array needs its sample rate, a number of Hz: (samples, sample_rate)")
    fewer, more = min(samples.shape, default=0), max(samples.shape, default=0)
    plain = samples.ndim == 1 or (samples.ndim == 2 and fewer <= _MAX_CHANNELS and more >= _MIN_RATIO * fewer)
    # floats only: an array of integers does not tell its full scale
    if not plain or samples.size == 0 or samples.dtype.kind != "f":
        raise AudioError(
            f"an array of {samples.dtype} of shape {samples.shape}: need floats of full scale ±1 (16-bit integers are "
            "to be divided by 32768), shape (samples,), (channels, samples) or (samples, channels), with at most "
            f"{_MAX_CHANNELS} channels, and {_MIN_RATIO} times as many samples or more"
        )
    if samples.ndim == 2:
        samples = samples.mean(axis=samples.shape.index(fewer))
    mono: NDArray[np.float32] = samples.astype(np.float32)
    # before any resampling, whose filter would spread one NaN over many samples
    if not np.isfinite(mono).all():
        raise AudioError("samples are not finite numbers (NaN or infinite)")
    return mono


def resample_array(samples: ArrayLike, rate: float | None, sample_rate: float) -> NDArray[np.float32]:
    """Return a user's array as mono samples at another rate (Hz): what :func:`mix_array` takes, resampled."""
    resampled: NDArray[np.float32] = soxr.resample(mix_array(samples, rate), rate, sample_rate, quality="HQ")
    return resampled
