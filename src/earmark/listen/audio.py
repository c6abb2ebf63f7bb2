"""Any sound file → blocks of mono float32 samples at the rate you ask for, in constant memory.

FFmpeg's libraries (through PyAV) demux and decode, soxr resamples. Files are opened by Python and handed
over as byte streams, so a name may hold any bytes, and a file can never make FFmpeg open another one.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from types import TracebackType
from typing import BinaryIO, Self

import av
import av.error
import av.filter
import numpy as np
import soxr
from numpy.typing import NDArray

from earmark.errors import AudioError

Source = str | bytes | os.PathLike[str] | os.PathLike[bytes] | BinaryIO
"""What can be listened to: a path, or a seekable binary file object."""

_BLOCK = 65536
"""Source samples a block: large enough that Python costs nothing, small enough to stay in cache."""

_LOUDEST = 1e6
"""Full scale is 1; no audio is a million times that (NaN fails the comparison too)."""

_EXACT_DURATION = {"wav", "w64", "aiff", "flac", "caf", "mov,mp4,m4a,3gp,3g2,mj2"}
"""Containers whose header states the length, so that a missing end can be noticed."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of itself, before anything is decoded.

    Attributes
    ----------
    duration : float or None
        Seconds; an estimate for some formats, None where the file does not tell.
    sample_rate : int
        Hz, of the file.
    channels : int
        Number of channels of the file.
    codec, container : str
        FFmpeg's short names, such as ``"mp3"`` and ``"mov,mp4,m4a,3gp,3g2,mj2"``.
    """

    duration: float | None
    sample_rate: int
    channels: int
    codec: str
    container: str


class Recording:
    """One opened sound file; use it as a context manager.

    Parameters
    ----------
    source : path or binary file object
        A path of any bytes, or a file object that can ``read`` and ``seek``. Of a video, the sound is read.

    Attributes
    ----------
    info : AudioInfo
        What the file says of itself.
    heard : float
        Seconds that :meth:`blocks` has given out last.
    damage : str or None
        After :meth:`blocks` has ended: what could not be read, if anything.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, not a regular file, not audio, or has no audio stream.

    Examples
    --------
    >>> import io, wave
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as w:
    ...     w.setparams((1, 2, 8000, 0, "NONE", ""))
    ...     w.writeframes(bytes(2 * 8000))
    >>> _ = file.seek(0)
    >>> with Recording(file) as recording:
    ...     recording.info.duration, sum(len(b) for b in recording.blocks(4000))
    (1.0, 4000)
    """

    def __init__(self, source: Source) -> None:
        self.damage: str | None = None
        self.heard = 0.0
        with ExitStack() as stack:
            stream = source if hasattr(source, "read") else stack.enter_context(_open_file(source))
            try:
                # No protocol is allowed: a playlist inside the file must not reach other files or hosts.
                self._container = stack.enter_context(
                    av.open(
                        _Named(stream, source),
                        options={"protocol_whitelist": "none"},
                        metadata_errors="replace",
                    )
                )
            except (av.error.FFmpegError, ValueError, OSError) as error:
                raise AudioError(f"not a sound file that FFmpeg can read ({_reason(error)})") from error
            best = self._container.streams.best("audio")
            if best is None or not isinstance(best, av.AudioStream):
                raise AudioError("no audio stream in this file")
            self._stream = best
            try:
                self.info = self._describe()
            except ValueError as error:
                raise AudioError(f"the audio stream cannot be decoded ({_reason(error)})") from error
            self._close = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close.close()

    def blocks(
        self, sample_rate: int, *, start: float = 0.0, duration: float | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Decode to mono blocks.

        Parameters
        ----------
        sample_rate : int
            Hz of the samples that come out.
        start : float
            Seconds into the file; the file is seeked, so far starts cost no more than near ones.
        duration : float, optional
            Seconds to read at most; to the end when left out.

        Yields
        ------
        ndarray of float32, shape (samples,)
            Channels averaged; full scale is ±1 (float files may exceed it). Never empty.

        Raises
        ------
        AudioError
            If nothing at all can be decoded, or samples are not finite numbers.
        """
        if start:
            self._container.seek(round((start + self._origin) / self._time_base), stream=self._stream)
        wanted = None if duration is None else max(1, round(duration * sample_rate))
        given = 0
        for block in self._resampled(sample_rate, start):
            taken = block if wanted is None else block[: wanted - given]
            given += len(taken)
            self.heard = given / sample_rate
            yield taken
            if wanted is not None and given >= wanted:
                return
        if not given:
            raise AudioError("no samples could be decoded: the sound is empty or damaged")
        if wanted is None and not start:
            self._note_missing_end()

    @property
    def _time_base(self) -> float:
        return float(self._stream.time_base or 1 / self._stream.rate)

    @property
    def _origin(self) -> float:
        """Seconds at which the stream's own clock starts."""
        return (self._stream.start_time or 0) * self._time_base

    def _describe(self) -> AudioInfo:
        stream, container = self._stream, self._container
        duration = None
        if stream.duration is not None:
            duration = stream.duration * self._time_base
        elif container.duration is not None:
            duration = container.duration / 1e6  # AV_TIME_BASE: microseconds
        codec = stream.codec_context
        if not codec.sample_rate or not codec.channels:
            raise AudioError("the audio stream has no sample rate or no channels: the file is damaged")
        return AudioInfo(duration, codec.sample_rate, codec.channels, codec.name, container.format.name)

    def _frames(self) -> Iterator[av.AudioFrame]:
        """Decoded frames; a damaged packet is passed over and noted, as players do."""
        damaged = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()  # type: ignore[misc]
                except av.error.InvalidDataError:
                    damaged += 1
        except (av.error.FFmpegError, OSError) as error:
            self.damage = f"reading stopped early ({_reason(error)})"
        if damaged:
            self.damage = f"{damaged} damaged packet{'s' * (damaged > 1)} passed over"

    def _resampled(self, sample_rate: int, start: float) -> Iterator[NDArray[np.float32]]:
        """Mono blocks at `sample_rate` from `start` on; format changes within the stream are followed."""
        for (form, layout, rate), frames in groupby(self._frames(), _form):
            resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
            skip = None
            for block, time in _gathered(frames, form, layout, rate):
                if skip is None:  # the frame found by seeking starts at or before `start`
                    begins = start if time is None else time * self._time_base - self._origin
                    skip = max(0, round((start - begins) * rate))
                mono, skip = block.mean(axis=0)[skip:], max(0, skip - block.shape[1])  # (samples,)
                if mono.size and not np.abs(mono).max() < _LOUDEST:
                    raise AudioError("samples are not finite numbers (NaN, infinite or absurdly large)")
                yield from _non_empty(mono if rate == sample_rate else resampler.resample_chunk(mono))
            if rate != sample_rate:
                yield from _non_empty(resampler.resample_chunk(np.empty(0, np.float32), last=True))

    def _note_missing_end(self) -> None:
        said, heard = self.info.duration, self.heard
        if said and self.info.container in _EXACT_DURATION and heard < said - max(0.5, 0.02 * said):
            self.damage = f"only {heard:.1f} of {said:.1f} s could be read: the file is truncated or damaged"


