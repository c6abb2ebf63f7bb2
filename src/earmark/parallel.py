"""A pool of processes that survives what kills one of them; how long, and from how many files on, to use it.

Each process has a pipe of its own. So it is known which item killed a process, or keeps it busy for too long; only
that item is lost, and only that process is started anew.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import Pipe, connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from earmark.errors import WorkerError, reason_of

Item = TypeVar("Item")
Result = TypeVar("Result")

CRASH_MESSAGE = "killed the process that was decoding it: the file is damaged, or too large"
"""The error of such a file."""

# Results a process that may wait for their turn, so that one slow file does not hold up the rest
_MAX_WAITING = 8

# Seconds between two looks at the clock; and that a process may take to start, on a busy machine with a slow disk
_TICK, _MAX_START = 1.0, 300.0

MAX_SERIAL_FILES, MAX_SERIAL_BYTES = 15, 20_000_000
"""Files, and bytes of them together, that one process has done before several would have started."""


class Pool(Generic[Item, Result]):
    """Apply a function to a stream of items, a few at a time; raises WorkerError if a process cannot start.

    Parameters
    ----------
    prepare : callable
        Called once in each process; returns the function that is then applied to the items. Must be picklable, and
        not defined in the script that runs: the processes do not import it, so it needs no guard for its main part.
    jobs : int
        Processes.
    on_crash : callable
        Returns the result for an item that killed its process, or took too long: called with the item and with what
        happened, in words.
    limit : callable, optional
        Returns the seconds after which an item's process is killed. No limit when left out.
    """

    def __init__(
        self,
        prepare: Callable[[], Callable[[Item], Result]],
        jobs: int,
        on_crash: Callable[[Item, str], Result],
        *,
        limit: Callable[[Item], float] | None = None,
    ) -> None:
        self.prepare, self.jobs, self.on_crash, self.limit = prepare, jobs, on_crash, limit

    def map(self, items: Iterator[Item]) -> Iterator[Result]:
        """Yield results in the order of the items, which are taken as the work goes on."""
        return self._results(items, ordered=True)

    def map_unordered(self, items: Iterator[Item]) -> Iterator[Result]:
        """Yield results as they are done: for items of which one may take as long as many others."""
        return self._results(items, ordered=False)

    def _results(self, items: Iterator[Item], *, ordered: bool) -> Iterator[Result]:
        workers: list[_Worker] = []
        numbered = enumerate(items)
        waiting: deque[tuple[int, Item]] = deque()  # taken from items, and given to no worker
        done: dict[int, Result] = {}
        turn, more = 0, True
        try:
            while True:
                while more and self._wants_more(workers, waiting, done, ordered):
                    item = next(numbered, None)
                    more = item is not None
                    waiting.extend([item] if item else [])
                # in order, each worker has its next item at hand; else no item waits behind a slow one
                self._assign(workers, waiting, 2 if ordered else 1)
                if not any(worker.items for worker in workers):
                    return
                self._collect(workers, waiting, done)
                while done and (not ordered or turn in done):
                    yield done.pop(turn if ordered else next(iter(done)))
                    turn += 1
        finally:  # nobody needs what is still running
            for worker in workers:
                worker.end()

    def _wants_more(self, workers: list[_Worker], waiting: deque[Any], done: dict[int, Any], ordered: bool) -> bool:
        pending = sum(len(worker.items) for worker in workers) + len(waiting)
        # results that wait for their turn count too: behind one slow item memory stays bounded
        return pending < (2 if ordered else 1) * self.jobs and pending + len(done) < _MAX_WAITING * self.jobs

    def _assign(self, workers: list[_Worker], waiting: deque[tuple[int, Item]], each: int) -> None:
        """Give items to whoever has fewest; start a process while all are busy and there may be more."""
        while waiting:
            least = min(workers, key=lambda worker: len(worker.items), default=None)
            if (least is None or least.items) and len(workers) < self.jobs:
                workers.append(least := _Worker(self.prepare, self.limit))
            if least is None or len(least.items) >= each:
                return
            least.add(*waiting.popleft())

    def _collect(self, workers: list[_Worker], waiting: deque[tuple[int, Item]], done: dict[int, Result]) -> None:
        """Wait until something happens, and note all that did."""
        ready = connection.wait([worker.connection for worker in workers], _TICK)
        for worker in list(workers):
            failure = worker.receive(done) if worker.connection in ready else worker.check_time()
            if failure is None:
                continue
            worker.end()
            workers.remove(worker)
            if worker.items:
                number, item = worker.items.popleft()
                done[number] = self.on_crash(item, failure)
            # the others were not begun: they are given to another worker first
            waiting.extendleft(reversed(worker.items))


class _Worker:
    """One process, seen from outside; `items` are those that it has not answered: it works on the first."""

    def __init__(self, prepare: Callable[[], Callable[[Any], Any]], limit: Callable[[Any], float] | None) -> None:
        self.connection, other_end = Pipe()
        self.items: deque[tuple[int, Any]] = deque()
        self._limit = limit
        self._ready = False
        self._allowed, self._spent, self._last_look = _MAX_START, 0.0, time.monotonic()
        # closed here, so that the process's death ends the pipe
        with other_end:
            self._process = _start(other_end.fileno())
        # messages may be too long for the pipe, and the process may die before it has read them
        self._messages: SimpleQueue[memoryview[int] | None] = SimpleQueue()
        self._messages.put(ForkingPickler.dumps(prepare))
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def add(self, number: int, item: Any) -> None:
        """Give the process an item."""
        self.items.append((number, item))
        self._messages.put(ForkingPickler.dumps(item))
        if self._ready and len(self.items) == 1:
            self._start_clock()

    def receive(self, done: dict[int, Any]) -> str | None:
        """Note a result, or raise the error that came instead; return what happened if the process is dead."""
        try:
            kind, answer = self.connection.recv()
        except (EOFError, OSError):
            if self._ready:
                return CRASH_MESSAGE
            raise WorkerError(self._explain_start()) from None
        if kind == "error":
            raise answer
        if kind == "result":
            done[self.items.popleft()[0]] = answer
        self._ready = True
        self._start_clock()
        return None

    def check_time(self) -> str | None:
        """Return that the item has taken too long, in words; None if it has not."""
        now = time.monotonic()
        # in short steps only: what passes while everything is stopped (Ctrl-Z) does not count
        self._spent += min(now - self._last_look, 2 * _TICK)
        self._last_look = now
        if not self.items or self._spent <= self._allowed:
            return None
        if self._ready:
            return f"took longer than {self._allowed:.0f} s: the file is damaged, or too long"
        raise WorkerError(f"a worker process has not started within {self._allowed:.0f} s")

    def end(self) -> None:
        """Kill the process, whatever it is doing."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=5)  # longer only while a disk or network does not answer
        self._messages.put(None)
        self._sender.join(5)
        self.connection.close()

    def _send(self) -> None:
        """Send what comes; that a process is dead is noticed when its pipe is read."""
        with suppress(BrokenPipeError, ConnectionResetError):
            while (message := self._messages.get()) is not None:
                self.connection.send_bytes(message)

    def _explain_start(self) -> str:
        """Say how the process ended before it was ready, and the last line that it wrote."""
        *_, last = "no message", *self._process.communicate(timeout=5)[1].decode(errors="replace").splitlines()
        return f"a worker process could not start: {sys.executable}, status {self._process.returncode}, {last}"

    def _start_clock(self) -> None:
        """Start the clock for the first item."""
        self._spent, self._last_look = 0.0, time.monotonic()
        if self.items:
            self._allowed = float("inf") if self._limit is None else self._limit(self.items[0][1])


