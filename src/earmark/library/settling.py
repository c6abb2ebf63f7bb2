"""Paths that wait until they are whole: unchanged for some seconds, and open to no writer."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

from earmark.library.file_store import take_stamp


class SettlingPaths:
    """Paths that wait until they have not changed for some seconds.

    Parameters
    ----------
    seconds : float
    clock : callable
        Returns seconds that never go back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self._clock = seconds, clock
        # path → what it was like, and when it was seen so first
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, path: str) -> None:
        """Have a path wait, from now on if it waits already."""
        if stamp := take_stamp(path):
            self._seen[path] = stamp, self._clock()

    def pop(self) -> list[str]:
        """Return those that have settled, and forget them and what is gone."""
        now = self._clock()
        settled = []
        for path, (before, since) in list(self._seen.items()):
            if now - since < self.seconds:
                continue
            if (stamp := take_stamp(path)) is None:
                del self._seen[path]
            elif stamp != before or is_open_for_writing(path):
                self._seen[path] = stamp, now
            else:
                del self._seen[path]
                settled.append(path)
        return settled


def is_open_for_writing(path: str) -> bool:
    """Tell whether some program has a file open for writing; False where the system does not tell, or of a folder.

    On Linux, the lease of a reader is given only for a file without writers (fcntl(2), F_SETLEASE). It is given back
    at once; should a writer come in between, he waits for that moment.
    """
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # else a writer who comes meanwhile would end this process by SIGIO; SIGURG is ignored
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    # a share that has none, a file of another user
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
