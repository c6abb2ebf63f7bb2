"""Whether a model is judged by tracks that it was trained on."""

from __future__ import annotations

from earmark.data.corpus import Corpus
from earmark.inference.card import Card


def was_learned(card: Card, corpus: Corpus, *, protocol: str = "all", part: str = "all", seed: int = 0) -> bool:
    """Tell whether a part of a corpus holds tracks that a model was trained on, or chosen by.

    Parameters
    ----------
    card : Card
        The model's.
    corpus : Corpus
    protocol, part : str
        As in :func:`earmark.evaluation.evaluate.evaluate`.
    seed : int
        Of the split.

    Returns
    -------
    bool
        False also for another corpus, however much of its music is the same.
    """
    training = card.training
    if training.fingerprint != corpus.fingerprint:
        return False
    # Parts that judged the model; none of a split's parts where held-out folds did.
    held_out = {metric.part for metric in card.metrics}
    # GTZAN's fault-filtered split is a list, whatever the seed.
    own = (training.protocol, seed if training.protocol == "fault-filtered" else training.seed)
    # only a part that judged the model, of the very split and seed it was trained with, is new to it
    return part not in held_out or protocol == "all" or own != (protocol, seed)
