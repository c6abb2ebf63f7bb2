"""`earmark reproduce`, by the installed command: rows side by side, killed and resumed, refused and failing."""

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, top_k_accuracy_score

from earmark.data.corpus import open_corpus
from earmark.data.features.worker import ClipSettings
from earmark.data.splits import Fold
from earmark.data.synth import write_corpus
from earmark.evaluation import metrics
from earmark.paper.rows import Row, choose_rows
from earmark.paper.runs import Reproduction, run_row

COMMAND = Path(sys.executable).with_name("earmark")

NETWORK = (
    "[network]\nunits = 12\nattention = 'dot'\n[training]\nmax_epochs = 40\npatience = 40\nlr = 0.3\nbatch_size = 8\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus") / "styles"
    write_corpus(root, tracks=8, seconds=10, seed=3, styles=["ambient", "march", "techno"])
    return root


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """A cache of our own, which all commands here share."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("XDG_CACHE_HOME")
    if before:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(NETWORK)
    return path


def reproduce(*arguments, expect=0, cwd=None):
    done = subprocess.run(
        [COMMAND, "reproduce", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300, cwd=cwd
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == expect, done.stderr
    return done


def results(output):
    with (output / "results.csv").open() as file:
        return list(csv.DictReader(file))


def figures(output):
    """All that a run must give again, whatever happened to it on the way."""
    records = [json.loads(path.read_text()) for path in sorted(output.rglob("result.json"))]
    for record in records:
        del record["seconds"]
        record["history"] = [{k: v for k, v in epoch.items() if k != "dur"} for epoch in record["history"]]
    return records


@pytest.fixture(scope="module")
def done(folder, network, tmp_path_factory):
    """A run that nothing disturbed."""
    output = tmp_path_factory.mktemp("out") / "whole"
    rows = ["--rows", "svm-rbf", "--rows", network, "--rows", "logistic-multinomial-log"]
    said = reproduce(folder, "-o", output, *rows, "-p", "clip", "-p", "track", "--seeds", 2, "--jobs", 2)
    return output, said


def test_every_row_is_there(done):
    output, said = done
    rows = results(output)
    assert len(rows) == 3 * 2 * 2
    assert {"recipe", "protocol", "seed", "clip_accuracy", "track_accuracy", "macro_f1", "seconds"} <= set(rows[0])
    assert {row["recipe"] for row in rows} == {"svm-rbf", "tiny", "logistic-multinomial-log"}
    assert {row["seed"] for row in rows} == {"0", "1"}
    for name in ("report.html", "results.json", "run.json"):
        assert (output / name).stat().st_size > 0
    assert not list(output.rglob("checkpoint.pt"))
    assert not list(output.rglob("state.json"))
    assert "track/tiny/seed-1: clips" in said.stdout
    assert str(output / "report.html") in said.stdout
    assert said.stderr.count("\n") == 1  # the corpus in one line


def test_a_row_says_what_its_own_tracks_say(done):
    for record in figures(done[0]):
        labels = record["labels"]
        truth = [labels.index(t["genre"]) for t in record["tracks"]]
        heard = [labels.index(t["heard"]) for t in record["tracks"]]
        assert record["track_accuracy"] == pytest.approx(np.mean(np.array(truth) == np.array(heard)))
        assert record["macro_f1"] == pytest.approx(f1_score(truth, heard, average="macro"))
        assert record["interval"][0] <= record["track_accuracy"] <= record["interval"][1]
        assert record["leak"]["tracks"] == 0 if record["protocol"] == "track" else record["leak"]["tracks"] > 0.5
        assert (record["epochs"] is None) == (record["recipe"] != "tiny")
        if record["recipe"] == "tiny":
            for weights in record["attention"].values():
                assert sum(weights) == pytest.approx(1, abs=1e-3)
                assert len(weights) == 22


def test_the_command_of_a_row_gives_its_numbers_again(done, folder, network, tmp_path):
    output, _ = done
    record = next(r for r in figures(output) if (r["recipe"], r["protocol"], r["seed"]) == ("tiny", "track", 1))
    row = Row(str(network), "track", 1)
    words = row.command(str(folder)).split()
    assert words[:3] == ["earmark", "reproduce", str(folder)]
    reproduce(*[str(tmp_path / "again") if word == "again" else word for word in words[2:]], "--jobs", 1)
    again = figures(tmp_path / "again")
    assert again == [record]  # one job or two, alone or among others


def test_done_rows_are_not_run_again(done, folder, network):
    output, _ = done
    times = {path: path.stat().st_mtime_ns for path in output.rglob("result.json")}
    rows = ["--rows", "svm-rbf", "--rows", network, "--rows", "logistic-multinomial-log"]
    begin = time.monotonic()
    reproduce(folder, "-o", output, *rows, "-p", "clip", "-p", "track", "--seeds", 2)
    assert times == {path: path.stat().st_mtime_ns for path in output.rglob("result.json")}
    assert time.monotonic() - begin < 60


def test_sigkill_three_times_gives_the_same_numbers(done, folder, network, tmp_path):
    output, _ = done
    arguments = [
        COMMAND, "reproduce", folder, "-o", tmp_path / "out", "--rows", "svm-rbf", "--rows", network,
        "--rows", "logistic-multinomial-log", "-p", "clip", "-p", "track", "--seeds", "2", "--jobs", "2",
    ]  # fmt: skip
    seen = 0
    for kill in range(3):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = set((tmp_path / "out").rglob("result.json"))
        while process.poll() is None:  # until something new is under way: a checkpoint, then a result, then either
            wanted = "result.json" if kill == 1 else "checkpoint.pt"
            if set((tmp_path / "out").rglob(wanted)) - before:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        seen += process.wait() == -signal.SIGKILL
        assert_nothing_runs(tmp_path / "out")
    assert seen == 3
    reproduce(*arguments[2:])
    assert figures(tmp_path / "out") == figures(output)


def assert_nothing_runs(output):
    """Processes end with their parent: soon nothing changes any more."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        running = subprocess.run(["pgrep", "-f", "earmark.parallel"], capture_output=True, text=True, check=False)
        mine = [pid for pid in running.stdout.split() if _parent(pid) == "1" and str(output) in _files(pid)]
        if not mine:
            return
        time.sleep(0.1)
    raise AssertionError(f"still running: {mine}")


