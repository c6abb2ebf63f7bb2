"""One file over HTTP, continued where it was broken off: by a bad line, or by a kill an hour ago.

What has come lies in a partial file, and beside it (``….from``) a note of where it came from and the server's
validator: its strong ETag, or else its date. A server that sees the validator in ``If-Range`` (RFC 9110, 13.1.5)
sends the rest if the file is still the same, and the whole file if it has changed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from importlib.metadata import version
from pathlib import Path
from urllib import request
from urllib.error import HTTPError

from earmark.errors import FetchError

_BLOCK = 1 << 18
"""Bytes read at once, at most."""

_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Statuses that may be gone a moment later."""


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Watch:
    """Who wants to know how a fetch goes on.

    Attributes
    ----------
    on_bytes : callable
        Given the step ("fetching", "checking", "unpacking", "verifying"), bytes done, and bytes in all or None.
    on_note : callable
        Given a sentence, where something did not go as hoped.
    """

    on_bytes: Callable[[str, int, int | None], None] = _ignore
    on_note: Callable[[str], None] = _ignore


@dataclass(frozen=True)
class Patience:
    """How long to bear with a server.

    Attributes
    ----------
    timeout : float
        Seconds without a byte after which a connection counts as broken.
    pauses : tuple of float
        Seconds before each further attempt; they begin anew when an attempt brought the file forward.
    sleep : callable
        What waits, given seconds.
    """

    timeout: float = 30.0
    pauses: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0)
    sleep: Callable[[float], None] = time.sleep


class _Broken(FetchError):
    """What another attempt may mend."""


def transfer(
    url: str, partial: Path, sizes: range, *, patience: Patience | None = None, watch: Watch | None = None
) -> None:
    """Bring a partial file to its end.

    Parameters
    ----------
    url : str
        http or https.
    partial : Path
        What has come so far, if anything; kept when this fails.
    sizes : range
        How many bytes the whole file may have.
    patience : Patience, optional
    watch : Watch, optional

    Raises
    ------
    FetchError
        If the server refuses, breaks off again and again, or has a file of another size.
    OSError
        If the partial file cannot be written.
    """
    patience, watch = patience or Patience(), watch or Watch()
    furthest, pauses = length(partial), iter(patience.pauses)
    while True:
        try:
            return _receive(url, partial, sizes, patience.timeout, watch)
        except _Broken as error:
            if length(partial) > furthest:
                furthest, pauses = length(partial), iter(patience.pauses)
            pause = next(pauses, None)
            if pause is None:
                raise FetchError(f"{error}, after {len(patience.pauses) + 1} attempts") from error
            watch.on_note(f"{error}; trying again in {pause:g} s")
            patience.sleep(pause)


def length(path: Path) -> int:
    """Size of a file in bytes; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def discard(partial: Path) -> None:
    """Remove a partial file, and the note of where it came from."""
    partial.unlink(missing_ok=True)
    _origin(partial).unlink(missing_ok=True)


def human(n_bytes: float) -> str:
    """Bytes in the units that disks are sold in.

    Examples
    --------
    >>> human(1_225_571_541)
    '1.2 GB'
    >>> human(999)
    '999 bytes'
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"


def _receive(url: str, partial: Path, sizes: range, timeout: float, watch: Watch) -> None:
    """One attempt: ask for what is missing, and write it down as it comes."""
    response = _answer(url, partial, timeout)
    if response is None:
        return
    with response:
        if response.headers.get_content_type() == "text/html":  # a sign-in or error page, under status 200
            raise FetchError("it sends a web page instead of the file")
        at, total = _extent(response, length(partial))
        if total is not None and total not in sizes:
            raise FetchError(f"the file there has {total} bytes, not {_said(sizes)}")
        if at == 0:
            _remember(url, response, partial)
        with partial.open("r+b" if at else "wb") as file:
            file.seek(at)
            watch.on_bytes("fetching", at, total)
            for block in _blocks(response):
                at += len(block)
                if at >= sizes.stop:
                    raise FetchError(f"it sends more than {_said(sizes)} bytes")
                file.write(block)
                watch.on_bytes("fetching", at, total)
    if at < (sizes.start if total is None else total):
        raise _Broken(f"the connection broke after {human(at)}" + (f" of {human(total)}" if total else ""))


def _answer(url: str, partial: Path, timeout: float) -> HTTPResponse | None:
    """The server's answer to a request for what is missing; None if it says that nothing is."""
    headers = {"User-Agent": f"earmark/{version('earmark')}", "Accept-Encoding": "identity"}
    here = length(partial)
    if here:
        headers["Range"] = f"bytes={here}-"
        if validator := _validator(url, partial):
            headers["If-Range"] = validator
    try:
        return _opener().open(request.Request(url, headers=headers), timeout=timeout)  # type: ignore[no-any-return]
    except HTTPError as error:
        with error:
            if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{here}":
                return None
            raise _refusal(error, partial) from error
    except (OSError, HTTPException) as error:
        raise _Broken(f"no answer ({getattr(error, 'reason', error)})") from error
    except ValueError as error:
        raise FetchError(f"no address that can be asked ({error})") from error


def _refusal(error: HTTPError, partial: Path) -> FetchError:
    """What a status that is not a success means for us."""
    if error.code == 416:  # nothing lies where the rest should begin
        discard(partial)
        return _Broken("what has come so far does not fit the file there")
    kind = _Broken if error.code in _PASSING else FetchError
    return kind(f"the server says {error.code} {error.reason}")


def _extent(response: HTTPResponse, here: int) -> tuple[int, int | None]:
    """Where in the file an answer begins, and the file's size if it says so, in bytes."""
    if response.status != 206:
        return 0, response.length
    said = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if said is None or int(said[1]) != here:
        raise FetchError(f"asked for the bytes from {here} on, it sent {said[0] if said else 'others'}")
    return here, int(said[2]) + 1 if said[3] == "*" else int(said[3])


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            block = response.read1(_BLOCK)
        except (OSError, HTTPException) as error:
            raise _Broken(f"the connection broke ({error})") from error
        if not block:
            return
        yield block


def _opener() -> request.OpenerDirector:
    """What opens http and https and, also after a redirection, nothing else."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _said(sizes: range) -> str:
    return str(sizes.start) if len(sizes) == 1 else f"at most {sizes.stop - 1}"


def _origin(partial: Path) -> Path:
    return partial.with_name(partial.name + ".from")


def _remember(url: str, response: HTTPResponse, partial: Path) -> None:
    """Note where a file that begins now comes from; the old bytes go first, lest the note speak of them."""
    partial.unlink(missing_ok=True)
    etag = response.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")  # W/ is too weak
    _origin(partial).write_text(f"{url}\n{validator}\n", encoding="utf-8")


def _validator(url: str, partial: Path) -> str:
    """The validator of what has come so far; empty if it came from elsewhere, or the server gave none."""
    if not _origin(partial).exists():
        return ""
    source, validator, *_ = [*_origin(partial).read_text(encoding="utf-8", errors="replace").splitlines(), "", ""]
    return validator if source == url else ""
