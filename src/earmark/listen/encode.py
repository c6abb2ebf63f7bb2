"""Samples → MP3, which every browser plays without help from the system."""

from __future__ import annotations

import io
from collections.abc import Iterable

import av
import numpy as np
from numpy.typing import NDArray

PLAY_RATE, BIT_RATE = 44_100, 96_000
"""Hz, and bits a second: of one channel, hard to tell from the original; a constant rate, so that players find any
moment by counting bytes."""


def mp3(blocks: Iterable[NDArray[np.float32]]) -> bytes:
    """Encode mono samples at :data:`PLAY_RATE`.

    The file's first frame says how many samples the encoder has put before the sound, so that players leave them out.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (samples,)
        Full scale ±1; what exceeds it is clipped.

    Returns
    -------
    bytes
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=PLAY_RATE, layout="mono", bit_rate=BIT_RATE)
        given = 0
        for block in blocks:
            frame = av.AudioFrame.from_ndarray(np.clip(block, -1, 1)[None].astype(np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = PLAY_RATE, given
            given += len(block)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