def _parent(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
    except OSError:
        return ""


def _files(pid):
    try:
        return " ".join(str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return ""


def test_ctrl_c_stops_at_once_and_says_how_to_go_on(folder, tmp_path):
    (tmp_path / "long.toml").write_text("[network]\nunits = 100\n[training]\nmax_epochs = 100000\npatience = 100000\n")
    process = subprocess.Popen(
        [COMMAND, "reproduce", folder, "-o", tmp_path / "out", "--rows", tmp_path / "long.toml", "--seeds", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while process.poll() is None and not list((tmp_path / "out").rglob("checkpoint.pt")):
        time.sleep(0.02)
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - begin < 10
    assert "stopped; the same command goes on from here\n" in said
    assert "Traceback" not in said


def test_a_row_that_fails_is_named_and_the_rest_goes_on(folder, tmp_path):
    (tmp_path / "wild.toml").write_text("[network]\nunits = 4\n[training]\nlr = 1e38\nclip_norm = 1e38\n")
    output = tmp_path / "out"
    said = reproduce(
        folder, "-o", output, "--rows", tmp_path / "wild.toml", "--rows", "svm-rbf", "-p", "clip", expect=1
    )
    assert "clip/wild/seed-0: the loss became" in said.stderr
    assert [row["recipe"] for row in results(output)] == ["svm-rbf"]
    assert "the loss became" in (output / "report.html").read_text()


@pytest.mark.parametrize(("artists", "strict"), [(True, "artist"), (False, "track")])
def test_the_strictest_split_leads_and_the_papers_stands_beside_it(artists, strict, folder, tmp_path):
    listed = [["path", "genre", "artist"]]
    listed += [[path, path.parent.name, f"{path.stem[-1]}" * artists] for path in sorted(folder.rglob("*.wav"))]
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(listed)
    said = reproduce(tmp_path / "list.csv", "-o", tmp_path / "out", "--rows", "svm-rbf")
    # as they finish, side by side
    assert set(re.findall(r"(\w+)/svm-rbf/seed-0: clips", said.stdout)) == {strict, "clip"}
    assert said.stdout.index(f"{strict} split") < said.stdout.index("clip split, the paper's")
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert page.index(f"**{strict.title()} split**") < page.index("**Clip split**")
    assert ("no artists are known" in said.stderr) is not artists


def test_a_protocol_that_cannot_be_is_a_failed_row(folder, tmp_path):
    said = reproduce(folder, "-o", tmp_path / "out", "--rows", "svm-rbf", "-p", "artist", "-p", "clip", expect=1)
    assert "artist/svm-rbf/seed-0: no artists are known" in said.stderr
    assert "failed" in said.stdout and "running" not in said.stdout


def test_another_corpus_or_recipe_is_run_afresh(folder, tmp_path):
    reproduction = Reproduction(open_corpus(folder), tmp_path / "out", tmp_path / "cache")
    row = Row("svm-rbf", "track")
    first = run_row(reproduction, row)
    assert first.error == ""
    assert run_row(reproduction, row).record == json.loads(json.dumps(first.record))
    smaller = Reproduction(reproduction.corpus.subset(range(20)), tmp_path / "out", tmp_path / "cache")
    assert smaller.result(row) is None
    assert run_row(smaller, row).record["n_tracks"] < first.record["n_tracks"]


def test_folds_are_rows(folder, tmp_path):
    rows = choose_rows(["svm-rbf"], ["track"], folds=4)
    assert [row.fold for row in rows] == [Fold(i, 4) for i in range(4)]
    reproduction = Reproduction(open_corpus(folder), tmp_path / "out", tmp_path / "cache")
    reproduction.prepare(rows, 1)
    records = [done.record for done in reproduction.run(rows, 1)]
    ids = sorted(track["id"] for record in records for track in record["tracks"])
    assert ids == sorted(track.id for track in reproduction.corpus.tracks)


OVERLAPPING = """
clip_seconds = 2.0
hop_seconds = 1.0
train_hop_seconds = 0.5
[logistic]
"""


def test_after_preparing_no_row_decodes_a_file(folder, tmp_path, monkeypatch):
    recipe = tmp_path / "overlapping.toml"
    recipe.write_text(OVERLAPPING)
    reproduction = Reproduction(open_corpus(folder), tmp_path / "out", tmp_path / "cache")
    rows = choose_rows([str(recipe), "logistic-ovr"], ["clip", "track"])
    assert len(rows) == 4
    seen = []
    reproduction.prepare(rows, 1, seen.append)
    assert len(seen) == reproduction.n_preparations(rows) == 4 * 24  # hops of 2, 1 and 0.5 s, and the paper's of 5 s

    def decode(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(ClipSettings, "read_file", decode)
    for row in rows:
        assert run_row(reproduction, row).error == ""


def test_rows_run_on_ray(folder, done, tmp_path):
    pytest.importorskip("ray")
    relative = os.path.relpath(folder, tmp_path)  # Ray's processes start elsewhere
    reproduce(relative, "-o", "out", "--rows", "svm-rbf", "-p", "track", "--address", "local", cwd=tmp_path)
    assert figures(tmp_path / "out") == [
        r for r in figures(done[0]) if (r["recipe"], r["protocol"], r["seed"]) == ("svm-rbf", "track", 0)
    ]


def test_a_live_table_is_shown_on_a_terminal(folder, tmp_path):
    arguments = [COMMAND, "reproduce", folder, "-o", tmp_path / "out", "--rows", "svm-rbf", "--rows", "svm-poly"]
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=follower,
        text=True,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    stdout = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert "0/4 rows" in text  # of the track split, and the paper's
    assert "clips, tracks" in text
    assert "clips" not in stdout.split("recipe")[0]  # no lines of rows, where the table shows them


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rows", "lstm-2x25"], "did you mean 'lstm-2x250'"),
        (["--rows", "gru-*"], "no rows fit 'gru-*'"),
        (["--folds", "2"], "greater than or equal to 3"),
        (["-p", "album"], "is not one of"),
        (["--address", "ray://nowhere:1", "--seeds", "0"], "greater than or equal to 1"),
    ],
)
def test_wrong_usage(folder, tmp_path, arguments, says):
    said = reproduce(folder, "-o", tmp_path / "out", *arguments, expect=2)
    assert says in " ".join(said.stderr.replace("│", " ").split())


def test_metrics_against_scikit_learn(rng):
    probabilities, truth = rng.dirichlet(np.ones(6), 200), rng.integers(0, 6, 200)
    for k in (1, 3):
        assert metrics.top_k_accuracy(probabilities, truth, k) == pytest.approx(
            top_k_accuracy_score(truth, probabilities, k=k)
        )
    heard = probabilities.argmax(axis=1)
    assert metrics.macro_f1(metrics.confusion(truth, heard, 6)) == pytest.approx(
        f1_score(truth, heard, average="macro")
    )


def test_the_bootstrap_interval_is_the_normal_one_where_there_are_many(rng):
    right = (rng.random(2000) < 0.7).astype(float)
    low, high = metrics.bootstrap_interval(right, rng)
    half = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 2000)
    assert (low, high) == pytest.approx((right.mean() - half, right.mean() + half), abs=0.004)
    doubled = metrics.bootstrap_interval(right, np.random.default_rng(1), np.full(2000, 3.0))
    assert doubled == pytest.approx(metrics.bootstrap_interval(right, np.random.default_rng(1)))
    assert all(np.isnan(metrics.bootstrap_interval(np.array([]), rng)))
