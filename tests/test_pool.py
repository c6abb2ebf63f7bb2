"""Work in processes: order, laziness, and a process that dies."""

import os
import signal
from functools import partial

from earmark.tell.pool import Pool


def square_or_die(deadly, n):
    if n in deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return n * n


def prepared(deadly):
    return partial(square_or_die, deadly)


def crashed(n):
    return -n


def test_results_come_in_order():
    assert list(Pool(partial(prepared, ()), 2, crashed).map(iter(range(1, 30)))) == [n * n for n in range(1, 30)]


def test_nothing_to_do():
    assert list(Pool(partial(prepared, ()), 2, crashed).map(iter(()))) == []


def test_what_kills_its_process_is_named_and_the_rest_goes_on():
    results = list(Pool(partial(prepared, (3, 9)), 2, crashed).map(iter(range(1, 13))))
    assert results == [-n if n in (3, 9) else n * n for n in range(1, 13)]
