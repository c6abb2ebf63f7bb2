"""Sounds that go on, and verdicts, made for tests."""

import io
import struct
import wave

import numpy as np

from earmark.audio.streams.stream import Stream
from earmark.inference.live import RunningVerdict

RATE = 22050


def noise(seconds, rate=RATE, seed=0, level=0.1):
    """Noise that swells twice a second: dull, but not silence."""
    n = round(seconds * rate)
    swell = 1 + np.sin(2 * np.pi * 2 * np.arange(n) / rate)
    return (level * swell * np.random.default_rng(seed).standard_normal(n)).clip(-0.99, 0.99).astype(np.float32)


def noise_and_tone(rng, n):
    """Samples with loud and quiet stretches: 60 dB between them."""
    t = np.arange(n)
    sound = 0.5 * np.sin(0.05 * t) + 0.1 * rng.standard_normal(n)
    return (sound * np.where(t < n // 2, 0.8, 8e-4)).astype(np.float32)


def heard(stream, rate=RATE):
    return np.concatenate([b.samples for b in stream.blocks(rate)])


def collected(verdicts, into):
    for verdict in verdicts:
        into.append(verdict)
    return []


class Made(Stream):
    """Blocks that were made before."""

    def __init__(self, blocks, live=False):
        super().__init__("made")
        self.live, self._blocks = live, blocks

    def blocks(self, sample_rate):
        yield from self._blocks


def told(letters, titles=None, step=0.5):
    """Verdicts from letters: a genre each, '-' and '?' doubts, ' ' silence, '.' too short, '!' speech."""
    reasons = {"-": "two genres alike", "?": "unlike what it learned", " ": "silence", ".": "too short", "!": "speech"}
    for i, c in enumerate(letters):
        genre, genres = (None, {}) if c in reasons else (c, {c: 0.8})
        title = titles[i] if titles else None
        yield RunningVerdict((i + 1) * step, genre, reasons.get(c), 0.8, genres, title, 0.0, -20.0, 0)


def wave_bytes(samples, *, rate=44100, channels=1, claimed=None, riff=None):
    data = np.asarray(samples, "<i2").tobytes()
    fmt = struct.pack("<HHIIHH", 1, channels, rate, (rate * channels * 2) % 2**32, channels * 2 % 2**16, 16)
    head = (
        b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", len(data) if claimed is None else claimed)
    )
    return b"RIFF" + struct.pack("<I", len(head) + len(data) if riff is None else riff) + head + data


def rms(samples):
    return np.sqrt(np.mean(np.square(samples, dtype=np.float64)))


def share_above(samples, rate, hz):
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    return power[np.fft.rfftfreq(len(samples), 1 / rate) > hz].sum() / power.sum()


def wav(samples, rate):
    file = io.BytesIO()
    with wave.open(file, "wb") as w:
        w.setparams((1, 2, rate, 0, "NONE", ""))
        w.writeframes((samples * 32767).astype("<i2").tobytes())
    file.seek(0)
    return file
