"""The microphone: no machine that tests run on has one, so the library is imitated."""

import queue
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from support.sounds import collected, heard, noise

import earmark
from earmark.audio.streams.microphone import Microphone, list_microphones
from earmark.errors import AudioError, MissingExtra


@pytest.fixture(scope="module")
def tagger():
    return earmark.load("paper-attention-2x60")


class _InputStream:
    def __init__(self, *, device, samplerate, channels, dtype, callback):
        assert (dtype, samplerate, channels) == ("float32", 48000, 2)
        self.callback, self.active, self.thread = callback, True, threading.Thread(target=self.play)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.active = False
        self.thread.join()

    def play(self):
        x = noise(3.2, 48000)
        for start in range(0, len(x), 480):
            piece = x[start : start + 480]
            self.callback(np.stack([piece, piece], axis=1), len(piece), None, None)
            time.sleep(0.001)
            if not self.active:
                return
        self.active = False


@pytest.fixture
def sounddevice(monkeypatch):
    known = [
        {"name": "Speakers", "max_input_channels": 0, "default_samplerate": 44100.0},
        {"name": "Built-in", "max_input_channels": 4, "default_samplerate": 48000.0},
    ]

    class PortAudioError(Exception):
        pass

    def query(device=None, kind=None):
        if kind is None:
            return known
        if device not in (None, 1):
            raise ValueError(f"No input device matching {device!r}")
        return known[1]

    fake = SimpleNamespace(
        query_devices=query,
        default=SimpleNamespace(device=(1, 0)),
        InputStream=_InputStream,
        PortAudioError=PortAudioError,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_a_microphone_is_heard_until_it_is_gone(sounddevice, tagger):
    assert list_microphones() == [(1, "Built-in", 4, 48000, True)]
    verdicts = []
    with pytest.raises(AudioError, match="Built-in: the device gives no sound any more"):
        collected(tagger.follow("microphone"), verdicts)
    assert [v.time for v in verdicts] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert verdicts[-1].genres


def test_a_microphone_that_is_not_there(sounddevice):
    with pytest.raises(AudioError, match="No input device matching 'USB'.*--list-devices"):
        heard(Microphone("USB"))


def test_a_microphone_nobody_listens_to_loses_and_counts(sounddevice):
    microphone = Microphone()
    microphone._pieces = queue.Queue(1)
    microphone._receive(np.zeros((480, 2), np.float32), 480, None, None)
    microphone._receive(np.zeros((480, 2), np.float32), 480, None, None)
    assert microphone._lost == 480


def test_without_sounddevice_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtra, match=r"\.\[live\]"):
        Microphone()