def probe(source: Source) -> AudioInfo:
    """Read what a file says of itself, without decoding it.

    Parameters
    ----------
    source : path or binary file object

    Returns
    -------
    AudioInfo

    Raises
    ------
    AudioError
        If it is not a sound file.
    """
    with Recording(source) as recording:
        return recording.info


def decode(source: Source, sample_rate: int) -> NDArray[np.float32]:
    """Read a whole file into one array; for long files use :meth:`Recording.blocks`.

    Parameters
    ----------
    source : path or binary file object
    sample_rate : int
        Hz of the samples that come out.

    Returns
    -------
    ndarray of float32, shape (samples,)
        Mono, full scale ±1.

    Raises
    ------
    AudioError
        If it is not a sound file, or no samples can be decoded.
    """
    with Recording(source) as recording:
        return np.concatenate(list(recording.blocks(sample_rate)))


class _Named:
    """A byte stream under a harmless name: FFmpeg sees only the suffix, which helps it guess the format."""

    def __init__(self, stream: BinaryIO, source: Source) -> None:
        named = source if isinstance(source, str | bytes | os.PathLike) else getattr(source, "name", "")
        suffix = os.path.splitext(os.fsdecode(named) if not isinstance(named, int) else "")[1]
        self.name = "sound" + (suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,5}", suffix) else "")
        self.read, self.seek, self.tell = stream.read, stream.seek, stream.tell


def _open_file(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> BinaryIO:
    try:
        kind = os.stat(path).st_mode
        if stat.S_ISDIR(kind):
            raise AudioError("is a folder, not a file")
        if not stat.S_ISREG(kind):  # opening a named pipe would wait for ever
            raise AudioError("is not a regular file (a pipe, socket or device)")
        return open(path, "rb")
    except (OSError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        if os.path.islink(path) and isinstance(error, FileNotFoundError):
            raise AudioError("broken link: the file it points to does not exist") from error
        raise AudioError(f"cannot be opened ({_reason(error)})") from error


def _form(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _gathered(
    frames: Iterator[av.AudioFrame], form: str, layout: str, rate: int
) -> Iterator[tuple[NDArray[np.float32], int | None]]:
    """Join small codec frames, in C, into large float blocks (channels, samples) with their first time."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format=form, layout=layout)
    steps = [
        source,
        graph.add("aformat", "sample_fmts=fltp"),
        graph.add("asetnsamples", f"n={_BLOCK}:p=0"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*steps).configure()
    first: int | None = None
    for i, frame in enumerate(frames):
        if i == 0:
            first = frame.pts
        source.push(frame)
        if i % 32 == 31:
            for block in _drained(steps[-1]):
                yield block, first
    source.push(None)
    for block in _drained(steps[-1]):
        yield block, first


def _drained(sink: av.filter.context.FilterContext) -> Iterator[NDArray[np.float32]]:
    while True:
        try:
            frame = sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield frame.to_ndarray()  # type: ignore[union-attr, misc]


def _non_empty(block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    if len(block):
        yield block


def _reason(error: BaseException) -> str:
    """Return the cause in a few words, without the stream's made-up name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
