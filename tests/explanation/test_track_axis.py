"""One axis of time for a whole track: nothing is lost, and all stands where it should."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.models import FRONT_ENDS

from earmark.audio import LogMel, StftDensity
from earmark.audio.kaldi_mel import KaldiMel
from earmark.explanation.track_axis import ENVELOPE_SECONDS, Piece, compute_envelope, compute_levels, join_pieces


def test_clips_are_joined_by_their_mean():
    pieces = [Piece(0.0, 2.0, np.array([1.0, 2.0])), Piece(1.0, 3.0, np.array([4.0, 8.0]))]
    times = np.array([0.5, 1.5, 2.5, 3.5])
    np.testing.assert_array_equal(join_pieces(times, pieces, 1.0), [1, (2 + 4) / 2, 8, np.nan])
    np.testing.assert_array_equal(join_pieces(times, pieces), [1, (2 + 4) / 2, 8, np.nan])
    np.testing.assert_array_equal(join_pieces(times, [Piece(0.0, 4.0, np.array([1.0, 2.0]))]), [1, 1, 2, 2])


@pytest.mark.parametrize(
    "front_end",
    [LogMel(center=False), LogMel(n_mels=16, relative=True), StftDensity(n_fft=64, hop_length=32), KaldiMel()],
    ids=str,
)
def test_a_long_spectrogram_is_computed_piece_by_piece(front_end, rng):
    samples = rng.normal(0, 0.1, 40_000 if front_end.kind == "stft-density" else 1_200_000).astype(np.float32)
    if isinstance(front_end, LogMel):
        whole = replace(front_end, top_db=None, relative=False)(samples)
    elif isinstance(front_end, KaldiMel):
        whole = (5 * front_end(samples) - 4.5) * 10 / np.log(10)
    else:
        whole = replace(front_end, log=True)(samples)
    assert len(whole) > 1024
    # frames less than 40 ms apart are averaged
    n = int(np.ceil(0.04 * front_end.sample_rate / front_end.hop_length))
    levels, times = compute_levels(front_end, samples)
    whole = whole[: len(whole) // n * n]
    np.testing.assert_allclose(levels, whole.reshape(-1, n, front_end.n_bins).mean(axis=1), atol=1e-3)
    np.testing.assert_allclose(times, front_end.times(len(whole)).reshape(-1, n).mean(axis=1))


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=lambda f: f.kind)
def test_a_moment_of_sound_has_a_spectrogram(front_end):
    assert compute_levels(front_end, np.ones(5, np.float32))[0].shape == (1, front_end.n_bins)


def test_bins_know_their_frequency():
    for front_end in (LogMel(sample_rate=8000, n_mels=64), StftDensity()):
        for hz in (300, 1000, 1500):
            tone = np.sin(2 * np.pi * hz * np.arange(front_end.sample_rate) / front_end.sample_rate)
            loudest = front_end(tone.astype(np.float32)).mean(axis=0).argmax()
            near = np.diff(front_end.frequencies)[loudest]
            assert front_end.frequencies[loudest] == pytest.approx(hz, abs=near)


@given(st.integers(1, 5000))
def test_the_envelope_holds_every_sample(n):
    samples = np.random.default_rng(n).normal(size=n).astype(np.float32)
    found = compute_envelope(samples, 8000)
    assert found.min() == samples.min() and found.max() == samples.max()
    assert len(found) == -(-n // round(ENVELOPE_SECONDS * 8000))
