"""Where corrections come from: a file that a person has edited, or the tags of the files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import SettingError
from earmark.inference.genre_names import spelling_key
from earmark.library.tags.file_tags import read_file_tags
from earmark.library.tags.plan import PlanRow
from earmark.library.tags.plan_file import find_separator, read_plan
from earmark.library.tags.spelling import parse_genres
from earmark.library.tags.values import read_note
from earmark.library.words import match_spelling

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict
    from earmark.library.library import Library
    from earmark.library.records import ModelKey
    from earmark.library.vocabulary import Vocabulary

COLUMNS = ("path", "genre")
"""Of a list of corrections."""


class GenreNamer:
    """Names the genre of a correction: one of the model's where it is one, else in the words that were given.

    Parameters
    ----------
    labels : sequence of str
        The model's genres.
    vocabulary : Vocabulary
        Its words stand for the model's genres too.

    Examples
    --------
    >>> from earmark.library.vocabulary import Vocabulary
    >>> name = GenreNamer(("hip hop", "jazz"), Vocabulary()).name
    >>> name("JAZZ"), name("Hip-Hop/Rap"), name("Dub; Jazz"), name("Unknown")
    ('jazz', 'hip hop', 'Dub', None)
    """

    def __init__(self, labels: Sequence[str], vocabulary: Vocabulary) -> None:
        self._labels = labels
        # keys of one word, or of all words of a label → the labels that they are written for
        meant: dict[tuple[str, ...], set[str]] = {}
        for label in labels:
            keys = tuple(map(spelling_key, vocabulary.translate(label)))
            for words in {keys, *((key,) for key in keys)}:
                meant.setdefault(words, set()).add(label)
        # what several labels share stands for none of them
        self._written = {words: label for words, (label, *more) in meant.items() if not more}
        self._index = {words[0]: label for words, label in self._written.items() if len(words) == 1}
        self._index |= {spelling_key(label): label for label in reversed(labels)}

    def name(self, given: str) -> str | None:
        """Return the genre that is meant, of several the first; None of what says nothing, such as "Unknown"."""
        # a label may have a separator in it
        if label := self._index.get(spelling_key(given)):
            return label
        names = parse_genres([given], split_slash=False)
        if not names:
            return None
        label = self._written.get(tuple(map(spelling_key, names)))
        return label or match_spelling(names[0], self._index, self._labels) or names[0]


def read_corrections(path: Path) -> Iterator[tuple[str, str]]:
    """Yield paths and genres from a plan that a person has edited, or from a CSV of two columns, ``path,genre``.

    Several genres of a file have ``;`` between.

    Of a plan count the rows to write whose genre a person has put in or confirmed: not what Earmark proposed itself.

    Raises
    ------
    SettingError
        If it is neither, or not UTF-8, or cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = _find_separator(file.readline())
            if separator:
                # the whole list is checked before anything of it is taken
                yield from list(_read_pairs(csv.reader(file, delimiter=separator)))
                return
    except OSError as error:
        raise SettingError(f"{path}: it cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path}: not UTF-8: save it as 'CSV UTF-8'") from error
    except (ValueError, csv.Error) as error:
        raise SettingError(f"{path}, {error}") from error
    yield from ((row.path, "; ".join(row.genre)) for row in read_plan(path) if _is_correction(row))


def is_list(path: Path) -> bool:
    """Tell whether a file begins as a CSV of two columns, ``path,genre``."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return bool(_find_separator(file.readline(1000)))


def _find_separator(head: str) -> str:
    """Return what separates the columns of a list of corrections, by its first line; "" of another file."""
    separator = find_separator(head)
    names = tuple(name.strip().casefold() for name in head.split(separator))
    return separator if names == COLUMNS else ""


def _read_pairs(rows: Iterable[list[str]]) -> Iterator[tuple[str, str]]:
    for number, cells in enumerate(rows, 2):
        if not any(map(str.strip, cells)):
            continue
        if len(cells) != len(COLUMNS) or not all(map(str.strip, cells)):
            raise ValueError(f"line {number}: path and genre are expected, not {'; '.join(cells)!r}")
        yield cells[0], cells[1]


def _is_correction(row: PlanRow) -> bool:
    """Tell whether a person has decided on a row: Earmark's own proposals bear a note that names their genres."""
    return row.action == "write" and bool(row.genre) and not _is_proposal(row)


def _is_proposal(row: PlanRow) -> bool:
    return bool(row.source) and set(read_note(row.source, "genre")) <= set(row.genres)


def list_tag_genres(library: Library, key: ModelKey) -> Iterator[tuple[str, str]]:
    """Yield paths and genres of files whose tags have genres now that Earmark did not write.

    Several genres of a file have ``;`` between. What a person has corrected otherwise than by tags is left out.
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
            yield path, "; ".join(tags.values or tags.genres)


def list_unteachable(library: Library, key: ModelKey) -> Iterator[tuple[str, str]]:
    """Yield the files whose corrections a model cannot learn from, and why."""
    unheard = library.corrections()
    for track in library.query(key, embeddings=True, corrected=True):
        path = track.verdict.path or ""
        unheard.pop(path, None)
        if why := explain_unteachable(track.verdict):
            yield path, why
    for path in unheard:
        yield path, f"{key.name} has not heard it"


def explain_unteachable(verdict: Verdict) -> str:
    """Return why nothing is learned from a correction of an answer; "" where it teaches."""
    if not verdict.genres:
        return verdict.error or verdict.reason or "nothing is heard in it"
    return "" if verdict.embedding is not None else "the library keeps no embedding of it"


def count_new_genres(library: Library, labels: Iterable[str]) -> dict[str, int]:
    """Return the genres of all corrections that a model does not know, and of how many files each is."""
    known = set(map(spelling_key, labels))
    counts: dict[str, list[str]] = {}
    for genre in library.corrections().values():
        counts.setdefault(spelling_key(genre), []).append(genre)
    return {genres[0]: len(genres) for key, genres in counts.items() if key not in known}
