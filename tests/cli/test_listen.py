"""``earmark listen``: the microphone, and the command."""

import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from support.command import COMMAND, run
from support.sounds import RATE, collected, heard, noise, told

import earmark
from earmark.audio.streams.microphone import Microphone, list_microphones
from earmark.audio.streams.stream import Pipe
from earmark.errors import AudioError, MissingExtra
from earmark.inference.segments import Segmenter


@pytest.fixture(scope="module")
def tagger():
    return earmark.load()


# Microphone: no machine that tests run on has one, so the library is played


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
    with pytest.raises(MissingExtra, match=r"earmark\[live\]"):
        Microphone()


# The command


@pytest.fixture(scope="module")
def wave(tmp_path_factory, write_sound):
    return write_sound(tmp_path_factory.mktemp("listen") / "a.wav", noise(5), RATE)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_command_writes_json_lines(wave, tmp_path):
    out = lines(run("listen", wave, "--top", 2).stdout)
    assert [line["time"] for line in out[:-1]] == [i / 2 for i in range(1, 11)]
    fields = ["time", "genre", "reason", "confidence", "genres", "title", "behind", "level", "skipped"]
    assert list(out[0]) == fields
    assert len(out[5]["genres"]) == 2
    assert out[-1]["segment"]["start"] == 0
    assert out[-1]["segment"]["end"] == 5
    log = tmp_path / "log.jsonl"
    for _ in range(2):  # the second run appends
        with wave.open("rb") as file:
            assert run("listen", "-", "--segments", "--duration", "3", "-o", log, stdin=file).stdout == ""
    assert [line["segment"]["end"] for line in lines(log.read_text())] == [3, 3]


def test_raw_samples_on_standard_input(wave):
    done = subprocess.run(
        [COMMAND, "listen", "-", "--pcm", "f32le", "--rate", "22050", "--duration", "3"],
        input=noise(4).tobytes(), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert lines(done.stdout)[5]["time"] == 3


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nowhere.wav"], 1, "cannot be opened"),
        (["http://127.0.0.1:9/x", "--retries", "0"], 1, "no answer"),
        (["ftp://x.example/a"], 2, "there are http and https"),
        (["-", "--pcm", "mp3"], 2, "raw samples of 'mp3'"),
        (["a.wav", "--rate", "8000"], 2, "raw samples are for standard input"),
        (["a.wav", "--format", "live"], 2, "needs a terminal"),
        (["a.wav", "-o", "/nowhere/x"], 2, "cannot be written"),
        (["a.wav", "--every", "0"], 2, "every"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, status, says):
    assert says in run("listen", *arguments, expect=status, stdin=subprocess.DEVNULL).stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_when_it_is_stopped_the_last_segment_is_written(wave, number, status):
    process = subprocess.Popen(
        [COMMAND, "listen", wave, "--realtime"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    seen = [json.loads(process.stdout.readline())["time"] for _ in range(6)][-1]
    asked = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == status, err
    assert "Traceback" not in err
    assert seen <= lines(out)[-1]["segment"]["end"] <= seen + time.monotonic() - asked + 1


def test_a_reader_that_has_seen_enough_ends_it(wave):
    process = subprocess.Popen([COMMAND, "listen", wave], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(20) in (0, 141), err
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_live_view_on_a_terminal(wave):
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "listen", wave],
        stdout=follower,
        stderr=follower,
        env={**os.environ, "COLUMNS": "60", "TERM": "xterm"},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            shown += (piece := os.read(leader, 65536))
        except OSError:  # the other end is closed
            break
        if not piece:
            break
    os.close(leader)
    assert process.wait(20) == 0
    text = shown.decode()
    assert "a.wav" in text
    assert "0:05" in text
    assert "level" in text
    assert max(map(len, text.replace("\x1b", "\n\x1b").splitlines())) < 200
    assert "Traceback" not in text


def test_a_picture_of_every_state(wave):
    from rich.console import Console

    from earmark.cli.commands.listen_view import View

    for width in (30, 60, 100):
        console = Console(width=width, height=40, file=io.StringIO(), record=True)
        view = View(console, 5)
        view._stream = Pipe(io.BytesIO(), name="a station \x1b[2J of a very long name " * 5)
        console.print(view._picture())
        segmenter = Segmenter()
        for verdict in told("....aaaaaaaaaabbbbbbbbb    --", titles=["Title " * 30] * 29):
            view.update(verdict, segmenter.open, segmenter.update(verdict))
        view.note("gone; trying again in 3 s")
        console.print(view._picture())
        text = console.export_text()
        assert "\x1b[2J" not in text
        assert "trying again" in text
        assert all(len(line) <= width for line in text.splitlines())
