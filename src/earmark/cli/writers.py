"""The writers of answers, one for each output format, and the line that sums answers up."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TextIO

from earmark.cli.table import TableWriter
from earmark.cli.text import format_duration, join_counts
from earmark.errors import format_count
from earmark.inference.verdict import DISTRIBUTIONS, Verdict

if TYPE_CHECKING:
    from earmark.library.albums import AlbumAnswer

_ALBUM_COLUMNS = ("album", "artist", "kind", "tracks")


class JsonWriter:
    """JSON lines: one object a track, pure ASCII, so that names of any bytes survive."""

    def __init__(
        self, file: TextIO, labels: Sequence[str], top: int | None, timeline: bool = False, albums: bool = False
    ) -> None:
        self.file, self.top, self.timeline = file, top, timeline

    def write(self, verdict: Verdict, answer: AlbumAnswer | None = None) -> None:
        """Write one line, with what is said of its album where it is an answer of a list by albums."""
        record = verdict.to_dict(timeline=self.timeline) | (answer.to_dict() if answer else {})
        record |= {name: dict(islice(record[name].items(), self.top)) for name in DISTRIBUTIONS}
        self.file.write(json.dumps(record) + "\n")
        # At once, so that a reader behind a pipe need not wait for a full buffer.
        self.file.flush()


class CsvWriter:
    """A spreadsheet in the columns of ``Verdict.to_record``: one row a track; with a timeline, one row a clip.

    Of a list by albums, columns that tell the album stand after the path.
    """

    def __init__(
        self, file: TextIO, labels: Sequence[str], top: int | None, timeline: bool = False, albums: bool = False
    ) -> None:
        self.labels, self.top, self.timeline = labels, top, timeline
        path, *fields = Verdict.from_error("", None, "").to_record(labels)
        fields = [path, *(_ALBUM_COLUMNS if albums else ()), *fields]
        if timeline:
            at = fields.index("duration")
            fields[at : at + 1] = ["start", "end"]
        # The csv module ends lines with CRLF unless told. Ignored with a timeline: the duration.
        self.table = csv.DictWriter(file, fields, lineterminator="\n", extrasaction="ignore")
        self.table.writeheader()

    def write(self, verdict: Verdict, answer: AlbumAnswer | None = None) -> None:
        """Write one row, or one for each clip."""
        about = {name: value for name, value in answer.to_dict().items() if name in _ALBUM_COLUMNS} if answer else {}
        clips = verdict.clips if self.timeline else ()
        for clip in clips:
            # A clip's own genres and reason go over those of its track.
            part = replace(verdict, genres=clip.genres, reason=clip.reason)
            self._write_row(part, start=clip.start, end=clip.end)
        # What failed has no clips, and still a row.
        if not clips:
            self._write_row(verdict, **about)

    def _write_row(self, verdict: Verdict, **more: object) -> None:
        shown = replace(verdict, genres=dict(islice(verdict.genres.items(), self.top)))
        record = shown.to_record(self.labels) | more
        # As many digits as in JSON.
        self.table.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()})


WRITERS: dict[str, Callable[..., TableWriter | JsonWriter | CsvWriter]] = {
    "table": TableWriter,
    "json": JsonWriter,
    "csv": CsvWriter,
}


class Tally:
    """Counts answers for the line that sums them up."""

    def __init__(self) -> None:
        self.genres: Counter[str] = Counter()
        self.total = self.unknown = self.failed = self.albums = self.others = 0
        self.seconds = 0.0
        self._begin = time.monotonic()

    def add(self, verdict: Verdict, answer: AlbumAnswer | None = None) -> None:
        """Count one; of a list by albums, with what it is on."""
        tracks = answer.tracks if answer else (verdict,)
        self.total += len(tracks)
        if answer:
            is_album = answer.album.kind == "album"
            self.albums += is_album
            self.others += not is_album
        self.seconds += verdict.duration or 0
        self.failed += sum(track.error is not None for track in tracks)
        if verdict.genre:
            self.genres[verdict.genre] += 1
        # A damaged file that was decoded in part has both an answer and an error.
        elif not verdict.error or verdict.genres:
            self.unknown += 1

    def describe(self, known: int | None = None) -> str:
        """Return files, sound and genres in one line; with `known`, how many files were known before, the time too."""
        files = format_count(self.total, "file")
        if self.albums:
            rest = f" and {format_count(self.others, 'single track')}" if self.others else ""
            files += f" in {format_count(self.albums, 'album')}{rest}"
        if self.seconds:
            files += f", {format_duration(self.seconds)} of sound"
        counts = dict(self.genres.most_common()) | ({"unknown": self.unknown} if self.unknown else {})
        line = f"{files}: {join_counts(counts)}" if counts else files
        if known is None:
            return line
        return f"{line}; {known} known before; took {format_duration(time.monotonic() - self._begin)}"

    def describe_failures(self) -> str:
        """Return how many files failed, or were answered though damaged; empty where there are none."""
        return f"{format_count(self.failed, 'file')} with errors" if self.failed else ""
