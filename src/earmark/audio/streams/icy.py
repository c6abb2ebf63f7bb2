"""What stations send over HTTP: sound, titles in between (ICY metadata), and playlists that point elsewhere."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from importlib.metadata import version
from typing import Any
from urllib import request
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit

from earmark.errors import AudioError, reason_of

RETRY_STATUSES = {408, 425, 429, 500, 502, 503, 504}
"""Statuses that another attempt may end; all others of 400 and above stay."""

_PLAYLIST_TYPES = re.compile(r"mpegurl|x-scpls|pls\+xml", re.IGNORECASE)
# Bytes
_MAX_PLAYLIST = 1 << 18


class TemporaryError(AudioError):
    """What another attempt may solve."""


class StationResponse:
    """An open connection to a station; titles are taken out of the bytes.

    Parameters
    ----------
    url : str
        http or https; redirections are followed to nothing else.
    timeout : float
        Seconds without a byte after which it counts as broken.
    on_title : callable
        Called with each title, and with None where there is none any more.

    Raises
    ------
    AudioError
        If it fails; TemporaryError if another attempt may help.
    """

    def __init__(self, url: str, timeout: float, on_title: Callable[[str | None], None]) -> None:
        own = {"User-Agent": f"earmark/{version('earmark')}", "Icy-MetaData": "1", "Accept": "*/*"}
        self._response = _send(request.Request(url, headers=own), timeout)
        self.url = self._response.url
        headers = self._response.headers
        self.content_type = headers.get_content_type()
        self.station = decode_text(headers.get("icy-name", "").encode("latin-1", "replace")) or None
        self.finite = self._response.length is not None and not any(name.startswith("icy-") for name in headers)
        self._missing = self._response.length
        interval = headers.get("icy-metaint", "0").strip()
        # bytes of sound between titles
        self._interval = int(interval) if interval.isdecimal() else 0
        self._left = self._interval
        self._on_title = on_title

    def read(self, size: int) -> bytes:
        """Return sound that has come, at most `size` bytes; none where the station has closed the connection."""
        if self._interval and not self._left:
            # a byte with the length of the metadata in units of 16 bytes, then as many
            if not (length := self._read_some(1)):
                return b""
            if metadata := self._read_exactly(16 * length[0]):
                self._on_title(parse_title(metadata))
            self._left = self._interval
        data = self._read_some(min(size, self._left) if self._interval else size)
        self._left -= len(data)
        return data

    def read_playlist(self) -> bytes | None:
        """Return everything, where it is a list of addresses (M3U or PLS); None where it is not."""
        named = re.search(r"\.(m3u8?|pls)$", urlsplit(self.url).path, re.IGNORECASE)
        if not named and not _PLAYLIST_TYPES.search(self.content_type):
            return None
        if self._interval or self.content_type in ("audio/mpeg", "audio/aac"):
            return None
        content = b""
        while len(content) < _MAX_PLAYLIST and (some := self._read_some(_MAX_PLAYLIST)):
            content += some
        return content

    def close(self) -> None:
        """Close the connection, from whichever thread; a reader that waits for bytes is woken."""
        with suppress(OSError, AttributeError):
            self._response.socket.shutdown(socket.SHUT_RDWR)
        self._response.close()

    def _read_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            if not (some := self._read_some(size - len(data))):
                return b""
            data += some
        return data

    def _read_some(self, size: int) -> bytes:
        data = self._response.read1(size)
        if self._missing is not None:
            self._missing -= len(data)
            if not data and self._missing > 0:
                raise ConnectionError("the connection broke off")
        return data


def parse_title(metadata: bytes) -> str | None:
    """Return the title in a block of ICY metadata, None where there is none.

    Examples
    --------
    >>> parse_title(b"StreamTitle='It's Only Rock 'n' Roll';StreamUrl='';" + bytes(9))
    "It's Only Rock 'n' Roll"
    """
    found = re.search(rb"StreamTitle='(.*?)'(?:;\s*Stream\w+=|;?\s*\0*$)", metadata, re.DOTALL)
    return decode_text(found[1]) or None if found else None


def decode_text(text: bytes) -> str:
    """Decode text of unknown encoding: UTF-8, or else what Windows writes in the west; unprintable becomes a space."""
    try:
        words = text.decode("utf-8")
    except UnicodeDecodeError:
        words = text.decode("cp1252", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())


def parse_playlist(content: bytes, base: str) -> list[str]:
    r"""Return the http and https addresses in a playlist (M3U or PLS); it must not reach files.

    Examples
    --------
    >>> parse_playlist(b"[playlist]\nFile1=http://a.example/x\nTitle1=X\nFile2=file:///etc/passwd", "http://b.example/")
    ['http://a.example/x']
    """
    lines = [line.strip() for line in content.decode("utf-8", "replace").lstrip("\ufeff").splitlines()]
    if any(line.lower() == "[playlist]" for line in lines):
        named = [re.fullmatch(r"File\d+\s*=\s*(.+)", line, re.IGNORECASE) for line in lines]
        found = [match[1] for match in named if match]
    else:
        found = [line for line in lines if line and not line.startswith("#")]
    addresses: list[str] = []
    for line in found:
        with suppress(ValueError):
            address = urljoin(base, line)
            if urlsplit(address).scheme in ("http", "https"):
                addresses.append(address)
    return addresses


class _StatusLine:
    """A socket's file whose first line may be SHOUTcast's ``ICY 200 OK``."""

    def __init__(self, file: Any) -> None:
        self._file, self._first = file, True

    def readline(self, *limit: int) -> bytes:
        line: bytes = self._file.readline(*limit)
        first, self._first = self._first, False
        return b"HTTP/1.0" + line[3:] if first and line.startswith(b"ICY ") else line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Response(HTTPResponse):
    url: str

    def __init__(self, sock: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.socket = sock
        self.fp: Any = _StatusLine(self.fp)


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Handler(request.HTTPHandler, request.HTTPSHandler):
    def http_open(self, message: request.Request) -> Any:
        return self.do_open(_Connection, message)

    def https_open(self, message: request.Request) -> Any:
        return self.do_open(_SecureConnection, message)


def _send(message: request.Request, timeout: float) -> _Response:
    # knows http and https and, also after a redirection, nothing else
    opener = request.OpenerDirector()
    errors = (request.HTTPDefaultErrorHandler, request.HTTPErrorProcessor, request.UnknownHandler)
    for handler in (request.ProxyHandler, _Handler, request.HTTPRedirectHandler, *errors):
        opener.add_handler(handler())
    try:
        response: _Response = opener.open(message, timeout=timeout)
    except HTTPError as error:
        with error:
            kind = TemporaryError if error.code in RETRY_STATUSES else AudioError
            raise kind(f"the server says {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        words = reason_of(reason) if isinstance(reason, BaseException) else str(reason)
        # no such name stays so; where the name server itself is out of reach, the number is another
        unknown = isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_NONAME
        kind = AudioError if unknown or "unknown url type" in words else TemporaryError
        raise kind(f"no answer ({words})") from error
    except ValueError as error:
        raise AudioError(f"no address that can be asked ({error})") from error
    return response
