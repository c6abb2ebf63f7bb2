"""Who takes the blocks of a stream too slowly."""

import time

import numpy as np
import pytest
from support.sounds import Made

from earmark.audio.streams.buffer import StreamBuffer
from earmark.audio.streams.stream import Block
from earmark.errors import AudioError


def numbered(count, size=100):
    return [Block(np.full(size, i, np.float32), 0.0) for i in range(count)]


def test_who_can_wait_is_made_to_wait():
    with StreamBuffer(Made(numbered(50)), 100, seconds=3) as buffer:
        time.sleep(0.1)
        assert buffer.waiting <= 300
        assert [b.samples[0] for b in buffer] == list(range(50))


def test_who_cannot_wait_loses_the_oldest_and_it_is_said():
    with StreamBuffer(Made(numbered(50), live=True), 100, seconds=3) as buffer:
        buffer._thread.join(2)
        assert buffer.waiting <= 300
        blocks = list(buffer)
    assert [b.samples[0] for b in blocks] == [47, 48, 49]
    assert [b.lost for b in blocks] == [4700, 0, 0]


def test_what_a_stream_raises_is_raised_to_its_listener():
    def broken():
        yield from numbered(1)
        raise AudioError("gone")

    with StreamBuffer(Made(broken()), 100) as buffer, pytest.raises(AudioError, match="gone"):
        list(buffer)
