"""Nearest tracks: against a slow rewrite, whatever the blocks; copies; few tracks."""

import numpy as np
import pytest

from earmark.library.similar import find_similar


@pytest.fixture
def tracks(rng):
    scale = rng.uniform(0.1, 3, 40)
    return (rng.normal(2, 1, (300, 40)) * scale).astype(np.float16)


def in_blocks(embeddings, size):
    names = [str(i) for i in range(len(embeddings))]
    return lambda: ((names[at : at + size], embeddings[at : at + size]) for at in range(0, len(names), size))


def rank_slowly(embeddings, queries):
    values = embeddings.astype(np.float64)
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    mean = z[queries] / np.linalg.norm(z[queries], axis=1, keepdims=True)
    mean = mean.mean(axis=0)
    cosines = z @ mean / np.linalg.norm(z, axis=1) / np.linalg.norm(mean)
    return [i for i in np.argsort(-cosines) if i not in queries], cosines


@pytest.mark.parametrize("size", [1, 7, 300, 1000])
@pytest.mark.parametrize("queries", [[5], [5, 17, 200]])
def test_they_are_those_of_a_slow_rewrite(tracks, queries, size):
    found = find_similar(in_blocks(tracks, size), tracks[queries], top=10)
    order, cosines = rank_slowly(tracks, queries)
    assert [int(one.path) for one in found] == order[:10]
    assert [one.similarity for one in found] == pytest.approx(cosines[order[:10]], abs=1e-4)


def test_a_copy_of_what_is_asked_for_or_of_another_track_is_left_out(tracks):
    doubled = np.concatenate([tracks, tracks])
    found = find_similar(in_blocks(doubled, 64), tracks[5:6], top=20)
    names = [int(one.path) % len(tracks) for one in found]
    assert len(set(names)) == 20
    assert 5 not in names


def test_a_query_need_not_be_among_the_tracks(tracks):
    near = tracks[5:6] + np.float16(0.001)
    assert find_similar(in_blocks(tracks, 64), near, top=1)[0].path == "5"


@pytest.mark.parametrize("n", [0, 1, 2])
def test_there_may_be_few_tracks_or_none(tracks, n):
    found = find_similar(in_blocks(tracks[:n], 64), tracks[5:6], top=10)
    assert sorted(one.path for one in found) == [str(i) for i in range(n)]
    assert all(np.isfinite(one.similarity) for one in found)
