"""Loudness, peaks, bands and files, against FFmpeg's EBU R128 meter and the standard's own test signals."""

import wave

import av
import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.decode import decode
from earmark.audio.encode import write_wav
from earmark.audio.loudness import crossfade, loudness, master, true_peak
from earmark.errors import AudioError, SettingError


def metered(samples, rate):
    """LUFS and dBTP by FFmpeg."""
    sound = soxr.resample(np.asarray(samples, np.float32), rate, 48000)
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=48000, format="flt", layout="mono")
    sink = graph.add("abuffersink")
    graph.link_nodes(source, graph.add("ebur128", "metadata=1:peak=true:framelog=quiet"), sink).configure()
    frame = av.AudioFrame.from_ndarray(sound[None], "flt", "mono")
    frame.sample_rate, frame.pts = 48000, 0
    source.push(frame)
    source.push(None)
    said = {}
    while True:
        try:
            said.update(sink.pull().metadata)
        except av.error.EOFError:
            return float(said["lavfi.r128.I"]), 20 * np.log10(float(said["lavfi.r128.true_peak"]))


@pytest.fixture
def spiky(rng):
    """Noise of uneven loudness with peaks far above it, and DC, at 22 050 Hz."""
    sound = rng.normal(0, 0.05, 6 * 22050) * np.repeat([1, 0.1, 2, 0.5, 1, 1], 22050) + 0.2
    sound[::9000] += 0.9
    return sound.astype(np.float32)


@pytest.mark.parametrize("rate", [4000, 16000, 22050, 44100, 48000])
def test_the_standards_reference_tone(rate):
    """A full-scale sine of 997 Hz in one channel is −3.01 LKFS, at any rate."""
    tone = np.sin(2 * np.pi * 997 * np.arange(5 * rate) / rate)
    assert loudness(tone, rate) == pytest.approx(-3.01, abs=0.02)
    assert loudness(0.1 * tone, rate) == pytest.approx(-23.01, abs=0.02)
    assert true_peak(tone, rate) == pytest.approx(0, abs=0.2)


def test_a_quiet_stretch_is_gated_as_ebu_tech_3341_wants():
    """Case 3: −36, −23, −36 dBFS sines; the quiet ones do not count. In stereo; one channel is 3 dB below."""
    levels = np.repeat([-36.0, -23.0, -36.0], np.array([10, 60, 10]) * 8000)
    tone = 10 ** (levels / 20) * np.sin(2 * np.pi * 1000 * np.arange(len(levels)) / 8000)
    assert loudness(tone, 8000) == pytest.approx(-23 - 3.01, abs=0.1)


def test_meter_agrees_with_ffmpeg(spiky, gtzan):
    song = decode(gtzan / "audio" / "metal" / "metal.00003.ogg", 22050)[: 10 * 22050]
    for sound, rate in ((spiky, 48000), (song, 22050)):  # resampling would take noise at its upper end away
        lufs, peak = metered(sound, rate)
        assert loudness(sound, rate) == pytest.approx(lufs, abs=0.05)
        assert true_peak(sound, rate) == pytest.approx(peak, abs=0.2)


def test_a_peak_between_samples_is_seen():
    quarter = np.sin(2 * np.pi * 0.25 * np.arange(4000) + np.pi / 4)  # samples at ±0.71 only
    assert np.abs(quarter).max() < 0.71
    assert true_peak(quarter, 16000) == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("gain", [0.001, 1.0, 3.0])
def test_mastered_is_as_loud_as_asked_without_clipping_or_dc(spiky, gain):
    sound, rate = master(spiky * gain, 22050)
    lufs, peak = metered(sound, rate)
    assert rate == 22050
    assert lufs == pytest.approx(-16, abs=0.2)
    assert peak <= -0.9
    assert np.abs(sound).max() < 10 ** (-1 / 20)
    assert abs(sound.mean()) < 1e-4


def test_limiting_is_gentle(rng):
    sound = rng.normal(0, 0.03, 44100)
    sound[20000] = 1.0
    calm, _ = master(sound, 22050, target=-25.0, ceiling=-6.0)
    before, _ = master(sound, 22050, target=-25.0, ceiling=0.0)
    far = np.abs(np.arange(44100) - 20000) > 0.012 * 22050
    ratio = np.linalg.norm(calm[far] - before[far]) / np.linalg.norm(before[far])
    assert ratio < 0.02  # untouched 12 ms away
    assert true_peak(calm, 22050) <= -6


