"""A sound; short files of each format, and a journal."""

import os
import shutil

import numpy as np
import pytest
from support.paths import DATA
from support.tags import FORMATS


@pytest.fixture(scope="session")
def sound(write_sound, tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "noise.wav"
    return write_sound(path, 0.1 * np.random.default_rng(0).standard_normal(22050 * 3), 22050)


@pytest.fixture(scope="session")
def sounds(write_sound, tone, tmp_path_factory):
    """A short untagged file of each format."""
    home = tmp_path_factory.mktemp("sounds")
    sound = [tone(440, 0.5, 48000)] * 2
    codecs = {".wv": "wavpack", ".alac.m4a": "alac"}
    made = {
        s: write_sound(home / f"sound{s}", sound, 48000, codec=codecs.get(s), container="ipod" if "m4a" in s else None)
        for s in FORMATS
        if s not in (".ape", ".wma", ".opus")
    }
    made |= {s: write_sound(home / f"sound{s}", sound, 48000) for s in (".wma", ".opus")}
    return made | {".ape": DATA / "march.ape"}


@pytest.fixture
def put(sounds, tmp_path):
    """Puts a file of a format there."""

    def copy(suffix, name="song"):
        path = tmp_path / "music" / f"{name}{suffix}"
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(sounds[suffix], path)
        os.utime(path, ns=(10**18 + 5, 10**18 + 5))
        return path

    return copy


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.jsonl"
