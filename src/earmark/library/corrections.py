"""Where corrections come from: a file that a person has edited, or the tags of the files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import SettingError
from earmark.inference.genre_names import match_genres, spelling_key
from earmark.library.tags.file_tags import read_file_tags
from earmark.library.tags.plan import PlanRow, read_plan
from earmark.library.tags.values import read_note

if TYPE_CHECKING:
    from earmark.library.library import Library, ModelKey

_COLUMNS = ["path", "genre"]


def read_corrections(path: Path) -> Iterator[tuple[str, str]]:
    """Yield paths and genres from a plan that a person has edited, or from a CSV of two columns, ``path,genre``.

    Of a plan count the rows to write whose genre a person has put in or confirmed: not what Earmark proposed itself.

    Raises
    ------
    SettingError
        If it is neither, or not UTF-8, or cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            separator = max(",;\t", key=head.count)
            if [name.strip().casefold() for name in head.split(separator)] == _COLUMNS:
                # the whole list is checked before anything of it is taken
                yield from list(_read_pairs(csv.reader(file, delimiter=separator)))
                return
    except OSError as error:
        raise SettingError(f"{path}: it cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path}: not UTF-8: save it as 'CSV UTF-8'") from error
    except (ValueError, csv.Error) as error:
        raise SettingError(f"{path}, {error}") from error
    yield from ((row.path, row.genre[0]) for row in read_plan(path) if _is_correction(row))


def _read_pairs(rows: Iterable[list[str]]) -> Iterator[tuple[str, str]]:
    for number, cells in enumerate(rows, 2):
        if not any(map(str.strip, cells)):
            continue
        if len(cells) != len(_COLUMNS) or not all(map(str.strip, cells)):
            raise ValueError(f"line {number}: path and genre are expected, not {'; '.join(cells)!r}")
        yield cells[0], cells[1]


def _is_correction(row: PlanRow) -> bool:
    """Tell whether a person has decided on a row: Earmark's own proposals bear a note that names their genres."""
    return row.action == "write" and bool(row.genre) and not _is_proposal(row)


def _is_proposal(row: PlanRow) -> bool:
    return bool(row.source) and set(read_note(row.source, "genre")) <= set(row.genres)


def list_tag_genres(library: Library, key: ModelKey) -> Iterator[tuple[str, str]]:
    """Yield paths and genres of files whose tags have genres now that Earmark did not write.

    Of several genres the first counts that the model knows, else the first. What a person has corrected otherwise than
    by tags is left out.
    """
    library.fill_tags()
    decided = library.corrections().keys() - library.corrections("tags").keys()
    for track in library.query(key):
        path = track.verdict.path or ""
        if path in decided or (state := track.file) == "gone":
            continue
        # the tags of a file that has changed are not those that it was heard with
        tags = track.tags if track.tags and state == "there" else read_file_tags(Path(path))
        if tags.genres and not tags.is_own:
            known = match_genres(tags.genres, key.labels, families=True)
            yield path, next(iter(known), tags.genres[0])


def count_new_genres(library: Library, labels: Iterable[str]) -> dict[str, int]:
    """Return the genres of all corrections that a model does not know, and of how many files each is."""
    known = set(map(spelling_key, labels))
    counts: dict[str, list[str]] = {}
    for genre in library.corrections().values():
        counts.setdefault(spelling_key(genre), []).append(genre)
    return {genres[0]: len(genres) for key, genres in counts.items() if key not in known}
