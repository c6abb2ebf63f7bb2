"""Many files at once, in processes of their own: Python's lock does not slow them, a crash does not end them.

Each process has a pipe of its own. So it is known which item killed a process, or keeps it busy for too long; only
that item is lost, and only that process is started anew.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_log = logging.getLogger(__name__)

CRASH_MESSAGE = "killed the process that was decoding it: the file is damaged, or too large"
"""What to say of such a file."""

_AHEAD = 8
"""Results a process that wait, at most, until it is their turn: one slow file shall not hold up the rest."""

_TICK = 1.0
"""Seconds between two looks at the clock."""


class Pool(Generic[Item, Result]):
    """Apply a function to a stream of items, a few at a time.

    Parameters
    ----------
    prepare : callable
        Called once in each process; gives the function that is then applied to the items. It and all that
        it holds must be picklable.
    jobs : int
        Processes.
    crashed : callable
        Gives the result for an item that killed its process, or took too long: called with the item and with what
        happened, in words.
    limit : callable, optional
        Gives the seconds that an item may take; its process is killed then. No limit when left out.
    """

    def __init__(
        self,
        prepare: Callable[[], Callable[[Item], Result]],
        jobs: int,
        crashed: Callable[[Item, str], Result],
        *,
        limit: Callable[[Item], float] | None = None,
    ) -> None:
        self.prepare, self.jobs, self.crashed, self.limit = prepare, jobs, crashed, limit

    def map(self, items: Iterator[Item]) -> Iterator[Result]:
        """Results in the order of the items, which are taken as the work goes on."""
        return self._results(items, ordered=True)

    def map_unordered(self, items: Iterator[Item]) -> Iterator[Result]:
        """Results as they come, whichever is first: for items of which one may take as long as many others."""
        return self._results(items, ordered=False)

    def _results(self, items: Iterator[Item], *, ordered: bool) -> Iterator[Result]:
        workers: list[_Worker] = []
        numbered = enumerate(items)
        waiting: deque[tuple[int, Item]] = deque()  # taken, and not handed over, or to be handed over again
        done: dict[int, Result] = {}
        turn, open_ = 0, True
        try:
            while True:
                while open_ and self._wants_more(workers, waiting, done, ordered):
                    taken = next(numbered, None)
                    open_ = taken is not None
                    waiting.extend([taken] if taken else [])
                self._hand_over(workers, waiting, 2 if ordered else 1)
                if not any(worker.items for worker in workers):
                    return
                self._collect(workers, waiting, done)
                while done and (not ordered or turn in done):
                    yield done.pop(turn if ordered else next(iter(done)))
                    turn += 1
        finally:  # nobody waits for what is running
            for worker in workers:
                worker.end()

    def _wants_more(self, workers: list[_Worker], waiting: deque[Any], done: dict[int, Any], ordered: bool) -> bool:
        under_way = sum(len(worker.items) for worker in workers) + len(waiting)
        return under_way < (2 if ordered else 1) * self.jobs and under_way + len(done) < _AHEAD * self.jobs

    def _hand_over(self, workers: list[_Worker], waiting: deque[tuple[int, Item]], each: int) -> None:
        """Give to whoever has least to do; a new process begins as long as all are busy and there may be more."""
        while waiting:
            least = min(workers, key=lambda worker: len(worker.items), default=None)
            if (least is None or least.items) and len(workers) < self.jobs:
                workers.append(least := _Worker(self.prepare, self.limit))
            if least is None or len(least.items) >= each:
                return
            least.take(*waiting.popleft())

    def _collect(self, workers: list[_Worker], waiting: deque[tuple[int, Item]], done: dict[int, Result]) -> None:
        """Wait until something happens, and note all that did."""
        timeout = None if self.limit is None else _TICK
        heard = wait([worker.connection for worker in workers], timeout)
        for worker in list(workers):
            failure = worker.hear(done) if worker.connection in heard else worker.overdue()
            if failure is None:
                continue
            worker.end()
            workers.remove(worker)
            if worker.items:
                number, item = worker.items.popleft()
                done[number] = self.crashed(item, failure)
            waiting.extendleft(reversed(worker.items))  # handed over, and not begun


class _Worker:
    """One process, seen from outside.

    Attributes
    ----------
    items : deque
        Handed over and not answered, with their numbers: the first is being worked on.
    """

    def __init__(self, prepare: Callable[[], Callable[[Any], Any]], limit: Callable[[Any], float] | None) -> None:
        # Forking a process that holds threads and codecs is not safe; a fresh one costs half a second.
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.items: deque[tuple[int, Any]] = deque()
        self._limit = limit
        self._ready = False
        self._allowed = self._spent = 0.0
        self._looked = time.monotonic()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        # Python waits for ever for a process that dies before it has read long arguments: they take our own pipe.
        self._telling = threading.Thread(target=self._send, args=(prepare,), daemon=True)
        resource_tracker.ensure_running()  # starting it would unblock the signal
        with block_interrupts():
            self._process.start()
        theirs.close()  # so that the process's death is heard as the end of the pipe
        self._telling.start()

    def take(self, number: int, item: Any) -> None:
        """Hand an item over."""
        self.items.append((number, item))
        if self._ready:
            self._send(item)
        if len(self.items) == 1:
            self._begin()

    def hear(self, done: dict[int, Any]) -> str | None:
        """Note a result, or raise the error that came instead; in words, what happened if the process is dead."""
        try:
            kind, answer = self.connection.recv()
        except (EOFError, OSError):
            return CRASH_MESSAGE
        if kind == "error":
            raise answer
        if kind == "result":
            done[self.items.popleft()[0]] = answer
        else:
            self._ready = True
            for _, item in self.items:
                self._send(item)
        self._begin()
        return None

    def overdue(self) -> str | None:
        """In words, that the item has taken too long; None if it has not.

        Time counts in short steps only: what passes while everything is stopped (Ctrl-Z) is nobody's fault.
        """
        now = time.monotonic()
        self._spent += min(now - self._looked, 2 * _TICK)
        self._looked = now
        if not self.items or not self._ready or self._spent <= self._allowed:
            return None
        return f"took longer than {self._allowed:.0f} s: the file is damaged, or too long"

    def end(self) -> None:
        """End the process, in the midst of its work if need be."""
        self._process.kill()
        self._process.join(5)  # longer only while a disk or network does not answer
        self._telling.join(5)
        self.connection.close()

    def _send(self, message: Any) -> None:
        """Send; a process that is dead shows when it is listened to."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def _begin(self) -> None:
        """Start the clock for the first item."""
        self._spent, self._looked = 0.0, time.monotonic()
        if self.items:
            self._allowed = float("inf") if self._limit is None else self._limit(self.items[0][1])


