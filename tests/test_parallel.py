"""Work in processes: order, laziness, and a process that dies."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

from earmark import parallel
from earmark.errors import WorkerError
from earmark.parallel import Pool


def square_or_die(deadly, n):
    if n in deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return n * n


def prepared(deadly):
    return partial(square_or_die, deadly)


def crashed(n, why):
    return -n


def test_results_come_in_order():
    assert list(Pool(partial(prepared, ()), 2, crashed).map(iter(range(1, 30)))) == [n * n for n in range(1, 30)]


def test_nothing_to_do():
    assert list(Pool(partial(prepared, ()), 2, crashed).map(iter(()))) == []


def test_what_kills_its_process_is_named_and_the_rest_goes_on():
    results = list(Pool(partial(prepared, (3, 9)), 2, crashed).map(iter(range(1, 13))))
    assert results == [-n if n in (3, 9) else n * n for n in range(1, 13)]


@pytest.mark.parametrize("ordered", [True, False])
def test_what_takes_too_long_is_named_and_the_rest_goes_on(ordered):
    said = {}

    def overdue(n, why):
        said[n] = why
        return -n

    pool = Pool(hanging, 2, overdue, limit=lambda n: 0.5 if n == 5 else 60)
    begin = time.monotonic()
    results = list((pool.map if ordered else pool.map_unordered)(iter(range(1, 40))))
    assert time.monotonic() - begin < 15
    expected = [-n if n == 5 else n * n for n in range(1, 40)]
    assert results == expected if ordered else sorted(results) == sorted(expected)
    assert list(said) == [5]
    assert said[5].startswith("took longer than 0 s")


def hanging():
    return square_or_hang


def square_or_hang(n):
    while n == 5:  # deaf to everything but SIGKILL
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        time.sleep(60)
    return n * n


def test_a_deadly_item_costs_one_process_and_no_other_item():
    deadly = range(0, 100, 20)  # 5 %
    calls = []
    results = list(Pool(partial(counting, deadly), 2, lambda n, why: calls.append(n)).map(iter(range(100))))
    assert calls == list(deadly)
    assert [r[0] for r in results if r] == [n for n in range(100) if n not in deadly]
    processes = {r[1] for r in results if r}
    assert 4 <= len(processes) <= len(deadly) + 2  # one process more for each that died
    assert all(r[2] == 1 for r in results if r)  # what was in flight beside it was not done twice


class Counter:
    """Squares, and knows how often each item came to its process."""

    def __init__(self, deadly):
        self.deadly, self.seen = deadly, {}

    def __call__(self, n):
        self.seen[n] = self.seen.get(n, 0) + 1
        square_or_die(self.deadly, n)
        return n, os.getpid(), self.seen[n]


def counting(deadly):
    return Counter(deadly)


def test_a_process_that_dies_before_it_is_ready_is_nobodys_fault():
    """Its arguments fill any pipe; whoever writes them must not wait for ever."""
    with pytest.raises(WorkerError, match="could not start: .*, status -9, no message"):
        list(Pool(partial(dying, bytes(5_000_000)), 2, crashed).map(iter(range(1, 4))))


def dying(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_cannot_import_earmark_says_so(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(WorkerError, match=r"status 1, ModuleNotFoundError: No module named '\w+'$"):
        list(Pool(echoing, 2, crashed).map(iter([1])))


@pytest.mark.parametrize("executable", ["", None, "/nowhere/python"])
def test_without_an_interpreter_no_process_starts(executable, monkeypatch):
    """As where Python is embedded in another program."""
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(WorkerError, match="could not start .*: sys.executable is .*, need a Python interpreter"):
        list(Pool(echoing, 2, crashed).map(iter([1])))


def test_a_frozen_application_does_not_start_itself(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(WorkerError, match="could not start"):
        list(Pool(echoing, 2, crashed).map(iter([1])))


def test_a_process_that_never_gets_ready_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(parallel, "_MAX_START", 0.5)
    with pytest.raises(WorkerError, match="has not started within 0 s"):
        list(Pool(partial(time.sleep, 60), 1, crashed).map(iter([1])))


def test_processes_do_not_fight_for_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert list(Pool(counting_threads, 1, crashed).map(iter([1]))) == [1]


def counting_threads():
    return most_threads


def most_threads(_):
    from threadpoolctl import threadpool_info

    return max(library["num_threads"] for library in threadpool_info())


def test_large_items_and_results_pass_each_other():
    items = [bytes([n]) * 3_000_000 for n in range(6)]
    assert list(Pool(echoing, 2, crashed).map(iter(items))) == items


def echoing():
    return bytes


def test_an_error_that_is_nobodys_file_comes_back_with_where_it_arose():
    with pytest.raises(ZeroDivisionError) as raised:
        list(Pool(dividing, 2, crashed).map(iter(range(3, -1, -1))))
    assert "in divide" in raised.value.__notes__[0]


def test_an_error_that_cannot_travel_comes_back_in_words():
    with pytest.raises(RuntimeError, match=r"^Stubborn: 7 and 8$"):
        list(Pool(stubborn, 1, crashed).map(iter([1])))


class Stubborn(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


def stubborn():
    raise Stubborn(7, 8)


def dividing():
    return divide


def divide(n):
    return 1 / n


def test_no_process_stays_behind_when_results_are_no_longer_wanted():
    results = Pool(partial(counting, ()), 2, crashed).map(iter(range(1000)))
    process = next(results)[1]
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def slow_or_die(n):
    if n == 0:
        time.sleep(1.5)
    return square_or_die((3,), n)


def test_results_as_they_are_done():
    results = list(Pool(slowly, 2, crashed).map_unordered(iter(range(9))))
    assert sorted(results) == sorted(-n if n == 3 else n * n for n in range(9))
    assert results[0] != 0  # the slow one did not hold the others up


def slowly():
    return slow_or_die


EARMARK = "import sys; print(flush=True); from earmark.cli.main import main; sys.exit(main())"
"""The command, which says when Python itself has started: what comes before is not ours to answer for."""


@pytest.mark.parametrize("seconds", [0, 0.2, 0.4, 0.8, 1.5])
def test_ctrl_c_ends_all_processes_quietly(tmp_path, write_sound, seconds):
    rng = np.random.default_rng(0)
    song = write_sound(tmp_path / "song.wav", 0.1 * rng.standard_normal(22050 * 60), 22050)
    for i in range(60):
        (tmp_path / f"{i}.wav").symlink_to(song)
    command = [sys.executable, "-c", EARMARK, "classify", tmp_path, "--format", "json", "--jobs", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    process.stdout.readline()
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    _, said = process.communicate(timeout=30)  # ends when the last process has closed its end
    assert process.returncode in (130, -signal.SIGINT)  # the latter while our own modules are imported
    if process.returncode == 130:
        assert said in ("", "stopped\n")  # the former while options are parsed


SCRIPT = """
import glob
import earmark
print("begun")
for verdict in earmark.load("paper-attention-2x60").classify_many(sorted(glob.glob("music/*.wav")), jobs=2):
    print(verdict.path, verdict.error)
"""


@pytest.mark.parametrize("way", ["script", "module", "-c", "stdin", "interactive", "exec"])
def test_a_script_needs_no_guard_for_its_main_part(way, tmp_path, write_sound):
    """However Python is given it, it runs once, and each file is named."""
    (tmp_path / "music").mkdir()
    songs = [f"music/{i:02}.wav" for i in range(17)]  # more than one process
    for song in songs:
        write_sound(tmp_path / song, np.full(4000, 0.1), 4000)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "tell.py").write_text(SCRIPT)
    arguments = {
        "script": ["package/tell.py"], "module": ["-m", "package.tell"], "-c": ["-c", SCRIPT], "stdin": ["-"],
        "interactive": ["-i", "-q", "-"], "exec": ["-c", "exec(open('package/tell.py').read())"],
    }[way]  # fmt: skip
    told = subprocess.run(
        [sys.executable, *arguments], input=SCRIPT + "\n", capture_output=True, text=True,
        cwd=tmp_path, timeout=60, check=True,
    )  # fmt: skip
    assert told.stdout.splitlines() == ["begun", *(f"{song} None" for song in songs)]