def test_low_rates_are_raised_and_stay_inside_their_band(rng):
    noise = rng.normal(0, 0.1, 12000)
    sound, rate = master(noise, 4000)
    assert rate == 16000
    assert len(sound) == 48000
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / rate)
    assert power[hz > 2000].sum() < 1e-6 * power.sum()
    assert power[hz < 10].sum() < 1e-6 * power.sum()


def test_only_the_band_asked_for_is_left(rng):
    sound, rate = master(rng.normal(0, 0.1, 44100), 22050, band=(500.0, 3000.0))
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / rate)
    assert power[(hz < 300) | (hz > 3050)].sum() < 1e-4 * power.sum()


def test_silence_stays_silence(tmp_path):
    sound, rate = master(np.zeros(8000), 4000)
    assert not sound.any()
    assert loudness(sound, rate) == true_peak(sound, rate) == -np.inf
    assert not decode(write_wav(tmp_path / "a.wav", sound, rate), rate).any()
    assert loudness(np.zeros(0), 4000) == -np.inf


def test_a_click_cannot_be_loud_but_never_clips():
    click = np.zeros(22050)
    click[11000] = 1.0
    sound, rate = master(click, 22050)
    assert true_peak(sound, rate) <= -1


@given(seconds=st.floats(0.001, 1.0), rate=st.sampled_from([4000, 11025, 22050, 44100]), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=25)
def test_any_length_and_rate(seconds, rate, seed):
    noise = np.random.default_rng(seed).standard_normal(max(1, round(seconds * rate)))
    sound, playable = master(noise, rate)
    assert playable % rate == 0 and playable >= 11025
    assert len(sound) == len(noise) * (playable // rate)
    assert sound.dtype == np.float32
    assert true_peak(sound, playable) <= -1 + 1e-6


def test_written_and_read_again(tmp_path, rng):
    sound = rng.uniform(-1, 1, 5000)
    path = write_wav(tmp_path / "new folder" / "a.wav", sound, 16000)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
    np.testing.assert_allclose(decode(path, 16000), sound, atol=2.6 / 32767)
    assert [p.name for p in path.parent.iterdir()] == ["a.wav"]


def test_dither_keeps_what_is_below_one_step(tmp_path):
    """A sine of half a step survives as a sine, where plain rounding would leave silence or squares."""
    tone = 0.45 / 32767 * np.sin(2 * np.pi * 1000 * np.arange(160000) / 16000)
    back = decode(write_wav(tmp_path / "a.wav", tone, 16000), 16000)
    spectrum = np.abs(np.fft.rfft(back * np.hanning(len(back))))
    assert spectrum.argmax() == 10000
    assert spectrum[30000] < spectrum[10000] / 20  # no third harmonic
    same, other = (write_wav(tmp_path / f"{seed}.wav", tone, 16000, seed=seed) for seed in (0, 1))
    assert (tmp_path / "a.wav").read_bytes() == same.read_bytes() != other.read_bytes()


def test_crossfades_keep_power_and_length(rng):
    pieces = [rng.normal(0, 0.1, 8000).astype(np.float32) for _ in range(3)]
    joined = crossfade(pieces, 8000, seconds=0.1)
    assert len(joined) == 3 * 8000 - 2 * 800
    assert joined[7200:8000].std() == pytest.approx(0.1, rel=0.1)
    np.testing.assert_array_equal(joined[:7200], pieces[0][:7200])
    assert len(crossfade([pieces[0][:5], pieces[1][:4]], 8000)) == 7
    assert not len(crossfade([], 8000))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: master(np.zeros((2, 9)), 8000), AudioError, r"shape \(2, 9\)"),
        (lambda: master(np.full(9, np.nan), 8000), AudioError, "finite"),
        (lambda: master(np.zeros(9), 8000, band=(100, 5000)), SettingError, "half the sample rate"),
        (lambda: master(np.zeros(9), 8000, ceiling=1.0), SettingError, "at most 0"),
        (lambda: write_wav("x.wav", [2.0], 8000), AudioError, "reach 2.00"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