@contextmanager
def block_interrupts() -> Iterator[None]:
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


def _block(number: int) -> None:
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})


def _unblock(number: int) -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


def _serve(connection: Connection) -> None:
    """What each process does: answer one item after the other, until it is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it is not inherited
    items: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, items), daemon=True).start()
    try:
        function = items.get()()
        connection.send(("ready", None))
        while True:
            connection.send(("result", function(items.get())))
    except Exception as error:
        error.add_note(f"In a process of its own:\n{traceback.format_exc()}")
        connection.send(("error", _portable(error)))


def _receive(connection: Connection, items: SimpleQueue[Any]) -> None:
    """Take what comes, so that neither side ever waits for the other to read; leave when the parent is gone."""
    with suppress(EOFError, OSError):
        while True:
            items.put(connection.recv())
    os._exit(1)


def _portable(error: Exception) -> Exception:
    """An error that can be sent: itself, or its words."""
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


MAX_SERIAL_FILES, MAX_SERIAL_BYTES = 15, 20_000_000
"""Files, and bytes of them together, that one process has done before several would have started."""


def limit_for_file(path: str | os.PathLike[str]) -> float:
    """Seconds that a file may keep a process busy, see :func:`limit_for_size`."""
    return limit_for_size(_size(path))


def limit_for_size(size: int) -> float:
    """Seconds that so many bytes may keep a process busy: a minute, and a second more for each 50 kB.

    A slow machine hears a second of the most tightly packed music (6 kB) in a fiftieth of that.

    Parameters
    ----------
    size : int
        Bytes.

    Returns
    -------
    float
    """
    return 60 + size / 50_000


def is_small(paths: Sequence[str | os.PathLike[str]]) -> bool:
    """Say whether these files are so few and small that processes are not worth starting for them."""
    return len(paths) <= MAX_SERIAL_FILES and sum(map(_size, paths)) < MAX_SERIAL_BYTES


def _size(path: str | os.PathLike[str]) -> int:
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):
        return 0
