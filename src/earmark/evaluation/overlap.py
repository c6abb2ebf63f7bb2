"""Whether a model is judged by tracks that it learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from earmark.data.corpus import Corpus
from earmark.data.examples import JOINT, decode_examples
from earmark.data.known_genres import divide_by_labels
from earmark.inference.card import Card
from earmark.inference.model import Model


@dataclass(frozen=True)
class Overlap:
    """What a model's training and the tracks that judge it have in common.

    Attributes
    ----------
    why : {"corpus", "tracks", "name"}
        "corpus": the model learned from this very corpus; "tracks": tracks of these names are among its examples;
        "name": its card names a corpus of this name, so that any number of tracks may be the same.
    n_tracks : int or None
        How many of the judging tracks are of that corpus, or among the examples; None where the card does not tell.
    """

    why: Literal["corpus", "tracks", "name"]
    n_tracks: int | None = None


def find_overlap(
    model: Model, corpus: Corpus, judging: Corpus, *, protocol: str = "all", part: str = "all", seed: int = 0
) -> Overlap | None:
    """Find out whether a model learned from tracks that judge it, by its card and its examples.

    Parameters
    ----------
    model : Model
    corpus : Corpus
        As it was opened, before any part of it was chosen.
    judging : Corpus
        The part of it that judges; see :func:`earmark.evaluation.evaluate.select_part`.
    protocol, part : str
        How that part was chosen.
    seed : int
        Of the split.

    Returns
    -------
    Overlap or None
        None where the part was held out in training, or nothing points to tracks in common.
    """
    training = model.card.training
    # what is foreign was left out of training too, as rare
    known, _ = divide_by_labels(corpus, model.card.labels)
    same = training.fingerprint == known.fingerprint
    if _is_held_out(model.card, same, protocol, part, seed):
        return None
    if same:
        return Overlap("corpus", sum(track.genre in model.card.labels for track in judging.tracks))
    if model.examples:
        n = len({track.id for track in decode_examples(model)} & {track.id for track in judging.tracks})
        return Overlap("tracks", n) if n else None
    names = {_strip_count(name) for name in training.corpus.split(JOINT)}
    return Overlap("name") if _strip_count(corpus.name) in names else None


def list_held_out_parts(card: Card) -> list[str]:
    """Return the parts of the training's split that a model did not learn from; none where held-out folds judged it."""
    return [part for part in ("test", "valid") if any(metric.part == part for metric in card.metrics)]


def _is_held_out(card: Card, same: bool, protocol: str, part: str, seed: int) -> bool:
    """Tell whether a part was kept out of training; `same` is whether the corpus is the one of the training."""
    training, parts = card.training, list_held_out_parts(card)
    if protocol != training.protocol or not parts:
        return False
    # GTZAN's list divides it alike, whatever the seed and however much of it is there
    if protocol == "fault-filtered":
        return part in ("valid", "test")
    return same and part in parts and seed == training.seed


def _strip_count(name: str) -> str:
    """Strip what :func:`earmark.data.corpus.name_corpus` adds: "GTZAN (639 of 1000 tracks)" is GTZAN."""
    return name.partition(" (")[0]
