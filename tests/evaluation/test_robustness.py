"""Stress: each distortion by its physics, sounds that are no music, conclusions by hand, and the command."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import run

from earmark.audio import probe
from earmark.data.corpus import Corpus, Track, open_corpus
from earmark.data.synth import compose, write_corpus
from earmark.errors import AudioError, CorpusError, SettingError
from earmark.evaluation import distortions, metrics, nonmusic
from earmark.evaluation.distortions import AAC, DISTORTIONS, MP3, OPUS, WAVE, Codec, transcode
from earmark.evaluation.evaluate import select_part
from earmark.evaluation.nonmusic import Sound
from earmark.evaluation.robustness import measure_robustness, subsample
from earmark.evaluation.robustness_report import COVERAGES, UNDISTORTED, summarize
from earmark.inference.tagger import Tagger
from earmark.inference.verdict import Verdict

RATE = 22050
GENRES = {"ambient": "classical", "techno": "disco"}  # styles, under names that the bundled model knows


@pytest.fixture(scope="module")
def music():
    return compose("techno", np.random.default_rng(1), seconds=4, sample_rate=RATE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus") / "music"
    write_corpus(root, tracks=3, seconds=5, styles=list(GENRES))
    for style, genre in GENRES.items():
        (root / style).rename(root / genre)
    return root


def distorted(name, samples, rate=RATE):
    return next(d for d in DISTORTIONS if d.name == name).apply(samples, rate)


def rms(samples):
    return np.sqrt(np.mean(np.square(samples, dtype=np.float64)))


def share_above(samples, rate, hz):
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    return power[np.fft.rfftfreq(len(samples), 1 / rate) > hz].sum() / power.sum()


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


def test_sounds_that_are_made_are_what_they_are_called():
    sounds = nonmusic.list_synthetic(0)
    assert len(sounds) == len(nonmusic.KINDS) * nonmusic.OF_A_KIND
    first = {sound.kind: sound.make() for sound in sounds if sound.name.endswith(".0")}
    for kind, samples in first.items():
        assert len(samples) == nonmusic.SECONDS * nonmusic.RATE
        assert (rms(samples) < 10 ** (-70 / 20)) == (kind == "silence")
    above = {kind: share_above(samples, nonmusic.RATE, 1000) for kind, samples in first.items()}
    assert above["white noise"] > 0.9 > above["pink noise"] > 0.2 > 0.01 > above["brown noise"]
    hum = np.abs(np.fft.rfft(first["mains hum"]))
    tones = np.flatnonzero(hum > hum.max() / 100) / nonmusic.SECONDS
    assert len(tones) == 10
    assert set(tones % 10) == {0}


def test_sounds_depend_on_the_seed_only():
    one, again, other = (nonmusic.list_synthetic(seed)[9] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.make(), again.make())
    assert not np.array_equal(one.make(), other.make())
    assert not np.array_equal(one.make(), nonmusic.list_synthetic(0)[10].make())
    with pytest.raises(SettingError, match="seed -1: must be 0 or more"):
        nonmusic.list_synthetic(-1)


def test_folders_in_a_folder_are_kinds(tmp_path):
    for name in ("speech/deep/a.wav", "birds/b.mp3", "c.ogg", "speech/notes.txt"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).touch()
    found = [(sound.kind, Path(sound.name).name) for sound in nonmusic.find_sounds(tmp_path / "mine")]
    assert found == [("birds", "b.mp3"), ("mine", "c.ogg"), ("speech", "a.wav")]
    with pytest.raises(CorpusError, match="no folder at"):
        nonmusic.find_sounds(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="holds no audio"):
        nonmusic.find_sounds(tmp_path / "empty")


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=5))
def test_risk_and_coverage_equal_the_mean_over_all_orders_of_ties(pairs):
    confidence, right = np.array([c for c, _ in pairs]) / 4, np.array([r for _, r in pairs])
    n = len(pairs)
    orders = [o for o in itertools.permutations(range(n)) if all(np.diff(confidence[list(o)]) <= 0)]
    curves = [[np.mean([right[i] for i in order[:k]]) for k in range(1, n + 1)] for order in orders]
    np.testing.assert_allclose(metrics.selective_accuracy(confidence, right), np.mean(curves, axis=0))
    assert metrics.aurc(confidence, right) == pytest.approx(1 - np.mean(curves))


def test_the_area_tells_good_confidence_from_bad(rng):
    right = rng.random(2000) < 0.7
    good, chance = (metrics.aurc(c, right) for c in (right + rng.random(2000), rng.random(2000)))
    assert good < 0.06
    assert chance == pytest.approx(0.3, abs=0.05)
    assert metrics.aurc(np.ones(2000), right) == pytest.approx(1 - right.mean())
    assert np.isnan(metrics.aurc(np.empty(0), np.empty(0, bool)))


def verdict(best, confidence=0.9, *, certain=True, reason="low confidence"):
    genres = {best: confidence} if best else {}
    return Verdict(best if certain and best else None, None if certain else reason, confidence, genres, 5.0, (), "m")


def test_conclusions_by_hand():
    same = dict.fromkeys([d.name for d in DISTORTIONS])
    tracks = [
        (Track("a", "jazz"), {k: verdict("jazz", 0.9) for k in same} | {"mp3-64": verdict("jazz", 0.2, certain=False)}),
        (Track("b", "jazz"), {k: verdict("pop", 0.5) for k in same} | {"mp3-64": verdict("jazz", 0.7)}),
        (Track("c", "pop"), {k: verdict("pop", 0.8) for k in same}),
        (Track("d", "pop"), {k: verdict("rock", 0.1, certain=False) for k in same}),
    ]
    before = [verdict("jazz", 0.9), verdict("pop", 0.5), verdict("pop", 0.8), verdict("rock", 0.1, certain=False)]
    tracks = [(track, {UNDISTORTED: plain} | rest) for (track, rest), plain in zip(tracks, before, strict=True)]
    others = [
        (Sound("hum", "hum.0"), verdict("jazz")),
        (Sound("hum", "hum.1"), verdict(None, 0.0, certain=False, reason="silence")),
        (Sound("hum", "mine.wav", Path("mine.wav")), verdict("pop", 0.2, certain=False)),
    ]
    found = summarize("c", tracks, others, {})
    by_name = {row.distortion: row for row in found.steadiness}
    assert [by_name["stereo"].agreement, by_name["stereo"].verdict_agreement, by_name["stereo"].accuracy] == [1, 1, 0.5]
    assert [by_name["mp3-64"].agreement, by_name["mp3-64"].verdict_agreement] == [0.75, 0.5]
    assert by_name["mp3-64"].accuracy == 0.75
    assert (found.accuracy, found.coverage) == (0.5, 0.75)
    assert found.named_accuracy == pytest.approx(2 / 3)
    assert [point["accuracy"] for point in found.curve] == pytest.approx([0.5, 0.5, 0.5, 0.5, 2 / 3, 2 / 3, 1])
    assert found.aurc == pytest.approx(np.mean([0, 0, 1 / 3, 1 / 2]))
    made, mine = found.rejection
    assert (made.made, made.n_sounds, made.named, made.genres, made.reasons) == (
        True,
        2,
        1,
        {"jazz": 1},
        {"silence": 1},
    )
    assert (mine.made, mine.named, mine.reasons) == (False, 0, {"low confidence": 1})


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 12))
def test_spreading_takes_so_many_of_each_genre(sizes, wanted):
    corpus = Corpus("c", tuple(Track(f"{g}.{i:02}", str(g)) for g, size in enumerate(sizes) for i in range(size)))
    taken = subsample(corpus, wanted)
    assert taken.counts == {str(g): min(size, wanted) for g, size in enumerate(sizes)}
    assert len({track.id for track in taken.tracks}) == len(taken.tracks)
    for genre, size in enumerate(sizes):
        at = [int(track.id.split(".")[1]) for track in taken.tracks if track.genre == str(genre)]
        gaps = np.diff([-1, *at, size])
        assert max(gaps) <= size / len(at) + 1.5


def test_processes_give_the_same(folder):
    tagger, corpus, sounds = Tagger(), subsample(open_corpus(folder), 1), nonmusic.list_synthetic(0)[:2]
    done = []
    alone, together = (measure_robustness(tagger, corpus, sounds, jobs=jobs, on_item=done.append) for jobs in (1, 2))
    assert alone == together
    assert done == [*corpus.tracks, *sounds] * 2


def test_the_command_says_all_in_json_and_keeps_it(folder, tmp_path):
    (tmp_path / "mine" / "speech").mkdir(parents=True)
    (tmp_path / "mine" / "speech" / "talk.wav").symlink_to(next(folder.rglob("*.wav")))
    said = run("stress", "gtzan-attention", folder, "--tracks", 2, "--not-music", tmp_path / "mine", "--jobs", 1,
               "-p", "track", "--part", "train", "--seed", 2, "--format", "json", "-o", tmp_path / "out")  # fmt: skip
    record = json.loads(said.stdout)
    assert json.loads((tmp_path / "out" / "stress.json").read_text()) == record
    assert said.stderr == ""
    assert (record["model"], record["protocol"], record["part"], record["seed"]) == (
        "gtzan-attention", "track", "train", 2
    )  # fmt: skip
    part = select_part(open_corpus(folder), "track", "train", 2)
    assert (record["n_tracks"], record["failed"], record["left_out"]) == (len(subsample(part, 2).tracks), {}, [])
    assert record["n_tracks"] < 6
    rows = {row["distortion"]: row for row in record["steadiness"]}
    assert list(rows) == [d.name for d in DISTORTIONS]
    assert rows["stereo"]["agreement"] == rows["stereo"]["verdict_agreement"] == 1
    assert rows["stereo"]["accuracy"] == record["accuracy"]
    assert all(0 <= row[key] <= 1 for row in rows.values() for key in ("agreement", "verdict_agreement", "accuracy"))
    assert [point["coverage"] for point in record["curve"]] == list(COVERAGES)
    assert record["curve"][0]["accuracy"] == record["accuracy"]
    kinds = {row["kind"]: row for row in record["rejection"]}
    assert list(kinds) == [*nonmusic.KINDS, "speech"]
    assert kinds["silence"]["reasons"] == {"silence": nonmusic.OF_A_KIND}
    assert (kinds["speech"]["made"], kinds["speech"]["n_sounds"]) == (False, 1)
    for row in kinds.values():
        assert row["named"] == sum(row["genres"].values()) == row["n_sounds"] - sum(row["reasons"].values())


def test_bad_files_are_named_and_skipped(folder, tmp_path):
    for path in folder.rglob("*.00000.wav"):
        (tmp_path / "c" / path.parent.name).mkdir(parents=True)
        (tmp_path / "c" / path.parent.name / path.name).symlink_to(path)
    whole = next(folder.rglob("*.wav")).read_bytes()
    (tmp_path / "c" / "disco" / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "c" / "disco" / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "noise.mp3").write_bytes(b"no sound")
    said = run("stress", "gtzan-attention", tmp_path / "c", "--not-music", tmp_path / "other", "-j", 1, expect=1)
    assert "skipped broken: not a sound file" in said.stderr
    assert "skipped cut: only 2.5 of 5.0 s could be read" in said.stderr
    assert "skipped noise.mp3: not a sound file" in said.stderr
    assert "on 2 tracks of c" in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 80
    for what in ("MP3 at 64 kb/s", "begun 1.7 s later", "mains hum", "the risk"):
        assert what in " ".join(said.stdout.split())


def test_what_cannot_be_put_under_stress(folder, tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 4, 9)), ids=["a", "b"], y=[0, 1], genres=["jazz", "pop"])
    said = run("stress", "gtzan-attention", tmp_path / "a.npz", expect=2)
    assert "a holds arrays of spectrograms, and only sound can be distorted" in said.stderr
    assert said.stderr.count("\n") == 1
    (tmp_path / "foreign" / "ambient").mkdir(parents=True)
    (tmp_path / "foreign" / "ambient" / "x.wav").write_bytes(b"")
    with pytest.raises(CorpusError, match="genres that the model does not know: ambient"):
        measure_robustness(Tagger(), open_corpus(tmp_path / "foreign"))
    (tmp_path / "silent" / "jazz").mkdir(parents=True)
    (tmp_path / "silent" / "jazz" / "x.wav").write_bytes(b"")
    with pytest.raises(CorpusError, match="no track of the corpus could be heard; x: is empty"):
        measure_robustness(Tagger(), open_corpus(tmp_path / "silent"))


def test_levels_and_channels_change_nothing_for_real_music(gtzan):
    corpus = subsample(open_corpus(gtzan / "audio"), 1)
    found = measure_robustness(Tagger(), corpus.subset([0, 5]))
    steady = {row.distortion: (row.agreement, row.verdict_agreement) for row in found.steadiness}
    assert steady["gain-20"] == steady["gain+20"] == steady["stereo"] == (1, 1)
