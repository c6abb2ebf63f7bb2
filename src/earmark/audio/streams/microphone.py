"""The microphone, through sounddevice (PortAudio)."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from queue import Empty, Full, Queue
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from earmark.audio.streams.stream import Block, Stream, ignore
from earmark.errors import AudioError, MissingExtra, reason_of

# Seconds without a sample after which a device counts as gone
_TIMEOUT = 5.0

# Pieces, of a hundredth of a second or so, that may wait to be resampled
_MAX_WAITING = 512


def list_microphones() -> list[tuple[int, str, int, int, bool]]:
    """Return the devices that record: number, name, channels, rate in Hz, and whether it is the default."""
    sounddevice = _import_sounddevice()
    default = sounddevice.default.device[0]
    return [
        (number, str(d["name"]), d["max_input_channels"], int(d["default_samplerate"]), number == default)
        for number, d in enumerate(sounddevice.query_devices())
        if d["max_input_channels"] > 0
    ]


class Microphone(Stream):
    """A device that records.

    `device` is its number or part of its name; the system's default when left out. MissingExtra if sounddevice is not
    installed, AudioError if the library below it, PortAudio, is not.
    """

    live = True

    def __init__(self, device: str | int | None = None, *, on_note: Callable[[str], None] = ignore) -> None:
        super().__init__("microphone", on_note)
        self._library, self._device = _import_sounddevice(), device
        self._pieces: Queue[tuple[NDArray[np.float32], float]] = Queue(_MAX_WAITING)
        self._lost = 0

    def blocks(self, sample_rate: int) -> Generator[Block, None, None]:
        """See :meth:`Stream.blocks`."""
        try:
            info = self._library.query_devices(self._device, "input")
            rate, channels = int(info["default_samplerate"]), min(2, int(info["max_input_channels"]))
            self.name = str(info["name"])
            stream = self._library.InputStream(
                device=self._device, samplerate=rate, channels=channels, dtype="float32", callback=self._receive
            )
            with stream:
                yield from self._resample(stream, rate, sample_rate)
        except (self._library.PortAudioError, ValueError) as error:
            if isinstance(error, AudioError):
                raise
            raise AudioError(f"no microphone that can be heard ({reason_of(error)}): see --list-devices") from error

    def _receive(self, data: NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        """Take a piece from PortAudio, whose thread must not wait."""
        try:
            self._pieces.put_nowait((data.mean(axis=1, dtype=np.float32), time.monotonic()))
        except Full:
            self._lost += frames

    def _resample(self, stream: Any, rate: int, sample_rate: int) -> Generator[Block, None, None]:
        resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
        last = time.monotonic()
        while not self.stopped.is_set():
            try:
                piece, last = self._pieces.get(timeout=0.2)
            except Empty:
                if not stream.active or time.monotonic() - last > _TIMEOUT:
                    raise AudioError(f"{self.name}: the device gives no sound any more") from None
                continue
            lost, self._lost = self._lost, 0
            samples = resampler.resample_chunk(piece)
            if len(samples):
                yield Block(samples, last, lost=round(lost * sample_rate / rate))


def _import_sounddevice() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise MissingExtra("the microphone", "live") from error
    except OSError as error:
        raise AudioError(f"{error}: install PortAudio (Debian, Ubuntu: apt install libportaudio2)") from error
    return sounddevice
