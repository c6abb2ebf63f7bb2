"""The genres that a shelf has now, and a vocabulary proposed from them, so that what is written fits what is there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from earmark.errors import format_count
from earmark.inference.genre_names import spelling_key
from earmark.library.tags.file_tags import read_file_tags
from earmark.library.tags.spelling import parse_genres
from earmark.library.vocabulary import BuiltIn, spell_label

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict
    from earmark.library.library import Library
    from earmark.library.records import ModelKey

# confidence from which an answer counts as evidence of what a word means
_SURE = 0.6
# files, and share of a genre's sure files and of the word's own, from which a word stands for it by hearing
_MIN_FILES, _MIN_SHARE = 3, 0.5
_BASES: tuple[BuiltIn, ...] = ("model", "common", "musicbrainz", "beets")


@dataclass(frozen=True)
class OwnWord:
    """A genre that files have.

    Attributes
    ----------
    word : str
        As it stands in the tags.
    files : int
        How many have it.
    heard : dict of str to int
        What the model hears in them, where it is sure: files of each of its genres, most first.
    label : str or None
        The model's genre or style that it stands for.
    by : {"spelling", "hearing", ""}
        How that is known.
    """

    word: str
    files: int
    heard: dict[str, int]
    label: str | None = None
    by: Literal["spelling", "hearing", ""] = ""


def read_genres(library: Library, key: ModelKey) -> Iterator[tuple[tuple[str, ...], Verdict]]:
    """Yield the genres that each file of a library has now, without those that Earmark wrote, and a model's answer."""
    library.fill_tags()
    for row in library.query(key):
        tags = row.tags
        if tags and row.file == "changed":
            tags = read_file_tags(Path(tags.path))
        if tags and tags.genres and not tags.is_own:
            yield parse_genres(tags.values or tags.genres, split_slash=False), row.verdict


def propose_words(files: Iterable[tuple[tuple[str, ...], Verdict]], labels: Sequence[str]) -> list[OwnWord]:
    """Propose what the genres of files stand for.

    A word stands for the genre or style that is spelled like it, in a built-in vocabulary but id3v1. For a genre that
    has no such word, one stands that most of the files have in which the model is sure to hear it.

    Parameters
    ----------
    files : iterable of (tuple of str, Verdict)
        Genres in a file's tags, and what the model hears, such as :func:`read_genres` yields.
    labels : sequence of str
        The model's genres.

    Returns
    -------
    list of OwnWord
        The most used first; of several that stand for one genre, the first is the one to write.
    """
    counts: Counter[str] = Counter()
    # word → label → files in which the model is sure
    heard: dict[str, Counter[str]] = {}
    # label → files in which the model is sure, that have a genre
    sure: Counter[str] = Counter()
    # not every model tells styles: a vocabulary may not name those that it does not
    styles: dict[str, float] = {}
    for genres, verdict in files:
        counts.update(genres)
        styles |= verdict.styles
        if verdict.genre and verdict.confidence >= _SURE:
            sure[verdict.genre] += 1
            for word in genres:
                heard.setdefault(word, Counter())[verdict.genre] += 1
    index = _index_spellings([*labels, *sorted(styles)])
    spelled = {word: label for word in counts if (label := match_spelling(word, index, labels))}
    by_ear = _match_heard(heard, sure, spelled)
    return [
        OwnWord(
            word, n, dict(heard.get(word, Counter()).most_common()), spelled.get(word) or by_ear.get(word),
            "spelling" if word in spelled else "hearing" if word in by_ear else "",
        )
        for word, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]  # fmt: skip


def choose_words(words: Iterable[OwnWord]) -> dict[str, OwnWord]:
    """Return the word to write for each of the model's genres and styles: the one most used."""
    chosen: dict[str, OwnWord] = {}
    for own in words:
        if own.label:
            chosen.setdefault(own.label, own)
    return chosen


def format_vocabulary(words: Sequence[OwnWord], labels: Sequence[str], model: str) -> str:
    """Format a vocabulary file of these words, with comments for a person who edits it."""
    chosen = choose_words(words)
    lines = [f"# Your words for the genres of the model {_quote(model)}", "base: common"]
    lines.append("words:" if chosen else "words: {}")
    for label, own in chosen.items():
        note = ", known by what is heard alone: does it fit?" if own.by == "hearing" else ""
        lines.append(f"  {_quote(label)}: {_quote(own.word)}  # {format_count(own.files, 'file')}{note}")
    if missing := [label for label in labels if label not in chosen]:
        lines += ["# Genres of the model that no word of yours stands for; they are written as most tags have them:"]
        lines += [f"#  {_quote(label)}: {_quote(spell_label(label))}" for label in missing]
    if unmatched := [own for own in words if not own.label]:
        lines.append("# Words of yours that stand for no genre of the model, and what is heard in them:")
        lines += [f"#  {_quote(own.word)}: {format_count(own.files, 'file')}{_list_heard(own)}" for own in unmatched]
    return "\n".join(lines) + "\n"


def _list_heard(own: OwnWord) -> str:
    return "".join(f", {label} {n}" for label, n in list(own.heard.items())[:3])


def _quote(text: str) -> str:
    """Quote text for YAML, which takes JSON's strings."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _index_spellings(names: Sequence[str]) -> dict[str, str]:
    """Return the genres and styles of a model by the keys of their words in the built-in vocabularies."""
    index: dict[str, str] = {}
    for name in names:
        for base in _BASES:
            index.setdefault(spelling_key(spell_label(name, base)), name)
    return index


def match_spelling(word: str, index: Mapping[str, str], labels: Sequence[str]) -> str | None:
    """Return what a word means by an index of spelling keys; of "Hip-Hop/Rap", the one genre that its parts mean."""
    if label := index.get(spelling_key(word)):
        return label
    parts = dict.fromkeys(filter(None, (index.get(spelling_key(part)) for part in parse_genres([word]))))
    # "Pop/Rock" may mean either; beside a genre, a style says no more
    meant = [part for part in parts if part in labels] or list(parts)
    return meant[0] if len(meant) == 1 else None


def _match_heard(heard: dict[str, Counter[str]], sure: Counter[str], spelled: dict[str, str]) -> dict[str, str]:
    """Return the words that stand for genres without a word of their spelling, by what is heard in their files."""
    matched: dict[str, str] = {}
    for label in sure.keys() - set(spelled.values()):
        # words in whose files it is mostly this genre that is heard
        files = {
            word: by[label] for word, by in heard.items() if word not in spelled and by[label] > _MIN_SHARE * by.total()
        }
        word = max(files, key=lambda name: (files[name], name), default=None)
        if word and files[word] >= max(_MIN_FILES, _MIN_SHARE * sure[label]):
            matched[word] = label
    return matched
