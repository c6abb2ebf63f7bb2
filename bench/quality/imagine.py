"""Whether the loop closes: ``python bench/quality/imagine.py [MODEL…] [--from SONG] [--seconds S] [-o DIR]``.

``earmark imagine --all`` lets each model imagine every genre; ``earmark classify`` hears the files, which it knows
nothing of. Confidence is what it says of the wanted genre. The rest is measured on the files: loudness (BS.1770), true
and sample peak, DC, and the share of the energy that lies above 20 Hz and within the band of the model's front end.
Others are the bundled models that know the same genres, and had no part in it: of how many it is the first choice.
``--picture FILE`` draws the sounds of the first model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from earmark.audio import LogMel, probe
from earmark.audio.decode import decode
from earmark.audio.loudness import loudness, true_peak
from earmark.inference.model import DEFAULT, list_models, open_model

COMMAND = Path(sys.executable).with_name("earmark")


def main() -> None:
    """Measure and show."""
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        root = options.output or Path(scratch)
        for i, model in enumerate(options.models):
            folder = root / Path(model).stem
            rows = _measured(model, folder, options)
            _show(model, rows, options)
            if options.picture and i == 0:
                _draw(folder, [str(row["genre"]) for row in rows], options.picture)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=[DEFAULT], metavar="MODEL")
    parser.add_argument("--from", dest="start", default="noise")
    parser.add_argument("--seconds", default="30")
    parser.add_argument("--seed", default="0")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="keep the sounds here")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the first model's sounds (PNG)")
    return parser.parse_args()


def _measured(model: str, folder: Path, options: argparse.Namespace) -> list[dict[str, object]]:
    """One row a genre."""
    imagined = ["imagine", "--all", "-o", folder, "--from", options.start, "--seconds", options.seconds]
    subprocess.run([COMMAND, *imagined, "--seed", options.seed, "--model", model], check=False, stdout=sys.stderr)
    front_end, labels = open_model(model).card.front_end, open_model(model).card.labels
    others = [name for name in list_models() if name != model and open_model(name).card.labels == labels]
    opinions = [_heard(folder, other) for other in others]
    rows = []
    for i, record in enumerate(_heard(folder, model)):
        genre, rate = Path(record["path"]).stem, probe(record["path"]).sample_rate
        samples = decode(record["path"], rate)
        rows.append(
            {
                "genre": genre,
                "heard": record["genre"] or f"unknown ({record['reason']})",
                "confidence": record["genres"].get(genre, 0.0),
                "others": f"{sum(next(iter(each[i]['genres']), '') == genre for each in opinions)} of {len(others)}",
                "LUFS": loudness(samples, rate),
                "true peak": true_peak(samples, rate),
                "peak": 20 * np.log10(np.abs(samples).max()),
                "DC": 20 * np.log10(max(abs(float(samples.mean(dtype=np.float64))), 1e-9)),
                "in band": _within(samples, rate, 20.0, front_end.sample_rate / 2),
            }
        )
    return rows


def _heard(folder: Path, model: str) -> list[dict[str, Any]]:
    """Return what ``earmark classify`` says of the files."""
    arguments = [COMMAND, "classify", folder, "--model", model, "--format", "json"]
    said = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in said.splitlines()]


def _within(samples: NDArray[np.float32], rate: int, low: float, high: float) -> float:
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    return float(power[(hz >= low) & (hz <= high)].sum() / power.sum())


def _show(model: str, rows: list[dict[str, object]], options: argparse.Namespace) -> None:
    closed = sum(row["heard"] == row["genre"] and float(str(row["confidence"])) >= 0.8 for row in rows)
    title = f"{model}, from {options.start}, {options.seconds} s: {closed} of {len(rows)} heard again at 0.8 or more"
    table = Table(title=title)
    for name, unit in zip(rows[0], ["", "", "", "", "", " dBTP", " dBFS", " dBFS", ""], strict=True):
        table.add_column(name + unit, justify="left" if name in ("genre", "heard") else "right")
    for row in rows:
        genre, heard, confidence, others, *levels, share = row.values()
        cells = (f"{level:.1f}" for level in levels)
        table.add_row(str(genre), str(heard), f"{confidence:.3f}", str(others), *cells, f"{share:.2%}")
    Console(width=130).print(table)


def _draw(folder: Path, genres: list[str], path: Path) -> None:
    """Draw the spectrograms of all sounds, ten seconds of each."""
    from matplotlib import pyplot as plt
    from PIL import Image

    figure, axes = plt.subplots(2, (len(genres) + 1) // 2, figsize=(12, 4.6), sharex=True, sharey=True)
    for axis, genre in zip(axes.flat, genres, strict=False):
        rate = min(22050, probe(folder / f"{genre}.wav").sample_rate)
        front_end = LogMel(sample_rate=rate, n_fft=1024 * rate // 16000, hop_length=rate // 100, n_mels=80, top_db=60)
        level = front_end(decode(folder / f"{genre}.wav", rate)[: 10 * rate])
        axis.imshow(level.T, origin="lower", aspect="auto", cmap="magma", extent=(0, 10, 0, 80))
        axis.set_title(genre, fontsize=10)
        axis.set_xticks([0, 4, 8])
        marks = [100, 500, 1000, 2000, 5000]
        axis.set_yticks([float(np.interp(hz, front_end.frequencies, np.arange(80))) for hz in marks], marks, fontsize=7)
    figure.supxlabel("seconds", fontsize=9)
    figure.supylabel("Hz", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)
    with Image.open(path) as drawn:  # 64 colours take a quarter of the room
        drawn.convert("RGB").quantize(64).save(path, optimize=True)


if __name__ == "__main__":
    main()
