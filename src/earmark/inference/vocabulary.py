"""The classes of AudioSet that answers speak of, under the names that MusicBrainz and beets' lastgenre give them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

MUSIC, SPEECH = 137, 0
"""Indices of the two classes that tell whether a sound is music at all."""


@dataclass(frozen=True)
class AudioClass:
    """A class of AudioSet: its index among the encoder's 527 logits, AudioSet's name and ours.

    `family` is the genre that a style belongs to, such as "electronic" for "techno"; empty for what is no style.
    """

    index: int
    audioset: str
    name: str
    family: str


@cache
def read_classes(kind: Literal["genre", "mood", "context"]) -> tuple[AudioClass, ...]:
    """Return the classes of a kind in AudioSet's order; those of "genre" are the styles.

    Examples
    --------
    >>> read_classes("mood")[0]
    AudioClass(index=276, audioset='Happy music', name='happy', family='')
    """
    text = (files("earmark.inference") / "vocabulary.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if row.pop("kind") == kind]
    return tuple(AudioClass(int(row.pop("index")), **row) for row in rows)


def list_families() -> tuple[str, ...]:
    """Return the families of the styles, each once.

    Examples
    --------
    >>> len(list_families()), list_families()[:3]
    (25, ('pop', 'hip hop', 'rock'))
    """
    return tuple(dict.fromkeys(style.family for style in read_classes("genre")))


@cache
def find_family(style: str) -> str:
    """Return the family of a style; empty for what is none.

    Examples
    --------
    >>> find_family("techno"), find_family("polka")
    ('electronic', '')
    """
    return next((known.family for known in read_classes("genre") if known.name == style), "")
