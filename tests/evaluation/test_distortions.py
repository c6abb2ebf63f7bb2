"""Each distortion, by its physics."""

import numpy as np
import pytest
from support.sounds import rms, share_above

from earmark.audio import probe
from earmark.data.synth import compose
from earmark.errors import AudioError
from earmark.evaluation import distortions
from earmark.evaluation.distortions import AAC, DISTORTIONS, MP3, OPUS, WAVE, Codec, transcode

RATE = 22050


@pytest.fixture(scope="module")
def music():
    return compose("techno", np.random.default_rng(1), seconds=4, sample_rate=RATE)


def distorted(name, samples, rate=RATE):
    return next(d for d in DISTORTIONS if d.name == name).apply(samples, rate)


@pytest.mark.parametrize(("name", "db"), [("gain-20", -20), ("gain+20", 20)])
def test_gain_is_exact_and_clips_nothing(music, name, db):
    samples, rate = distorted(name, music)
    assert rate == RATE
    assert samples.dtype == np.float32
    assert 20 * np.log10(rms(samples) / rms(music)) == pytest.approx(db, abs=1e-4)
    np.testing.assert_allclose(samples / 10 ** (db / 20), music, rtol=1e-5)


def test_clipping_takes_one_db_off_the_peak_and_nothing_else(music):
    samples, _ = distorted("clipped", music)
    limit = np.abs(music).max() * 10 ** (-1 / 20)
    assert np.abs(samples).max() == pytest.approx(limit, rel=1e-6)
    below = np.abs(music) < limit
    assert 0 < np.count_nonzero(~below) < len(music)
    np.testing.assert_array_equal(samples[below], music[below])


@pytest.mark.parametrize(("name", "rate"), [("48-khz", 48_000), ("16-khz", 16_000), ("11-khz", 11_025)])
def test_another_rate_keeps_length_and_what_lies_below_its_half(rng, name, rate):
    noise = rng.normal(0, 0.1, 4 * RATE).astype(np.float32)
    samples, got = distorted(name, noise)
    assert got == rate
    assert len(samples) == pytest.approx(4 * rate, abs=1)
    back = distortions.resample(samples, rate, RATE)[0]
    limit = min(rate, RATE) / 2
    assert share_above(back, RATE, limit) < 1e-6
    kept = rms(samples) ** 2 / rms(noise) ** 2
    assert kept == pytest.approx(min(1, rate / RATE), rel=0.1)


def test_a_tone_above_8_khz_does_not_survive_16_khz(tone):
    for frequency, kept in ((7000, 1), (9000, 0)):
        sine = tone(frequency, 2, RATE).astype(np.float32)
        assert rms(distorted("16-khz", sine)[0]) / rms(sine) == pytest.approx(kept, abs=0.01)


def test_late_drops_the_beginning_only(music):
    np.testing.assert_array_equal(distorted("late", music)[0], music[round(1.7 * RATE) :])
    assert len(distorted("late", music[:RATE])[0]) == 1


@pytest.mark.parametrize(("codec", "least"), [(MP3, 0.98), (AAC, 0.98), (OPUS, 0.95)], ids=lambda c: str(c))
@pytest.mark.parametrize("rate", [RATE, 32_000])
def test_a_codec_changes_the_sound_but_not_the_music(codec, least, rate):
    music = compose("techno", np.random.default_rng(1), seconds=4, sample_rate=rate)
    samples, got = transcode(music, rate, codec)
    assert got == rate
    assert 0 <= len(samples) - len(music) < 2048  # a frame more, at most
    heard = samples[: len(music)]
    assert least < np.corrcoef(heard, music)[0, 1] < 0.99999  # aligned, and no copy
    assert rms(heard) == pytest.approx(rms(music), rel=0.1)


def test_two_equal_channels_of_a_file_are_the_same_sound(music):
    np.testing.assert_array_equal(transcode(music, RATE, WAVE, 2)[0], music)
    assert probe(distortions._encode(np.tile(music, (2, 1)), RATE, WAVE)).channels == 2


def test_a_bit_rate_is_kept(music):
    size = len(distortions._encode(music[None], RATE, MP3).getvalue())
    assert size * 8 / (len(music) / RATE) == pytest.approx(64_000, rel=0.05)


def test_codecs_take_the_rate_that_loses_nothing():
    assert OPUS.rate_for(22_050) == 24_000
    assert OPUS.rate_for(44_100) == MP3.rate_for(96_000) == 48_000
    assert WAVE.rate_for(12_345) == 12_345
    assert not Codec("no-such-encoder", "wav").available
    with pytest.raises(AudioError, match="cannot be encoded by libmp3lame"):
        transcode(np.zeros(9, np.float32), RATE, Codec("libmp3lame", "no-such-container"))
