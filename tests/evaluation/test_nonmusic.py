"""Sounds that are no music."""

from pathlib import Path

import numpy as np
import pytest
from support.sounds import rms, share_above

from earmark.errors import CorpusError, SettingError
from earmark.evaluation import nonmusic


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
