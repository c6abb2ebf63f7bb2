"""A tar archive unpacked as if an enemy had made it: nothing leaves its folder, nothing swells without end."""

from __future__ import annotations

import lzma
import posixpath
import tarfile
import zlib
from pathlib import Path
from typing import Any

from earmark.data.transfer import Watch, human
from earmark.errors import FetchError

_MOST_MEMBERS = 100_000
"""Files and folders; each costs the disk something, even when it is empty."""

_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError)
"""What Python's readers raise where an archive is damaged (and OSError without a number)."""

_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python's own guard, from 3.11.4 on; it also drops owners and odd permissions."""


def unpack(archive: Path, folder: Path, *, most: int, watch: Watch | None = None) -> None:
    """Unpack a tar archive, packed in whatever way Python knows.

    Each member is judged before it is written, so what was written before a refusal is harmless; but it is there.

    Parameters
    ----------
    archive : Path
    folder : Path
        Exists, and should be empty.
    most : int
        Bytes that all files together may have.
    watch : Watch, optional
        Told how much of the archive has been read.

    Raises
    ------
    FetchError
        If the archive is damaged; if a member has an absolute path, a path with ``..``, or is a device or a pipe;
        if a link leads out of the folder (other links are left out: sound needs none); if there is too much of it.
    OSError
        If the disk does not take the files.
    """
    watch = watch or Watch()
    total = archive.stat().st_size
    n_bytes = n_members = 0
    with archive.open("rb") as raw:
        try:
            with tarfile.open(fileobj=raw) as tar:
                for member in tar:
                    n_bytes, n_members = n_bytes + member.size, n_members + 1
                    if n_bytes > most or n_members > _MOST_MEMBERS:
                        raise FetchError(
                            f"{archive} unpacks to more than was announced ({human(most)}, {_MOST_MEMBERS} files): "
                            "not unpacked"
                        )
                    if _wanted(member, archive):
                        tar.extract(member, folder, **_FILTER)
                    watch.on_bytes("unpacking", raw.tell(), total)
        except _DAMAGE as error:
            raise FetchError(f"{archive} is damaged, or no tar archive ({error})") from error
        except OSError as error:
            if isinstance(error, FetchError) or error.errno is not None:
                raise
            raise FetchError(f"{archive} is damaged ({error})") from error


def _wanted(member: tarfile.TarInfo, archive: Path) -> bool:
    """Whether a member is to be written; an error if it was made to do harm."""
    if _leaves(member.name):
        raise FetchError(f"{archive} is not safe: it would write to {member.name!r}, outside its folder; not unpacked")
    if member.issym() or member.islnk():
        # A symbolic link counts from where it lies, a hard link from the top of the archive.
        start = posixpath.dirname(member.name) if member.issym() else ""
        if posixpath.isabs(member.linkname) or _leaves(posixpath.normpath(posixpath.join(start, member.linkname))):
            raise FetchError(
                f"{archive} is not safe: {member.name!r} links to {member.linkname!r}, outside its folder; not unpacked"
            )
        return False
    if not (member.isreg() or member.isdir()):
        raise FetchError(f"{archive} is not safe: {member.name!r} is a device or a pipe; not unpacked")
    return True


def _leaves(name: str) -> bool:
    """Whether a name leads out of the folder that it is relative to, on any system."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]
