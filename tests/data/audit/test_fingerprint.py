"""The same recording found again: through codecs, quieter, shifted, in part; and nothing else taken for it."""

import itertools
import time

import numpy as np
import pytest

from earmark.audio.decode import decode
from earmark.data.audit.fingerprint import Fingerprinter, Twins, find_twins
from earmark.data.synth import compose
from earmark.files import walk

RATE = 22050


def fingerprint(samples, rate=RATE, piece=None):
    printer = Fingerprinter(rate)
    for start in range(0, len(samples), piece or len(samples)):
        printer.add(samples[start : start + (piece or len(samples))])
    return printer.words()


@pytest.fixture(scope="module")
def songs():
    """Two songs of each of four styles."""
    return [
        compose(style, np.random.default_rng([1, i]), seconds=15)
        for i, style in enumerate(("techno", "techno", "waltz", "waltz", "bossa", "bossa", "ambient", "ambient"))
    ]


@pytest.fixture(scope="module")
def prints(songs):
    return [fingerprint(song) for song in songs]


def test_songs_of_one_style_are_no_twins(prints):
    assert find_twins(prints) == []


@pytest.mark.parametrize("suffix", [".m4a", ".wma"])
def test_codecs_are_heard_through(songs, prints, suffix, tmp_path, write_sound):
    copies = [fingerprint(decode(write_sound(tmp_path / f"song{suffix}", song, RATE), RATE)) for song in songs]
    assert pairs(find_twins(prints + copies)) == [(i, i + 8) for i in range(8)]


def pairs(twins):
    return [(twin.first, twin.second) for twin in twins]


def mp3_64k(song, folder, write_sound):
    return decode(write_sound(folder / "song.mp3", song, RATE, bit_rate=64_000), RATE)


def test_mp3_at_64_kbit_s_is_heard_through(songs, prints, tmp_path, write_sound):
    copies = [fingerprint(mp3_64k(song, tmp_path, write_sound)) for song in songs]
    twins = find_twins(prints + copies)
    assert pairs(twins) == [(i, i + 8) for i in range(8)]
    assert max(twin.error for twin in twins) < 0.1


def test_twenty_decibels_are_nothing(songs, prints):
    copies = [fingerprint(np.rint(song * 3276.8).astype(np.float32) / 32768) for song in songs]  # 16 bit
    twins = find_twins(prints + copies)
    assert pairs(twins) == [(i, i + 8) for i in range(8)]
    assert max(twin.error for twin in twins) < 0.08


@pytest.mark.parametrize("seconds", [3.3, 3.3128, 7.0])  # the second lies half a hop beside
def test_an_excerpt_is_found_and_its_place_told(songs, prints, seconds):
    copies = [fingerprint(song[round(seconds * RATE) :]) for song in songs]
    for first, second in ((prints, copies), (copies, prints)):
        twins = find_twins(first + second)
        assert pairs(twins) == [(i, i + 8) for i in range(8)]
        sign = 1 if first is prints else -1
        melodic = [twin.lag for twin in twins if twin.first > 1]  # techno repeats itself
        assert melodic == pytest.approx([sign * seconds] * len(melodic), abs=0.03)


def test_what_overlaps_by_less_than_three_seconds_is_no_twin(songs):
    assert find_twins([fingerprint(songs[2][: 8 * RATE]), fingerprint(songs[2][6 * RATE :])]) == []


def test_pieces_of_any_size_give_the_same_words(songs):
    whole = fingerprint(songs[4])
    for piece in (RATE, 1000, 7):
        assert len(whole) == len(again := fingerprint(songs[4][: 15 * RATE], piece=piece))
        assert np.mean(whole != again) < 0.01  # rounding


@pytest.mark.parametrize(
    "sound",
    [
        lambda t, rng: 0 * t,
        lambda t, rng: 0.5 * np.sin(2 * np.pi * rng.choice([220, 440, 880]) * t),
        lambda t, rng: 0.2 * sum(np.sin(2 * np.pi * f * t) for f in (261.6, 329.6, 392.0)),
        lambda t, rng: np.sign(np.sin(2 * np.pi * 100 * t)),
    ],
    ids=["silence", "tones", "one chord", "square wave"],
)
def test_what_says_nothing_makes_no_twins(sound, rng):
    t = np.arange(12 * RATE) / RATE
    assert find_twins([fingerprint(sound(t, rng).astype(np.float32)) for _ in range(5)]) == []


def test_silence_in_common_makes_no_twins(songs):
    silence = np.zeros(6 * RATE, np.float32)
    assert find_twins([fingerprint(np.concatenate([silence, song[: 5 * RATE], silence])) for song in songs]) == []


def test_nothing_short_or_missing_disturbs():
    assert find_twins([]) == []
    assert find_twins([np.empty(0, np.uint32)] * 3) == []
    assert len(fingerprint(np.ones(100, np.float32))) == 0


def noisy(words, rng, share):
    """Words of which so many bits are turned."""
    bits = rng.random((len(words), 32)) < share
    return words ^ np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]


def test_each_of_many_copies_is_tied_to_an_earlier_one(rng):
    words = rng.integers(0, 2**32, 1000, dtype=np.uint32)
    twins = find_twins([noisy(words, rng, 0.05) for _ in range(30)])
    assert {twin.second for twin in twins} == set(range(1, 30))
    assert all(twin == Twins(twin.first, twin.second, 0.0, twin.error) for twin in twins)
    assert max(twin.error for twin in twins) < 0.15


def test_errors_are_the_share_of_turned_bits(rng):
    words = rng.integers(0, 2**32, 5000, dtype=np.uint32)
    (twins,) = find_twins([words, noisy(words, rng, 0.1)])
    assert twins.error == pytest.approx(0.1, abs=0.03)
    assert find_twins([words, noisy(words, rng, 0.4)]) == []


def test_ten_thousand_tracks_take_seconds(rng):
    prints = [rng.integers(0, 2**28, 1100, dtype=np.uint32) for _ in range(10_000)]  # as diverse as music is
    prints[9_999] = noisy(prints[17][300:], rng, 0.08)
    began = time.perf_counter()
    assert pairs(find_twins(prints)) == [(17, 9_999)]
    assert time.perf_counter() - began < 60


def test_a_large_index_is_thinned_and_finds_the_same(rng, monkeypatch):
    prints = [rng.integers(0, 2**32, 1000, dtype=np.uint32) for _ in range(20)]
    prints.append(noisy(prints[3], rng, 0.03))
    monkeypatch.setattr("earmark.data.audit.fingerprint._MAX_INDEXED", 5000)
    assert pairs(find_twins(prints)) == [(3, 20)]


def test_real_music_is_found_again_and_not_confused(gtzan, tmp_path, write_sound):
    """GTZAN's index knows classical.00051 and .00080 for one recording, but of other moments of it."""
    paths = list(itertools.islice(walk(gtzan / "audio"), 0, None, 12))
    paths += [gtzan / "audio" / "classical" / f"classical.{n}.ogg" for n in ("00051", "00080")]
    sounds = [decode(path, RATE) for path in paths]
    prints = [fingerprint(sound) for sound in sounds]
    assert len(prints) > 25
    assert find_twins(prints) == []
    quiet = [fingerprint(mp3_64k(0.1 * sound[round(3.3 * RATE) :], tmp_path, write_sound)) for sound in sounds[:10]]
    twins = find_twins(prints + quiet)
    assert pairs(twins) == [(i, len(prints) + i) for i in range(10)]
