"""Are neighbours alike? ``python bench/quality/similar.py FOLDER`` of genre folders, such as GTZAN's audio.

For each track, the nearest others by their embeddings: how many of the ten nearest are of its genre (mean over
genres), and how often the nearest is of its artist, where another track of that artist is there. By
:func:`earmark.library.similar.find_similar`, which standardises each feature on all tracks, and by plain cosine
similarity. Copies and cuts of one recording, as GTZAN's index knows them, do not count as others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from earmark.data.corpus import Corpus, open_corpus
from earmark.data.features.extract import Reduction, default_cache, extract
from earmark.data.groups import group_by_protocol
from earmark.inference.encoder import Encoder
from earmark.library.similar import find_similar

Rank = Callable[[int], Sequence[int]]
"""From a track to all others, the nearest first."""


def main() -> None:
    """Measure both, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    corpus = open_corpus(options.folder)
    embeddings = embed(corpus, options.jobs)
    n = len(corpus.tracks)
    names = [str(i) for i in range(n)]
    unit = embeddings.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)

    def rank_standardised(i: int) -> list[int]:
        blocks = [(names, embeddings)]
        return [int(one.path) for one in find_similar(lambda: blocks, embeddings[i : i + 1], n)]

    report("standardised on all tracks", corpus, rank_standardised)
    report("plain", corpus, lambda i: [int(j) for j in np.argsort(-(unit @ unit[i])) if j != i])


def embed(corpus: Corpus, jobs: int) -> np.ndarray:
    """Compute the embedding of each track as a library keeps it, shape (tracks, 634), float16."""
    features = extract(corpus, Encoder(), 10.0, reduction=Reduction(pool=True), cache=default_cache(), jobs=jobs)
    clips = features.X[:, 0]  # (clips, 634)
    return np.stack([clips[features.track == i].mean(axis=0) for i in range(len(corpus.tracks))]).astype(np.float16)


def report(name: str, corpus: Corpus, rank: Rank) -> None:
    """Print how many neighbours share the genre, and how often the first shares the artist."""
    genres = np.array([track.genre for track in corpus.tracks])
    artists = np.array([track.artist or "" for track in corpus.tracks])
    recording = group_by_protocol(corpus, "fault-filtered")
    shares: dict[str, list[float]] = {genre: [] for genre in corpus.genres}
    first = []
    for i in range(len(genres)):
        others = np.array([j for j in rank(i) if recording[j] != recording[i]])
        shares[genres[i]].append(float(np.mean(genres[others[:10]] == genres[i])))
        if artists[i] and artists[i] in artists[others]:
            first.append(artists[others[0]] == artists[i])
    genre_share = np.mean([np.mean(values) for values in shares.values()])
    print(
        f"{name:28} of its genre, of the 10 nearest: {genre_share:.3f}   "
        f"nearest of its artist: {np.mean(first):.3f} ({len(first)} tracks)"
    )


if __name__ == "__main__":
    main()
