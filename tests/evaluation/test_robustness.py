"""Robustness: the same whatever the number of processes, the command, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import run

from earmark.data.corpus import Corpus, Track, open_corpus
from earmark.data.synth import write_corpus
from earmark.errors import CorpusError
from earmark.evaluation import nonmusic
from earmark.evaluation.distortions import DISTORTIONS
from earmark.evaluation.evaluate import select_part
from earmark.evaluation.robustness import measure_robustness, subsample
from earmark.evaluation.robustness_report import COVERAGES
from earmark.inference.tagger import Tagger

GENRES = {"ambient": "classical", "techno": "disco"}  # styles, under names that the bundled model knows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus") / "music"
    write_corpus(root, tracks=3, seconds=5, styles=list(GENRES))
    for style, genre in GENRES.items():
        (root / style).rename(root / genre)
    return root


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
    # a model that names some of them: without any, the accuracy of the named is NaN
    tagger, corpus, sounds = (
        Tagger("paper-attention-2x60"),
        subsample(open_corpus(folder), 1),
        nonmusic.list_synthetic(0)[:2],
    )
    done = []
    alone, together = (measure_robustness(tagger, corpus, sounds, jobs=jobs, on_item=done.append) for jobs in (1, 2))
    assert alone == together
    assert done == [*corpus.tracks, *sounds] * 2


def test_the_command_says_all_in_json_and_keeps_it(folder, tmp_path):
    (tmp_path / "mine" / "speech").mkdir(parents=True)
    (tmp_path / "mine" / "speech" / "talk.wav").symlink_to(next(folder.rglob("*.wav")))
    said = run("stress", "gtzan", folder, "--tracks", 2, "--not-music", tmp_path / "mine", "--jobs", 1,
               "-p", "track", "--part", "train", "--seed", 2, "--format", "json", "-o", tmp_path / "out")  # fmt: skip
    record = json.loads(said.stdout)
    assert json.loads((tmp_path / "out" / "stress.json").read_text()) == record
    assert said.stderr == ""
    assert (record["model"], record["protocol"], record["part"], record["seed"]) == (
        "gtzan", "track", "train", 2
    )  # fmt: skip
    part = select_part(open_corpus(folder), Tagger("gtzan").labels, "track", "train", 2)
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
    said = run("stress", "gtzan", tmp_path / "c", "--not-music", tmp_path / "other", "-j", 1, expect=1)
    assert "skipped broken: not a sound file" in said.stderr
    assert "skipped cut: only 2.5 of 5.0 s could be read" in said.stderr
    assert "skipped noise.mp3: not a sound file" in said.stderr
    assert "on 2 tracks of c" in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 80
    for what in ("MP3 at 64 kb/s", "started 1.7 s later", "mains hum", "Area under the risk"):
        assert what in " ".join(said.stdout.split())


def test_what_cannot_be_put_under_stress(folder, tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 4, 9)), ids=["a", "b"], y=[0, 1], genres=["jazz", "pop"])
    said = run("stress", "gtzan", tmp_path / "a.npz", expect=2)
    assert "a holds arrays of spectrograms, and only sound can be distorted" in said.stderr
    assert said.stderr.count("\n") == 1
    (tmp_path / "foreign" / "polka").mkdir(parents=True)
    (tmp_path / "foreign" / "polka" / "x.wav").write_bytes(b"")
    with pytest.raises(CorpusError, match="the model knows none of the genres of foreign: polka"):
        measure_robustness(Tagger("gtzan"), open_corpus(tmp_path / "foreign"))
    (tmp_path / "silent" / "jazz").mkdir(parents=True)
    (tmp_path / "silent" / "jazz" / "x.wav").write_bytes(b"")
    with pytest.raises(CorpusError, match="no track of the corpus could be heard; x: is empty"):
        measure_robustness(Tagger("gtzan"), open_corpus(tmp_path / "silent"))


def test_levels_and_channels_change_nothing_for_real_music(gtzan):
    corpus = subsample(open_corpus(gtzan / "audio"), 1)
    found = measure_robustness(Tagger("gtzan"), corpus.subset([0, 5]))
    steady = {row.distortion: (row.agreement, row.verdict_agreement) for row in found.steadiness}
    assert steady["gain-20"] == steady["gain+20"] == steady["stereo"] == (1, 1)
