"""Decoded frames of any form → blocks of mono floats, at any rate: libavfilter mixes, soxr resamples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import av.error
import av.filter
import numpy as np
import soxr
from numpy.typing import NDArray

from earmark.errors import AudioError, reason_of

_RATES = (1000, 10_000_000)
"""Hz. A damaged header may claim 1 Hz, and resampling would fill the memory; DSD reaches 5.6 MHz."""


def frame_format(frame: av.AudioFrame) -> tuple[str, str, int, int]:
    """What :func:`mix_to_mono` has to know of a frame: sample format, layout, channels, sample rate in Hz."""
    return frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate


def check_rate(rate: int) -> None:
    """Refuse a sample rate (Hz) that no audio has."""
    if not _RATES[0] <= rate <= _RATES[1]:
        raise AudioError(f"a sample rate of {rate} Hz: need {_RATES[0]} to {_RATES[1]}")


def mix_to_mono(
    frames: Iterator[av.AudioFrame], form: str, layout: str, channels: int, rate: int, length: int, often: int
) -> Iterator[tuple[NDArray[np.float32], int | None]]:
    """Join small codec frames, in C, into large blocks of mono floats, with the time of the first frame."""
    check_rate(rate)
    graph = av.filter.Graph()
    try:
        source = graph.add_abuffer(sample_rate=rate, format=form, layout=layout)
        steps = [
            source,
            graph.add("aformat", "sample_fmts=fltp"),
            graph.add("pan", "mono|c0=" + "+".join(f"{1 / channels!r}*c{i}" for i in range(channels))),
            graph.add("asetnsamples", f"n={length}:p=0"),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*steps).configure()
        first: int | None = None
        for i, frame in enumerate(frames):
            if i == 0:
                first = frame.pts
            source.push(frame)
            if i % often == often - 1:
                for block in _drained(steps[-1]):
                    yield block, first
        source.push(None)
        for block in _drained(steps[-1]):
            yield block, first
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(f"{layout} of {form} at {rate} Hz cannot be mixed ({reason_of(error)})") from error


def _drained(sink: av.filter.context.FilterContext) -> Iterator[NDArray[np.float32]]:
    while True:
        try:
            frame: Any = sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield frame.to_ndarray()[0]


def resample(blocks: Iterator[NDArray[np.float32]], rate: int, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """Resample a stretch of one rate; of the shortest, too, at least one sample comes out."""
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
