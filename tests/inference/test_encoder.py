"""The encoder: equal to its reference, as steady as its file, and shaped as a front end."""

from dataclasses import asdict

import numpy as np
import pytest
from support.sounds import noise_and_tone

from earmark.audio.kaldi_mel import KaldiMel
from earmark.inference.encoder import Encoder
from earmark.inference.session import start_session


def test_equals_the_reference(encoders):
    with np.load(encoders / "mn04" / "reference.npz") as reference:
        samples, embedding, probabilities = (reference[name] for name in ("samples", "embedding", "probabilities"))
    session = start_session(Encoder().graph(), "encoder")
    # the reference is of sound at its own level
    steps, logits = session.run(["embedding", "logits"], {"spectrogram": KaldiMel()(samples)})
    assert steps.shape == (5, 32, 384)
    np.testing.assert_allclose(steps.mean(axis=1), embedding, atol=1e-3)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), probabilities, atol=1e-3)


def test_a_louder_sound_is_the_same(rng):
    samples = noise_and_tone(rng, 50000) * np.float32(0.1)
    for gain in (0.1, 10):
        np.testing.assert_allclose(Encoder()(samples * np.float32(gain)), Encoder()(samples), atol=0.02)
    np.testing.assert_array_equal(Encoder()(samples)[..., :384], Encoder().embed(samples))


def test_its_own_classes_are_audiosets_in_their_order(rng):
    tone = np.sin(2 * np.pi * 440 * np.arange(64000) / 32000).astype(np.float32)
    noise = rng.standard_normal(64000).astype(np.float32) * np.float32(0.1)
    session = start_session(Encoder().graph(), "encoder")
    (logits,) = session.run(["logits"], {"spectrogram": Encoder.mel(np.stack([tone, noise]))})
    assert logits[0].argmax() == 501  # "Sine wave"
    assert set(np.argsort(-logits[1])[:3]) == {515, 520, 521}  # "Static", "White noise", "Pink noise"


@pytest.mark.parametrize("n", [0, 1, 2, 10240, 10241, 50000, 320000])
def test_batches_and_step_counts(n, rng):
    encoder = Encoder()
    batch = np.stack([noise_and_tone(rng, n), noise_and_tone(rng, n)])
    steps = encoder(batch)
    assert steps.dtype == np.float32
    assert steps.shape == (2, encoder.n_frames(n), 634)
    np.testing.assert_allclose(steps[1], encoder(batch[1]), atol=1e-4)
    assert encoder.times(steps.shape[1]).shape == (steps.shape[1],)


def test_ten_seconds_are_32_steps_of_a_third_of_a_second():
    assert Encoder().n_frames(320000) == 32
    assert Encoder().times(3).tolist() == pytest.approx([0, 0.32, 0.64])


def test_its_settings_are_a_key():
    assert asdict(Encoder()) == {"name": "mn04-musicnn", "kind": "encoder"}
