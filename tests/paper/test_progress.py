"""How far the rows of a reproduction are, and when they will end."""

from dataclasses import dataclass

import pytest

from earmark.paper.progress import Progress


@dataclass(frozen=True)
class Row:
    name: str
    protocol: str = "track"


class Reproduction:
    """What rows leave on disk, by their names."""

    def __init__(self, results, states):
        self.results, self.states = results, states

    def result(self, row):
        return self.results.get(row.name)

    def state(self, row):
        return self.states.get(row.name)


def follow(names, results=None, states=None, jobs=1):
    progress = Progress(
        Reproduction({} if results is None else results, states or {}), [Row(name) for name in names], jobs
    )
    progress.refresh()
    return progress


def test_a_row_that_failed_runs_no_more():
    progress = follow(["svm-rbf", "lstm-1x250"], {"lstm-1x250": {"seconds": 10}}, {"svm-rbf": {}})
    assert progress.seconds_left() == 10
    progress.note_failure(Row("svm-rbf"))
    progress.refresh()
    assert (progress.places[0].failed, progress.places[0].state, progress.seconds_left()) == (True, None, None)


def test_at_first_nobody_knows():
    progress = follow(["lstm-1x250", "mlp-125-relu"])
    assert (progress.n_done, progress.seconds_left()) == (0, None)


def test_rows_that_are_done_tell_of_those_like_them():
    done = {"lstm-1x250": {"seconds": 100}, "svm-rbf": {"seconds": 10}}
    assert follow([*done, "lstm-1x250-log"], done).seconds_left() == 100  # the same recipe
    assert follow([*done, "lstm-2x250"], done).seconds_left() == 100  # the same kind
    assert follow([*done, "mlp-125-relu"], done).seconds_left() == 55  # any
    assert follow([*done, "lstm-2x250", "lstm-1x250-log"], done, jobs=2).seconds_left() == 100
    assert follow([*done, "lstm-2x250", "lstm-1x250-log"], done).seconds_left() == 200


def test_a_running_network_tells_for_itself_and_for_those_that_wait():
    states = {"rnn-1x125": {"dur": 2.0, "epoch": 5, "epochs": 20}}
    progress = follow(["rnn-1x125", "rnn-2x125"], states=states)
    assert progress.places[0].seconds_left == 30
    assert progress.seconds_left() == 60


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_result_ends_a_row(jobs):
    results, states = {}, {"rnn-1x125": {"dur": 2.0, "epoch": 5, "epochs": 20}}
    progress = follow(["rnn-1x125"], results, states, jobs)
    results["rnn-1x125"] = {"seconds": 9}
    progress.refresh()
    assert (progress.n_done, progress.places[0].state, progress.seconds_left()) == (1, None, None)
