"""An archive that is what it should be, from the first of several mirrors that has it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from earmark.data.transfer import Patience, Watch, discard, human, length, transfer
from earmark.errors import FetchError, SettingError


@dataclass(frozen=True)
class Archive:
    """What is known about a corpus's archive before it is here.

    Attributes
    ----------
    name : str
        File name.
    sha256 : str
        Lower-case hexadecimal.
    size, unpacked : int
        Bytes, as it comes and unpacked.
    mirrors : tuple of str
        Addresses, the best first.
    exact : bool
        Whether `size` is known exactly; if not, twice as much is borne.
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


def download(
    archive: Archive,
    folder: Path,
    mirrors: Sequence[str] = (),
    *,
    patience: Patience | None = None,
    watch: Watch | None = None,
) -> Path:
    """Get an archive whose checksum is right, with as little download as possible.

    Parameters
    ----------
    archive : Archive
    folder : Path
        Where it is to lie, under its name; until it is whole and right, as ``NAME.partial``.
    mirrors : sequence of str
        Tried before the archive's own: http or https addresses of the archive, or local copies (paths or file:
        addresses), which are used where they are.
    patience : Patience, optional
    watch : Watch, optional

    Returns
    -------
    Path
        Below `folder`, or a local mirror.

    Raises
    ------
    SettingError
        If a mirror is no address.
    FetchError
        If no mirror gives the archive, or there is no room for it and what it holds.
    """
    watch = watch or Watch()
    sources = [(mirror, _local(mirror)) for mirror in dict.fromkeys((*mirrors, *archive.mirrors))]
    target = folder / archive.name
    if target.is_file():
        if (got := _digest(target, watch)) == archive.sha256:
            return target
        watch.on_note(f"{target} is not the archive that is looked for ({_mismatch(archive, got)})")
    failures = []
    for mirror, path in sources:
        if path is None:
            room(folder, archive.size - length(_partial(target)), archive.unpacked)
        try:
            found = _local_copy(archive, path, watch) if path else _remote(archive, mirror, target, patience, watch)
        except FetchError as error:
            watch.on_note(f"{mirror}: {error}")
            failures.append(f"\n  {mirror}: {error}")
        else:
            discard(_partial(target))
            return found
    raise FetchError(
        f"{archive.name} could not be fetched:{''.join(failures)}\n"
        "Try again later (what has come is kept), or name another source of the archive with --mirror: an address, "
        "or a file that you have"
    )


def room(folder: Path, packed: int, unpacked: int) -> None:
    """Raise FetchError unless a disk has room for bytes still to be downloaded, and for them unpacked."""
    packed = max(packed, 0)
    free = shutil.disk_usage(folder).free
    if free < packed + unpacked:
        parts = f"{human(packed)} to download and {human(unpacked)} unpacked" if packed else "to unpack"
        raise FetchError(
            f"not enough room in {folder}: {human(packed + unpacked)} needed ({parts}), {human(free)} free; "
            "make room, or name a folder on another disk"
        )


def _remote(archive: Archive, url: str, target: Path, patience: Patience | None, watch: Watch) -> Path:
    partial = _partial(target)
    begun = length(partial) > 0  # perhaps by another mirror, perhaps when another file lay there
    got = _digest(partial, watch) if length(partial) in archive.sizes else ""
    if got != archive.sha256:
        transfer(url, partial, archive.sizes, patience=patience, watch=watch)
        got = _digest(partial, watch)
    if got != archive.sha256 and begun:
        watch.on_note(f"{_mismatch(archive, got)}: starting over, for what was here before may be to blame")
        discard(partial)
        transfer(url, partial, archive.sizes, patience=patience, watch=watch)
        got = _digest(partial, watch)
    if got != archive.sha256:
        discard(partial)
        raise FetchError(_mismatch(archive, got))
    partial.replace(target)
    return target


def _local_copy(archive: Archive, path: Path, watch: Watch) -> Path:
    """A copy that the user has, used where it is, and never removed."""
    if not path.is_file():
        raise FetchError("no such file")
    try:
        got = _digest(path, watch)
    except OSError as error:
        raise FetchError(f"cannot be read ({error.strerror})") from error
    if got != archive.sha256:
        raise FetchError(_mismatch(archive, got))
    return path


def _local(mirror: str) -> Path | None:
    """The file that a mirror means, or None if it is to be asked over the network."""
    try:
        parts = urlsplit(mirror)
    except ValueError as error:
        raise SettingError(f"{mirror!r} is no mirror ({error})") from error
    if parts.scheme in ("http", "https") and parts.netloc:
        return None
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path))
    if mirror and (len(parts.scheme) < 2 or os.path.lexists(mirror)):  # no scheme, or a drive letter
        return Path(mirror).expanduser()
    raise SettingError(f"{mirror!r} is no mirror: give an http:// or https:// address of the archive, or a file")


def _partial(target: Path) -> Path:
    return target.with_name(target.name + ".partial")


def _digest(path: Path, watch: Watch) -> str:
    watch.on_bytes("checking", 0, length(path))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    watch.on_bytes("checking", length(path), length(path))
    return digest


def _mismatch(archive: Archive, got: str) -> str:
    return f"wrong checksum: expected sha256 {archive.sha256}, got {got}"
