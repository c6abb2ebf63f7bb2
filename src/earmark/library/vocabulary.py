"""The words that genres get: a model's names → what is written into tags, shown in a library, put into playlists.

A vocabulary has words for labels, a tree of genres as beets' lastgenre has it (parents and their children), aliases
(patterns that stand for a word) and a whitelist. There are some to choose from (:data:`BUILT_IN`); people bring their
own as a YAML file.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from earmark.errors import MissingExtra, SettingError
from earmark.inference.genre_names import spelling_key
from earmark.inference.vocabulary import list_families, read_classes

BuiltIn = Literal["common", "model", "musicbrainz", "beets", "id3v1"]
"""Vocabularies that need no file: words as most tags spell them ("Hip-Hop"); the model's own names; those of
MusicBrainz; those that lastgenre's whitelist has; the names of ID3v1, which old players know."""

BUILT_IN: tuple[BuiltIn, ...] = get_args(BuiltIn)

# what capitals at the beginning of each word do not give, by spelling key
_SPELLINGS = {
    "hiphop": "Hip-Hop", "triphop": "Trip-Hop", "r&b": "R&B", "drum&bass": "Drum & Bass", "rock&roll": "Rock & Roll",
    "edm": "EDM", "idm": "IDM", "kpop": "K-Pop", "jpop": "J-Pop", "lofi": "Lo-Fi", "acappella": "A Cappella",
}  # fmt: skip


@dataclass(frozen=True)
class Vocabulary:
    r"""Translates a model's names into the words that are written.

    Attributes
    ----------
    base : str
        One of :data:`BUILT_IN`: words for labels that have none here.
    words : mapping of str to tuple of str
        What stands for a label, by its spelling key; none keeps it out of tags.
    parents : mapping of str to str
        The parent of a word, by the word's spelling key.
    spellings : mapping of str to str
        How words of the tree and of the whitelist are spelled, by spelling key.
    aliases : tuple of (pattern, str)
        A label that a pattern matches gets this word, in which ``\1`` stands for the pattern's first group.
    whitelist : frozenset of str, optional
        Spelling keys of the only words that are written; of any other word its nearest parent among them.
    with_parents : bool
        Write a word's parents before it, as words of their own.
    depth : int, optional
        Write words of at most this depth in the tree, where 1 are those without a parent; of deeper ones a parent.
    """

    base: BuiltIn = "common"
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    spellings: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[tuple[re.Pattern[str], str], ...] = ()
    whitelist: frozenset[str] | None = None
    with_parents: bool = False
    depth: int | None = None
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def keeps_names(self) -> bool:
        """Whether each label is its own word, as with "model" and no more."""
        more = self.words or self.spellings or self.aliases or self.whitelist is not None
        return self.base == "model" and not (more or self.with_parents or self.depth)

    def translate(self, label: str) -> tuple[str, ...]:
        """Return the words for one of a model's genres or styles, each once; none where it is to be kept out of tags.

        Examples
        --------
        >>> load_vocabulary("id3v1").translate("drum and bass"), Vocabulary().translate("hiphop")
        (('Drum & Bass',), ('Hip-Hop',))
        >>> load_vocabulary({"base": "model", "tree": [{"dance": ["techno"]}]}, with_parents=True).translate("techno")
        ('dance', 'techno')
        """
        # a model has some tens of labels, a library 100 000 answers of all of them
        if label not in self._known:
            words = self.words.get(spelling_key(label), ())
            if spelling_key(label) not in self.words:
                words = (self._spell(label),)
            self._known[label] = tuple(dict.fromkeys(chain.from_iterable(map(self._place, filter(None, words)))))
        return self._known[label]

    def has_word(self, name: str) -> bool:
        """Tell whether words, tree, whitelist or aliases speak of a name, which may be none of the model's."""
        key, folded = spelling_key(name), name.casefold()
        named = key in self.words or key in self.spellings
        return named or any(pattern.fullmatch(folded) for pattern, _ in self.aliases)

    def _spell(self, label: str) -> str:
        """Return the word for a label that has none of its own."""
        for pattern, word in self.aliases:
            if match := pattern.fullmatch(label.casefold()):
                return match.expand(word)
        return self.spellings.get(spelling_key(label)) or spell_label(label, self.base)

    def _place(self, word: str) -> tuple[str, ...]:
        """Return what a word becomes by tree, depth and whitelist; with its parents, the outermost first."""
        line = self.lineage(word)[: self.depth]
        allowed = tuple(name for name in line if self.whitelist is None or spelling_key(name) in self.whitelist)
        return allowed if self.with_parents else allowed[-1:]

    def lineage(self, word: str) -> list[str]:
        """Return a word after its parents, the outermost first."""
        line = [word]
        while parent := self.parents.get(spelling_key(line[0])):
            line.insert(0, parent)
        return line


