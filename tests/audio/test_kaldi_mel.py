"""Kaldi's mel spectrogram against its equations written slowly, the reference of the encoder, and its graph."""

import dataclasses

import numpy as np
import pytest
from support.sounds import noise_and_tone

from earmark.audio import KaldiMel
from earmark.errors import SettingError


def slow(x):
    """EfficientAT's front end as its README states it, frame by frame and bin by bin, in double precision."""
    x = x.astype(np.float64)
    x = np.pad(x[1:] - 0.97 * x[:-1], 512, mode="reflect")
    window = np.zeros(1024)
    window[112:912] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 799)
    dft = np.exp(-2j * np.pi * np.outer(np.arange(1024), np.arange(512)) / 1024)
    frames = [x[start : start + 1024] for start in range(0, len(x) - 1023, 320)]
    power = np.abs((np.array(frames) * window) @ dft) ** 2
    mels = 1127 * np.log(1 + np.arange(512) * 32000 / 1024 / 700)
    step = 1127 * np.log(1 + 15000 / 700) / 129
    bands = [power @ np.maximum(0, 1 - np.abs(mels / step - band)) for band in range(1, 129)]
    return (np.log(np.array(bands).T + 1e-5) + 4.5) / 5


def test_equals_its_equations(rng):
    sound = noise_and_tone(rng, 33000)
    np.testing.assert_allclose(KaldiMel()(sound), slow(sound), atol=2e-4)


def test_equals_the_reference(encoders):
    with np.load(encoders / "mn04" / "reference.npz") as reference:
        # kept in 16 bits
        theirs = reference["mel"].reshape(-1, 128, 1000).transpose(0, 2, 1)
        np.testing.assert_allclose(KaldiMel()(reference["samples"]), theirs, atol=1e-3)


@pytest.mark.parametrize("n", [0, 1, 2, 300, 12345, 320000, 320001])
def test_batches_and_frame_counts(n, rng):
    front_end = KaldiMel()
    batch = np.stack([noise_and_tone(rng, n), noise_and_tone(rng, n)])
    frames = front_end(batch)
    assert frames.dtype == np.float32
    assert frames.shape == (2, front_end.n_frames(n), 128)
    np.testing.assert_array_equal(frames[1], front_end(batch[1]))


def test_a_click_appears_at_its_time():
    sound = np.zeros(64000, np.float32)
    sound[32000] = 1.0
    frames = KaldiMel()(sound)
    assert KaldiMel().times(len(frames))[frames.sum(axis=1).argmax()] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("hz", [300, 1000, 8000])
def test_a_tone_stays_where_it_was(hz):
    tone = np.sin(2 * np.pi * hz * np.arange(32000) / 32000).astype(np.float32)
    centre = KaldiMel().frequencies[KaldiMel()(tone).mean(axis=0).argmax()]
    assert centre == pytest.approx(hz, abs=max(32, 0.03 * hz))


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [("fmax", 20000.0, "half the sample rate"), ("window_length", 2000, "at most n_fft"), ("n_mels", 0, "n_mels is 0")],
)
def test_settings_that_make_no_sense(setting, value, says):
    with pytest.raises(SettingError, match=says):
        dataclasses.replace(KaldiMel(), **{setting: value})


def test_its_graph_gives_the_same(rng):
    from earmark.inference.session import start_session
    from earmark.networks.onnx.front_end import front_end_graph

    samples = np.stack([noise_and_tone(rng, 32000), noise_and_tone(rng, 32000)])
    session = start_session(front_end_graph(KaldiMel()).SerializeToString(), "front end")
    np.testing.assert_allclose(session.run(None, {"samples": samples})[0], KaldiMel()(samples), atol=1e-3)
