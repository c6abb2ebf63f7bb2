"""What a model has learned from, kept in its file, so that it can go on learning without the sound.

JSON: ``tracks``, each ``[id, genres, artist, album, clips]``, and ``means``, base64 of their clips' mean embeddings,
float16 of shape (clips of all tracks, numbers), track after track.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from itertools import count

import numpy as np

from earmark.data.corpus import Corpus, Track, sort_tracks
from earmark.data.features.extract import Features
from earmark.errors import ModelError, SettingError
from earmark.inference.genre_names import match_genres
from earmark.inference.model import Model

JOINT = " + "
"""Between the names of corpora that a model has learned from, one after the other."""


def join_examples(corpus: Corpus, model: Model) -> Corpus:
    """Return a corpus with the tracks that a model has learned from, under other ids where those are taken.

    A genre that the corpus spells otherwise than the model joins that of the model.
    """
    corpus = corpus.rename(match_genres(corpus.genres, model.card.labels))
    taken = {track.id for track in corpus.tracks}
    learned = []
    for track in decode_examples(model):
        names = (f"{track.id} ({n})" if n else track.id for n in count())
        learned.append(replace(track, id=next(name for name in names if name not in taken)))
        taken.add(learned[-1].id)
    corpora = dict.fromkeys([*model.card.training.corpus.split(JOINT), corpus.name])
    return Corpus(JOINT.join(corpora), sort_tracks([*corpus.tracks, *learned]), corpus.notes)


def encode_examples(corpus: Corpus, features: Features) -> bytes:
    """Return as text the clips of one frame, (clips, 1, numbers), that were learned from; `corpus` has their tracks."""
    counts = np.bincount(features.track, minlength=len(corpus.tracks))
    tracks = [[t.id, t.genres, t.artist, t.album, int(n)] for t, n in zip(corpus.tracks, counts, strict=True)]
    # clips of a track stand together, in the corpus's order
    means = base64.b64encode(features.X[:, 0].astype("<f2").tobytes()).decode()
    return json.dumps({"tracks": tracks, "means": means}).encode()


def require_examples(model: Model) -> None:
    """Raise :class:`SettingError` where a model keeps no examples."""
    if not model.examples:
        raise SettingError(
            f"{model.name} keeps no examples to go on from, as only models of the recipe encoder-linear do: train anew"
        )


def decode_examples(model: Model) -> tuple[Track, ...]:
    """Return the tracks that a model has learned from, with the embeddings of their clips."""
    require_examples(model)
    try:
        record = json.loads(model.examples)
        rows = np.frombuffer(base64.b64decode(record["means"]), "<f2").reshape(sum(n for *_, n in record["tracks"]), -1)
        ends = np.cumsum([n for *_, n in record["tracks"]])
        return tuple(
            Track(name, genre, artist=artist, album=album, others=tuple(others), embedding=means)
            for (name, (genre, *others), artist, album, _), means in zip(
                record["tracks"], np.split(rows, ends[:-1]), strict=True
            )
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{model.name}: its examples cannot be read; train a new model") from error
