"""From spectrograms back to sound: what comes back, and what must not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio import LogMel, StftDensity
from earmark.audio.decode import decode
from earmark.audio.griffin_lim import invert
from earmark.audio.kaldi_mel import KaldiMel
from earmark.errors import AudioError, SettingError

PAPER = StftDensity()
BUNDLED = LogMel(hop_length=1707, center=False)
FRONT_ENDS = [PAPER, StftDensity(log=True), BUNDLED, LogMel(), KaldiMel()]
NAMES = ["density", "log-density", "bundled", "librosa's", "encoder's"]


def convergence(wanted, got, front_end):
    """20 log10 of the relative error of magnitudes."""
    if front_end.kind == "kaldi-mel":
        wanted, got = front_end.to_decibels(wanted), front_end.to_decibels(got)
    decibels = front_end.kind == "log-mel" or front_end.log
    wanted, got = (10 ** (x / 20) if decibels else np.sqrt(x) for x in (wanted.astype(float), got.astype(float)))
    return 20 * np.log10(np.linalg.norm(wanted - got) / np.linalg.norm(wanted))


def beating(samples, hz, rate):
    """How strongly the power of a sound beats at so many Hz: 0 to 1."""
    power, weight = samples.astype(float) ** 2, np.hanning(len(samples))
    wave = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / rate)
    return abs(np.sum(weight * power * wave)) / np.sum(weight * power)


def frequency(samples, rate):
    """Hz of the strongest partial."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return spectrum.argmax() * rate / len(samples)


@pytest.fixture(scope="module")
def clips(gtzan):
    """A clip of five seconds of each genre, at a rate."""
    paths = [sorted(folder.glob("*.ogg"))[3] for folder in sorted((gtzan / "audio").iterdir())]
    return lambda rate: np.stack([decode(path, rate)[5 * rate : 10 * rate] for path in paths])


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=NAMES)
@pytest.mark.parametrize("hz", [220.0, 1234.5])
def test_a_tone_comes_back_at_its_frequency_and_level(front_end, hz, tone):
    rate = front_end.sample_rate
    sound = tone(hz, 3, rate).astype(np.float32)
    back = invert(front_end(sound), front_end, length=len(sound))
    assert frequency(back, rate) == pytest.approx(hz, abs=rate / front_end.n_fft)
    middle = slice(rate, 2 * rate)
    assert back[middle].std() == pytest.approx(sound[middle].std(), rel=0.25)


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=NAMES)
def test_real_music_has_its_spectrogram_again(front_end, clips):
    sounds = clips(front_end.sample_rate)[:: 1 if front_end.kind == "stft-density" else 4]
    wanted = front_end(sounds)
    got = front_end(invert(wanted, front_end, length=sounds.shape[1]))
    assert max(convergence(w, g, front_end) for w, g in zip(wanted, got, strict=True)) <= -25
    if front_end.kind == "log-mel":
        assert np.abs(wanted - got).mean() < 0.5  # dB


@pytest.mark.parametrize("front_end", [PAPER, BUNDLED], ids=["density", "bundled"])
def test_steady_noise_does_not_beat_at_the_frame_rate(front_end, rng):
    sound = rng.normal(0, 0.1, 8 * front_end.sample_rate).astype(np.float32)
    back = invert(front_end(sound), front_end, length=len(sound))
    frame_rate = front_end.sample_rate / front_end.hop_length
    assert beating(back, frame_rate, front_end.sample_rate) < 0.05
    bare = back * (1 + 0.3 * np.cos(2 * np.pi * frame_rate * np.arange(len(back)) / front_end.sample_rate))
    assert beating(bare, frame_rate, front_end.sample_rate) > 0.1


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=NAMES)
def test_a_song_whose_spectrogram_is_the_wanted_one_stays_as_it_is(front_end, clips):
    song = clips(front_end.sample_rate)[5]
    back = invert(front_end(song), front_end, length=len(song), phase_from=song, iterations=16)
    assert np.linalg.norm(back - song) < 0.05 * np.linalg.norm(song)


def test_a_song_is_changed_where_its_spectrogram_is(clips, tone):
    song = clips(4000)[0]
    wanted = PAPER((song + tone(400.0, 5, 4000)).astype(np.float32))  # a tone that it has not
    wanted[:, 256:] *= 0.01  # and 20 dB off above 1 kHz
    back = invert(wanted, PAPER, length=len(song), phase_from=song)
    assert convergence(wanted, PAPER(back), PAPER) < -20
    assert frequency(back, 4000) == pytest.approx(400, abs=4)
    low, high = (slice(2, 240), slice(260, 510))
    assert PAPER(back)[:, high].sum() < 0.02 * PAPER(song)[:, high].sum() < PAPER(back)[:, low].sum()


def test_what_a_song_lacks_altogether_is_made():
    wanted = np.zeros((10, 513), np.float32)
    wanted[:, 100] = 1e6
    back = invert(wanted, PAPER, phase_from=np.zeros(100, np.float32))
    assert frequency(back, 4000) == pytest.approx(100 * 4000 / 1024, abs=4)


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=NAMES)
def test_silence_stays_silence(front_end):
    silence = np.zeros((2, 3 * front_end.sample_rate), np.float32)
    assert not invert(front_end(silence), front_end, iterations=2).any()
    assert not invert(front_end(silence), front_end, phase_from=silence, iterations=2).any()


