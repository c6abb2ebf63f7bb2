"""Pooling of clips."""

import numpy as np

from earmark.inference.aggregate import pool_clips


def test_the_track_is_the_geometric_mean_of_its_clips():
    clips = np.array([[0.9, 0.1], [0.4, 0.6]])
    expected = np.sqrt(clips[0] * clips[1])
    np.testing.assert_allclose(pool_clips(np.log(clips), 1.0), expected / expected.sum())
    assert pool_clips(np.log(clips), 5.0).max() < pool_clips(np.log(clips), 1.0).max()
