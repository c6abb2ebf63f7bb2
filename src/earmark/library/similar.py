"""Music that sounds alike: the tracks whose embeddings are nearest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.errors import AudioError, LibraryError
from earmark.inference.encoder import Encoder
from earmark.library.answers import advise_hearing

if TYPE_CHECKING:
    from earmark.inference.verdict import Verdict
    from earmark.library.library import Library

Block = tuple[Sequence[str], NDArray[np.float16]]
"""Paths, and their embeddings, shape (paths, features)."""

# of a feature that hardly varies in a small library, differences count no more than so
_MIN_DEVIATION = 0.01


class Neighbour(NamedTuple):
    """A track, and how alike it is: the cosine of the angle between embeddings, at most 1."""

    path: str
    similarity: float


def find_similar_files(
    library: Library, paths: Sequence[str], classify: Callable[[Iterator[str]], Iterator[Verdict]], top: int = 20
) -> list[Neighbour]:
    """Find the files of a library that are most like some files; those that are gone are passed over.

    Parameters
    ----------
    library : Library
    paths : sequence of str
        Those that the library knows are not even opened.
    classify : callable
        Yields a verdict for each of the other paths.
    top : int

    Raises
    ------
    AudioError
        If one of them cannot be heard.
    LibraryError
        If the library keeps no embeddings.
    """

    def read_blocks() -> Iterator[Block]:
        for rows in library.read_embeddings(Encoder.name):
            names, packed = zip(*rows, strict=True)
            yield names, np.frombuffer(b"".join(packed), "<f2").reshape(len(names), -1)

    if next(read_blocks(), None) is None:
        raise LibraryError(
            f"{library.path}: it keeps no embeddings, as an older Earmark or a model without the encoder filled it: "
            f"{advise_hearing(library)}"
        )
    queries = np.stack([_get_embedding(library, path, classify) for path in paths])
    named = set(map(os.path.abspath, paths))
    return find_similar(read_blocks, queries, top, accept=lambda path: path not in named and os.path.lexists(path))


def _get_embedding(
    library: Library, path: str, classify: Callable[[Iterator[str]], Iterator[Verdict]]
) -> NDArray[np.float16]:
    if packed := library.find_embedding(path, Encoder.name):
        return np.frombuffer(packed, "<f2")
    (verdict,) = classify(iter([path]))
    if verdict.embedding is None:
        raise AudioError(f"{path}: {verdict.error or verdict.reason or 'the model gives no embedding'}")
    return verdict.embedding


def find_similar(
    blocks: Callable[[], Iterable[Block]],
    queries: NDArray[np.float16],
    top: int = 20,
    accept: Callable[[str], bool] = bool,
) -> list[Neighbour]:
    """Find the tracks that are most like some sounds, by cosine similarity of embeddings standardised on all tracks.

    Of tracks with the same embedding, which are copies of one sound, one counts; copies of the queries do not.

    Parameters
    ----------
    blocks : callable
        Returns the tracks, in blocks; called twice, so that never all of them are in memory.
    queries : ndarray of float16, shape (sounds, features)
        Of several sounds, tracks are sought that are like all of them: near the mean of their directions.
    top : int
    accept : callable
        Tells of a path whether it may be among them; asked of those only that are near enough.

    Returns
    -------
    list of Neighbour
        At most `top`, the most similar first.

    Examples
    --------
    >>> tracks = np.array([[0, 1], [1, 0], [9, 9], [8, 9]], np.float16)
    >>> [one.path for one in find_similar(lambda: [("abcd", tracks)], tracks[2:3], top=2)]
    ['d', 'b']
    """
    mean, deviation = _measure_spread(blocks())
    directions = _normalize((queries.astype(np.float32) - mean) / deviation)  # (sounds, features)
    query = _normalize(directions.mean(axis=0))
    own = {sound.tobytes() for sound in queries}
    # embedding → similarity and path of the best so far
    best: dict[bytes, tuple[float, str]] = {}
    least = -np.inf
    for paths, embeddings in blocks():
        # in place, for this is where the time goes
        standardised = embeddings.astype(np.float32)
        standardised -= mean
        standardised *= 1 / deviation
        lengths = np.sqrt(np.einsum("ij,ij->i", standardised, standardised))
        similarities = standardised @ query / np.maximum(lengths, np.finfo(np.float32).tiny)  # (paths,)
        for i in np.argsort(-similarities, kind="stable"):
            if len(best) == top and similarities[i] <= least:
                break
            sound = embeddings[i].tobytes()
            if sound in own or sound in best or not accept(paths[i]):
                continue
            best[sound] = float(similarities[i]), paths[i]
            if len(best) > top:
                del best[min(best, key=lambda key: best[key][0])]
            least = min(similarity for similarity, _ in best.values())
    return [Neighbour(path, similarity) for similarity, path in sorted(best.values(), key=lambda pair: -pair[0])]


def _measure_spread(blocks: Iterable[Block]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of each feature over all tracks."""
    n, total, squares = 0, np.zeros(1), np.zeros(1)
    for _, embeddings in blocks:
        values = embeddings.astype(np.float32)
        n += len(values)
        total = total + values.sum(axis=0)
        squares = squares + np.einsum("ij,ij->j", values, values)
    mean = total / max(n, 1)
    deviation = np.sqrt(np.maximum(squares / max(n, 1) - mean**2, 0))
    return mean.astype(np.float32), np.maximum(deviation, _MIN_DEVIATION).astype(np.float32)


def _normalize(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors, along the last axis, to length 1; those of length 0 stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True).astype(np.float32)
    scaled: NDArray[np.float32] = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled
