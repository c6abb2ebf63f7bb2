"""Watching folders: files that are new or have changed, each as soon as it is whole."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from earmark.errors import MissingExtra, SettingError
from earmark.files import SUFFIXES, is_hidden, scan
from earmark.library.look_ahead import FileStatus
from earmark.library.search import make_matcher
from earmark.library.settling import SettlingPaths, is_open_for_writing

_TICK = 1.0
"""Seconds between two looks at what waits, at most."""

_OLD = 60.0
"""Seconds after which a file that is found has been whole since long, by the clock: it need not wait."""

_log = logging.getLogger(__name__)


class FolderWatch:
    """Finds sound files below folders: those that are there, then those that are new or have changed.

    A file is given when it is whole: its size and time have not changed for some seconds, and, on Linux, no program
    has it open for writing. Hidden files, other suffixes than those of sound and links out of the folders are left
    out, as by :func:`earmark.files.scan`. A folder that is away is waited for; what is in it when it returns counts as
    found anew.

    Parameters
    ----------
    folders : sequence of str
    settle : float
        Seconds for which a file must not have changed.
    poll : float, optional
        Look through the folders every so many seconds, for shares whose changes the system does not report.
    exclude : sequence of str
        Patterns as in a ``.gitignore``.
    on_note : callable, optional
        Called with a line for people when a folder is away, is back, or cannot be read.

    Raises
    ------
    SettingError
        If one of them is a file.
    MissingExtra
        If the package of the extra "watch" is not installed.
    """

    def __init__(
        self,
        folders: Sequence[str],
        *,
        settle: float = 5.0,
        poll: float | None = None,
        exclude: Sequence[str] = (),
        on_note: Callable[[str], None] = _log.info,
    ) -> None:
        try:
            import watchfiles  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingExtra("earmark watch", "watch") from error
        for folder in folders:
            if Path(folder).is_file():
                raise SettingError(f"{folder}: a file; name the folder to watch")
        # absolute path, as the system's events have it → name as given, for people
        self._names = {os.path.abspath(folder): str(Path(folder)) for folder in folders}
        self._poll, self._note = poll, on_note
        self._tick = max(0.05, min(_TICK, settle))
        self._excluded = make_matcher(exclude)
        self._waiting = SettlingPaths(settle)
        self._new_folders: list[str] = []
        self._absent: set[str] = set()
        self._noted: set[str] = set()
        self._began = False
        # of files that were given: hash of the path → of size and time; names would fill the memory
        self._given: dict[int, int] = {}

    def follow(self, *, once: bool = False) -> Iterator[Iterator[FileStatus]]:
        """Yield files in batches; each must be used up before the next.

        With `once`, the end is when all that is there has been given; else there is none.
        """
        while True:
            present = self._find_folders()
            self._note_absent(present)
            if not present:
                if once:
                    return
                time.sleep(self._tick)
                continue
            # those too that were there before: between one watch and the next, changes go unseen
            self._new_folders = list(present)
            for changes in self._watch(present):
                for path in changes:
                    self._add(path)
                batch = filter(self._note_given, self._pop_files())
                # a batch without files would be work for nothing, once a second
                if first := next(batch, None):
                    yield chain([first], batch)
                if once and not self._waiting and not self._new_folders:
                    return
                if self._find_folders() != present:
                    break

    def _watch(self, folders: Iterable[str]) -> Iterator[list[str]]:
        """Yield paths that have changed, none where none has; from the first time on, none is missed."""
        from watchfiles import watch

        changes = watch(
            *folders,
            watch_filter=None,
            rust_timeout=round(self._tick * 1000),
            yield_on_timeout=True,
            force_polling=self._poll is not None,
            poll_delay_ms=round((self._poll or 1) * 1000),
            ignore_permission_denied=True,
        )
        try:
            for found in changes:
                self._began = True
                yield sorted(path for _, path in found)
        # its own error is a RuntimeError
        except (OSError, RuntimeError) as error:
            if not self._began and not isinstance(error, FileNotFoundError):
                raise SettingError(
                    f"the system cannot watch these folders ({error}): --poll 60 looks through them once a minute"
                ) from error
            # a folder that went away meanwhile, say
            self._note_once(f"watching anew: {error}")
            time.sleep(self._tick)

    def _find_folders(self) -> dict[str, tuple[int, int]]:
        """Return which folders are there, with device and inode: those of another disk in the same place are others."""
        found = {}
        for folder in self._names:
            with suppress(OSError):
                status = os.stat(folder)
                found[folder] = status.st_dev, status.st_ino
        return found

    def list_absent(self) -> list[str]:
        """Return the names of the folders that are not there."""
        return [self._names[folder] for folder in self._names.keys() - self._find_folders().keys()]

    def _note_absent(self, present: Collection[str]) -> None:
        """Say which folders are away, and which are back, each once."""
        for folder, name in self._names.items():
            if folder not in present and folder not in self._absent:
                self._absent.add(folder)
                self._note(f"{name} is not there: waiting for it")
            elif folder in present and folder in self._absent:
                self._absent.remove(folder)
                self._note(f"{name} is back")

    def _note_once(self, line: str) -> None:
        if line not in self._noted:
            self._noted.add(line)
            self._note(line)

    def _add(self, path: str) -> None:
        """Have a path wait that has changed; a folder is gone through now, and again when nothing is added to it."""
        # events have names of other bytes than UTF-8 with this character: then the folder is gone through
        while "\ufffd" in path and not os.path.lexists(path):
            path = os.path.dirname(path)
        is_folder = os.path.isdir(path)
        if self._accepts(path, is_folder):
            if is_folder:
                self._new_folders.append(path)
            self._waiting.add(path)

    def _accepts(self, path: str, is_folder: bool) -> bool:
        """Tell whether :func:`earmark.files.scan` of the folder that is watched would come by this path."""
        root = self._find_root(path)
        if root is None:
            return False
        inner = os.path.relpath(path, root)
        if inner == ".":
            return True
        if any(map(is_hidden, Path(inner).parts)) or self._excluded(inner + "/" * is_folder):
            return False
        if not is_folder and os.path.splitext(path)[1].lower() not in SUFFIXES:
            return False
        # no link to a folder on the way, and none to a file that leads out
        real_root = os.path.realpath(root)
        folder = os.path.dirname(os.path.join(real_root, inner))
        real = os.path.realpath(path)
        return os.path.realpath(folder) == folder and real.startswith(os.path.join(real_root, ""))

    def _find_root(self, path: str) -> str | None:
        """Return the folder watched that a path is in, the innermost one."""
        within = (root for root in self._names if path == root or path.startswith(os.path.join(root, "")))
        return max(within, key=len, default=None)

    def _pop_files(self) -> Iterator[FileStatus]:
        """Yield what is whole by now: of folders that are new, and of what has waited."""
        while self._new_folders:
            yield from self._scan(self._new_folders.pop(0))
        for path in self._waiting.pop():
            if os.path.isdir(path):
                yield from self._scan(path)
            elif file := self._stat(path):
                yield file

    def forget(self, name: str) -> None:
        """Have a file given again though it may be what it was: it went away before it could be heard."""
        self._given.pop(hash(name), None)

    def note_written(self, name: str) -> None:
        """Have a file not given again as it is now: what follows the folder wrote it itself."""
        with suppress(OSError):
            self._note_given((name, os.stat(name)))

    def _note_given(self, file: FileStatus) -> bool:
        """Note that a file is given as it is now; return False if it was before."""
        path, status = file
        as_it_is = hash(status and (status.st_size, status.st_mtime_ns))
        known = self._given.get(hash(path)) == as_it_is
        self._given[hash(path)] = as_it_is
        return not known

    def _scan(self, folder: str) -> Iterator[FileStatus]:
        """Yield the files below a folder that are whole since long; the others wait."""
        root = self._find_root(folder) or folder
        start = len(os.path.join(root, ""))
        entries = scan(
            folder,
            within=self._names,
            on_error=self._report,
            exclude=lambda entry, is_folder: self._excluded(entry.path[start:] + "/" * is_folder),
        )
        for entry in entries:
            # asked anew: it may be gone by now, and a drive with it
            file = self._stat(entry.path)
            if file is None:
                continue
            if file[1] and time.time() - file[1].st_ctime > _OLD and not is_open_for_writing(entry.path):
                yield file
            else:
                self._waiting.add(entry.path)

    def _stat(self, path: str) -> FileStatus | None:
        """Return a file with its status, under the name that its folder was given; None where there is none."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        root = self._find_root(path) or path
        name = os.path.join(self._names.get(root, root), path[len(root) :].lstrip(os.sep)).removeprefix("./")
        return (name, status) if stat.S_ISREG(status.st_mode) else None

    def _report(self, path: Path, words: str) -> None:
        """Say what is wrong with a folder or a link; of a folder that is away, :meth:`_note_absent` does."""
        if os.path.lexists(path):
            self._note_once(f"{path}: {words}")