@pytest.mark.parametrize("front_end", [PAPER, BUNDLED], ids=["density", "bundled"])
def test_there_is_no_dc(front_end, rng):
    sound = (0.3 + rng.normal(0, 0.1, 2 * front_end.sample_rate)).astype(np.float32)
    assert abs(invert(front_end(sound), front_end, iterations=8).mean()) < 1e-6


@pytest.mark.parametrize("front_end", [PAPER, BUNDLED], ids=["density", "bundled"])
def test_a_batch_is_inverted_as_one_by_one(front_end, rng):
    sounds = rng.normal(0, 0.1, (2, 2, front_end.sample_rate)).astype(np.float32)
    frames = front_end(sounds)
    whole = invert(frames, front_end, phase_from=sounds, iterations=3)
    np.testing.assert_array_equal(whole[1, 0], invert(frames[1, 0], front_end, phase_from=sounds[1, 0], iterations=3))
    noise = invert(frames, front_end, iterations=3)
    np.testing.assert_array_equal(noise[0, 1], invert(frames[0, 1], front_end, iterations=3))


def test_the_seed_is_all_the_chance_there_is(rng):
    frames = PAPER(rng.normal(0, 0.1, 8000).astype(np.float32))
    one, same, other = (invert(frames, PAPER, seed=seed, iterations=4) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("factor", [1e-6, 1e18])
def test_level_changes_nothing_else(factor, rng):
    frames = PAPER(rng.normal(0, 0.1, 8000).astype(np.float32)).astype(float)
    sound = invert(frames, PAPER, iterations=8)
    np.testing.assert_allclose(invert(frames * factor, PAPER, iterations=8) / factor**0.5, sound, atol=1e-4)


def test_bands_end_where_the_filters_end(rng):
    front_end = LogMel(fmin=500.0, fmax=3000.0)
    back = invert(front_end(rng.normal(0, 0.1, 44100).astype(np.float32)), front_end, iterations=20)
    power = np.abs(np.fft.rfft(back * np.hanning(len(back)))) ** 2
    hz = np.fft.rfftfreq(len(back), 1 / front_end.sample_rate)
    assert power[(hz < 400) | (hz > 3100)].sum() < 1e-4 * power.sum()


def test_without_an_absolute_level_the_peak_is_half(rng):
    front_end = LogMel(relative=True)
    back = invert(front_end(rng.normal(0, 1e-3, 22050).astype(np.float32)), front_end, iterations=4)
    assert np.abs(back).max() == pytest.approx(0.5, abs=1e-3)


@given(
    frames=st.integers(0, 5),
    batch=st.sampled_from([(), (2,), (1, 2)]),
    n_fft=st.sampled_from([64, 101, 256]),
    overlap=st.floats(-1, 0.9),
    length=st.none() | st.integers(0, 1500),
    mel=st.booleans(),
    center=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_shapes(frames, batch, n_fft, overlap, length, mel, center):
    hop = n_fft - int(overlap * n_fft)
    front_end = (
        LogMel(sample_rate=8000, n_fft=n_fft, hop_length=hop, n_mels=8, center=center)
        if mel
        else StftDensity(n_fft=n_fft, hop_length=hop)
    )
    wanted = np.random.default_rng(0).normal(0, 1, (*batch, frames, front_end.n_bins)) ** 2
    sound = invert(wanted, front_end, length=length, iterations=2)
    assert sound.dtype == np.float32
    assert sound.shape[:-1] == batch
    assert np.isfinite(sound).all()
    if length is not None:
        assert sound.shape[-1] == length
    elif frames > 1:
        assert front_end.n_frames(sound.shape[-1]) == frames


def test_more_rounds_come_nearer(rng):
    wanted = BUNDLED(rng.normal(0, 0.1, 44100).astype(np.float32))
    errors = [convergence(wanted, BUNDLED(invert(wanted, BUNDLED, iterations=n)), BUNDLED) for n in (0, 4, 32)]
    assert errors[0] > errors[1] + 3 > errors[2] + 10
    plain = invert(wanted, BUNDLED, iterations=32, momentum=0.0)
    assert errors[2] < convergence(wanted, BUNDLED(plain), BUNDLED)


@pytest.mark.parametrize(
    ("wanted", "options", "error", "says"),
    [
        (np.zeros((3, 512)), {}, AudioError, "need (..., frames, 513)"),
        (np.zeros(513), {}, AudioError, "shape (513,)"),
        (np.full((3, 513), np.nan), {}, AudioError, "not finite"),
        (np.zeros((3, 513)), {"length": -1}, SettingError, "length is -1"),
        (np.zeros((3, 513)), {"iterations": -1}, SettingError, "iterations is -1"),
        (np.zeros((3, 513)), {"momentum": 1.5}, SettingError, "momentum is 1.5"),
        (np.zeros((2, 3, 513)), {"phase_from": np.zeros(9)}, AudioError, "a song of shape (9,)"),
        (np.zeros((3, 513)), {"phase_from": np.full(9, np.inf)}, AudioError, "finite samples"),
    ],
)
def test_what_makes_no_sense_is_refused(wanted, options, error, says):
    with pytest.raises(error, match=says.replace("(", r"\(").replace(")", r"\)").replace(".", r"\.")):
        invert(wanted, PAPER, **options)


def test_negative_density_is_silence():
    assert not invert(np.full((3, 513), -1.0), PAPER, iterations=2).any()
