"""The real data, where it is: our front end gives the stored arrays, and the bundled model keeps its card's word."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from earmark.learn.corpus import Corpus, open_corpus
from earmark.learn.evaluation import evaluate, part_of
from earmark.listen import LogMel, decode
from earmark.tell.tagger import Tagger

COMMAND = Path(sys.executable).with_name("earmark")


@pytest.fixture(scope="module")
def arrays(gtzan):
    return open_corpus(gtzan / "logmel_639x128x387_u8.npz")


@pytest.fixture(scope="module")
def sounds(gtzan):
    return open_corpus(gtzan / "audio")


@pytest.fixture(scope="module")
def tagger():
    return Tagger()


def figure(tagger, name):
    return next(m.value for m in tagger.card.metrics if (m.name, m.part) == (name, "valid"))


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


def test_the_card_says_what_the_arrays_say(tagger, arrays):
    report = evaluate(tagger, arrays, protocol="fault-filtered", part="valid")
    assert report.n_tracks == 197
    assert report.track_accuracy == pytest.approx(figure(tagger, "track_accuracy"), abs=0.006)
    assert report.clip_accuracy == pytest.approx(figure(tagger, "clip_accuracy"), abs=0.006)
    assert report.track_accuracy >= 0.55
    assert report.unknown <= 0.15


def test_sound_and_arrays_agree_on_the_same_tracks(tagger, arrays, sounds):
    heard_part = part_of(sounds, "fault-filtered", "valid", 0)
    here = {track.id for track in heard_part.tracks}
    read_part = Corpus(arrays.name, tuple(track for track in arrays.tracks if track.id in here))
    heard, read = evaluate(tagger, heard_part, jobs=2), evaluate(tagger, read_part)
    assert heard.n_tracks == read.n_tracks > 90
    assert heard.failed == {}
    assert heard.track_accuracy == pytest.approx(read.track_accuracy, abs=0.0201)
    assert heard.clip_accuracy == pytest.approx(read.clip_accuracy, abs=0.0201)


def test_a_folder_of_metal_is_answered_file_by_file(gtzan):
    said = subprocess.run(
        [COMMAND, "classify", gtzan / "audio" / "metal", "--format", "json"],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    verdicts = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(verdicts) == len(list((gtzan / "audio" / "metal").iterdir()))
    for verdict in verdicts:
        assert set(verdict) == {"path", "genre", "reason", "confidence", "genres", "duration", "error", "model"}
        assert verdict["error"] is None
        assert verdict["duration"] == pytest.approx(30, abs=0.1)
    assert np.mean([v["genre"] == "metal" for v in verdicts]) > 0.6
