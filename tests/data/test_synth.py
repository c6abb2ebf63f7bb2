"""The composer: what every track promises, what tells the styles apart, and how the files are written."""

import re
import wave
from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.data.synth import STYLES, TEMPI, compose, instruments, styles, write_corpus
from earmark.data.synth.score import Score, parse_chords, parse_pattern

RATE = 11025


def track(style, *seed, seconds=6.0, sample_rate=RATE):
    return compose(style, np.random.default_rng(seed), seconds=seconds, sample_rate=sample_rate)


def score(style, *seed, seconds=30.0):
    written = Score(styles.BOOK[style], np.random.default_rng(seed), seconds)
    styles.BOOK[style].write(written)
    return written


def log_bands(samples, hop=128, size=512):
    """Log power in 20 bands against the track's own, a row per frame."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop] * np.hanning(size)
    edges = np.unique(np.geomspace(1, size // 2 + 1, 24).astype(int))[-21:]
    power = np.add.reduceat(np.abs(np.fft.rfft(frames)) ** 2, edges[:-1], axis=1)
    return np.log(power / power.mean() + 1e-4)


def onsets(samples, hop=128):
    return np.maximum(np.diff(log_bands(samples, hop), axis=0), 0).mean(1)


def self_similarity(signal):
    power = np.abs(np.fft.rfft(signal - signal.mean(), 2 * signal.size)) ** 2
    correlation = np.fft.irfft(power)[: signal.size]
    return correlation / correlation[0]


def pulse(samples, hop=128):
    """The tempo, in BPM, at whose first four multiples the onsets repeat best."""
    correlation = self_similarity(onsets(samples, hop))
    bpm = np.geomspace(40, 200, 600)
    lags = 60 * RATE / hop / bpm
    return bpm[np.argmax(sum(np.interp(n * lags, np.arange(correlation.size), correlation) for n in (1, 2, 3, 4)))]


# What every track promises


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), seconds=st.floats(0.5, 9), sample_rate=st.integers(4000, 48000))
def test_a_track_keeps_its_promises_at_any_length_and_rate(style, seed, seconds, sample_rate):
    samples = track(style, seed, seconds=seconds, sample_rate=sample_rate)
    assert samples.shape == (round(seconds * sample_rate),)
    assert samples.dtype == np.float32
    peak = np.abs(samples).max()  # NaN would fail here
    assert 0.3 - 1e-4 <= peak <= 0.95 + 1e-4
    assert abs(samples.mean()) < 1e-4
    longest_silence = np.diff(np.flatnonzero(np.abs(samples) > 0.01 * peak), prepend=0, append=samples.size).max()
    assert longest_silence < 1.5 * sample_rate


@pytest.mark.parametrize("style", ["carillon", "gamelan", "techno"])
def test_a_track_of_minutes_does_not_run_dry(style):
    samples = track(style, 1, seconds=150, sample_rate=8000)
    loudness = np.sqrt((samples.reshape(100, -1) ** 2).mean(1))  # in every 1.5 s
    assert loudness.min() > 0.1 * loudness.max()


@pytest.mark.parametrize("style", STYLES)
def test_the_generator_alone_decides(style):
    first = track(style, 5, 0, seconds=3)
    np.random.seed(0)  # noqa: NPY002 - the global generator must not matter
    np.testing.assert_array_equal(first, track(style, 5, 0, seconds=3))
    other = track(style, 5, 1, seconds=3)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.5


@pytest.mark.parametrize("style", STYLES)
def test_tracks_of_a_style_differ_in_tempo_key_form_and_instruments(style):
    scores = [score(style, seed) for seed in range(24)]
    tempi = np.array([written.tempo for written in scores])
    low, high = TEMPI[style]
    assert low <= tempi.min() < low + 0.25 * (high - low)
    assert high >= tempi.max() > high - 0.25 * (high - low)
    assert len({written.tonic for written in scores}) >= 6
    assert len({tuple(written.form) for written in scores}) >= 3
    assert len({note.voice for written in scores for note in written.notes}) >= 24 * 3  # none is heard in two tracks


@pytest.mark.parametrize("style", STYLES)
def test_every_progression_and_motif_fills_its_phrase(style):
    for progressions in styles.BOOK[style].modes.values():
        assert all(len(parse_chords(symbols)) == 4 for symbols in progressions.split("|"))
    written = score(style, 2, seconds=60)
    assert max(note.onset for note in written.notes) * 60 / written.tempo > 50
    pitches = [note.pitch for note in written.notes if isinstance(note.voice, instruments.Tone)]
    assert 28 <= min(pitches) <= max(pitches) <= 110


# What tells the styles apart


@pytest.mark.parametrize(
    ("style", "multiples"),
    [("breakbeat", [1, 2]), ("chiptune", [1]), ("march", [1]), ("techno", [1, 2]), ("waltz", [1, 3])],
)
def test_the_pulse_lies_in_the_stated_range(style, multiples):
    low, high = TEMPI[style]
    heard = [pulse(track(style, 8, seed, seconds=12)) for seed in range(8)]
    within = [any(0.99 * low <= n * bpm <= 1.01 * high for n in multiples) for bpm in heard]
    assert sum(within) >= 6


@pytest.mark.parametrize("bpm", [110, 123])
@pytest.mark.parametrize("style", ["chiptune", "march", "techno"])
def test_the_pulse_is_the_tempo_of_the_score(style, bpm, monkeypatch):
    monkeypatch.setitem(styles.BOOK, style, replace(styles.BOOK[style], tempo=(bpm, bpm)))
    heard = pulse(track(style, 4, seconds=12))
    assert min(abs(n * heard / bpm - 1) for n in (1, 2)) < 0.01


@pytest.mark.parametrize(("style", "bar", "no_bar"), [("march", 4, 3), ("waltz", 3, 4)])
def test_a_waltz_turns_in_threes_and_a_march_in_fours(style, bar, no_bar, monkeypatch):
    monkeypatch.setitem(styles.BOOK, style, replace(styles.BOOK[style], tempo=(150, 150)))
    heard = [self_similarity(onsets(track(style, 6, seed, seconds=10))) for seed in range(6)]
    repeats = np.mean(heard, axis=0)
    after_a_bar, after_no_bar = (repeats[round(beats * 60 / 150 * RATE / 128)] for beats in (bar, no_bar))
    assert after_a_bar > after_no_bar + 0.03


def test_drums_strike_and_pads_do_not():
    def sharpness(style):
        return np.mean([np.percentile(onsets(track(style, 7, seed)), 97) for seed in range(3)])

    assert min(sharpness(style) for style in ("breakbeat", "march", "techno")) > 1.5 * sharpness("ambient")


def features(samples):
    bands, rhythm = log_bands(samples, 256), self_similarity(onsets(samples, 256))
    return np.concatenate([bands.mean(0), bands.std(0), np.diff(bands, axis=0).std(0), 3 * rhythm[5:65:2]])


def test_styles_are_separable_on_held_out_tracks_and_no_two_tracks_are_alike():
    train, test = (
        np.array([[features(track(style, seed, n)) for n in range(count)] for style in STYLES])
        for seed, count in ((11, 10), (12, 5))
    )
    mean, deviation = train.mean((0, 1)), train.std((0, 1))
    train, test = (train - mean) / deviation, (test - mean) / deviation
    to_centroids = np.linalg.norm(test[:, :, None] - train.mean(1), axis=-1)  # style, track, centroid
    hits = to_centroids.argmin(-1) == np.arange(len(STYLES))[:, None]
    assert hits.mean() >= 0.9
    apart = np.linalg.norm(train[:, :, None] - train[:, None], axis=-1)[:, ~np.eye(10, dtype=bool)]
    assert apart.min() > 0.2 * np.median(to_centroids)  # the closest pair of a style


# Instruments


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100])
def test_a_tone_has_its_pitch_and_nothing_between_its_harmonics(sample_rate):
    saw = instruments.Tone(tuple(range(1, 17)), chorus=0.0, ring=1e6, attack=0.05, release=0.05)
    samples = saw.render(81, 0.95, sample_rate, np.random.default_rng(0))  # A5, 880 Hz
    power = np.abs(np.fft.rfft(samples * np.blackman(samples.size))) ** 2
    hz = np.fft.rfftfreq(samples.size, 1 / sample_rate)
    assert hz[power.argmax()] == pytest.approx(880, abs=1)
    between = np.abs((hz + 440) % 880 - 440) > 20  # an alias would fall here
    assert power[between].sum() < 1e-6 * power.sum()


def test_a_note_above_nyquist_is_silent():
    assert not instruments.SQUARE.render(110, 0.2, 4000, np.random.default_rng(0)).any()


def test_a_chord_is_voiced_close_and_moves_little():
    written = score("chiptune", 0)
    voicings = [written._pitches("x", chord, 60) for chord in parse_chords("C Am F G Cm Bb")]
    assert all(60 <= pitch < 72 for voicing in voicings for pitch in voicing)
    for before, after in pairwise(voicings):
        assert sum(min(abs(a - b) for b in before) for a in after) <= 8


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("x", [(0, 4, "x")]),
        ("x-.o", [(0, 2, "x"), (3, 1, "o")]),
        (".2.1", [(1, 1, "2"), (3, 1, "1")]),
        (".", []),
    ],
)
def test_a_pattern_is_one_bar(pattern, expected):
    assert list(parse_pattern(pattern, 4)) == expected


# Files


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_corpus_is_the_same_whatever_else_is_written_and_by_however_many(tmp_path):
    short = {"seconds": 1.0, "sample_rate": 8000}
    whole = write_corpus(tmp_path / "whole", tracks=3, seed=3, **short)
    assert [path.name for path in whole[:4]] == [
        *(f"ambient.0000{n}.wav" for n in range(3)),
        "bossa.00000.wav",
    ]
    everything = contents(tmp_path / "whole")
    assert len(everything) == 30 == len(set(everything.values()))
    write_corpus(tmp_path / "again", tracks=3, seed=3, **short)
    assert contents(tmp_path / "again") == everything
    write_corpus(tmp_path / "part", tracks=2, seed=3, styles=["waltz", "bossa"], jobs=2, **short)
    part = contents(tmp_path / "part")
    assert len(part) == 4
    assert part.items() <= everything.items()
    write_corpus(tmp_path / "other", tracks=3, seed=4, **short)
    assert not set(contents(tmp_path / "other").values()) & set(everything.values())


@pytest.mark.parametrize("sample_rate", [8000, 22050])
def test_a_file_holds_the_composed_samples(sample_rate, tmp_path):
    (path,) = write_corpus(tmp_path, tracks=1, seconds=1.5, sample_rate=sample_rate, seed=9, styles=["march"])
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels, stream.codec.name) == (sample_rate, 1, "pcm_s16le")
        decoded = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)])
    composed = track("march", 9, STYLES.index("march"), 0, seconds=1.5, sample_rate=sample_rate)
    assert decoded.shape == composed.shape
    assert np.abs(decoded / 32768 - composed).max() <= 1 / 32768


class StopError(Exception):
    pass


@pytest.mark.parametrize("jobs", [1, 2])
def test_when_on_track_raises_only_whole_files_are_left(jobs, tmp_path):
    seen = []

    def on_track(path):
        seen.append(path)
        if len(seen) == 2:
            raise StopError

    with pytest.raises(StopError):
        write_corpus(tmp_path, tracks=60, seconds=1, sample_rate=8000, styles=["bossa"], jobs=jobs, on_track=on_track)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert set(seen) <= set(files)
    assert len(files) == 2 if jobs == 1 else len(files) < 60  # other processes may be a little ahead
    for path in files:
        assert re.fullmatch(r"bossa\.\d{5}\.wav", path.name)
        with wave.open(str(path)) as file:
            assert file.getnframes() == 8000


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(wave.Wave_write, "writeframes", full)
    with pytest.raises(OSError, match="disk full"):
        write_corpus(tmp_path, tracks=1, seconds=1, sample_rate=8000, styles=["bossa"])
    assert contents(tmp_path) == {}


def test_on_track_hears_of_every_file_in_order(tmp_path):
    seen = []
    paths = write_corpus(
        tmp_path, tracks=2, seconds=0.5, sample_rate=4000, styles=["waltz", "march"], on_track=seen.append
    )
    assert seen == paths
    assert [path.parent.name for path in paths] == ["waltz", "waltz", "march", "march"]


# What is not allowed


def test_an_unknown_style_is_named_with_those_allowed(tmp_path):
    with pytest.raises(ValueError, match="'polka'") as caught:
        track("polka", 0)
    assert all(style in str(caught.value) for style in STYLES)
    with pytest.raises(ValueError, match="'polka'"):
        write_corpus(tmp_path / "none", styles=["waltz", "polka"])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("seconds", value) for value in (0, 0.4, float("nan"), float("inf"))),
        *(("sample_rate", value) for value in (3999, 48001)),
        *(("tracks", -1), ("seed", -1), ("jobs", 0)),
    ],
)
def test_a_setting_out_of_range_writes_nothing(setting, value, tmp_path):
    with pytest.raises(ValueError, match=str(value)):
        write_corpus(tmp_path / "none", **{setting: value})
    assert not (tmp_path / "none").exists()


def test_the_styles_are_ten_and_carry_no_name_of_a_gtzan_genre():
    gtzan = {"blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"}
    assert len(STYLES) == 10
    assert list(STYLES) == sorted(set(STYLES) - gtzan)
    assert set(TEMPI) == set(STYLES)