def spell_label(label: str, base: BuiltIn = "common") -> str:
    """Spell a model's label as a built-in vocabulary does; "" where that has no word for it.

    Examples
    --------
    >>> spell_label("hiphop"), spell_label("new age"), spell_label("IDM"), spell_label("punk", "beets")
    ('Hip-Hop', 'New Age', 'IDM', 'Punk Rock')
    """
    if base == "model":
        return label
    if base != "common" and (row := _read_words().get(spelling_key(label))):
        return row[base]
    # of a model of one's own: a label with capitals is spelled as its maker wants it
    if label != label.lower():
        return label
    words = label.replace("_", " ").split(" ")
    return _SPELLINGS.get(spelling_key(label)) or " ".join(word[:1].upper() + word[1:] for word in words)


@cache
def _read_words() -> dict[str, dict[str, str]]:
    """Return the words of the built-in vocabularies, by spelling key of genres and styles."""
    text = (files("earmark.library") / "vocabularies.csv").read_text(encoding="utf-8")
    return {spelling_key(row.pop("name")): row for row in csv.DictReader(text.splitlines())}


class _File(BaseModel):
    """What a vocabulary file may say."""

    model_config = ConfigDict(extra="forbid")

    base: BuiltIn = "common"
    words: dict[str, Any] = {}
    aliases: dict[str, list[str]] = {}
    tree: list[Any] = []
    whitelist: list[str] | None = Field(None, min_length=1)


def load_vocabulary(
    source: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    labels: Iterable[str] | None = None,
    *,
    with_parents: bool = False,
    depth: int | None = None,
) -> Vocabulary:
    """Load a vocabulary.

    Parameters
    ----------
    source : str, path or mapping, optional
        One of :data:`BUILT_IN` ("common" when left out), a YAML file, or what such a file holds: ``base``, ``words``
        (by label: a word, a list of words, or nothing to keep the genre out of tags), ``tree``, ``aliases`` and
        ``whitelist``. A file that holds a list is a tree, such as lastgenre's.
    labels : iterable of str, optional
        Genres and styles of the model; ``words`` for anything else is an error. Unchecked when left out.
    with_parents, depth
        See :class:`Vocabulary`.

    Raises
    ------
    SettingError
        If the file cannot be read, says something else, or its tree has a circle.
    MissingExtra
        If it is a file, and PyYAML is not installed.
    """
    options: dict[str, Any] = {"with_parents": with_parents, "depth": depth}
    if source is None or source in BUILT_IN:
        base = "common" if source is None else source
        return Vocabulary(base=base, parents=_list_families(base, {}), **options)
    if isinstance(source, Mapping):
        name, given = "vocabulary", source
    else:
        name, given = str(source), _read_yaml(Path(source).expanduser())
    file = _parse(given, name)
    words = {spelling_key(label): _list_words(given, f"{name}: words: {label}") for label, given in file.words.items()}
    if labels is not None:
        _check_labels(file.words, [*labels], name)
    parents, spellings = _flatten(file.tree, name) if file.tree else (_list_families(file.base, words), {})
    spellings |= {spelling_key(word): word for word in file.whitelist or ()}
    return Vocabulary(
        file.base, words, parents, spellings, tuple(_compile(file.aliases, name)),
        None if file.whitelist is None else frozenset(map(spelling_key, file.whitelist)), **options,
    )  # fmt: skip


def _read_yaml(path: Path) -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtra("a vocabulary file", "tags") from error
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(BUILT_IN)
        raise SettingError(f"{path}: cannot be read ({error.strerror}); or name one of {known}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: not YAML ({' '.join(str(error).split())})") from error


