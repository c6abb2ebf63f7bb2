"""The real data, where it is: our front end gives the stored arrays, and the bundled model keeps its card's word."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.command import run, without_torch

from earmark.audio import LogMel
from earmark.audio.decode import decode
from earmark.data.corpus import open_corpus
from earmark.data.gtzan import load_index
from earmark.evaluation.evaluate import evaluate
from earmark.evaluation.nonmusic import list_synthetic
from earmark.evaluation.robustness import measure_robustness, subsample
from earmark.inference.model import list_models
from earmark.inference.tagger import Tagger

COMMAND = Path(sys.executable).with_name("earmark")


@pytest.fixture(scope="module")
def arrays(gtzan):
    return open_corpus(gtzan / "logmel_639x128x387_u8.npz")


@pytest.fixture(scope="module")
def sounds(gtzan):
    return open_corpus(gtzan / "audio")


@pytest.fixture(scope="module")
def tagger():
    return Tagger("gtzan")


def test_the_front_end_gives_the_stored_arrays(arrays, sounds):
    """Frame c is librosa's frame floor((c + 0.36) N / 387.5 + 0.5); the sound here went through Ogg Vorbis."""
    stored = {track.id: track.spectrogram for track in arrays.tracks}
    here = [track for track in sounds.tracks if track.id in stored]
    errors = []
    for track in here[:: len(here) // 24]:
        levels = LogMel(top_db=80, relative=True)(decode(track.path, 22050))  # (frames, mels), dB
        n = len(levels)
        frames = np.floor((np.arange(387) + 0.36) * n / 387.5 + 0.5).astype(int)
        if levels.min() > -79.9:
            continue  # scaled to a floor of its own, which is not recorded
        errors.append(np.abs(levels[frames] - stored[track.id]).mean())
    assert len(errors) > 15
    assert np.median(errors) < 0.7  # dB, of a range of 80
    assert max(errors) < 1.5


@pytest.mark.parametrize(("name", "recall"), [("gtzan", 0.76), ("earmark", 0.75)])
def test_the_cards_keep_the_promises(name, recall):
    """Of the held-out folds: the models themselves have met every track."""
    card = Tagger(name).card
    figures = {m.name: m for m in card.metrics}
    assert {(m.part, m.protocol) for m in card.metrics} == {("5 held-out folds", "artist")}
    assert figures["track_accuracy"].n == 490
    assert figures["mean_recall"].value >= recall
    assert figures["calibration_error"].value <= 0.07
    assert card.calibration.coverage >= 0.89
    assert Path(list_models()[name]).stat().st_size < 10e6


def test_ten_tracks_a_genre_teach_five_genres(gtzan, tmp_path):
    """Judged by artists of the valid part that the training part has not; learned where torch cannot be imported."""
    index = load_index()
    found = {path.stem: path for folder in ("audio", "short") for path in gtzan.glob(f"{folder}/*/*")}
    learned, judged = tmp_path / "learned", tmp_path / "judged"
    for genre in ("blues", "classical", "country", "disco", "jazz"):
        own = [excerpt for name, excerpt in index.items() if excerpt.genre == genre and name in found]
        parts = {part: [e for e in own if e.fault_filtered == part] for part in ("train", "valid")}
        known = {e.artist for e in parts["train"]}
        ten = [parts["train"][i] for i in np.linspace(0, len(parts["train"]) - 1, 10).round().astype(int)]
        for folder, some in ((learned, ten), (judged, [e for e in parts["valid"] if e.artist not in known])):
            (folder / genre).mkdir(parents=True)
            for excerpt in some:
                (folder / genre / found[excerpt.track].name).symlink_to(found[excerpt.track])
    model, surroundings = tmp_path / "mine.onnx", {**without_torch(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    run("train", learned, "-o", model, env=surroundings)
    report = json.loads(run("evaluate", model, judged, "--format", "json", env=surroundings).stdout)
    assert report["n_tracks"] >= 95
    assert report["track_accuracy"] >= 0.85
    assert report["mean_recall"] >= 0.85
    # of 100 tracks in ten bins, chance alone makes up half of it
    assert report["calibration_error"] <= 0.12


@pytest.mark.parametrize("name", ["paper-lstm-2x250", "paper-attention-2x60"])
def test_the_papers_networks_say_what_their_cards_say(name, arrays):
    """These have not met the valid part: it chose their epoch."""
    paper = Tagger(name)
    report = evaluate(paper, arrays, protocol="fault-filtered", part="valid")
    promised = {m.name: m.value for m in paper.card.metrics if m.part == "valid"}
    assert report.track_accuracy == pytest.approx(promised["track_accuracy"], abs=0.006)
    assert round(promised["track_accuracy"] * report.n_tracks, 6).is_integer()  # written down without rounding
    assert report.clip_accuracy == pytest.approx(promised["clip_accuracy"], abs=0.006)


def test_sound_and_arrays_agree_on_the_same_tracks(arrays, sounds):
    tagger = Tagger("paper-attention-2x60")
    stored = {track.id: track.spectrogram for track in arrays.tracks}
    here = [track for track in sounds.tracks if track.id in stored]
    heard = tagger.classify_many((track.path for track in here), jobs=2)
    read = (tagger.classify_spectrogram(stored[track.id]) for track in here)
    same = [one.best == other.best for one, other in zip(heard, read, strict=True)]
    assert len(same) > 300
    assert np.mean(same) >= 0.95


def test_verdicts_stand_what_happens_to_music_and_fall_for_little_else(tagger, sounds):
    """A small set of what docs/model.md gives in full."""
    found = measure_robustness(tagger, subsample(sounds, 3), list_synthetic(1), jobs=2)
    agreement = {one.distortion: one.agreement for one in found.steadiness}
    assert agreement["gain-20"] == agreement["gain+20"] == agreement["stereo"] == 1
    assert agreement["clipped"] >= 0.9
    assert agreement["48-khz"] >= 0.9
    assert agreement["mp3-64"] >= 0.85
    assert agreement["late"] >= 0.8
    assert found.coverage >= 0.85
    # chirps pass for a synthesizer
    others = [kind for kind in found.rejection if kind.kind != "chirps"]
    assert sum(kind.named for kind in others) <= 0.04 * sum(kind.n_sounds for kind in others)


def test_a_folder_of_metal_is_answered_file_by_file(gtzan):
    said = subprocess.run(
        [COMMAND, "classify", gtzan / "audio" / "metal", "--format", "json"],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    verdicts = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(verdicts) == len(list((gtzan / "audio" / "metal").iterdir()))
    for verdict in verdicts:
        assert set(verdict) == {
            "path",
            "genre",
            "reason",
            "confidence",
            "genres",
            "styles",
            "moods",
            "duration",
            "error",
            "model",
        }
        assert verdict["error"] is None
        assert verdict["duration"] == pytest.approx(30, abs=0.1)
    assert np.mean([v["genre"] == "metal" for v in verdicts]) > 0.6
