"""Folders to listen through, as they are written from a corpus."""

import csv

import numpy as np
import pytest

from earmark import load
from earmark.audio import probe
from earmark.audio.decode import decode
from earmark.audio.encode import write_wav
from earmark.audio.loudness import loudness, true_peak
from earmark.auralization.gallery import write_prototype_gallery, write_unit_gallery
from earmark.auralization.peak_activations import PeakActivations, find_peak_activations
from earmark.auralization.prototypes import Prototypes, find_prototypes
from earmark.auralization.units import UnitProbe
from earmark.data.corpus import read_folder


@pytest.fixture(scope="module")
def tagger():
    return load("paper-attention-2x60")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two tracks of low noise, called blues, and two of bright noise, called metal; eight seconds each."""
    root, rng = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    for genre, tilt in (("blues", -1), ("metal", 1)):
        for i in range(2):
            noise = np.cumsum(rng.normal(0, 0.001, 8 * 22050)) if tilt < 0 else rng.normal(0, 0.1, 8 * 22050)
            write_wav(root / genre / f"{genre}{i}.wav", np.clip(noise - noise.mean(), -1, 1), 22050)
    return read_folder(root)


@pytest.fixture(scope="module")
def peaks(tagger, corpus):
    return find_peak_activations(UnitProbe(tagger.model), corpus)


def rows(gallery):
    with (gallery.page.parent / "moments.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_selectivity_is_d_prime(peaks, corpus):
    found = peaks.selectivity()
    assert list(found) == ["blues", "metal"]
    np.testing.assert_allclose(found["blues"], -found["metal"])
    made = PeakActivations(
        peaks.probe, corpus, np.array([[1.0], [3.0], [0.0], [-2.0]], np.float32), np.zeros((4, 1)), {}
    )
    assert made.selectivity()["blues"][0] == pytest.approx(3 / np.sqrt(2))
    made.highest[0] = np.nan
    assert list(made.selectivity()) == []  # one track is no genre


def test_units_in_a_folder(tagger, peaks, tmp_path):
    unit = int(peaks.selectivity()["metal"].argmax())
    told = []
    gallery = write_unit_gallery(tagger, peaks, [unit, 5], tmp_path, count=2, seconds=2.0, on_sound=told.append)
    name = peaks.probe.name(unit)
    assert told == list(gallery.sounds) == [name, f"{name}, its weights", "unit 5", "unit 5, its weights"]
    assert gallery.failed == {}
    for path in gallery.sounds.values():
        sound = decode(path, rate := probe(path).sample_rate)
        assert loudness(sound, rate) == pytest.approx(-16, abs=0.3)
        assert true_peak(sound, rate) <= -0.95
    table = rows(gallery)
    assert [(row["sound"], row["place"]) for row in table[:2]] == [(name, "1"), (name, "2")]
    assert {row["genre"] for row in table[:2]} == {"metal"}
    assert "metal (d&#39;" in gallery.page.read_text(encoding="utf-8")
    assert len(list(tmp_path.iterdir())) == 4 + 2


def test_prototypes_in_a_folder(tagger, corpus, tmp_path):
    found = find_prototypes(tagger, corpus, ["blues", "metal", "pop"], count=2)
    gallery = write_prototype_gallery(tagger, found, tmp_path, corpus="noise & more")
    assert list(gallery.sounds) == ["blues", "metal"]
    assert list(gallery.failed) == ["pop"]
    said = tagger.classify(gallery.sounds["metal"]).genres["metal"]
    page = gallery.page.read_text(encoding="utf-8")
    assert f"</span> {100 * said:.0f} %" in page
    assert "noise &amp; more" in page
    assert [row["track"] for row in rows(gallery)] == [m.track.id for ms in found.by_genre.values() for m in ms]


def test_a_track_that_has_gone_meanwhile(tagger, corpus, tmp_path):
    moved = read_folder(corpus.tracks[0].path.parents[1])
    found = find_prototypes(tagger, moved, ["blues"], count=1)
    (moment,) = found.by_genre["blues"]
    kept = moment.track.path.read_bytes()
    moment.track.path.unlink()
    gallery = write_prototype_gallery(tagger, Prototypes({"blues": [moment]}, {}), tmp_path, corpus="c")
    assert gallery.sounds == {}
    assert list(gallery.failed) == [moment.track.id, "blues"]
    assert "none of 1 moments could be heard: cannot be opened" in gallery.failed["blues"]
    moment.track.path.write_bytes(kept)
