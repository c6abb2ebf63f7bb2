"""Internet radio: Icecast, SHOUTcast, HLS, or any file over HTTP; lost connections are taken up again."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable, Generator
from http.client import HTTPException

import av
import av.container
import numpy as np
from numpy.typing import NDArray

from earmark.audio import ffmpeg_limits
from earmark.audio.decode import AudioFile
from earmark.audio.streams.icy import StationResponse, TemporaryError, parse_playlist
from earmark.audio.streams.stream import Block, Feed, LiveAudioFile, Stream, ignore
from earmark.errors import AudioError, reason_of

_FORMS = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/aac": "aac", "audio/aacp": "aac", "audio/x-aac": "aac"}
"""Content types of streams that may be joined anywhere: FFmpeg need not search for what they are."""

_PROTOCOLS = "http,https,tcp,tls,crypto"
"""What an HLS playlist may lead FFmpeg to: no files, no pipes, no other hosts' protocols."""

_STEADY = 5.0
"""Seconds of sound after which a connection counts as good, and attempts are counted anew."""

_PAUSES = (0.5, 30.0)
"""Seconds before the first further attempt, and at most; each is twice the one before, and half of it is chance."""

_FRUITLESS = 1 << 18
"""Bytes of a station without any sound in them after which it is none, or not what it says."""

_DEEP = 3
"""Lists that may lead to lists."""


class _Hls(AudioFile):
    """An HLS stream, which FFmpeg fetches by itself."""

    _block_size, _drain_every = 1024, 1

    def __init__(self, url: str, timeout: float) -> None:
        self._url, self._timeout = url, timeout
        super().__init__(io.BytesIO())

    def _open_container(self) -> av.container.InputContainer:
        own = {"protocol_whitelist": _PROTOCOLS, "probesize": "65536", "analyzeduration": "500000"}
        return av.open(
            self._url,
            format="hls",
            options=ffmpeg_limits.options() | own,
            timeout=self._timeout,
            metadata_errors="replace",
        )


class Radio(Stream):
    """A station, or any sound, at an http or https address.

    What ends without having said how long it is counts as broken off, and is asked for again. A file (which states
    its length) is heard once, as fast as it comes.

    Parameters
    ----------
    url : str
        A stream, or a list (M3U, PLS) or HLS playlist that leads to one.
    retries : int
        Attempts in a row before it is given up.
    timeout : float
        Seconds without a byte after which a connection counts as broken.
    on_note : callable
    pauses : tuple of float
        Seconds before the first further attempt, and at most.
    """

    live = True

    def __init__(
        self,
        url: str,
        *,
        retries: int = 10,
        timeout: float = 10.0,
        on_note: Callable[[str], None] = ignore,
        pauses: tuple[float, float] = _PAUSES,
    ) -> None:
        super().__init__(url, on_note)
        self._url, self._retries, self._timeout, self._pauses = url, retries, timeout, pauses
        self._answer: StationResponse | None = None
        self._finite = False
        self._played = False
        self._guessing = False  # what it is, since it is not what it says
        self._fruitless = 0  # bytes since sound came of them
        self._error: Exception | None = None
        self.title: str | None = None

    def close(self) -> None:
        """See :meth:`Stream.close`; who waits for bytes is woken."""
        super().close()
        if self._answer:
            self._answer.close()

    def blocks(self, sample_rate: int) -> Generator[Block, None, None]:
        """See :meth:`Stream.blocks`."""
        failures = 0
        while not self.stopped.is_set():
            heard = 0
            try:
                for samples in self._connected(sample_rate, failures):
                    heard += len(samples)
                    self._played = True
                    yield Block(samples, time.monotonic(), self.title)
                if self._finite:
                    return
                reason = "the connection was closed"
            except AudioError as error:
                hopeless = self._finite if self._played else not isinstance(error, TemporaryError)
                if hopeless:
                    raise AudioError(f"{self._url}: {error}") from error
                reason = str(error)
            failures = 1 if heard >= _STEADY * sample_rate else failures + 1
            self._pause(failures, reason)

    def _pause(self, failures: int, reason: str) -> None:
        if self.stopped.is_set():
            return
        if failures > self._retries:
            raise AudioError(f"{self._url}: {reason}, after {failures} attempt{'s' * (failures > 1)}")
        first, most = self._pauses
        pause = min(most, first * 2 ** (failures - 1)) * random.uniform(0.5, 1)  # lest all listeners come at once
        self.on_note(f"{reason}; trying again in {pause:.1f} s")
        self.stopped.wait(pause)

    def _connected(self, sample_rate: int, attempt: int) -> Generator[NDArray[np.float32], None, None]:
        """Sound of one connection."""
        url = self._url
        for _ in range(_DEEP + 1):
            self._answer = answer = StationResponse(url, self._timeout, self._titled)
            try:
                content = answer.list_of()
                if content is None:
                    yield from self._heard(answer, sample_rate)
                    return
            except (OSError, HTTPException) as error:
                raise TemporaryError(f"the connection broke ({reason_of(error)})") from error
            finally:
                answer.close()
            if b"#EXT-X-" in content:
                yield from self._segmented(answer.url, sample_rate)
                return
            found = parse_playlist(content, answer.url)
            if not found:
                raise AudioError("the list there names no http or https address")
            url = found[attempt % len(found)]
        raise AudioError("lists that lead to lists, and no sound")

    def _heard(self, answer: StationResponse, sample_rate: int) -> Generator[NDArray[np.float32], None, None]:
        if answer.kind.startswith("text/") or answer.kind in ("application/json", "application/xhtml+xml"):
            raise AudioError(f"it sends {answer.kind}, no sound: look for the address of the stream itself")
        self._finite, self.live = answer.finite, not answer.finite
        if answer.station and not self._played:
            self.name = answer.station
        self._error, self._fruitless = None, 0
        form = None if self._guessing else _FORMS.get(answer.kind)
        try:
            with LiveAudioFile(Feed(lambda size: self._read(answer, size)), form) as recording:
                for samples in recording.blocks(sample_rate):
                    self._fruitless = 0
                    yield samples
        except AudioError as error:
            if self._error:
                raise TemporaryError(f"the connection broke ({reason_of(self._error)})") from error
            if form and not self._played:
                self._guessing = True
                raise TemporaryError(f"it says {answer.kind}, which it is not") from error
            raise
        if self._error and not self.stopped.is_set():
            raise TemporaryError(f"the connection broke ({reason_of(self._error)})")

    def _read(self, answer: StationResponse, size: int) -> bytes:
        """Bytes for FFmpeg, through which errors must not pass."""
        try:
            hopeless = self._fruitless > _FRUITLESS and not answer.finite
            if hopeless or self._error or self.stopped.is_set():
                return b""
            data = answer.read(size)
            self._fruitless += len(data)
            return data
        except (OSError, HTTPException, ValueError, AttributeError) as error:
            self._error = error
            return b""

    def _segmented(self, url: str, sample_rate: int) -> Generator[NDArray[np.float32], None, None]:
        with _Hls(url, self._timeout) as recording:
            for samples in recording.blocks(sample_rate):
                if self.stopped.is_set():
                    return
                yield samples
            if recording.read_error:
                raise TemporaryError(recording.read_error)
            self._finite = True

    def _titled(self, title: str | None) -> None:
        self.title = title
