"""Many files at once, in processes of their own: Python's lock does not slow them, a crash does not end them."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_log = logging.getLogger(__name__)

DEADLY = "killed the process that was decoding it: the file is damaged, or too large"
"""What to say of such a file."""


class Pool(Generic[Item, Result]):
    """Apply a function to a stream of items, in order, a few at a time.

    Parameters
    ----------
    prepare : callable
        Called once in each process; gives the function that is then applied to the items. It and all that
        it holds must be picklable.
    jobs : int
        Processes.
    crashed : callable
        Gives the result for an item that killed its process.
    """

    def __init__(
        self,
        prepare: Callable[[], Callable[[Item], Result]],
        jobs: int,
        crashed: Callable[[Item], Result],
    ) -> None:
        self.prepare, self.jobs, self.crashed = prepare, jobs, crashed

    def map(self, items: Iterator[Item]) -> Iterator[Result]:
        """Results in the order of the items, which are taken as the work goes on."""
        executor = self._executor(self.jobs)
        running: deque[tuple[Item, Future[Result]]] = deque()
        try:
            while True:
                while len(running) < 2 * self.jobs and (item := next(items, None)) is not None:
                    running.append((item, _submit(executor, item)))
                if not running:
                    return
                try:
                    result = running[0][1].result()
                except BrokenProcessPool:  # one of those in flight did it: each gets a process to itself
                    executor.shutdown(cancel_futures=True)
                    yield from (self._alone(item) for item, _ in running)
                    running.clear()
                    executor = self._executor(self.jobs)
                else:
                    running.popleft()
                    yield result
        except BaseException:  # nobody waits for what is running
            _kill(executor)
            raise
        finally:  # all are idle, or dead: waiting is quick, and Python does not trip over threads that end when it does
            executor.shutdown(cancel_futures=True)

    def as_done(self, items: Iterator[Item]) -> Iterator[Result]:
        """Results as they come, whichever is first: for items of which one may take as long as many others."""
        executor = self._executor(self.jobs)
        running: dict[Future[Result], Item] = {}
        try:
            while True:
                while len(running) < self.jobs and (item := next(items, None)) is not None:
                    running[_submit(executor, item)] = item
                if not running:
                    return
                first = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
                try:
                    result = first.result()
                except BrokenProcessPool:  # as in map
                    executor.shutdown(cancel_futures=True)
                    yield from (self._alone(item) for item in running.values())
                    running.clear()
                    executor = self._executor(self.jobs)
                else:
                    del running[first]
                    yield result
        except BaseException:
            _kill(executor)
            raise
        finally:
            executor.shutdown(cancel_futures=True)

    def _alone(self, item: Item) -> Result:
        with self._executor(1) as executor:
            try:
                result: Result = _submit(executor, item).result()
            except BrokenProcessPool:
                _log.info("a process died of %r, and another takes its place", item)
                return self.crashed(item)
            return result

    def _executor(self, jobs: int) -> ProcessPoolExecutor:
        # Forking a process that holds threads and codecs is not safe; a fresh one costs half a second.
        return ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin, initargs=(self.prepare,))


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C, and put off one that comes meanwhile.

    Processes inherit which signals are blocked; and a KeyboardInterrupt amid starting them would leave a pool
    that neither works nor ends.
    """
    if threading.current_thread() is not threading.main_thread():  # no other may say what signals do
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    _block(signal.SIGINT)
    try:
        yield
    finally:
        _unblock(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def _kill(executor: ProcessPoolExecutor) -> None:
    """End a pool's processes in the midst of their work; Python 3.14 has a method for it."""
    for process in list((executor._processes or {}).values()):
        process.kill()


def _block(number: int) -> None:
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})


def _unblock(number: int) -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


_function: Callable[[Any], Any] | None = None


def _begin(prepare: Callable[[], Callable[[Any], Any]]) -> None:
    global _function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it is not inherited
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _function = prepare()


def _end_with_parent() -> None:
    """Leave no process behind when the parent is killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _apply(item: Any) -> Any:
    assert _function is not None
    return _function(item)


def _submit(executor: ProcessPoolExecutor, item: Any) -> Future[Any]:
    """Hand an item over; a pool that broke in the meantime shows in the future, not here."""
    try:
        with uninterrupted():
            return executor.submit(_apply, item)
    except BrokenProcessPool as error:
        broken: Future[Any] = Future()
        broken.set_exception(error)
        return broken
