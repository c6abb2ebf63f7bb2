"""Internet radio: Icecast, SHOUTcast, HLS, or any file over HTTP; lost connections are opened again."""

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
from earmark.errors import AudioError, format_count, reason_of

# FFmpeg's names for content types of streams that may be joined anywhere, so that it need not probe them
_CONTAINERS = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/aac": "aac", "audio/aacp": "aac", "audio/x-aac": "aac"}

# What an HLS playlist may lead FFmpeg to: no files, no pipes, no other hosts' protocols
_PROTOCOLS = "http,https,tcp,tls,crypto"

# Seconds of sound after which a connection counts as good, and attempts are counted anew
_STABLE = 5.0

# Seconds before the first further attempt, and at most; each is twice the one before, up to half of it at random
_PAUSES = (0.5, 30.0)

# Bytes of a station without any sound in them after which it is none, or not what it says
_MAX_SILENT_BYTES = 1 << 18

# Playlists that may lead to playlists
_MAX_PLAYLISTS = 3


class _HlsStream(AudioFile):
    """An HLS stream, whose segments FFmpeg fetches by itself."""

    _block_size, _drain_every = 1024, 1

    def __init__(self, url: str, timeout: float) -> None:
        self._url, self._timeout = url, timeout
        super().__init__(io.BytesIO())

    def _open_container(self) -> av.container.InputContainer:
        own = {"protocol_whitelist": _PROTOCOLS, "probesize": "65536", "analyzeduration": "500000"}
        options = ffmpeg_limits.options() | own
        return av.open(self._url, format="hls", options=options, timeout=self._timeout, metadata_errors="replace")


class Radio(Stream):
    """A station, or any sound, at an http or https address.

    What ends without having stated its length counts as broken off, and is asked for again. A file, which states it,
    is decoded once, as fast as it comes.

    Parameters
    ----------
    url : str
        A stream, or a list (M3U, PLS) or HLS playlist that leads to one.
    retries : int
        Attempts in a row before it is given up.
    timeout : float
        Seconds without a byte after which a connection counts as broken.
    on_note : callable
        Called with sentences for people.
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
        self._response: StationResponse | None = None
        self._finite = False
        self._played = False
        self._ignore_type = False  # it is not of the content type that it states
        self._silent_bytes = 0  # since the last sound
        self._error: Exception | None = None
        self.title: str | None = None

    def close(self) -> None:
        """See :meth:`Stream.close`; a reader that waits for bytes is woken."""
        super().close()
        if self._response:
            self._response.close()

    def blocks(self, sample_rate: int) -> Generator[Block, None, None]:
        """See :meth:`Stream.blocks`."""
        failures = 0
        while not self.stopped.is_set():
            n_samples = 0
            try:
                for samples in self._decode_connection(sample_rate, failures):
                    n_samples += len(samples)
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
            failures = 1 if n_samples >= _STABLE * sample_rate else failures + 1
            self._pause(failures, reason)

    def _pause(self, failures: int, reason: str) -> None:
        if self.stopped.is_set():
            return
        if failures > self._retries:
            raise AudioError(f"{self._url}: {reason}, after {format_count(failures, 'attempt')}")
        first, most = self._pauses
        # partly at random, so that listeners do not all come back at once
        pause = min(most, first * 2 ** (failures - 1)) * random.uniform(0.5, 1)
        self.on_note(f"{reason}; trying again in {pause:.1f} s")
        self.stopped.wait(pause)

    def _decode_connection(self, sample_rate: int, attempt: int) -> Generator[NDArray[np.float32], None, None]:
        """Yield the sound of one connection, following playlists."""
        url = self._url
        for _ in range(_MAX_PLAYLISTS + 1):
            self._response = response = StationResponse(url, self._timeout, self._set_title)
            try:
                content = response.read_playlist()
                if content is None:
                    yield from self._decode(response, sample_rate)
                    return
            except (OSError, HTTPException) as error:
                raise TemporaryError(f"the connection broke ({reason_of(error)})") from error
            finally:
                response.close()
            if b"#EXT-X-" in content:
                yield from self._decode_hls(response.url, sample_rate)
                return
            addresses = parse_playlist(content, response.url)
            if not addresses:
                raise AudioError("the list there names no http or https address")
            url = addresses[attempt % len(addresses)]
        raise AudioError("lists that lead to lists, and no sound")

    def _decode(self, response: StationResponse, sample_rate: int) -> Generator[NDArray[np.float32], None, None]:
        kind = response.content_type
        if kind.startswith("text/") or kind in ("application/json", "application/xhtml+xml"):
            raise AudioError(f"it sends {kind}, no sound: look for the address of the stream itself")
        self._finite, self.live = response.finite, not response.finite
        if response.station and not self._played:
            self.name = response.station
        self._error, self._silent_bytes = None, 0
        container = None if self._ignore_type else _CONTAINERS.get(kind)
        try:
            with LiveAudioFile(Feed(lambda size: self._read(response, size)), container) as audio:
                for samples in audio.blocks(sample_rate):
                    self._silent_bytes = 0
                    yield samples
        except AudioError as error:
            if self._error:
                raise TemporaryError(f"the connection broke ({reason_of(self._error)})") from error
            if container and not self._played:
                self._ignore_type = True
                raise TemporaryError(f"it says {kind}, which it is not") from error
            raise
        if self._error and not self.stopped.is_set():
            raise TemporaryError(f"the connection broke ({reason_of(self._error)})")

    def _read(self, response: StationResponse, size: int) -> bytes:
        """Read bytes for FFmpeg, through which errors must not pass."""
        try:
            hopeless = self._silent_bytes > _MAX_SILENT_BYTES and not response.finite
            if hopeless or self._error or self.stopped.is_set():
                return b""
            data = response.read(size)
            self._silent_bytes += len(data)
            return data
        except (OSError, HTTPException, ValueError, AttributeError) as error:
            self._error = error
            return b""

    def _decode_hls(self, url: str, sample_rate: int) -> Generator[NDArray[np.float32], None, None]:
        with _HlsStream(url, self._timeout) as audio:
            for samples in audio.blocks(sample_rate):
                if self.stopped.is_set():
                    return
                yield samples
            if audio.read_error:
                raise TemporaryError(audio.read_error)
            self._finite = True

    def _set_title(self, title: str | None) -> None:
        self.title = title
