"""What long work says of itself: bars on a terminal, plain lines elsewhere, words and rows beside them."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from support.command import COMMAND, run

from earmark.cli import progress, terminal


@pytest.fixture
def often(monkeypatch):
    """A line at once, instead of every half minute."""
    monkeypatch.setattr(progress, "INTERVAL", 0.05)


def lines_of(work, capsys):
    """Return what is said until there is a line on the work done."""
    said = ""
    for _ in range(100):
        work()
        time.sleep(0.02)
        said += capsys.readouterr().err
        if "of 4000" in said or "epoch" in said or "MB" in said:
            break
    return said


def test_off_a_terminal_a_plain_line_comes_now_and_then(often, capsys):
    with progress.show_progress("hearing", 4000) as advance:
        said = lines_of(lambda: advance(20), capsys)
    last = said.splitlines()[-1]
    assert re.fullmatch(r"hearing: \d+ of 4000, [\d.e+]+/s, about \d+(\.\d)? \w+ left", last), said
    assert "\x1b" not in said


def test_of_an_unknown_total_the_line_says_how_many(often, capsys):
    with progress.show_progress("tagging") as advance:
        advance(3)
        time.sleep(0.2)
    assert "tagging: 3\n" in capsys.readouterr().err


def test_training_and_downloads_say_how_far_they_are(often, capsys):
    record = {"epoch": 2, "epochs": 50, "train_loss": 1.5, "valid_loss": 2.0, "valid_acc": 0.4}
    with progress.show_training_progress(10, 50) as (on_track, on_epoch):
        for _ in range(10):
            on_track(None)
        on_epoch(record)
        time.sleep(0.2)
    assert "learning: 2 of 50, loss 1.500  valid 2.000  accuracy 40.0%" in capsys.readouterr().err
    with progress.bytes_progress() as (on_bytes, on_note):
        on_note("from a mirror")
        on_bytes("fetching", 600_000_000, 1_200_000_000)
        time.sleep(0.2)
    said = capsys.readouterr().err
    assert said.startswith("from a mirror\n")
    assert "fetching: 600 of 1200 MB" in said


def test_quiet_work_says_nothing(often, capsys, monkeypatch):
    monkeypatch.setattr(terminal, "_quiet", True)
    with progress.show_progress("hearing", 4000) as advance:
        advance(20)
        time.sleep(0.2)
    with progress.show_training_progress(10, 50) as (on_track, _):
        on_track(None)
        time.sleep(0.2)
    assert capsys.readouterr() == ("", "")


def test_the_lines_end_with_the_work(often, capsys):
    with progress.show_progress("hearing", 4000) as advance:
        advance(20)
    capsys.readouterr()
    time.sleep(0.2)
    assert not capsys.readouterr().err


# On a terminal: stderr is a pseudo-terminal, stdout a pipe

pty = pytest.importorskip("pty")


def run_on_terminal(code):
    """Run Python with a terminal for stderr, and return what stdout and stderr got."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, env=environment, text=True
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 65536)
        # Linux says so where nobody holds the other end any more.
        except OSError:
            break
        if not block:
            break
        shown += block
    printed = process.communicate(timeout=60)[0]
    os.close(ours)
    return printed, shown.decode()


WORK = """
import logging, time
from earmark.cli import terminal
from earmark.cli.progress import show_progress
terminal.set_up_log(1, None)
with show_progress("hearing", 10) as advance:
    for i in range(3):
        advance(1)
        time.sleep(0.15)
        terminal.say(f"word {i}")
        logging.getLogger("earmark.test").info(f"record {i}")
        print(f"row {i}")
"""


def test_words_and_the_log_stand_above_a_bar_and_rows_go_where_they_belong():
    printed, shown = run_on_terminal(WORK)
    assert printed == "row 0\nrow 1\nrow 2\n"
    assert "row" not in shown
    for i in range(3):
        # Before a line is written, the bar's own line is erased: it begins at the left, not behind the bar.
        for text in (f"word {i}", f"earmark.test: record {i}"):
            (before,) = re.findall(rf"([^\n]*){text}", shown)
            assert re.sub(r"\x1b\[[\d;]*m", "", before).endswith(("\x1b[2K", "\r")), repr(before)


def test_words_are_not_cut_in_two_by_the_edge_of_a_terminal():
    code = "from earmark.cli.terminal import say; say('corpus: ' + ', '.join(f'genre{i} {i}' for i in range(30)))"
    _, shown = run_on_terminal(code)
    lines = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 80
    assert {f"genre{i}" for i in range(30)} <= set(" ".join(lines).split())


# Ctrl-C


@pytest.mark.parametrize("library", [True, False])
def test_ctrl_c_says_whether_the_same_command_goes_on(tmp_path, library):
    command = [COMMAND, "classify", "-", "-f", "json", "-o", tmp_path / "out.json", "--jobs", "1"]
    command += ["--library", tmp_path / "l.db"] if library else []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # It waits for names; whatever the file's name, an answer shows that it has begun.
    process.stdin.write("none.wav\n")
    process.stdin.flush()
    time.sleep(2.0)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    kept = "; the same command goes on from here" * library
    assert said == f"stopped; {tmp_path / 'out.json'} is not written{kept}\n"


def test_a_summary_counts_files_sound_and_genres(tmp_path, write_sound, rng):
    for name in ("a.wav", "b.wav"):
        write_sound(tmp_path / name, 0.1 * rng.standard_normal(8000 * 3), 8000)
    done = run("classify", tmp_path, "-f", "json")
    genres = [json.loads(line)["genre"] or "unknown" for line in done.stdout.splitlines()]
    assert done.stderr == f"2 files, 6 s of sound: {genres[0]} 2\n"
    assert not run("classify", tmp_path / "a.wav").stderr
