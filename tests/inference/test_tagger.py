"""From sound to verdict: aggregation, calibration, unknowns, attention."""

import dataclasses
import io
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import earmark
from earmark.errors import AudioError, SettingError
from earmark.inference import batch
from earmark.inference.aggregate import pool_clips
from earmark.inference.tagger import Tagger


@pytest.fixture(scope="module")
def tagger():
    return earmark.load()


def noise(seconds, rate=22050, level=0.1, seed=0):
    """Noise that swells twice a second: dull, but not silence."""
    n = round(seconds * rate)
    swell = 1 + np.sin(2 * np.pi * 2 * np.arange(n) / rate)
    return (level * swell * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def wav(samples, rate):
    file = io.BytesIO()
    with wave.open(file, "wb") as w:
        w.setparams((1, 2, rate, 0, "NONE", ""))
        w.writeframes((samples * 32767).astype("<i2").tobytes())
    file.seek(0)
    return file


def test_a_verdict_adds_up(tagger):
    verdict = tagger.classify(noise(32), 22050)
    assert verdict.duration == pytest.approx(32)
    assert set(verdict.genres) == set(tagger.labels)
    assert sum(verdict.genres.values()) == pytest.approx(1)
    assert list(verdict.genres.values()) == sorted(verdict.genres.values(), reverse=True)
    assert verdict.confidence == max(verdict.genres.values())
    assert [clip.start for clip in verdict.clips] == [0, 5, 10, 15, 20, 25]  # the last 2 s are less than half a clip
    for clip in verdict.clips:
        assert clip.end == clip.start + 5
        assert sum(clip.genres.values()) == pytest.approx(1)
        assert sum(clip.attention) == pytest.approx(1, abs=1e-5)


def test_a_padded_clip_attends_to_its_real_frames_only(tagger):
    full, half = tagger.classify(noise(8), 22050).clips
    assert (half.start, half.end) == (5, pytest.approx(8))
    frames = tagger.card.front_end.n_frames
    assert len(full.attention) == frames(tagger.card.clip_length)
    assert len(half.attention) == frames(3 * 22050) < len(full.attention)
    assert sum(half.attention) == pytest.approx(1, abs=1e-5)


def test_file_object_and_array_say_the_same(tagger):
    sound = np.round(noise(10) * 32767) / 32767
    sound = np.clip(sound, -1, 1)
    heard = tagger.classify(wav(sound, 22050))
    given = tagger.classify(sound * np.float32(32767 / 32768), 22050)
    assert heard.genres == pytest.approx(given.genres, abs=1e-4)
    assert heard.path is None


def test_channels_and_sample_rate_of_an_array(tagger):
    sound = noise(10, rate=44100)
    mono = tagger.classify(sound, 44100)
    stereo = tagger.classify(np.stack([sound, sound]), 44100)
    assert mono.genres == pytest.approx(stereo.genres, abs=1e-4)


@pytest.mark.parametrize("gain_db", [-20, 20])
def test_gain_changes_nothing(tagger, gain_db):
    sound = noise(10, level=0.02)
    louder = tagger.classify((sound * 10 ** (gain_db / 20)).astype(np.float32), 22050)
    assert louder.genres == pytest.approx(tagger.classify(sound, 22050).genres, abs=0.02)


def test_silence_is_no_genre(tagger):
    verdict = tagger.classify(np.zeros(22050 * 6, np.float32), 22050)
    assert (verdict.genre, verdict.reason, verdict.genres) == (None, "silence", {})


def test_silent_clips_do_not_count(tagger):
    sound = noise(5)
    alone = tagger.classify(sound, 22050)
    framed = tagger.classify(np.concatenate([np.zeros(5 * 22050, np.float32), sound]), 22050)
    assert framed.genres == pytest.approx(alone.genres)
    assert [bool(clip.genres) for clip in framed.clips] == [False, True]


@pytest.mark.parametrize("seconds", [1 / 22050, 0.3, 0.99])
def test_too_short(tagger, seconds):
    verdict = tagger.classify(noise(seconds), 22050)
    assert (verdict.genre, verdict.reason, verdict.error) == (None, "too short", None)


def test_what_is_uncertain_is_unknown(tagger):
    sound = noise(10)
    card = tagger.card
    for threshold, named in ((0.0, True), (1.0, False)):
        calibration = card.calibration.model_copy(update={"threshold": threshold})
        model = type(tagger.model)(card.model_copy(update={"calibration": calibration}), tagger.model.graph)
        verdict = Tagger(model).classify(sound, 22050)
        assert (verdict.genre is not None) == named
        assert verdict.reason == (None if named else "low confidence")
        assert verdict.best is not None


def test_the_track_is_the_geometric_mean_of_its_clips():
    clips = np.array([[0.9, 0.1], [0.4, 0.6]])
    expected = np.sqrt(clips[0] * clips[1])
    np.testing.assert_allclose(pool_clips(np.log(clips), 1.0), expected / expected.sum())
    assert pool_clips(np.log(clips), 5.0).max() < pool_clips(np.log(clips), 1.0).max()


def test_a_spectrogram_takes_the_way_of_the_sound(tagger):
    sound = noise(20)
    front_end = tagger.card.front_end
    verdict = tagger.classify_spectrogram(front_end(sound[None])[0], 20.0)
    heard = tagger.classify(sound, 22050)
    assert [c.start for c in verdict.clips] == [c.start for c in heard.clips]
    assert verdict.genres == pytest.approx(heard.genres, abs=0.05)


def test_a_spectrogram_of_one_clip_is_exactly_the_sound(tagger):
    sound = noise(5)
    frames = tagger.card.front_end(sound)
    assert tagger.classify_spectrogram(frames, 5.0).genres == pytest.approx(tagger.classify(sound, 22050).genres)


@pytest.mark.parametrize(
    ("frames", "says"),
    [(np.zeros((4, 7)), r"shape \(4, 7\): need \(frames, 128\)"), (np.full((64, 128), np.nan), "not finite")],
)
def test_spectrograms_that_do_not_fit(tagger, frames, says):
    with pytest.raises(AudioError, match=says):
        tagger.classify_spectrogram(frames)


@pytest.mark.parametrize(
    ("source", "rate", "error", "says"),
    [
        (np.zeros(9), None, SettingError, "needs its sample rate"),
        (np.zeros(9, np.int16), 8000, AudioError, "need floats"),
        (np.zeros((2, 3, 4)), 8000, AudioError, "need floats"),
        (np.zeros(0), 8000, AudioError, "need floats"),
        (np.full(9000, np.nan), 8000, AudioError, "not finite"),
        ("song.mp3", 44100, SettingError, "sample_rate is for arrays"),
    ],
)
def test_sources_that_make_no_sense(tagger, source, rate, error, says):
    with pytest.raises(error, match=says):
        tagger.classify(source, rate)


@pytest.fixture
def folder(tmp_path):
    """Twenty short files, one of them bad."""
    for i in range(20):
        sound = noise(1.5 + i % 4, seed=i).clip(-1, 1)
        (tmp_path / f"{i:02}.wav").write_bytes(b"noise" if i == 3 else wav(sound, 22050).read())
    return sorted(tmp_path.iterdir())


def test_many_keep_their_order_and_bad_ones_do_not_stop_them(tagger, folder):
    one, two = (list(tagger.classify_many(folder, jobs=jobs)) for jobs in (1, 2))
    assert one == two
    assert [v.path for v in one] == [str(p) for p in folder]
    assert [bool(v.error) for v in one] == [i == 3 for i in range(20)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_paths_are_read_as_the_work_goes_on(tagger, folder, jobs):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield folder[0]

    verdicts = tagger.classify_many(endless(), jobs=jobs)
    assert next(verdicts).error is None
    verdicts.close()
    assert len(taken) < 25


def test_clips_that_overlap(tagger):
    """A card with a hop: clips begin at its multiples, and each says what it says by itself."""
    model = replace(tagger.model, card=tagger.card.model_copy(update={"hop_seconds": 2.5}))
    sound = noise(12)
    apart, overlapping = tagger.classify(sound, 22050), Tagger(model).classify(sound, 22050)
    assert [clip.start for clip in overlapping.clips] == [0, 2.5, 5, 7.5]
    assert [clip.start for clip in apart.clips] == [0, 5]
    assert overlapping.clips[2].genres == pytest.approx(apart.clips[1].genres, abs=1e-5)
    framed = Tagger(model).classify_spectrogram(tagger.card.front_end(sound), 12.0)
    assert [clip.start for clip in framed.clips] == [0, 2.5, 5, 7.5]


@pytest.fixture
def mixed(folder):
    """Paths, file objects, arrays, and what is none of them; a file is closed once the next sound is asked for."""

    def sounds():
        for path in folder:
            yield path
            with path.open("rb") as file:
                yield file
            yield wav(noise(2), 22050)
            yield noise(7, seed=len(path.name)), 22050
            yield np.zeros((2, 9)), 44100
        yield noise(7)
        yield 22050, noise(7)
        yield (noise(7),)
        yield lambda: "a sound", 22050  # cannot be sent to another process
        yield folder[-1]

    return sounds


def test_sounds_of_all_kinds_keep_their_order(tagger, mixed, folder):
    one, two = (list(tagger.classify_many(mixed(), jobs=jobs)) for jobs in (1, 2))
    assert one == two
    assert len(one) == 5 * len(folder) + 5
    assert one[:-5:5] == list(tagger.classify_many(folder))
    for from_path, from_file in zip(one[:-5:5], one[1:-5:5], strict=True):
        assert from_file == dataclasses.replace(from_path, path=None)
    assert one[3].genres == tagger.classify(noise(7, seed=len(folder[0].name)), 22050).genres
    assert [v.error and v.error[:30] for v in one[-5:]] == [
        "an array needs its sample rate",
        "an array needs its sample rate",
        "a tuple of 1: need a pair (sam",
        "an array of object of shape ()",
        None,
    ]


def test_what_is_too_large_to_send_is_heard_here(tagger, folder, monkeypatch):
    monkeypatch.setattr(batch, "LARGEST", 100_000)
    rng = np.random.default_rng(0)
    sounds = [(rng.uniform(-0.1, 0.1, n), 22050) for n in (30_000, 9000, 40_000)] * 6
    files = [path.open("rb") for path in folder]
    assert list(tagger.classify_many(sounds + files, jobs=2)) == list(tagger.classify_many(sounds + rewound(files)))
    for file in files:
        file.close()


def rewound(files):
    for file in files:
        file.seek(0)
    return files


def test_threads_share_a_tagger(tagger, folder):
    alone = list(tagger.classify_many(folder))
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda path: next(tagger.classify_many([path])), folder * 2)) == alone * 2


def test_records_are_flat_and_have_the_same_columns(tagger, folder):
    records = [verdict.to_record(tagger.labels) for verdict in tagger.classify_many(folder)]
    columns = ["path", "genre", "reason", "confidence", "duration", "error", "model"]
    assert {tuple(record) for record in records} == {(*columns, *(f"p_{label}" for label in tagger.labels))}
    assert records[3]["error"]
    assert {records[3][f"p_{label}"] for label in tagger.labels} == {None}
    heard = next(record for record in records if record["confidence"])
    assert sum(heard[f"p_{label}"] for label in tagger.labels) == pytest.approx(1)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_records_make_a_table(library, tagger, folder):
    frames = pytest.importorskip(library)
    table = frames.DataFrame([verdict.to_record(tagger.labels) for verdict in tagger.classify_many(folder)])
    assert table.shape == (20, 17)
    assert 0 < table["p_jazz"].mean() < 1
