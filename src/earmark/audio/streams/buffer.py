"""A stream in a thread of its own, and the blocks it has given and nobody has taken yet, within limits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from threading import Condition, Thread
from typing import Self

from earmark.audio.streams.stream import Block, Stream

# Seconds in which a closed stream should end
_JOIN_TIMEOUT = 2.0


class StreamBuffer:
    """Run a stream in a thread and pass its blocks on; use it as a context manager.

    What waits to be taken is bounded. Where there is no room, a live stream loses its oldest blocks (the next one says
    how much), and any other is made to wait.

    Parameters
    ----------
    stream : Stream
        Closed at the end.
    sample_rate : int
        Hz.
    seconds : float
        Sound that may wait.
    """

    def __init__(self, stream: Stream, sample_rate: int, seconds: float = 10.0) -> None:
        self._stream, self._rate = stream, sample_rate
        self._capacity = round(seconds * sample_rate)
        self._blocks: deque[Block] = deque()
        self._changed = Condition()
        self._lost = 0
        self._ended = False
        self._error: BaseException | None = None
        self.waiting = 0
        """Samples that wait to be taken."""
        self._thread = Thread(target=self._run, name="earmark-stream", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stream.close()
        with self._changed:
            self._blocks.clear()
            self.waiting = 0
            self._changed.notify_all()
        self._thread.join(_JOIN_TIMEOUT)

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks as they come; raise what the stream has raised."""
        while True:
            with self._changed:
                while not self._blocks and not self._ended:
                    # a wait without end cannot be interrupted on Windows
                    self._changed.wait(0.2)
                if not self._blocks:
                    break
                block = self._blocks.popleft()
                self.waiting -= len(block.samples)
                lost, self._lost = block.lost + self._lost, 0
                self._changed.notify_all()
            yield replace(block, lost=lost) if lost else block
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with closing(self._stream.blocks(self._rate)) as blocks:
                for block in blocks:
                    if not self._put(block):
                        break
        except BaseException as error:  # the other thread raises it
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, block: Block) -> bool:
        """Keep a block; False when nobody wants it any more."""
        with self._changed:
            while self._blocks and self.waiting + len(block.samples) > self._capacity:
                if self._stream.live:
                    oldest = self._blocks.popleft()
                    self.waiting -= len(oldest.samples)
                    self._lost += len(oldest.samples) + oldest.lost
                else:
                    self._changed.wait(0.2)
                if self._stream.stopped.is_set():
                    return False
            if self._stream.stopped.is_set():
                return False
            self._blocks.append(block)
            self.waiting += len(block.samples)
            self._changed.notify_all()
            return True
