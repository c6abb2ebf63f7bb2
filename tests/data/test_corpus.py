"""Corpora from folders, manifests and arrays; splits; features; what is wrong with a corpus."""

import csv
import shutil
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio import LogMel, StftDensity
from earmark.data import gtzan
from earmark.data.audit.audit import check_corpus
from earmark.data.corpus import Corpus, Track, open_corpus
from earmark.data.features.extract import extract
from earmark.data.groups import group_by_origin
from earmark.data.splits import PARTS, check_no_leak, split_clips, split_tracks
from earmark.errors import CorpusError


def write_wav(path, seconds=11.0, hz=300.0, rate=8000, level=0.3):
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((tone * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "mine"
    for genre, hz in (("dub", 200), ("polka", 900)):
        for i in range(4):
            write_wav(root / genre / "disc" / f"{genre}.{i}.wav", hz=hz + 10 * i)
    (root / "dub" / "cover.jpg").write_bytes(b"not sound")
    write_wav(root / "dub" / ".hidden.wav")
    return root


def test_a_folder_of_folders(folder):
    corpus = open_corpus(folder)
    assert corpus.name == "mine"
    assert corpus.counts == {"dub": 4, "polka": 4}
    assert [t.id for t in corpus.tracks][:2] == ["dub.0", "dub.1"]
    assert open_corpus(folder).fingerprint == corpus.fingerprint
    shutil.rmtree(folder / "dub" / "disc")
    write_wav(folder / "dub" / "dub.9.wav")
    assert open_corpus(folder).fingerprint != corpus.fingerprint


def test_a_manifest_says_the_same(folder, tmp_path):
    with (tmp_path / "list.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "genre", "artist"])
        for track in open_corpus(folder).tracks:
            table.writerow([track.path.relative_to(tmp_path), track.genre, "Nobody"])
    listed = open_corpus(tmp_path / "list.csv")
    assert listed.fingerprint == open_corpus(folder).fingerprint
    assert {t.artist for t in listed.tracks} == {"Nobody"}


def test_files_of_the_same_name_are_told_apart(tmp_path):
    for album in "ab":
        write_wav(tmp_path / "dub" / album / "01.wav")
    write_wav(tmp_path / "polka" / "01.wav")
    assert [t.id for t in open_corpus(tmp_path).tracks] == ["dub/a/01.wav", "dub/b/01.wav", "polka/01.wav"]


def test_arrays_become_decibels(tmp_path):
    X = np.arange(2 * 4 * 10, dtype=np.uint8).reshape(2, 4, 10)
    X[0, 0, 0], X[0, 0, 1] = 0, 255
    np.savez(tmp_path / "a.npz", X=X, ids=["blues.00001", "x"], y=[0, 1], genres=["blues", "rock"])
    first, second = open_corpus(tmp_path / "a.npz").tracks
    assert first.spectrogram.shape == (10, 4)
    np.testing.assert_allclose(first.spectrogram[:2, 0], [-80, 0], atol=1e-4)
    assert (first.artist, second.artist) == ("John Lee Hooker", "")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none", None, "no corpus at"),
        ("a.csv", "file,genre\n", "no column path in the header; it has: file, genre"),
        ("b.csv", "path,genre\na.wav,\n", "b.csv, line 2: path and genre must both be given"),
        ("c.csv", "path,genre\n", "holds no tracks"),
        ("d.csv", "path,genre\na.wav,x\na.wav,y\n", "listed twice: a"),
        ("e.npz", "nonsense", "not an .npz with the arrays X, ids, y and genres"),
        ("f.txt", "hello", "is no corpus"),
    ],
)
def test_what_is_no_corpus(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(CorpusError, match=says):
        open_corpus(tmp_path / name)


def test_an_empty_folder_is_no_corpus(tmp_path):
    with pytest.raises(CorpusError, match="expected GENRE/TRACK below it"):
        open_corpus(tmp_path)


def test_gtzan_facts():
    facts = gtzan.load_index()
    assert len(facts) == 1000
    sides = [f.fault_filtered for f in facts.values()]
    assert [sides.count(s) for s in ("train", "valid", "test", "")] == [443, 197, 290, 70]
    assert len({f.md5 for f in facts.values()}) < 1000  # copies
    for fact in facts.values():
        for other in (*fact.identical_to, *fact.same_recording_as):
            assert fact.track in (*facts[other].identical_to, *facts[other].same_recording_as)


def paper_corpus():
    return Corpus(
        "gtzan", tuple(Track(f.track, f.genre, artist=gtzan.find_artist(f.track)) for f in gtzan.load_index().values())
    )


@pytest.mark.parametrize("protocol", ["track", "artist", "fault-filtered"])
@pytest.mark.parametrize("seed", [0, 1])
def test_splits_of_gtzan_do_not_leak(protocol, seed):
    corpus = paper_corpus()
    sides = split_tracks(corpus, protocol, seed)
    groups = group_by_origin(corpus) if protocol == "artist" else np.arange(1000)
    check_no_leak(corpus, sides, groups)
    genres = np.array([t.genre for t in corpus.tracks])
    for part in PARTS:
        assert set(genres[sides == part]) == set(corpus.genres)
    if protocol != "fault-filtered":
        share = [(sides == part).mean() for part in PARTS]
        assert share == pytest.approx([0.7, 0.1, 0.2], abs=0.06)
        assert list(sides) == list(split_tracks(corpus, protocol, seed))
        assert list(sides) != list(split_tracks(corpus, protocol, seed + 7))


@pytest.mark.parametrize("kind", ["artist", "copy", "recording"])
def test_a_leak_is_caught(kind):
    corpus = paper_corpus()
    groups, sides = group_by_origin(corpus), split_tracks(corpus, "artist")
    facts = list(gtzan.load_index().values())
    index = {f.track: i for i, f in enumerate(facts)}
    pairs = {
        "artist": (
            (i, j) for i, f in enumerate(facts) for j, g in enumerate(facts) if f.artist and f.artist == g.artist
        ),
        "copy": ((i, index[o]) for i, f in enumerate(facts) for o in f.identical_to),
        "recording": ((i, index[o]) for i, f in enumerate(facts) for o in f.same_recording_as),
    }[kind]
    i, j = next((i, j) for i, j in pairs if i != j and sides[i])
    sides[i] = "test" if sides[j] == "train" else "train"
    with pytest.raises(CorpusError, match=r"leak: .* belong together"):
        check_no_leak(corpus, sides, groups)


def test_the_papers_split_leaks_and_is_4200_600_1200():
    corpus = paper_corpus()
    split = split_clips(corpus, np.repeat(np.arange(1000), 6), "clip")
    assert [len(getattr(split, p)) for p in PARTS] == [4200, 600, 1200]
    assert len(np.unique(np.concatenate([split.train, split.valid, split.test]))) == 6000
    siblings = np.isin(split.test // 6, split.train // 6).mean()
    assert siblings > 0.99


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_any_corpus_of_three_groups_a_genre_can_be_split(data):
    tracks = []
    for genre in "abc":
        sizes = data.draw(st.lists(st.integers(1, 6), min_size=3, max_size=8))
        tracks += [Track(f"{genre}{a}.{i}", genre, artist=f"{genre}{a}") for a, n in enumerate(sizes) for i in range(n)]
    corpus = Corpus("c", tuple(tracks))
    sides = split_tracks(corpus, "artist", data.draw(st.integers(0, 9)))
    check_no_leak(corpus, sides, group_by_origin(corpus))
    for part in PARTS:
        assert {t.genre for t, s in zip(tracks, sides, strict=True) if s == part} == set("abc")


def test_corpora_that_cannot_be_split(folder):
    corpus = open_corpus(folder)
    with pytest.raises(CorpusError, match="genre 'dub' has 2 tracks: each needs at least 3"):
        split_tracks(corpus.subset([0, 1, 4, 5, 6, 7]), "track")
    with pytest.raises(CorpusError, match="no artists are known"):
        split_tracks(corpus, "artist")
    with pytest.raises(CorpusError, match="must be named like blues.00000"):
        split_tracks(corpus, "fault-filtered")


FRONT_END = StftDensity(sample_rate=4000, n_fft=512, hop_length=400)


def test_features_are_the_front_ends(folder):
    corpus = open_corpus(folder)
    features = extract(corpus, FRONT_END, 2.0, jobs=2)
    assert features.X.shape == (8 * 6, FRONT_END.n_frames(8000), 257)  # 11 s: five clips and a padded half
    assert features.y.tolist() == ["dub"] * 24 + ["polka"] * 24
    assert np.bincount(features.track).tolist() == [6] * 8
    assert np.isnan(features.X[5, -1]).all()  # the half clip's missing frames
    assert not np.isnan(features.X[4]).any()
    bin_hz = 4000 / 512
    assert features.X[0].mean(axis=0).argmax() == round(200 / bin_hz)
    overlapping = extract(corpus, FRONT_END, 2.0, hop_seconds=1.0)
    assert np.bincount(overlapping.track).tolist() == [10] * 8


def test_features_are_kept_by_content_and_settings(folder, tmp_path):
    corpus, cache = open_corpus(folder), tmp_path / "cache"
    first = extract(corpus, FRONT_END, 2.0, cache=cache)
    kept = sorted(cache.rglob("*.clips"))
    assert len(kept) == 8
    times = [k.stat().st_mtime_ns for k in kept]
    again = extract(corpus, FRONT_END, 2.0, cache=cache)
    np.testing.assert_array_equal(first.X, again.X)
    assert [k.stat().st_mtime_ns for k in kept] == times
    kept[0].write_bytes(b"damaged")
    np.testing.assert_array_equal(first.X, extract(corpus, FRONT_END, 2.0, cache=cache).X)
    write_wav(corpus.tracks[0].path, hz=1500)  # new content under an old name
    assert not np.allclose(first.X[0], extract(corpus, FRONT_END, 2.0, cache=cache).X[0])
    extract(corpus, LogMel(sample_rate=8000), 2.0, cache=cache)
    assert len(list(cache.rglob("*.clips"))) == 8 + 1 + 8


def test_unreadable_tracks_are_named_and_the_rest_goes_on(folder):
    bad = folder / "dub" / "disc" / "dub.1.wav"
    bad.write_bytes(b"RIFF nothing")
    features = extract(open_corpus(folder), FRONT_END, 2.0)
    assert list(features.failed) == ["dub.1"]
    assert "not a sound file" in features.failed["dub.1"]
    assert set(features.track) == set(range(8)) - {1}
    for path in folder.rglob("*.wav"):
        path.write_bytes(b"")
    with pytest.raises(CorpusError, match="none of the 8 tracks gave a clip; the first: dub.0"):
        extract(open_corpus(folder), FRONT_END, 2.0)


def test_silence_teaches_nothing(folder):
    write_wav(folder / "dub" / "disc" / "dub.0.wav", level=0)
    features = extract(open_corpus(folder), FRONT_END, 2.0)
    assert 0 not in features.track
    assert features.failed == {}


def test_arrays_must_fit_the_front_end():
    corpus = Corpus("c", (Track("a", "x", spectrogram=np.zeros((50, 20), np.float32)),))
    with pytest.raises(CorpusError, match="a has 20 bins a frame, the recipe's front end gives 128"):
        extract(corpus, LogMel(), 1.0)


def test_check_finds_what_is_wrong(folder):
    dub, polka = folder / "dub" / "disc", folder / "polka" / "disc"
    (dub / "dub.0.wav").write_bytes(b"junk")
    write_wav(dub / "dub.1.wav", level=0)
    write_wav(dub / "dub.2.wav", seconds=2)
    write_wav(polka / "polka.3.wav", seconds=40, rate=22050)  # longer than one block of decoding
    shutil.copy(polka / "polka.0.wav", polka / "polka.1.wav")
    shutil.copy(polka / "polka.2.wav", dub / "dub.3.wav")
    findings = {(f.track, f.kind) for f in check_corpus(open_corpus(folder), label_errors=False).findings}
    assert findings == {
        ("dub.0", "unreadable"), ("dub.1", "silent"), ("dub.2", "short"), ("polka.1", "copy"), ("polka.2", "conflict"),
    }  # fmt: skip
