"""Magnitudes → sound → magnitudes: ``python bench/quality/inversion.py FOLDER [--clips N] [--json FILE]``.

How well, on real clips, the inversion of each front end keeps the spectrogram it was given, beside librosa's
(``griffinlim`` for the density, ``mel_to_audio`` for log-mel) on the same clips in the same run. Spectral convergence
is ``20 log10(‖|S| − |Ŝ|‖ / ‖|S|‖)`` in dB; beating is the share of a sound's power that goes up and down at the
frame rate, the original's for comparison.

Then the loop: a clip's spectrogram is inverted, mastered, written as WAV, and read again. How much of the answer of the
bundled model survives, and of the density?
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import librosa
import numpy as np
import soxr
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from earmark.audio import FrontEnd, LogMel, StftDensity
from earmark.audio.decode import decode
from earmark.audio.encode import write_wav
from earmark.audio.griffin_lim import invert
from earmark.audio.loudness import master
from earmark.files import walk
from earmark.inference.tagger import Tagger

Array = NDArray[np.float32]

FRONT_ENDS = {
    "the paper's density": StftDensity(),
    "the bundled model's log-mel": LogMel(hop_length=1707, center=False),
}
_SECONDS, _ROUNDS = 5, 64


def main() -> None:
    """Measure and show."""
    options = _options()
    paths = list(walk(options.folder))
    paths = [paths[i] for i in np.linspace(0, len(paths) - 1, min(options.clips, len(paths))).astype(int)]
    rows = [
        {"front end": name, "method": method, "clips": len(paths), **measured}
        for name, front_end in FRONT_ENDS.items()
        for method, measured in _compare(front_end, paths).items()
    ]
    shown = Table(*rows[0], title=f"{_ROUNDS} rounds; median [5 %, 95 %] and worst")
    for row in rows:
        shown.add_row(*(str(value) if isinstance(value, str | int) else _spread(value) for value in row.values()))
    Console(width=170).print(shown)
    loops = _answers(paths), _written(paths)
    for name, values in (pair for loop in loops for pair in loop.items()):
        Console(width=170).print(f"{name}: {_spread(values) if len(set(values)) > 2 else np.mean(values)}")
    if options.json:
        record = {"inversion": rows, "loop": loops}
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every clip's figures here")
    return parser.parse_args()


def _compare(front_end: FrontEnd, paths: list[Path]) -> dict[str, dict[str, list[float]]]:
    """Figures of every clip, by method and what was measured."""
    methods: dict[str, Callable[[Array, int], Array]] = {
        "earmark": lambda S, n: invert(S, front_end, length=n, iterations=_ROUNDS),
        "librosa": lambda S, n: _librosa(S, front_end, n),
    }
    found: dict[str, dict[str, list[float]]] = {name: {} for name in ("the clips themselves", *methods)}
    length = _SECONDS * front_end.sample_rate
    for path in paths:
        clip = decode(path, front_end.sample_rate)[length : 2 * length]
        wanted = front_end(clip)
        _note(found["the clips themselves"], wanted, clip, front_end, 0.0)
        for name, method in methods.items():
            begin = time.perf_counter()
            sound = method(wanted, len(clip))
            _note(found[name], wanted, sound, front_end, time.perf_counter() - begin)
    return found


def _answers(paths: list[Path]) -> dict[str, list[float]]:
    """Return what the bundled model says of clips, and of the WAVs that their spectrograms became."""
    tagger = Tagger()
    front_end, rate = tagger.card.front_end, tagger.card.front_end.sample_rate
    same, change = [], []
    for path in paths:
        clip = decode(path, rate)[_SECONDS * rate : 2 * _SECONDS * rate]
        before = tagger.classify(clip, rate).genres
        after = tagger.classify(*_read_again(invert(front_end(clip), front_end, length=len(clip)), rate)).genres
        top = next(iter(before))
        same.append(float(top == next(iter(after))))
        change.append(abs(before[top] - after[top]))
    return {"same first genre after WAV": same, "change of its probability": change}


def _written(paths: list[Path]) -> dict[str, list[float]]:
    """Convergence of the paper's density where the sound was mastered, written and read at 4 kHz; up to a gain."""
    front_end, found = StftDensity(), []
    for path in paths:
        clip = decode(path, 4000)[20000:40000]
        wanted = np.sqrt(front_end(clip).astype(np.float64))
        samples, rate = _read_again(invert(front_end(clip), front_end, length=len(clip)), 4000)
        got = np.sqrt(front_end(soxr.resample(samples, rate, 4000)[: len(clip)]).astype(np.float64))
        gain = np.sum(wanted * got) / np.sum(got**2)
        found.append(float(20 * np.log10(np.linalg.norm(wanted - gain * got) / np.linalg.norm(wanted))))
    return {"convergence of the density after WAV, dB": found}


def _read_again(samples: Array, rate: int) -> tuple[Array, int]:
    with TemporaryDirectory() as folder:
        sound, rate = master(samples, rate)
        return decode(write_wav(Path(folder) / "a.wav", sound, rate), rate), rate


def _librosa(spectrogram: Array, front_end: FrontEnd, length: int) -> Array:
    """Invert as one would with librosa; its window for the density has to be handed over."""
    sizes = {"n_fft": front_end.n_fft, "hop_length": front_end.hop_length, "center": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, on frames that hardly overlap
        if isinstance(front_end, LogMel):
            power = librosa.db_to_power(spectrogram.T)
            sound = librosa.feature.inverse.mel_to_audio(
                power, sr=front_end.sample_rate, n_iter=_ROUNDS, length=length, **sizes
            )
        else:
            scale = np.sum(front_end.window**2) / front_end.amplitude**2
            power = spectrogram.T * scale
            power[1:-1] /= 2
            sound = librosa.griffinlim(
                np.sqrt(power), n_iter=_ROUNDS, window=front_end.window, length=length, random_state=0, **sizes
            )
    return np.nan_to_num(sound).astype(np.float32)


def _note(found: dict[str, list[float]], wanted: Array, sound: Array, front_end: FrontEnd, seconds: float) -> None:
    got = front_end(sound)
    one, other = (_magnitudes(x, front_end) for x in (wanted, got))
    rate = front_end.sample_rate / front_end.hop_length
    floor = 0 if isinstance(front_end, LogMel) else 1e-4
    one_db, other_db = (x if isinstance(front_end, LogMel) else 10 * np.log10(x + floor) for x in (wanted, got))
    error = max(float(np.linalg.norm(one - other) / np.linalg.norm(one)), 1e-10)
    for name, value in {
        "convergence, dB": 20 * np.log10(error),
        "error, dB": float(np.abs(one_db - other_db).mean()),
        "beating": _beating(sound, rate / front_end.sample_rate),
        "seconds": seconds,
    }.items():
        found.setdefault(name, []).append(round(float(value), 4))


def _magnitudes(spectrogram: Array, front_end: FrontEnd) -> NDArray[np.float64]:
    power = spectrogram.astype(np.float64)
    return np.sqrt(10 ** (power / 10) if isinstance(front_end, LogMel) else power)


def _beating(sound: Array, cycles_a_sample: float) -> float:
    power, weight = sound.astype(np.float64) ** 2, np.hanning(len(sound))
    wave = np.exp(-2j * np.pi * cycles_a_sample * np.arange(len(sound)))
    return float(abs(np.sum(weight * power * wave)) / np.sum(weight * power))


def _spread(values: list[float]) -> str:
    low, middle, high = np.percentile(values, [5, 50, 95])
    return f"{middle:.3g} [{low:.3g}, {high:.3g}], {max(values):.3g}"


if __name__ == "__main__":
    main()