def _start(handle: int) -> subprocess.Popen[bytes]:
    """Start a process that serves one end of a pipe; `stderr` is what it writes until it is ready.

    A process of :mod:`multiprocessing` would run the caller's script again, and forking one that holds threads and
    codecs is not safe. This one ends by itself when the parent's end of the pipe is closed. It computes in one thread
    (OpenBLAS, OpenMP, MKL) unless the environment says otherwise: it is one of several that share the cores.
    """
    code = f"import sys; sys.path[:] = {[*map(str, sys.path)]}; from earmark.parallel import serve; serve({handle})"
    # the program of a frozen application is no interpreter: it would start itself again
    executable = "" if getattr(sys, "frozen", False) else sys.executable or ""
    inherit: dict[str, Any] = {"pass_fds": [handle]}
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        inherit = {"close_fds": False}
    try:
        # 2: what it prints later goes to our own standard error, see serve
        return subprocess.Popen(
            [executable, "-X", f"utf8={sys.flags.utf8_mode}", "-c", code],
            stdin=subprocess.DEVNULL, stdout=2, stderr=subprocess.PIPE, env={"OMP_NUM_THREADS": "1", **os.environ},
            **inherit,
        )  # fmt: skip
    except OSError as error:
        why = f"sys.executable is {sys.executable!r}, need a Python interpreter"
        raise WorkerError(f"a worker process could not start ({reason_of(error)}): {why}") from error


def serve(handle: int) -> None:
    """Answer one item after the other from this end of a pipe, until the process is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = getattr(connection, "PipeConnection", connection.Connection)(handle)  # the former on Windows
    messages: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, messages), daemon=True).start()
    try:
        # the first message is `prepare`, which returns the function; every later one is an item
        function = ForkingPickler.loads(messages.get())()
        os.dup2(1, 2)
        pipe.send(("ready", None))
        while True:
            pipe.send(("result", function(ForkingPickler.loads(messages.get()))))
    except Exception as error:
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        pipe.send(("error", _make_picklable(error)))


def _receive(pipe: Any, messages: SimpleQueue[bytes]) -> None:
    """Read what comes at once, so that neither side waits for the other to read; exit when the parent is gone."""
    with suppress(EOFError, OSError):
        while True:
            messages.put(pipe.recv_bytes())
    os._exit(1)


def _make_picklable(error: Exception) -> Exception:
    """Return an error that can be sent: itself, or its words."""
    try:
        # both ways: an error whose __init__ takes other arguments can be pickled, but not unpickled
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def limit_for_file(path: str | os.PathLike[str]) -> float:
    """Return the seconds that a file may keep a process busy, see :func:`limit_for_size`."""
    return limit_for_size(file_size(path))


def limit_for_size(size: int) -> float:
    """Return the seconds that so many bytes may keep a process busy: a minute, and a second more for each 50 kB."""
    # a slow machine decodes a second of the most tightly packed music, 6 kB, in a fiftieth of that
    return 60 + size / 50_000


def is_small(paths: Sequence[str | os.PathLike[str]]) -> bool:
    """Tell whether these files are so few and small that processes are not worth starting for them."""
    return len(paths) <= MAX_SERIAL_FILES and sum(map(file_size, paths)) < MAX_SERIAL_BYTES


def file_size(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> int:
    """Return the bytes of a file; 0 where it cannot be asked."""
    try:
        return Path(os.fsdecode(path)).stat().st_size
    except (OSError, ValueError):
        return 0
