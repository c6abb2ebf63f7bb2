"""`earmark watch` as people run it: files come, it is stopped or killed, and goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from support.command import COMMAND, json_lines, run
from support.paths import REPOSITORY

from earmark.data.synth import compose

pytest.importorskip("watchfiles", reason="the extra 'watch' is not installed")


@pytest.fixture(scope="session")
def song(write_sound, tmp_path_factory):
    path = tmp_path_factory.mktemp("watch") / "song.flac"
    return write_sound(path, compose("bossa", np.random.default_rng(0), seconds=3, sample_rate=22050), 22050)


class Watching:
    """The command at work, and the rows that it has printed."""

    def __init__(self, *arguments, environment):
        command = [COMMAND, "watch", *map(str, arguments), "--settle", "0.3", "--format", "json"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.rows = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.rows.append(json.loads(line))

    def wait(self, count, seconds=60):
        """The names in so many rows, once they are there."""
        end = time.monotonic() + seconds
        while len(self.rows) < count:
            assert time.monotonic() < end, (self.rows, self.process.poll())
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.05)
        return [Path(row["path"]).name for row in self.rows]

    def stop(self, number):
        """Send a signal; return exit status and messages."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=60)
        self.reader.join(timeout=10)
        return status, self.process.stderr.read()


@pytest.fixture
def watch(tmp_path):
    begun = []

    def begin(*arguments):
        begun.append(Watching(*arguments, environment={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}))
        return begun[-1]

    yield begin
    for one in begun:
        one.process.kill()
        one.reader.join(timeout=10)
        with one.process:  # closes its pipes
            pass


@pytest.fixture
def music(tmp_path):
    (tmp_path / "music").mkdir()
    return tmp_path / "music"


def test_killed_and_begun_again_it_hears_only_what_is_new(watch, music, song, tmp_path):
    shutil.copy(song, music / "one.flac")
    first = watch(music, "--library", tmp_path / "db")
    assert first.wait(1) == ["one.flac"]
    shutil.copy(song, music / "two.flac")
    assert first.wait(2) == ["one.flac", "two.flac"]
    # verdicts are on the disk within a second
    time.sleep(1.2)
    assert first.stop(signal.SIGKILL)[0] == -signal.SIGKILL
    shutil.copy(song, music / "three.flac")
    second = watch(music, "--library", tmp_path / "db")
    assert second.wait(1) == ["three.flac"]
    status, said = second.stop(signal.SIGTERM)
    assert (status, "Traceback" in said) == (143, False)
    kept = {Path(row["path"]).name for row in json_lines(run("library", tmp_path / "db", "-f", "json").stdout)}
    assert kept == {"one.flac", "two.flac", "three.flac"}


def test_what_fails_is_told_once_until_it_changes_and_ctrl_c_ends_it(watch, music, song, tmp_path):
    (music / "bad.flac").write_bytes(b"no music")
    at_work = watch(music, "--library", tmp_path / "db")
    assert at_work.wait(1) == ["bad.flac"]
    assert at_work.rows[0]["error"]
    (music / "bad.flac").chmod(0o600)
    shutil.copy(song, music / "good.flac")
    assert at_work.wait(2) == ["bad.flac", "good.flac"]
    shutil.copy(song, music / "bad.flac")
    at_work.wait(3)
    assert [bool(row["error"]) for row in at_work.rows] == [True, False, False]
    status, said = at_work.stop(signal.SIGINT)
    assert (status, said.strip().splitlines()[-1]) == (130, "stopped; the same command goes on from here")


def test_once_catches_up_and_ends(music, song, tmp_path):
    shutil.copy(song, music / "one.flac")
    done = run("watch", music, "--library", tmp_path / "db", "--once", "--settle", "0.2", "-f", "json")
    assert [Path(row["path"]).name for row in json_lines(done.stdout)] == ["one.flac"]
    again = run("watch", music, "--library", tmp_path / "db", "--once", "--settle", "0.2", "-f", "json")
    assert again.stdout == ""


def test_usage(music, tmp_path):
    assert "--library" in run("watch", music, expect=2).stderr
    assert "not there" in run("watch", tmp_path / "none", "--library", tmp_path / "db", "--once", expect=2).stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_the_unit_in_the_docs_is_right(tmp_path):
    (unit,) = re.findall(r"```ini\n(.*?)```", (REPOSITORY / "docs" / "watch.md").read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "earmark.service"
    path.write_text(unit.replace("%h/.local/bin/earmark", str(COMMAND)), encoding="utf-8")
    tmp_path.chmod(0o700)
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", path], env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
