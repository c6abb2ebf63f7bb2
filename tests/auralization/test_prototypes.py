"""Prototypes: the clips of real music that a model finds most typical."""

import csv

import numpy as np
import pytest

from earmark import load
from earmark.audio.decode import decode
from earmark.audio.encode import write_wav
from earmark.auralization.prototypes import find_prototypes
from earmark.data.corpus import open_corpus, read_folder
from earmark.errors import CorpusError, SettingError


@pytest.fixture(scope="module")
def tagger():
    return load("paper-attention-2x60")


@pytest.fixture(scope="module")
def shelf(gtzan, tmp_path_factory):
    """Four metal tracks and two of jazz; one is there twice, from another second on and quieter; one is broken."""
    root = tmp_path_factory.mktemp("shelf")
    rows = [("path", "genre", "artist")]
    for name in ("metal.00005", "metal.00017", "metal.00050", "metal.00061", "jazz.00006", "jazz.00011"):
        genre = name.partition(".")[0]
        sound = 0.7 * decode(gtzan / "audio" / genre / f"{name}.ogg", 22050)
        path = write_wav(root / genre / f"my {name[-2:]}.wav", sound[: 20 * 22050], 22050)
        rows.append((str(path), genre, "Same Band" if name in ("metal.00050", "metal.00061") else name))
        if name == "metal.00005":
            again = write_wav(root / "metal" / "again.wav", 0.7 * sound[2 * 22050 : 22 * 22050], 22050)
            rows.append((str(again), genre, "a tribute"))
    (root / "metal" / "broken.wav").write_text("no sound")
    rows.append((str(root / "metal" / "broken.wav"), "metal", "nobody"))
    with (root / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root


@pytest.fixture(scope="module")
def by_artist(tagger, shelf):
    told = []
    found = find_prototypes(tagger, open_corpus(shelf / "list.csv"), on_track=told.append)
    assert len(told) == 8
    return found


def test_the_most_typical_clip_of_each_artist_once(by_artist, tagger):
    metal = by_artist.by_genre["metal"]
    assert {m.track.artist for m in metal} >= {"Same Band", "metal.00017"}
    assert [m.track.artist for m in metal].count("Same Band") == 1
    assert [m.value for m in metal] == sorted((m.value for m in metal), reverse=True)
    assert len(by_artist.by_genre["jazz"]) == 2
    assert set(by_artist.by_genre) == {"jazz", "metal"}  # what the corpus has
    best = metal[0]
    clip = decode(best.track.path, 22050)[round(best.start * 22050) : round(best.end * 22050)]
    assert tagger.classify(clip, 22050).clips[0].genres["metal"] == pytest.approx(best.value, abs=1e-6)


def test_the_same_sound_is_there_once(by_artist):
    ids = {m.track.id for m in by_artist.by_genre["metal"]}
    assert len(ids & {"my 05", "again"}) == 1
    assert list(by_artist.failed) == ["broken"]


def test_one_of_each_track_of_any_label(tagger, shelf):
    corpus = read_folder(shelf)
    few = find_prototypes(tagger, corpus, ["metal"], one_per="track", labelled=False, count=3)
    assert list(few.by_genre) == ["metal"]
    assert len(few.by_genre["metal"]) == 3
    every = find_prototypes(tagger, corpus, ["metal"], one_per="track", labelled=False, count=99)
    assert {m.track.genre for m in every.by_genre["metal"]} == {"metal", "jazz"}
    assert len(every.by_genre["metal"]) == 6  # of seven that can be heard, two are the same


def test_arrays_do_too(tagger, gtzan):
    corpus = open_corpus(gtzan / "logmel_639x128x387_u8.npz")
    some = corpus.subset(np.arange(0, len(corpus.tracks), 40))
    found = find_prototypes(tagger, some, count=2)
    assert sum(map(len, found.by_genre.values())) >= 10
    assert all(m.track.genre == genre for genre, ms in found.by_genre.items() for m in ms)


def test_what_makes_no_sense_is_refused(tagger, shelf):
    corpus = read_folder(shelf)
    with pytest.raises(SettingError, match="'polka' is no genre of paper-attention-2x60: it knows blues"):
        find_prototypes(tagger, corpus, ["polka"])
    with pytest.raises(SettingError, match="must be one of artist, track"):
        find_prototypes(tagger, corpus, one_per="album")
    with pytest.raises(CorpusError, match="none of the 0 tracks"):
        find_prototypes(tagger, corpus, ["reggae"])
