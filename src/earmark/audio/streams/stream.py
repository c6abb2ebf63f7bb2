"""Live sound → blocks of mono float32: pipes, raw samples, files at their own speed.

A :class:`Stream` gives :class:`Block` after block until it ends, is closed, or fails for good; it usually runs in a
thread of its own (:mod:`earmark.audio.streams.buffer`).
"""

from __future__ import annotations

import os
import select
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any, BinaryIO

import av
import av.container
import numpy as np
from numpy.typing import NDArray

from earmark.audio import ffmpeg_limits
from earmark.audio.decode import AudioFile
from earmark.audio.source import Source, is_path
from earmark.errors import AudioError, SettingError

SAMPLE_FORMATS = (
    "s8 u8 s16le s16be u16le u16be s24le s24be s32le s32be f32le f32be f64le f64be alaw mulaw".split()  # noqa: SIM905
)
"""Raw samples that can be read, by FFmpeg's names."""

# For FFmpeg: no other files or hosts; 0.2 s of sound are enough to know its format; a small index
_LOW_LATENCY = {"protocol_whitelist": "none", "probesize": "16384", "analyzeduration": "200000", "indexmem": "65536"}

# Seconds of a block where a file is played at its own speed
_REALTIME_BLOCK = 0.05


@dataclass(frozen=True)
class Block:
    """A little sound that has just arrived.

    Attributes
    ----------
    samples : ndarray of float32, shape (samples,)
        Mono, full scale ±1; never empty.
    arrived : float
        When its last sample arrived, by :func:`time.monotonic`.
    title : str or None
        What is playing, where the source says so.
    lost : int
        Samples just before it that were lost, because nobody took them in time.
    """

    samples: NDArray[np.float32]
    arrived: float
    title: str | None = None
    lost: int = 0


def ignore(_: str) -> None:
    """Ignore a note."""


class Stream(ABC):
    """A source of sound that may never end.

    Attributes
    ----------
    name : str
        For people.
    live : bool
        Whether it goes on without waiting for the reader, so that a slow one loses samples.
    on_note : callable
        Called with a sentence where something went wrong and the stream goes on.
    """

    live = False

    def __init__(self, name: str, on_note: Callable[[str], None] = ignore) -> None:
        self.name, self.on_note = name, on_note
        self.stopped = Event()

    @abstractmethod
    def blocks(self, sample_rate: int) -> Generator[Block, None, None]:
        """Yield the sound, mono, at `sample_rate` Hz; AudioError where it fails for good."""

    def close(self) -> None:
        """End the stream soon, from whichever thread."""
        self.stopped.set()


@dataclass(frozen=True)
class Pcm:
    """Rate (Hz), format (one of :data:`SAMPLE_FORMATS`) and number of interleaved channels of raw samples."""

    rate: int = 44100
    form: str = "s16le"
    channels: int = 1

    def __post_init__(self) -> None:
        if self.form not in SAMPLE_FORMATS:
            raise SettingError(f"raw samples of {self.form!r}: there are {', '.join(SAMPLE_FORMATS)}")
        if not 1000 <= self.rate <= 10_000_000:
            raise SettingError(f"raw samples at {self.rate} Hz: need 1000 to 10000000")
        if not 1 <= self.channels <= 64:
            raise SettingError(f"raw samples of {self.channels} channels: need 1 to 64")

    @property
    def options(self) -> dict[str, str]:
        """Options for FFmpeg's demuxer."""
        return {"sample_rate": str(self.rate), "ch_layout": f"{self.channels} channels"}


@dataclass(frozen=True)
class Feed:
    """Bytes as they come, for FFmpeg: a file that cannot be seeked.

    `read` returns at most so many bytes, as soon as there are any; none at the end.
    """

    read: Callable[[int], bytes]
    name: str = field(default="", init=False)

    def seekable(self) -> bool:
        """Return False."""
        return False

    def tell(self) -> int:
        """Refuse."""
        raise OSError("not seekable")

    def seek(self, offset: int, whence: int = 0) -> int:
        """Refuse."""
        raise OSError("not seekable")


