"""The journal of a tagging run: what each file was, on the disk before it is touched, to undo all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from time import localtime, strftime
from typing import TYPE_CHECKING, Any, Self
from zlib import crc32

from pydantic import TypeAdapter, ValidationError

from earmark.errors import SettingError, TagError
from earmark.library.tags.genre_tags import RawGenres
from earmark.library.tags.safe_replace import describe_error, lock, sync_folder

if TYPE_CHECKING:
    from earmark.library.tags.plan import PlanRow

_HEADER = {"journal": "earmark tag", "version": 1}


@dataclass(frozen=True)
class State:
    """A file before or after a change: `mtime_ns` is None where it is the time of the change."""

    sha256: str
    mtime_ns: int | None
    genres: RawGenres


@dataclass(frozen=True)
class Entry:
    """One change: enough to take it back."""

    # absolute, links resolved
    path: str
    before: State
    after: State
    # turns the file after into the file before, see byte_delta
    delta: str


_ENTRY = TypeAdapter(Entry)


class Journal:
    """A journal to write in: JSON lines, each on the disk before anything else happens. A context manager.

    The file appears with the first change. One that is there already is carried on, whatever line a killed
    run has left half-written. A SettingError if it is no journal, or another run writes in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = 0
        self._file: FileIO | None = None
        if path.exists():
            read_journal(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, which frees it for other runs."""
        if self._file:
            self._file.close()

    def intend(self, entry: Entry) -> None:
        """Write a change down, before it is made; a TagError if that fails: then it must not be made."""
        try:
            if self._file is None:
                self._open()
            self._append({"change": asdict(entry)}, safe=True)
        except OSError as error:
            raise TagError(f"the journal {self.path} cannot be written: {describe_error(error)}") from error
        self.entries += 1

    def mark(self, entry: Entry, outcome: str) -> None:
        """Write down what became of a change, "done" or "dropped": for people; undoing looks at the file itself."""
        with suppress(OSError):
            self._append({outcome: entry.path})

    def _append(self, record: dict[str, Any], *, safe: bool = False) -> None:
        assert self._file is not None
        line = _format_line(record)
        rest = memoryview(line if self._ends_line() else b"\n" + line)
        # an unbuffered file may take a part only; a buffer would keep what a full disk has refused
        while rest:
            rest = rest[self._file.write(rest) :]
        if safe:
            os.fsync(self._file.fileno())

    def _ends_line(self) -> bool:
        """Return whether the last line is whole: a run may have been killed, or the disk full, in its midst."""
        assert self._file is not None
        # an empty file has no line to be torn
        if not self._file.seek(0, 2):
            return True
        self._file.seek(-1, 2)
        return self._file.read(1) == b"\n"

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # to be appended to: a torn line stays, for read_journal to count
        file = self.path.open("a+b", buffering=0)
        if not lock(file.fileno()):
            file.close()
            raise SettingError(f"{self.path}: another run is writing in this journal; name another")
        self._file = file
        if file.seek(0, 2) == 0:
            self._append(_HEADER)
            sync_folder(self.path.parent)


def read_journal(path: Path) -> tuple[list[Entry], int]:
    """Return the changes of a journal in the order they were made, and the number of lines that cannot be read.

    One that a kill has torn says nothing of value: its change was never made. A SettingError if the file cannot be
    read, or is no journal.
    """
    entries, damaged = [], 0
    try:
        with path.open("rb") as file:
            # a kill may have torn the header: then its start is there
            if not _format_line(_HEADER).startswith(file.readline().rstrip()):
                raise SettingError(f"{path}: not a journal of `earmark tag` that this version can read")
            file.seek(0)
            for line in file:
                record = _parse_line(line)
                try:
                    if record and "change" in record:
                        entries.append(_ENTRY.validate_python(record["change"]))
                    damaged += record is None
                except ValidationError:
                    damaged += 1
    except OSError as error:
        raise SettingError(f"{path}: the journal cannot be read ({error.strerror})") from error
    return entries, damaged


def journal_folder() -> Path:
    """Return where journals are that nobody has named: ``earmark/journals`` in the user's state folder."""
    from platformdirs import user_state_path

    return user_state_path("earmark", appauthor=False) / "journals"


def default_journal() -> Path:
    """Return where a run writes its journal: in :func:`journal_folder`, by date and time."""
    return journal_folder() / strftime(f"%Y-%m-%d-%H%M%S-{os.getpid()}.jsonl", localtime())


def plan_journal(rows: Iterable[PlanRow]) -> Path:
    """Return the one journal of all runs that apply a plan, so that one command takes back what several have written.

    Its name tells the plan by the files as they were when it was made: it is the same while people edit and sort the
    plan, and another for a later plan of files that have changed.
    """
    texts = (f"{row.path}\0{row.state}".encode(errors="surrogatepass") for row in rows)
    return journal_folder() / f"plan-{sum(map(crc32, texts)) % 2**32:08x}.jsonl"


def find_last_journal() -> Path:
    """Return the journal of :func:`journal_folder` that was written to last; a SettingError if there is none."""
    folder = journal_folder()
    if not (journals := list(folder.glob("*.jsonl"))):
        raise SettingError(f"there is no journal in {folder}: nothing was tagged, or --journal named another file")
    return max(journals, key=lambda path: path.stat().st_mtime_ns)


def _parse_line(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _format_line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
