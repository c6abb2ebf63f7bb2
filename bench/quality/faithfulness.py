"""How far explanations can be trusted: deletion and insertion on real clips, against random orders.

Attention that was moved in time, round the clip, is a stricter control than random frames: as connected, but elsewhere.

python bench/quality/faithfulness.py gtzan/audio
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from curves import Curves, curves, order
from numpy.typing import NDArray
from rich.progress import track

from earmark.audio import AudioFile
from earmark.audio.spectrogram import FrontEnd
from earmark.explanation.integrated_gradients import IntegratedGradients
from earmark.explanation.occlusion import Cells, Occlusion, make_neutral
from earmark.inference.aggregate import pool_clips
from earmark.inference.tagger import Tagger

RANDOM = 10
"""Random orders of each clip's cells."""

Frames = NDArray[np.float32]


def mean_spectrum(frames: Frames, front_end: FrontEnd) -> Frames:
    """Return the clip's own mean of every bin."""
    return np.broadcast_to(frames.mean(axis=0), frames.shape)


def level(frames: Frames, front_end: FrontEnd) -> Frames:
    """Return the mean of the whole clip."""
    return np.full_like(frames, frames.mean())


def silence(frames: Frames, front_end: FrontEnd) -> Frames:
    """Return the quietest that a clip of the bundled models may hold."""
    return np.full_like(frames, max(frames.min(), frames.max() - 80))


REPLACEMENTS = {"line (used)": make_neutral, "own mean spectrum": mean_spectrum, "flat": level, "silence": silence}


@dataclass
class Figures:
    """What one method gave, clip by clip.

    Attributes
    ----------
    drops, deletions, insertions : list of float
    against : list of float
        Drops less those of the mean random order of the same clip.
    elsewise : list of float
        Drops where what is deleted is replaced by a flat level instead.
    """

    drops: list[float] = field(default_factory=list)
    against: list[float] = field(default_factory=list)
    deletions: list[float] = field(default_factory=list)
    insertions: list[float] = field(default_factory=list)
    elsewise: list[float] = field(default_factory=list)


def clips(folder: Path, per_genre: int, tagger: Tagger) -> Iterator[Frames]:
    """Yield a clip from the middle of some tracks of each genre."""
    rate, seconds = tagger.card.front_end.sample_rate, tagger.card.clip_seconds
    rng = np.random.default_rng(0)
    for genre in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in rng.permutation(sorted(map(str, genre.glob("*.*"))))[:per_genre]:
            with AudioFile(path) as recording:
                start = ((recording.info.duration or 30.0) - seconds) / 2
                yield tagger.card.front_end(np.concatenate(list(recording.blocks(rate, start=start, duration=seconds))))


def judge(tagger: Tagger, all_frames: list[Frames]) -> dict[str, dict[str, Figures]]:
    """Curves of every method, by whole frames and by cells of time and frequency."""
    methods: dict[str, Callable[[Frames], NDArray[np.floating]]] = {
        "occlusion": lambda frames: Occlusion(tagger)(frames, lambda _: None)[..., label],
        "integrated gradients": lambda frames: gradients.shares(frames)[..., label],
    }
    if tagger.card.attention:
        methods["attention"] = lambda frames: _attention(tagger, frames)
        # by an eighth of the clip at least
        methods["attention, moved"] = lambda frames: np.roll(
            _attention(tagger, frames), int(len(frames) * rng.uniform(0.125, 0.89))
        )
    gradients = IntegratedGradients(tagger.model)
    rng = np.random.default_rng(0)
    found = {shape: {name: Figures() for name in [*methods, "random"]} for shape in ("cells", "frames")}
    shared = []
    for frames in track(all_frames, tagger.card.name):
        label = int(tagger.predict_log_proba(frames[None])[0].argmax())
        given = {name: method(frames) for name, method in methods.items()}
        for shape, cells in _divide(tagger, len(frames)):
            orders = [order(_fitted(values, cells, tagger), rng) for values in given.values()]
            if shape == "cells":
                first = orders[0].size // 10
                shared.append(len({*orders[0][:first]} & {*orders[1][:first]}) / first)
            orders += [rng.permutation(orders[0].size) for _ in range(RANDOM)]
            _note(
                found[shape],
                *(curves(tagger, frames, cells, np.stack(orders), label, r) for r in (make_neutral, level)),
            )
    print(f"Of the tenth that occlusion finds, gradients find {np.mean(shared):.0%}.\n")
    return found


def _divide(tagger: Tagger, n_frames: int) -> list[tuple[str, Cells]]:
    return [("cells", Cells.of(tagger.card, n_frames)), ("frames", Cells.of_frames(tagger.card, n_frames))]


def _attention(tagger: Tagger, frames: Frames) -> NDArray[np.floating]:
    """Return the weight of each frame of a clip, shape (frames,)."""
    weights = tagger.predict_frames(frames[None]).attention
    assert weights is not None
    # an encoder's step holds for its share of the frames
    step = np.arange(len(frames)) * weights.shape[1] // len(frames)
    return weights[0, step] * weights.shape[1] / len(frames)


