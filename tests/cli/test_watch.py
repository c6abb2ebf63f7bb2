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
from mediafile import MediaFile
from support.command import COMMAND, json_lines, run
from support.paths import REPOSITORY

from earmark.data.synth import compose
from earmark.library.tags.plan_file import read_plan

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


def genres(path):
    return MediaFile(path).genres


def test_it_tags_what_comes_and_its_own_writing_does_not_set_it_off(watch, music, song, tmp_path):
    tagged = shutil.copy(song, music / "tagged.flac")
    file = MediaFile(tagged)
    file.genres = ["Polka"]
    file.save()
    at_work = watch(music, "--tag", "--library", tmp_path / "db")
    shutil.copy(song, music / "new.flac.part")
    (music / "new.flac.part").rename(music / "new.flac")
    while not any(row["outcome"] == "written" for row in at_work.rows):
        at_work.wait(len(at_work.rows) + 1)
    assert genres(music / "new.flac")
    written = (music / "new.flac").read_bytes()
    # long enough for what it wrote to settle, and to be looked at
    time.sleep(2)
    (music / "new.flac").rename(music / "moved.flac")
    outcomes = ["had one", "had one", "written"]
    at_work.wait(3)
    assert "moved.flac" in run("library", tmp_path / "db").stdout
    (music / "moved.flac").rename(music / "new.flac")
    status, said = at_work.stop(signal.SIGTERM)
    assert status == 143
    assert sorted(row["outcome"] for row in at_work.rows) == outcomes
    assert genres(tagged) == ["Polka"]
    assert (music / "new.flac").read_bytes() == written
    (undo,) = re.findall(r"earmark (tag --undo \S+)", said)
    run(*undo.split())
    assert (music / "new.flac").read_bytes() == song.read_bytes()


def test_what_is_moved_is_not_heard_again(music, song, tmp_path):
    shutil.copy(song, music / "one.flac")
    once = ("--library", tmp_path / "db", "--once", "--settle", "0.2", "-f", "json")
    assert len(json_lines(run("watch", music, *once).stdout)) == 1
    (music / "album").mkdir()
    (music / "one.flac").rename(music / "album" / "one.flac")
    assert run("watch", music, *once).stdout == ""


def test_a_plan_grows_and_is_applied(music, song, tmp_path):
    shutil.copy(song, music / "one.flac")
    once = ("--plan", tmp_path / "plan.csv", "--once", "--settle", "0.2")
    run("watch", music, *once)
    shutil.copy(song, music / "two.flac")
    rows = json_lines(run("watch", music, *once, "-f", "json").stdout)
    assert [Path(row["path"]).name for row in rows] == ["two.flac"]
    plan = [row.path for row in read_plan(tmp_path / "plan.csv")]
    assert plan == [str(music / "one.flac"), str(music / "two.flac")]
    assert not genres(music / "one.flac")
    run("tag", "--apply", tmp_path / "plan.csv", "--journal", tmp_path / "journal")
    assert genres(music / "one.flac")
    assert run("watch", music, *once, "-f", "json").stdout.count("had one") == 2


def test_once_catches_up_and_ends(music, song, tmp_path):
    shutil.copy(song, music / "one.flac")
    done = run("watch", music, "--library", tmp_path / "db", "--once", "--settle", "0.2", "-f", "json")
    assert [Path(row["path"]).name for row in json_lines(done.stdout)] == ["one.flac"]
    again = run("watch", music, "--library", tmp_path / "db", "--once", "--settle", "0.2", "-f", "json")
    assert again.stdout == ""
    assert (done.stderr, again.stderr) == ("heard 1\n", "1 file known, none new\n")
    for _ in range(2):
        planned = run("watch", music, "--plan", tmp_path / "plan.csv", "--once", "--settle", "0.2")
    assert planned.stderr.startswith("1 file known, none new\n")
    assert re.search(r"plan\.csv: (write|review|keep) 1\n", planned.stderr)


def test_usage(music, tmp_path):
    for option, needed in (("--styles=2", "--tag or --plan"), ("--keep-mtime", "--tag")):
        said = " ".join(run("watch", music, "--library", tmp_path / "db", option, expect=2).stderr.split())
        assert f"{option.partition('=')[0]} is about what is written into files: give {needed}" in said


def test_what_an_error_advises_can_be_done(music, song, tmp_path):
    os.link(shutil.copy(song, music / "one.flac"), tmp_path / "other.flac")
    os.utime(music / "one.flac", ns=(5, 5))
    once = ("--tag", "--once", "--settle", "0.2", "-f", "json", "--journal", tmp_path / "journal")
    (refused,) = json_lines(run("watch", music, *once, expect=1).stdout)
    assert "--break-links" in refused["error"]
    run("watch", music, *once, "--break-links", "--keep-mtime")
    assert genres(music / "one.flac")
    assert not genres(tmp_path / "other.flac")
    assert (music / "one.flac").stat().st_mtime_ns == 5
    run("tag", "--undo", tmp_path / "journal")
    assert (music / "one.flac").read_bytes() == song.read_bytes()


def test_that_nothing_is_named_is_wrong_usage(music, tmp_path):
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
