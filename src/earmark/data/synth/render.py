"""A score → samples: every note placed, then a room, an equaliser and a limiter."""

from __future__ import annotations

import numpy as np

from earmark.data.synth.instruments import Drum, Samples, Tone
from earmark.data.synth.score import Score


def render_score(score: Score, size: int, sample_rate: int) -> Samples:
    """Return `size` samples of `score`, dry; what sounds the same is rendered once."""
    track = np.zeros(size, np.float32)
    rendered: dict[tuple[Tone | Drum, float, float], Samples] = {}
    for note in score.notes:
        start = round(score.seconds(note.onset) * sample_rate)
        if start >= size:
            continue
        key = (note.voice, note.pitch, note.length)
        if key not in rendered:
            seconds = note.length * 60 / score.tempo
            rendered[key] = note.voice.render(note.pitch, seconds, sample_rate, score.rng)
        sound = rendered[key][: size - start]
        track[start : start + sound.size] += np.float32(note.velocity) * sound
    return track


def master(track: Samples, score: Score, sample_rate: int) -> Samples:
    """Return `track` in a room, equalised, without DC, gently limited and at a level of its own."""
    rng, size, tail = score.rng, track.size, round(1.2 * sample_rate)
    impulse = rng.standard_normal(tail, dtype=np.float32)
    # a room: decaying noise behind the direct sound
    impulse *= np.exp(-np.arange(tail, dtype=np.float32) / (rng.uniform(0.15, 0.35) * sample_rate))
    impulse *= score.style.room * rng.uniform(0.6, 1.4) / np.linalg.norm(impulse)
    impulse[0] = 1
    # a length without large prime factors, for the FFT
    padded = -(-(size + tail) // 4096) * 4096
    spectrum = np.fft.rfft(track, padded) * np.fft.rfft(impulse, padded)
    hz = np.fft.rfftfreq(padded, 1 / sample_rate).astype(np.float32)
    # a high-pass at 30 Hz, and a tilt of its own above 1 kHz
    spectrum *= hz**2 / (hz**2 + 30**2) * (1 + hz / 1000) ** np.float32(rng.uniform(-0.2, 0.6))
    wet: Samples = np.fft.irfft(spectrum, padded)[:size].astype(np.float32)
    # a soft limiter: peaks give way, the body stays
    wet = np.tanh(wet / (4 * wet.std()))
    wet -= wet.mean()
    return wet * np.float32(rng.uniform(0.3, 0.95) / np.abs(wet).max())
