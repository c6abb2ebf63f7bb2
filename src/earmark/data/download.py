"""Download an archive from the first of several mirrors that has it, through pooch, and check it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rich.filesize import decimal

from earmark.audio.streams.icy import RETRY_STATUSES
from earmark.errors import FetchError, SettingError, reason_of

if TYPE_CHECKING:
    from requests import Response

# Attempts at each mirror; pooch waits 1, 2, 3 … s between them.
_ATTEMPTS = 5
# Seconds until a host counts as out of reach.
_CONNECT_SECONDS = 4.0


@dataclass(frozen=True)
class Archive:
    """What is known about a corpus's archive before it is here: sizes in bytes, mirrors the best first.

    Where `size` is not `exact`, less than twice as much is accepted.
    """

    name: str
    sha256: str
    size: int
    unpacked: int
    mirrors: tuple[str, ...]
    exact: bool = True

    @property
    def sizes(self) -> range:
        """How many bytes it may have."""
        return range(self.size, self.size + 1) if self.exact else range(1, 2 * self.size)


@dataclass(frozen=True)
class Reporter:
    """Callbacks: for a step's bytes done and in all (or None), and for what failed and is tried otherwise."""

    on_bytes: Callable[[str, int, int | None], None] = lambda step, done, total: None
    on_note: Callable[[str], None] = lambda sentence: None


SILENT = Reporter()


def download(archive: Archive, folder: Path, mirrors: Sequence[str] = (), reporter: Reporter = SILENT) -> Path:
    """Return an archive whose checksum is right: the one in a folder, or from the first mirror that has it.

    Mirrors are http or https addresses of the archive, or local copies (paths or file: addresses), which are used
    where they are; those given are tried before the archive's own.
    """
    sources = [(mirror, _parse_mirror(mirror)) for mirror in dict.fromkeys((*mirrors, *archive.mirrors))]
    target = folder / archive.name
    if target.is_file():
        try:
            return _check(archive, target, reporter)
        except FetchError as error:
            reporter.on_note(f"{target} is not the archive that is looked for ({error})")
    failures = []
    for mirror, path in sources:
        if path is None:
            require_room(folder, archive.size, archive.unpacked)
        try:
            found = _check(archive, path, reporter) if path else _retrieve(archive, mirror, target, reporter)
        except FetchError as error:
            failures.append(f"{mirror}: {error}")
        else:
            for failure in failures:
                reporter.on_note(failure)
            return found
    lines = "".join(f"\n  {failure}" for failure in failures)
    raise FetchError(
        f"{archive.name} could not be fetched:{lines}\n"
        "Try again later, or name another source of the archive with --mirror: an address, or a file that you have"
    )


