"""Any sound file → blocks of mono float32 samples at the rate you ask for, in constant memory.

FFmpeg's libraries (through PyAV) demux and decode, soxr resamples. Python opens the files and hands them over as byte
streams, so a name may hold any bytes, and no file can make FFmpeg open another one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from typing import Self

import av
import av.container
import av.error
import numpy as np
from numpy.typing import NDArray

from earmark.audio import ffmpeg_limits
from earmark.audio.info import AudioInfo, describe_stream
from earmark.audio.mixdown import frame_format, mix_to_mono, resample
from earmark.audio.source import ByteStream, Source, open_file
from earmark.audio.wav_header import is_mono_wav
from earmark.errors import AudioError, format_count, reason_of

# Full scale is 1; no audio is a million times that (NaN fails the comparison too)
_LOUDEST = 1e6

# Seconds decoded in vain before a start in mid-file: an MP3 frame borrows bits from those before it
_RUN_UP = 0.3

# Containers whose header states the length, so that a missing end can be noticed
_EXACT_DURATION = {"wav", "w64", "aiff", "flac", "caf", "mov,mp4,m4a,3gp,3g2,mj2"}

# Damaged packets for each whole one above which a file is no sound: a program that is called .mp3 has five and more
_MOST_DAMAGED = 3

# For FFmpeg, of a WAV of one channel: bytes a packet, and how many packets are searched for DTS that calls itself
# PCM. FFmpeg searches 32, which takes longer than all the rest; but DTS needs two channels.
_MONO_WAVE_OPTIONS = {"max_size": "32768", "max_probe_packets": "1"}


class AudioFile:
    """One opened sound file; use it as a context manager.

    Parameters
    ----------
    source : path or binary file object
        A path of any bytes, or a file object that can ``read`` and ``seek``. Of a video, the sound is decoded.

    Attributes
    ----------
    info : AudioInfo
        What the file says of itself.
    seconds_decoded : float
        Seconds that the last :meth:`blocks` has given out so far.
    read_error : str or None
        What could not be read, in words, if anything; complete once :meth:`blocks` has ended.

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
    >>> with AudioFile(file) as audio:
    ...     audio.info.duration, sum(len(b) for b in audio.blocks(4000))
    (1.0, 4000)
    """

    # source samples a block: large enough that Python costs nothing, small enough to stay in cache;
    # and after how many frames the mixer is asked for what it has
    _block_size, _drain_every = 65536, 32

    def __init__(self, source: Source) -> None:
        self.read_error: str | None = None
        self.seconds_decoded = 0.0
        with ExitStack() as stack:
            if isinstance(source, str | bytes | os.PathLike):
                self._file = ByteStream(stack.enter_context(open_file(source)), source)
            else:
                self._file = ByteStream(source, getattr(source, "name", ""))
            try:
                container = self._open_container()
            except (av.error.FFmpegError, ValueError, OSError) as error:
                cause = reason_of(self._file.error or error)
                raise AudioError(f"not a sound file that FFmpeg can read ({cause})") from error
            self._container = stack.enter_context(container)
            best = self._container.streams.best("audio")
            if best is None or not isinstance(best, av.AudioStream):
                raise AudioError("no audio stream in this file")
            self._stream = best
            self.info = describe_stream(container, best, self._file.stream)
            self._close = stack.pop_all()
        # whether anything was read, so that the next reading has to go back
        self._started = False
        self._skip: float | None = None
        self._n_damaged = self._n_whole = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
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
            Seconds into the file, which is seeked, so far starts cost no more than near ones. Exact to ±1 sample in
            formats that store exact times, to some tens of milliseconds in the others.
        duration : float, optional
            Seconds to read at most; to the end when left out, or :data:`earmark.audio.ffmpeg_limits.MAX_DURATION`.

        Yields
        ------
        ndarray of float32, shape (samples,)
            Channels averaged; full scale is ±1 (float files may exceed it). Never empty; no block if `start` lies
            beyond the end.

        Raises
        ------
        AudioError
            If nothing or next to nothing can be decoded, or samples are not finite numbers.
        """
        if start or self._started:
            self._seek(start)
        self._started = True
        # at least one sample: of 0 the block below would be empty
        wanted = None if duration is None else max(1, round(duration * sample_rate))
        given = 0
        for block in self._decode_blocks(sample_rate, start):
            part = block if wanted is None else block[: wanted - given]
            given += len(part)
            self.seconds_decoded = given / sample_rate
            yield part
            if wanted is not None and given >= wanted:
                return
            if self.seconds_decoded > ffmpeg_limits.MAX_DURATION:
                hours = ffmpeg_limits.MAX_DURATION / 3600
                self.read_error = f"longer than {hours:g} hours: what comes after them was not heard"
                return
        if not given and not start:
            raise AudioError(f"no samples could be decoded: {self.read_error or 'the sound is empty or damaged'}")
        if self._n_damaged > _MOST_DAMAGED * self._n_whole:
            packets = self._n_damaged + self._n_whole
            raise AudioError(f"not a sound file, or too damaged: {self._n_damaged} of {packets} packets make no sense")
        self._check_length(start, given / sample_rate, duration)

    def _open_container(self) -> av.container.InputContainer:
        options = ffmpeg_limits.options() | (_MONO_WAVE_OPTIONS if is_mono_wav(self._file.stream) else {})
        return av.open(self._file, mode="r", options=options, metadata_errors="replace")

    def packets(self) -> Iterator[bytes]:
        """Yield the encoded packets with their times, undecoded; AudioError if the file is damaged.

        The decoder's own set-up comes first, but for Vorbis, whose holds the file's tags.
        """
        codec = self._stream.codec_context
        yield b"" if codec.name == "vorbis" else codec.extradata or b""
        try:
            for packet in self._container.demux(self._stream):
                yield f"{packet.pts} {packet.size} ".encode() + bytes(packet)
        except av.error.FFmpegError as error:
            raise AudioError(f"damaged ({reason_of(error)})") from error

    @property
    def _time_base(self) -> float:
        return float(self._stream.time_base or 1 / self._stream.rate)

    @property
    def _origin(self) -> float:
        """Seconds at which the stream's own clock starts."""
        return (self._stream.start_time or 0) * self._time_base

    def _seek(self, start: float) -> None:
        target = max(0.0, start - _RUN_UP) + self._origin
        try:
            self._container.seek(round(target / self._time_base), stream=self._stream)
        except (av.error.FFmpegError, OverflowError) as error:
            raise AudioError(f"cannot go to {start:g} s in this file ({reason_of(error)})") from error

    def _frames(self, start: float) -> Iterator[av.AudioFrame]:
        """Decode frames; pass over damaged packets, as players do, and note them."""
        # the first packets after seeking may lack what came before them: their errors are not noted
        settled = not start
        lost = 0  # damaged packets in a row
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                    self._n_whole += bool(frames)
                    for frame in frames:
                        settled, lost = True, 0
                        yield frame
                except (av.error.FFmpegError, ValueError):
                    lost += 1
                    if settled:
                        self._n_damaged += 1
                        self.read_error = f"{format_count(self._n_damaged, 'damaged packet')} passed over"
                if lost == ffmpeg_limits.MAX_LOST_PACKETS:
                    self.read_error = f"reading stopped early ({lost} damaged packets in a row)"
                    break
        except (av.error.FFmpegError, OSError) as error:
            self.read_error = f"reading stopped early ({reason_of(error)})"
        except IndexError:  # PyAV 18.1 stumbles, after the end, over streams that began in mid-file (MPEG-TS)
            pass
        if self._file.error:
            self.read_error = f"reading stopped early ({reason_of(self._file.error)})"

    def _decode_blocks(self, sample_rate: int, start: float) -> Iterator[NDArray[np.float32]]:
        """Yield mono blocks at `sample_rate` from `start` on; follow changes of format within the stream."""
        self._skip = None
        # a mixer and a resampler for each run of frames of one format; groupby reads lazily, in constant memory
        for form, frames in groupby(self._frames(start), frame_format):
            blocks = mix_to_mono(frames, form, self._block_size, self._drain_every)
            yield from resample(self._drop_before(blocks, form.rate, start), form.rate, sample_rate)

    def _drop_before(
        self, blocks: Iterator[tuple[NDArray[np.float32], int | None]], rate: int, start: float
    ) -> Iterator[NDArray[np.float32]]:
        """Drop the samples before `start`: the frame found by seeking lies before it."""
        for block, time in blocks:
            # seconds still to be dropped: the stream's clock need not start at 0
            if self._skip is None:
                self._skip = 0.0 if time is None else start - (time * self._time_base - self._origin)
            dropped = min(max(0, round(self._skip * rate)), len(block))
            self._skip -= dropped / rate
            if dropped < len(block):
                kept = block[dropped:]
                if not np.abs(kept).max() < _LOUDEST:
                    raise AudioError("samples are not finite numbers (NaN, infinite or absurdly large)")
                yield kept

    def _check_length(self, start: float, decoded: float, wanted: float | None) -> None:
        """Compare how far reading came with what the file promises, as far as that was asked for."""
        said = self.info.duration
        if not said or self.info.container not in _EXACT_DURATION:
            return
        asked = said if wanted is None else min(said, start + wanted)
        if start + decoded < asked - max(0.5, 0.02 * said):
            far = f"only {start + decoded:.1f}" if decoded else f"nothing from {start:.1f} s on"
            cause = self.read_error or "the file is truncated or damaged"
            self.read_error = f"{far} of {said:.1f} s could be read: {cause}"


def probe(source: Source) -> AudioInfo:
    """Return what a file says of itself, without decoding it; AudioError if it is not a sound file."""
    with AudioFile(source) as audio:
        return audio.info


def decode(source: Source, sample_rate: int) -> NDArray[np.float32]:
    """Decode a whole file into one array of mono samples, full scale ±1; for long files use :meth:`AudioFile.blocks`.

    AudioError if it is not a sound file, or nothing can be decoded.
    """
    with AudioFile(source) as audio:
        return np.concatenate(list(audio.blocks(sample_rate)))