class LiveAudioFile(AudioFile):
    """A sound file that is decoded while it comes: small blocks, and little is probed before the first.

    `form` is FFmpeg's name of the container (guessed from the first bytes when left out), `options` are its demuxer's.
    """

    _block_size, _drain_every = 1024, 1

    def __init__(self, feed: Any, form: str | None = None, options: Mapping[str, str] | None = None) -> None:
        self._form, self._options = form, {**ffmpeg_limits.options(), **_LOW_LATENCY, **(options or {})}
        super().__init__(feed)

    def _open_container(self) -> av.container.InputContainer:
        return av.open(self._file, mode="r", format=self._form, options=self._options, metadata_errors="replace")


# by which the containers are known that people send instead of raw samples
_MAGIC = {
    b"RIFF": "a WAV file",
    b"OggS": "an Ogg file",
    b"fLaC": "a FLAC file",
    b"ID3": "an MP3 file",
    b"FORM": "an AIFF file",
}


class Pipe(Stream):
    """A file that cannot be seeked, such as standard input: any container FFmpeg knows, or raw samples.

    Parameters
    ----------
    pcm : Pcm, optional
        Of raw samples; a container when left out.
    live : bool
        Whether the writer does not wait for the reader.
    """

    def __init__(
        self,
        file: BinaryIO,
        pcm: Pcm | None = None,
        *,
        live: bool = False,
        name: str = "standard input",
        on_note: Callable[[str], None] = ignore,
    ) -> None:
        super().__init__(name, on_note)
        self.live, self._file, self._pcm = live, file, pcm
        self._begin = b""

    def blocks(self, sample_rate: int) -> Generator[Block, None, None]:
        """See :meth:`Stream.blocks`."""
        pcm = self._pcm
        if pcm and (found := self._peek()):
            self.on_note(f"standard input is {found}, not raw samples: it says its own rate and format")
            pcm = None
        with LiveAudioFile(Feed(self._read), pcm.form if pcm else None, pcm.options if pcm else None) as audio:
            for samples in audio.blocks(sample_rate):
                yield Block(samples, time.monotonic())
            if audio.read_error and not self.stopped.is_set():
                self.on_note(audio.read_error)

    def _peek(self) -> str:
        """Return which container the first bytes are of; "" where they may be raw samples. They are read again."""
        while len(self._begin) < max(map(len, _MAGIC)) and (block := self._read_new(4096)):
            self._begin += block
        return next((name for magic, name in _MAGIC.items() if self._begin.startswith(magic)), "")

    def _read(self, size: int) -> bytes:
        """Read what was peeked at, then what comes."""
        if not self._begin:
            return self._read_new(size)
        block, self._begin = self._begin[:size], self._begin[size:]
        return block

    def _read_new(self, size: int) -> bytes:
        """Read what has come, waiting for it until the stream is closed."""
        try:
            descriptor = self._file.fileno()
        except (OSError, AttributeError):
            return self._read_some(size)
        while sys.platform != "win32" and not select.select([descriptor], [], [], 0.2)[0]:
            if self.stopped.is_set():
                return b""
        return b"" if self.stopped.is_set() else self._read_some(size)

    def _read_some(self, size: int) -> bytes:
        read: Callable[[int], bytes] = getattr(self._file, "read1", self._file.read)
        return read(size)


class File(Stream):
    """A file, as fast as its blocks are taken, or (`realtime`) at its own speed."""

    def __init__(self, source: Source, *, realtime: bool = False, on_note: Callable[[str], None] = ignore) -> None:
        super().__init__(os.path.basename(os.fsdecode(source)) if is_path(source) else "file", on_note)  # noqa: PTH119
        self.live, self._source = realtime, source

    def blocks(self, sample_rate: int) -> Generator[Block, None, None]:
        """See :meth:`Stream.blocks`."""
        try:
            yield from self._decode(sample_rate)
        except AudioError as error:
            name = os.fsdecode(self._source) if is_path(self._source) else self.name
            raise AudioError(f"{name}: {error}") from error

    def _decode(self, sample_rate: int) -> Generator[Block, None, None]:
        begin, given = time.monotonic(), 0
        with AudioFile(self._source) as audio:
            for samples in audio.blocks(sample_rate):
                size = round(_REALTIME_BLOCK * sample_rate) if self.live else len(samples)
                for start in range(0, len(samples), size):
                    piece = samples[start : start + size]
                    given += len(piece)
                    if self.live:
                        self.stopped.wait(max(0.0, begin + given / sample_rate - time.monotonic()))
                    if self.stopped.is_set():
                        return
                    yield Block(piece, time.monotonic())
            if audio.read_error:
                self.on_note(audio.read_error)
