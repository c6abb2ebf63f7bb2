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


def resample_array(samples: ArrayLike, rate: float | None, sample_rate: float) -> NDArray[np.float32]:
    """Return a user's array as mono samples at another rate.

    Parameters
    ----------
    samples : array of float, shape (samples,) or (channels, samples)
        Full scale ±1.
    rate, sample_rate : float
        Hz, of what comes in and of what comes out.

    Returns
    -------
    ndarray of float32, shape (samples,)

    Raises
    ------
    AudioError
        If the array holds something else.
    SettingError
        If its sample rate is no number of Hz.
    """
    samples = np.asarray(samples)
    if not isinstance(rate, Real) or rate <= 0:
        raise SettingError("an array needs its sample rate, a number of Hz: (samples, sample_rate)")
    # floats only: an array of integers does not tell its full scale
    if samples.ndim not in (1, 2) or samples.size == 0 or samples.dtype.kind != "f":
        raise AudioError(
            f"an array of {samples.dtype} of shape {samples.shape}: need floats of full scale ±1, shape "
            "(samples,) or (channels, samples)"
        )
    # (channels, samples) → (samples,)
    mono = (samples if samples.ndim == 1 else samples.mean(axis=0)).astype(np.float32)
    # checked before resampling, whose filter would spread one NaN over many samples
    if not np.isfinite(mono).all():
        raise AudioError("samples are not finite numbers (NaN or infinite)")
    resampled: NDArray[np.float32] = soxr.resample(mono, rate, sample_rate, quality="HQ")
    return resampled