def _fitted(values: NDArray[np.floating], cells: Cells, tagger: Tagger) -> NDArray[np.floating]:
    """Return importance as found, (columns, bands), (frames, bins) or (frames,), on these cells."""
    if values.ndim == 1:
        values = np.repeat(values[:, None] / tagger.card.n_bins, tagger.card.n_bins, axis=1)
    elif len(values) < len(cells.times):
        own = Cells.of(tagger.card, len(cells.times))
        values = own.expand(values / own.sum_cells(np.ones((len(own.times), len(own.bands)))))
    return cells.sum_cells(values)


def _note(figures: dict[str, Figures], ours: Curves, others: Curves) -> None:
    deletion, insertion = ours.areas
    chance = float(ours.drop[-RANDOM:].mean())
    for i, one in enumerate(figures.values()):
        some = slice(i, i + 1) if i < len(figures) - 1 else slice(-RANDOM, None)
        one.drops.append(float(ours.drop[some].mean()))
        one.against.append(float(ours.drop[some].mean()) - chance)
        one.deletions.append(float(deletion[some].mean()))
        one.insertions.append(float(insertion[some].mean()))
        one.elsewise.append(float(others.drop[some].mean()))


def interval(values: list[float]) -> str:
    """Mean, with its 95 % interval by bootstrap over clips."""
    array = np.array(values)
    means = array[np.random.default_rng(0).integers(0, len(array), (2000, len(array)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{array.mean():.3f} ({low:.3f} to {high:.3f})"


def table(found: dict[str, dict[str, Figures]]) -> None:
    """Print Markdown."""
    print("| deleted | by | drop, a tenth deleted | more than random | drop, flat holes | deletion | insertion |")
    print("|---|---|---|---|---|---:|---:|")
    for shape, figures in found.items():
        for name, one in figures.items():
            more = f"{np.mean(np.array(one.against) > 0):.0%} of clips" if name != "random" else ""
            areas = f"{np.mean(one.deletions):.3f} | {np.mean(one.insertions):.3f}"
            print(f"| {shape} | {name} | {interval(one.drops)} | {more} | {interval(one.elsewise)} | {areas} |")


def attended(tagger: Tagger, all_frames: list[Frames]) -> None:
    """Print where in the clip attention lies."""
    weights = np.array([_attention(tagger, frames) for frames in all_frames])
    tenth = weights.shape[1] // 10
    best = np.argsort(-weights, axis=1)[:, :tenth]
    ends = np.mean((best < tenth) | (best >= weights.shape[1] - tenth))
    print(
        f"Of the {tenth} most attended frames {ends:.0%} are among the first or last {tenth}; the last {tenth} get "
        f"{weights[:, -tenth:].sum(axis=1).mean():.0%} of all attention; the highest (median) is "
        f"{np.median(weights.max(axis=1)) * weights.shape[1]:.2f} times an even share."
    )


def compare(tagger: Tagger, all_frames: list[Frames]) -> None:
    """Print what hiding regions does, by what they are replaced by."""
    print("\n| replaced by | left when all is hidden | drop, a random tenth | drop, the tenth of occlusion |")
    print("|---|---:|---:|---:|")
    rng = np.random.default_rng(0)
    for name, replacement in REPLACEMENTS.items():
        left, chance, found = [], [], []
        for frames in all_frames:
            label = int(tagger.predict_log_proba(frames[None])[0].argmax())
            cells = Cells.of(tagger.card, len(frames))
            ranked = order(Occlusion(tagger, 2, replacement)(frames, lambda _: None)[..., label], rng)
            orders = np.stack([ranked, *(rng.permutation(ranked.size) for _ in range(5))])
            result = curves(tagger, frames, cells, orders, label, replacement)
            left.append(result.insertion[0, 0])
            found.append(result.drop[0])
            chance.append(result.drop[1:].mean())
        print(f"| {name} | {np.mean(left):.2f} | {np.mean(chance):.3f} | {np.mean(found):.3f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="one folder a genre")
    parser.add_argument("--per-genre", type=int, default=12, help="clips of each genre")
    parser.add_argument("--model", action="append", help="gtzan and paper-attention-2x60 when left out")
    options = parser.parse_args()
    for model in options.model or ["gtzan", "paper-attention-2x60"]:
        tagger = Tagger(model)
        all_frames = list(clips(options.folder, options.per_genre, tagger))
        begin = time.perf_counter()
        temperature = tagger.card.calibration.clip_temperature
        log_p = [tagger.predict_log_proba(frames[None]) for frames in all_frames]
        whole = np.mean([pool_clips(clip, temperature).max() for clip in log_p])
        print(f"\n{model}: {len(all_frames)} clips, mean probability of the best genre {whole:.2f}\n")
        if tagger.card.attention:
            attended(tagger, all_frames)
        table(judge(tagger, all_frames))
        compare(tagger, all_frames)
        print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
