"""Changing a file that must not be lost: a copy beside it is altered, proved, and put in its place at one stroke."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from earmark.errors import TagError

_PREFIX = ".earmark-draft-"
_SUFFIX = re.compile(r"\.\w{1,8}", re.ASCII)
_DRAFT = re.compile(re.escape(_PREFIX) + r"[0-9a-f]{32}(\.\w{1,8})?")
_CAN_LOCK = os.name == "posix"
# seconds after which a draft is rubbish where files cannot be locked
_ABANDONED_AFTER = 60.0


@dataclass(frozen=True)
class Stamp:
    """By what a file is known to be as it was; the modification time in ns."""

    size: int
    mtime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Take a file's stamp."""
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev)


def resolve_links(path: Path) -> Path:
    """Follow symbolic links to the file itself, and return its absolute path; a TagError if there is none."""
    try:
        return path.resolve(strict=True)
    except OSError as error:
        raise TagError((error.strerror or str(error)).lower()) from error
    except (RuntimeError, ValueError) as error:  # a loop of links, a NUL
        raise TagError(f"no such file ({error})") from error


def check_writable(path: Path, *, break_links: bool = False) -> None:
    """Refuse, with a TagError, a file that is not to be replaced; with `break_links` one of several names may be."""
    found = path.stat()
    # the bits are asked too: root may write what is marked read-only
    if not found.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise TagError("the file is read-only: make it writable first")
    if not os.access(path.parent, os.W_OK):
        raise TagError("its folder is read-only: the new file could not be put beside it")
    if found.st_nlink > 1 and not break_links:
        raise TagError(
            f"the file has {found.st_nlink} names (hard links), and only this one would get the tag: allow that "
            "with --break-links, which leaves the others as they are"
        )


@contextmanager
def system_errors_as_tag_errors() -> Iterator[None]:
    """Raise the system's errors as TagErrors that say so in words."""
    try:
        yield
    except TagError:
        raise
    except OSError as error:
        raise TagError(describe_error(error)) from error


def describe_error(error: OSError) -> str:
    """Describe what kept a file from being written."""
    if isinstance(error, TagError):
        return str(error)
    if error.errno == errno.ENOSPC:
        return "the disk is full: left as it was"
    return f"{error.strerror or error}: left as it was"


@contextmanager
def make_draft(path: Path, *, copy: bool = True) -> Iterator[Path]:
    """Make a copy to alter (without `copy`, an empty file) in the same folder; remove it if it was not put in place.

    It is locked while in use, so that :func:`remove_drafts` can tell those that a killed process left. What fails
    with it for the disk's sake is a TagError.
    """
    # mutagen guesses the format by the suffix too
    suffix = path.suffix if _SUFFIX.fullmatch(path.suffix) else ""
    draft = path.with_name(f"{_PREFIX}{uuid4().hex}{suffix}")
    try:
        with system_errors_as_tag_errors(), draft.open("xb") as held:
            if _CAN_LOCK:
                lock(held.fileno())
            else:
                # Windows renames no open file
                held.close()
            if copy:
                shutil.copyfile(path, draft)
            yield draft
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def finish_draft(draft: Path, path: Path, mtime_ns: int | None) -> None:
    """Give a draft the mode, owner, access lists and attributes of the file, and sync it to the disk.

    Its modification time is `mtime_ns`, or now. A TagError if the file belongs to another user, and would not any more.
    """
    found, own = path.stat(), draft.stat()
    if hasattr(os, "chown") and (found.st_uid, found.st_gid) != (own.st_uid, own.st_gid):
        try:
            os.chown(draft, found.st_uid, found.st_gid)
        except PermissionError as error:
            raise TagError("the file belongs to another user or group, and would not any more") from error
    # copies the times too, so they are set after it
    shutil.copystat(path, draft)
    os.utime(draft, ns=(found.st_atime_ns, time.time_ns() if mtime_ns is None else mtime_ns))
    with draft.open("rb+") as file:
        os.fsync(file.fileno())


def put_in_place(draft: Path, path: Path, before: Stamp) -> None:
    """Put a finished draft in a file's place, at one stroke.

    A TagError if the file is not any more what `before` says, or cannot be replaced, as on some network shares.
    """
    with system_errors_as_tag_errors():
        if Stamp.of(path) != before:
            raise TagError("the file was changed meanwhile by another program: left as that made it")
        draft.replace(path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk, where folders can be synchronised."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def lock(descriptor: int) -> bool:
    """Lock a file until it is closed, where that can be done; return False where another process holds it."""
    if not _CAN_LOCK:
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a share without locks
        return True
    return True


def remove_drafts(folder: Path) -> int:
    """Remove what killed runs left in a folder, and return how many; other files, and drafts in use, stay."""
    removed = 0
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(_PREFIX)]
    except OSError:
        return 0
    for name in names:
        if _DRAFT.fullmatch(name) and _is_abandoned(folder / name):
            with suppress(OSError):
                (folder / name).unlink()
                removed += 1
    return removed


def _is_abandoned(draft: Path) -> bool:
    """Return whether nobody is at work on a draft."""
    try:
        with draft.open("rb+") as file:
            found = os.fstat(file.fileno())
            old = time.time() - found.st_ctime > _ABANDONED_AFTER
            return stat.S_ISREG(found.st_mode) and (lock(file.fileno()) if _CAN_LOCK else old)
    except OSError:
        return False
