"""Front ends against scipy, librosa, and physics."""

import dataclasses

import librosa
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio import LogMel, StftDensity
from earmark.errors import SettingError


def music(rng, n):
    """Loud and quiet stretches, tones and noise: 80 dB between them."""
    t = np.arange(n)
    sound = np.sin(0.05 * t) + 0.3 * np.sin(0.7 * t) + 0.01 * rng.standard_normal(n)
    return (sound * np.where(t < n // 2, 0.5, 5e-5)).astype(np.float32)


def test_the_papers_shape(rng):
    assert StftDensity()(music(rng, 20000)).shape == (22, 513)


@given(
    n_fft=st.sampled_from([64, 100, 255, 1024]),
    overlap=st.floats(0, 0.9),
    taper=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=30)
def test_density_equals_scipy(n_fft, overlap, taper, seed):
    hop = n_fft - int(overlap * n_fft)
    sound = music(np.random.default_rng(seed), 4000)
    ours = StftDensity(n_fft=n_fft, hop_length=hop, taper=taper)(sound)
    _, _, theirs = scipy.signal.spectrogram(
        32768.0 * sound.astype(np.float64), fs=1.0, window=("tukey", taper), nperseg=n_fft, noverlap=n_fft - hop
    )
    np.testing.assert_allclose(ours, theirs.T, rtol=1e-5, atol=1e-12)


@given(
    rate=st.sampled_from([8000, 22050, 44100]),
    n_fft=st.sampled_from([512, 1024, 2048]),
    hop=st.integers(100, 2000),
    n_mels=st.sampled_from([20, 64, 128]),
    fmin=st.sampled_from([0.0, 50.0]),
    fmax=st.sampled_from([None, 3500.0]),
    center=st.booleans(),
    relative=st.booleans(),
    top_db=st.sampled_from([None, 40.0, 80.0]),
    seed=st.integers(0, 99),
)
@pytest.mark.filterwarnings("ignore:Empty filters detected")  # librosa's, for many narrow bands
@settings(deadline=None, max_examples=40)
def test_log_mel_equals_librosa(rate, n_fft, hop, n_mels, fmin, fmax, center, relative, top_db, seed):
    sound = music(np.random.default_rng(seed), 9000)
    ours = LogMel(
        sample_rate=rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels, fmin=fmin, fmax=fmax, center=center,
        relative=relative, top_db=top_db,
    )(sound)  # fmt: skip
    power = librosa.feature.melspectrogram(
        y=sound.astype(np.float64), sr=rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels, fmin=fmin, fmax=fmax,
        center=center,
    )  # fmt: skip
    theirs = librosa.power_to_db(power, ref=np.max if relative else 1.0, amin=1e-10, top_db=top_db)
    np.testing.assert_allclose(ours, theirs.T, atol=1e-4)


@pytest.mark.parametrize("front_end", [StftDensity(), StftDensity(log=True), LogMel(), LogMel(center=False)])
def test_batches_and_frame_counts(front_end, rng):
    batch = np.stack([music(rng, 12345), music(rng, 12345)])
    frames = front_end(batch)
    assert frames.dtype == np.float32
    assert frames.shape == (2, front_end.n_frames(12345), front_end.n_bins)
    np.testing.assert_array_equal(frames[1], front_end(batch[1]))
    assert front_end(np.zeros(10, np.float32)).shape == (front_end.n_frames(10), front_end.n_bins)


@pytest.mark.parametrize("front_end", [StftDensity(), LogMel(hop_length=300, center=False)])
def test_a_click_appears_at_its_time(front_end):
    sound = np.zeros(front_end.sample_rate * 2, np.float32)
    sound[front_end.sample_rate] = 1.0  # at 1 s
    energy = front_end(sound).sum(axis=1)
    loudest = front_end.times(len(energy))[energy.argmax()]
    assert abs(loudest - 1.0) <= front_end.hop_length / front_end.sample_rate


@pytest.mark.parametrize("hz", [250, 700, 1500])
def test_a_tone_stays_where_it_was(hz):
    tone = np.sin(2 * np.pi * hz * np.arange(20000) / 4000).astype(np.float32)
    assert StftDensity()(tone).mean(axis=0).argmax() == round(hz * 1024 / 4000)


def test_gain_moves_log_mel_by_as_many_decibels(rng):
    sound = music(rng, 22050)
    front_end = LogMel(top_db=None, amin=1e-30)
    np.testing.assert_allclose(front_end(sound * np.float32(0.1)), front_end(sound) - 20, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "setting", "value", "says"),
    [
        (StftDensity, "taper", 1.5, "taper is 1.5"),
        (StftDensity, "hop_length", 0, "hop_length is 0"),
        (LogMel, "fmax", 20000.0, "half the sample rate"),
        (LogMel, "top_db", -1.0, "top_db is -1.0"),
        (LogMel, "n_mels", -3, "n_mels is -3"),
    ],
)
def test_settings_that_make_no_sense(kind, setting, value, says):
    with pytest.raises(SettingError, match=says):
        dataclasses.replace(kind(), **{setting: value})
