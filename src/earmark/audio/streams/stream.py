"""Sound that comes as it comes: pipes, raw samples, files at their own speed → blocks of mono float32.

A :class:`Stream` gives :class:`Block` after block until it ends, is closed, or fails for good. It is meant to run in a
thread of its own (:mod:`earmark.audio.streams.buffer`). Radio and microphone have modules of their own.
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
from earmark.audio.source import Source
from earmark.errors import SettingError

SAMPLE_FORMATS = (
    "s8 u8 s16le s16be u16le u16be s24le s24be s32le s32be f32le f32be f64le f64be alaw mulaw".split()  # noqa: SIM905
)
"""Raw samples that can be read, by FFmpeg's names."""

_IMPATIENT = {"protocol_whitelist": "none", "probesize": "16384", "analyzeduration": "200000", "indexmem": "65536"}
"""For FFmpeg: no other files or hosts; a fifth of a second of sound is enough to know its form; a short memory."""

_PART = 0.05
"""Seconds of a block, where a file is played at its own speed."""


@dataclass(frozen=True)
class Block:
    """A little sound, just come.

    Attributes
    ----------
    samples : ndarray of float32, shape (samples,)
        Mono, full scale ±1; never empty.
    arrived : float
        When its last sample was there, by :func:`time.monotonic`.
    title : str or None
        What is playing, where the source says so.
    lost : int
        Samples that came just before it and were lost, because nobody took them in time.
    """

    samples: NDArray[np.float32]
    arrived: float
    title: str | None = None
    lost: int = 0


def ignore(_: str) -> None:
    """Pass over a note."""


class Stream(ABC):
    """A source of sound that may never end.

    Attributes
    ----------
    name : str
        How to speak of it.
    live : bool
        Whether it goes on without waiting for us, so that whoever is too slow must leave something out.
    on_note : callable
        Given a sentence where something did not go as hoped, or a station told its name.
    """

    live = False

    def __init__(self, name: str, on_note: Callable[[str], None] = ignore) -> None:
        self.name, self.on_note = name, on_note
        self.stopped = Event()

    @abstractmethod
    def blocks(self, sample_rate: int) -> Generator[Block, None, None]:
        """Give the sound, mono, at `sample_rate` Hz; AudioError where it fails for good."""

    def close(self) -> None:
        """End it soon, from whichever thread."""
        self.stopped.set()


@dataclass(frozen=True)
class Pcm:
    """What raw samples do not say of themselves.

    Parameters
    ----------
    rate : int
        Hz.
    form : str
        One of :data:`SAMPLE_FORMATS`.
    channels : int
        Interleaved.
    """

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
        """The same, for FFmpeg."""
        return {"sample_rate": str(self.rate), "ch_layout": f"{self.channels} channels"}


@dataclass(frozen=True)
class Feed:
    """Bytes as they come, never twice: a file for FFmpeg that it cannot seek in.

    Parameters
    ----------
    read : callable
        Given a number, so many bytes or fewer, as soon as there are any; none at the end.
    """

    read: Callable[[int], bytes]
    name: str = field(default="", init=False)

    def seekable(self) -> bool:
        """It is not."""
        return False

    def tell(self) -> int:
        """Nor can it tell."""
        raise OSError("not seekable")

    def seek(self, offset: int, whence: int = 0) -> int:
        """It cannot."""
        raise OSError("not seekable")


class LiveAudioFile(AudioFile):
    """A recording that is heard while it comes: small blocks, and little looked at before the first.

    Parameters
    ----------
    feed : Feed
    form : str, optional
        FFmpeg's name of the container, where it is known; else it is guessed from the first bytes.
    options : mapping of str to str
        For the demuxer.
    """

    _block_size, _drain_every = 1024, 1

    def __init__(self, feed: Any, form: str | None = None, options: Mapping[str, str] | None = None) -> None:
        self._form, self._options = form, {**ffmpeg_limits.options(), **_IMPATIENT, **(options or {})}
        super().__init__(feed)

    def _open_container(self) -> av.container.InputContainer:
        return av.open(self._file, mode="r", format=self._form, options=self._options, metadata_errors="replace")


class Pipe(Stream):
    """A file that cannot be gone back in, such as standard input: any container FFmpeg knows, or raw samples.

    Parameters
    ----------
    file : binary file object
    pcm : Pcm, optional
        Take the bytes for raw samples.
    live : bool
        Whether what writes into it does not wait for us.
    name : str
    on_note : callable
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

    def blocks(self, sample_rate: int) -> Generator[Block, None, None]:
        """See :meth:`Stream.blocks`."""
        pcm = self._pcm
        with LiveAudioFile(Feed(self._read), pcm.form if pcm else None, pcm.options if pcm else None) as recording:
            for samples in recording.blocks(sample_rate):
                yield Block(samples, time.monotonic())
            if recording.read_error and not self.stopped.is_set():
                self.on_note(recording.read_error)

    def _read(self, size: int) -> bytes:
        """What has come, waiting for it no longer than until the stream is closed."""
        try:
            descriptor = self._file.fileno()
        except (OSError, AttributeError):
            return self._some(size)
        while sys.platform != "win32" and not select.select([descriptor], [], [], 0.2)[0]:
            if self.stopped.is_set():
                return b""
        return b"" if self.stopped.is_set() else self._some(size)

    def _some(self, size: int) -> bytes:
        read: Callable[[int], bytes] = getattr(self._file, "read1", self._file.read)
        return read(size)


class File(Stream):
    """A file, as fast as it is taken, or at its own speed.

    Parameters
    ----------
    source : path or binary file object
    realtime : bool
        Play it at its own speed.
    on_note : callable
    """

    def __init__(self, source: Source, *, realtime: bool = False, on_note: Callable[[str], None] = ignore) -> None:
        known = isinstance(source, str | bytes | os.PathLike)
        super().__init__(os.path.basename(os.fsdecode(source)) if known else "file", on_note)  # type: ignore[arg-type]  # noqa: PTH119
        self.live, self._source = realtime, source

    def blocks(self, sample_rate: int) -> Generator[Block, None, None]:
        """See :meth:`Stream.blocks`."""
        begin, given = time.monotonic(), 0
        part = round(_PART * sample_rate)
        with AudioFile(self._source) as recording:
            for samples in recording.blocks(sample_rate):
                for start in range(0, len(samples), part if self.live else len(samples)):
                    piece = samples[start : start + part] if self.live else samples
                    given += len(piece)
                    if self.live:
                        self.stopped.wait(max(0.0, begin + given / sample_rate - time.monotonic()))
                    if self.stopped.is_set():
                        return
                    yield Block(piece, time.monotonic())
            if recording.read_error:
                self.on_note(recording.read_error)