class _Download:
    """What pooch downloads with, and writes to: refuses early, tells how far it is, and puts errors in plain words."""

    file: BinaryIO

    def __init__(self, archive: Archive, reporter: Reporter) -> None:
        self.archive, self.reporter = archive, reporter
        self.attempt = self.n_bytes = 0
        self.total: int | None = None
        self.closing = ExitStack()

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Make one attempt; pooch makes another after a RequestException, but not after a FetchError."""
        from pooch import HTTPDownloader, downloaders
        from requests import ConnectTimeout, RequestException, TooManyRedirects
        from urllib3.exceptions import NewConnectionError

        self.attempt, self.n_bytes, self.total = self.attempt + 1, 0, None
        headers = {"User-Agent": f"earmark/{version('earmark')}", "Accept-Encoding": "identity"}
        timeout = (_CONNECT_SECONDS, downloaders.DEFAULT_TIMEOUT)
        hooks = {"response": self.check_response}
        get = HTTPDownloader(chunk_size=1 << 14, headers=headers, hooks=hooks, timeout=timeout)
        path = Path(output_file)
        # made by pooch, for its owner alone; ours is as readable as any file
        path.unlink()
        try:
            with self.closing, path.open("wb") as self.file:
                get(url, self, pooch)
            # of a server that said no length
            if self.n_bytes < self.archive.sizes.start:
                raise RequestException("it ended early")
        except (ValueError, TooManyRedirects) as error:
            raise FetchError(f"no address that can be asked ({error})") from error
        except RequestException as error:
            causes = _list_causes(error)
            words = self.explain(causes[-1])
            # no such host, or nobody there: a second later that is the same, unless it was there before
            unreachable = any(isinstance(cause, NewConnectionError | ConnectTimeout) for cause in causes)
            if unreachable and self.attempt == 1:
                raise FetchError(words) from error
            # the last attempt's error is told by who gives up
            if self.attempt < _ATTEMPTS:
                self.reporter.on_note(f"{words} (attempt {self.attempt} of {_ATTEMPTS})")
            raise RequestException(words) from error
        _check(self.archive, path, self.reporter)

    def check_response(self, response: Response, **_: Any) -> None:
        """Refuse an answer that cannot be the archive, before it is read."""
        from requests import HTTPError

        self.closing.callback(response.close)
        if response.is_redirect:
            return
        if response.status_code // 100 != 2:
            words = f"the server says {response.status_code} {response.reason}"
            raise HTTPError(words) if response.status_code in RETRY_STATUSES else FetchError(words)
        # a sign-in or error page
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise FetchError("it sends a web page instead of the file")
        sizes, length = self.archive.sizes, response.headers.get("Content-Length")
        if length is not None:
            if not length.isdecimal() or int(length) not in sizes:
                raise FetchError(f"the file there has {length} bytes, not {_describe(sizes)}")
            self.total = int(length)
        # Some servers call the archive itself an encoding of its content: keep it packed.
        response.raw.headers.discard("Content-Encoding")
        self.reporter.on_bytes("fetching", 0, self.total)

    def write(self, block: bytes) -> None:
        """Write what has come, but never more than the archive may have."""
        self.n_bytes += len(block)
        if self.n_bytes not in range(self.archive.sizes.stop):
            raise FetchError(f"it sends more than {_describe(self.archive.sizes)} bytes")
        self.file.write(block)
        self.reporter.on_bytes("fetching", self.n_bytes, self.total)

    def flush(self) -> None:
        """Do nothing: closing the file is early enough."""

    def explain(self, cause: BaseException) -> str:
        """Return what broke, and its first cause."""
        from requests import HTTPError

        if isinstance(cause, HTTPError):
            return str(cause)
        if not self.n_bytes and self.total is None:
            return f"no answer ({reason_of(cause)})"
        of = f" of {decimal(self.total)}" if self.total else ""
        return f"the connection broke after {decimal(self.n_bytes)}{of} ({reason_of(cause)})"


def _list_causes(error: BaseException) -> list[BaseException]:
    """Return an error, its cause, the cause of that and so on: requests and urllib3 wrap errors several times."""
    causes = [error]
    while inner := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(inner)
    return causes


def _retrieve(archive: Archive, url: str, target: Path, reporter: Reporter) -> Path:
    """Download to a folder beside the target, attempt after attempt, and put the archive in its place."""
    import pooch
    from requests import RequestException

    # attempts are reported by our own reporter
    pooch.get_logger().setLevel("WARNING")
    with scratch(target) as folder:
        # No checksum for pooch, which would try again after a wrong one: _Download compares it.
        store = pooch.Pooch(folder, "", {archive.name: None}, {archive.name: url}, retry_if_failed=_ATTEMPTS - 1)
        try:
            path = store.fetch(archive.name, downloader=_Download(archive, reporter))
        except RequestException as error:
            raise FetchError(f"{error}, after {_ATTEMPTS} attempts") from error
        return Path(path).replace(target)


@contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """Make an empty folder beside a target, and remove it at the end, or where a killed run has left it."""
    folder = target.with_name(f".{target.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_room(folder: Path, packed: int, unpacked: int) -> None:
    """Raise FetchError unless a disk has room for bytes still to be downloaded, and for them unpacked."""
    free = shutil.disk_usage(folder).free
    if free < packed + unpacked:
        parts = f"{decimal(packed)} to download and {decimal(unpacked)} unpacked" if packed else "to unpack"
        raise FetchError(
            f"not enough room in {folder}: {decimal(packed + unpacked)} needed ({parts}), {decimal(free)} free; "
            "make room, or name a folder on another disk"
        )


def _parse_mirror(mirror: str) -> Path | None:
    """Return the file that a mirror means, or None if it is to be asked over the network."""
    try:
        parts = urlsplit(mirror)
    except ValueError as error:
        raise SettingError(f"{mirror!r} is no mirror ({error})") from error
    if parts.scheme in ("http", "https") and parts.netloc:
        return None
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path))
    # no scheme, or a drive letter
    if mirror and (len(parts.scheme) < 2 or os.path.lexists(mirror)):
        return Path(mirror).expanduser()
    raise SettingError(f"{mirror!r} is no mirror: give an http:// or https:// address of the archive, or a file")


def _check(archive: Archive, path: Path, reporter: Reporter) -> Path:
    """Return the path of a file if its checksum is the archive's."""
    if not path.is_file():
        raise FetchError("no such file")
    size = path.stat().st_size
    reporter.on_bytes("checking", 0, size)
    try:
        with path.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FetchError(f"cannot be read ({error.strerror})") from error
    reporter.on_bytes("checking", size, size)
    if got != archive.sha256:
        raise FetchError(f"wrong checksum: expected sha256 {archive.sha256}, got {got}")
    return path


def _describe(sizes: range) -> str:
    return str(sizes.start) if len(sizes) == 1 else f"at most {sizes.stop - 1}"
