"""Samples → MP3, which every browser plays by itself, or WAV."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.audio.loudness import require_mono
from earmark.errors import AudioError
from earmark.files import replacing

PLAY_RATE, BIT_RATE = 44_100, 96_000
"""Hz, and bits a second of one channel: hard to tell from the original, and constant, so that players find any moment
by counting bytes."""


def encode_mp3(blocks: Iterable[NDArray[np.float32]]) -> bytes:
    """Encode mono blocks, shape (samples,), at :data:`PLAY_RATE`; what exceeds full scale, ±1, is clipped.

    The file's first frame says how many samples the encoder has put before the sound, so that players leave them out.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=PLAY_RATE, layout="mono", bit_rate=BIT_RATE)
        given = 0
        for block in blocks:
            # planar floats: (samples,) → (channels, samples)
            frame = av.AudioFrame.from_ndarray(np.clip(block, -1, 1)[None].astype(np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = PLAY_RATE, given
            given += len(block)
            container.mux(stream.encode(frame))
        # None flushes what the encoder still holds
        container.mux(stream.encode(None))
    return file.getvalue()


def write_wav(path: Path, samples: ArrayLike, sample_rate: int, *, seed: int = 0) -> Path:
    """Write mono samples as 16-bit WAV with triangular dither, whole or not at all; return `path`.

    Full scale is ±1; samples beyond it, not finite or of several channels are an AudioError. `seed` is that of the
    dither, of which digital silence gets none.
    """
    sound = require_mono(samples)
    if np.abs(sound).max(initial=0.0) > 1:
        raise AudioError(f"samples reach {np.abs(sound).max():.2f}: need full scale ±1 (see master)")
    # triangular: the sum of two uniform ones, (samples,)
    dither = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, len(sound))).sum(axis=0) * bool(sound.any())
    # 32767, so that +1 fits into 16 bits; clipped, since dither may lead a step beyond
    integers = np.clip(np.rint(sound * 32767 + dither), -32768, 32767).astype("<i2")
    with replacing(Path(path)) as partial, partial.open("wb") as opened, wave.open(opened, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(integers.tobytes())
    return Path(path)
