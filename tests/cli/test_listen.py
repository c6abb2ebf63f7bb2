"""``earmark listen``: the command."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.command import COMMAND, run
from support.sounds import RATE, noise, told
from support.station import Station

from earmark.audio.streams.stream import Pipe
from earmark.inference.segments import Segmenter


@pytest.fixture(scope="module")
def wave(tmp_path_factory, write_sound):
    return write_sound(tmp_path_factory.mktemp("listen") / "a.wav", noise(5), RATE)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_command_writes_json_lines(wave, tmp_path):
    out = lines(run("listen", wave, "--top", 2, "--model", "paper-attention-2x60").stdout)
    assert [line["time"] for line in out[:-1]] == [i / 2 for i in range(1, 11)]
    told = ["genres", "styles", "moods"]
    fields = ["time", "genre", "reason", "confidence", *told, "title", "behind", "level", "skipped"]
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
        (["nowhere.wav"], 1, "nowhere.wav: cannot be opened"),
        (["http://127.0.0.1:9/x", "--realtime"], 2, "realtime is for files and standard input"),
        (["--realtime"], 2, "realtime is for files and standard input"),
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


def test_an_address_without_a_station_ends_it_at_once():
    with Station(pages={"/gone.mp3": (404, {}, b"")}) as station:
        done = run("listen", f"{station.url}/gone.mp3", expect=1)
    assert done.stderr == f"{station.url}/gone.mp3: the server says 404 Not Found\n"


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
    last = text[text.rindex("a.wav") - 20 :]
    assert "■" in last
    assert not any(word in last for word in ("●", "Ctrl-C", "now"))
    assert "Traceback" not in text


def test_a_picture_of_every_state(wave):
    from rich.console import Console

    from earmark.cli.commands.listen_view import View

    for width in (30, 60, 100):
        console = Console(width=width, height=40, file=io.StringIO(), record=True)
        view = View(console, 5)
        view._stream = Pipe(io.BytesIO(), name="a station \x1b[2J of a very long name " * 5)
        console.print(view._render())
        segmenter = Segmenter()
        for verdict in told("....aaaaaaaaaabbbbbbbbb    --", titles=["Title " * 30] * 29):
            view.update(verdict, segmenter.open, segmenter.update(verdict))
        view.note("gone; trying again in 3 s")
        console.print(view._render())
        text = console.export_text()
        assert "\x1b[2J" not in text
        assert "trying again" in text
        assert all(len(line) <= width for line in text.splitlines())


def test_a_view_that_ends_before_any_sound_says_nothing():
    from rich.console import Console

    from earmark.cli.commands.listen_view import View

    console = Console(width=80, file=io.StringIO(), record=True, force_terminal=True)
    view = View(console, 5)
    with view.show(Pipe(io.BytesIO(), name="a station")):
        assert "Ctrl-C" in str([console.print(view._render()), console.export_text()])
    console.print(view._render())
    assert console.export_text().splitlines()[-1].split() == ["■", "a", "station", "0:00"]