def _parse(given: Any, name: str) -> _File:
    """Check what a file holds; a list is a tree."""
    try:
        return _File.model_validate({"tree": given} if isinstance(given, list) else given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        allowed = f"it may hold {', '.join(_File.model_fields)}"
        if first["type"] == "extra_forbidden":
            near = get_close_matches(where, _File.model_fields, 1)
            hint = f"did you mean {near[0]!r}?" if near else allowed
            raise SettingError(f"{name}: unknown key {where!r}; {hint}") from error
        raise SettingError(f"{name}: {where or 'the file'}: {first['msg']}; {allowed}") from error


def _list_words(given: Any, where: str) -> tuple[str, ...]:
    if given is None or (isinstance(given, str) and given.isprintable() and not given.strip()):
        return ()
    words = given if isinstance(given, list) else [given]
    if not all(isinstance(word, str) and word.strip() and word.isprintable() for word in words):
        raise SettingError(f"{where} = {given!r}: a word, or a list of words, is wanted; [] leaves such files alone")
    return tuple(word.strip() for word in words)


def _check_labels(named: Iterable[str], labels: list[str], name: str) -> None:
    """Refuse words for what the model does not name: a slip of the pen would go unnoticed."""
    known = {spelling_key(label): label for label in labels}
    for label in named:
        if spelling_key(label) not in known:
            near = get_close_matches(label, labels, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(labels)}"
            raise SettingError(f"{name}: words: the model has no genre {label!r}; {hint}")


def _flatten(tree: list[Any], name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parents of a tree's words, and how each is spelled, by spelling key."""
    parents: dict[str, str] = {}
    spellings: dict[str, str] = {}
    try:
        pairs = list(_walk(tree, (), name))
    except RecursionError as error:  # a YAML file may hold a list that holds itself
        raise SettingError(f"{name}: tree: a list that holds itself") from error
    for parent, word in pairs:
        # a word that stands in two places belongs where it stands first, as with lastgenre
        if spelling_key(word) not in spellings:
            spellings[spelling_key(word)] = word
            if parent:
                parents[spelling_key(word)] = parent
    return parents, spellings


def _walk(node: Any, line: tuple[str, ...], name: str) -> Iterator[tuple[str | None, str]]:
    """Yield each word of a nested list with its parent."""
    if isinstance(node, list):
        for child in node:
            yield from _walk(child, line, name)
    elif isinstance(node, dict):
        for word, children in node.items():
            yield from _walk(word, line, name)
            yield from _walk(children or [], (*line, str(word)), name)
    elif isinstance(node, str):
        if spelling_key(node) in map(spelling_key, line):
            raise SettingError(f"{name}: tree: {node!r} is among its own parents: {' → '.join((*line, node))}")
        yield line[-1] if line else None, node
    else:
        raise SettingError(f"{name}: tree: {node!r} under {line[-1] if line else 'the root'}: a name is wanted")


def _compile(aliases: Mapping[str, list[str]], name: str) -> Iterator[tuple[re.Pattern[str], str]]:
    for word, patterns in aliases.items():
        for pattern in patterns:
            try:
                compiled = re.compile(pattern, re.IGNORECASE)
                # also that the word names no group that the pattern lacks
                compiled.sub(word, "")
            except re.error as error:
                raise SettingError(f"{name}: aliases: {word!r}: {pattern!r} is no pattern ({error})") from error
            yield compiled, word


def _list_families(base: BuiltIn, own: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the families of styles by the keys of their words: `own` ones, or those of a built-in vocabulary."""

    def list_words(name: str) -> tuple[str, ...]:
        return own.get(spelling_key(name), (spell_label(name, base),))

    families = {spelling_key(word) for family in list_families() for word in list_words(family)}
    parents: dict[str, str] = {}
    for style in read_classes("genre"):
        family = next(iter(list_words(style.family)), "") if style.family else ""
        # several styles and families may share a word, such as ID3v1's "Ethnic": a family's word has no parent
        keys = {spelling_key(word) for word in list_words(style.name)} - families
        parents |= dict.fromkeys(keys, family) if family else {}
    return parents
