"""Is an album named better than its tracks? ``python bench/quality/albums.py GTZAN``, for docs/beets.md.

GTZAN is the folder that ``bench/make_models.py`` takes. Excerpts of one artist and one genre, 3 to 12, stand for an
album. Each is answered by a model that knows no track of its artist; shown are means of three seeds of five folds.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from earmark.evaluation import metrics
from earmark.evaluation.calibration import Answers, calibrate
from earmark.library.tags.selection import MIN_SHARE

sys.path.insert(0, str(Path(__file__).parents[1]))
import make_models

LARGEST = 12
Pool = Callable[[NDArray[np.float64]], int]

RULES: dict[str, Pool] = {
    "plain mean": lambda p: int(p.mean(axis=0).argmax()),
    "mean weighted by confidence": lambda p: int((p.max(axis=1) @ p).argmax()),
    "mean of logarithms": lambda p: int(np.log(p).mean(axis=0).argmax()),
    # of as many votes, those that are surer
    "vote": lambda p: int(np.bincount(p.argmax(axis=1), 1 + 1e-6 * p.max(axis=1)).argmax()),
}


def group(tracks: list[str], genres: NDArray[np.intp], folder: Path) -> list[list[int]]:
    """Return albums: the numbers of tracks of one artist and one genre."""
    with (folder / "tracks.csv").open(encoding="utf-8", newline="") as file:
        artists = {row["track"]: row["artist"] or row["artist_by_fingerprint"] for row in csv.DictReader(file)}
    own: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for number, track in enumerate(tracks):
        if artist := artists.get(track):
            own[artist, genres[number]].append(number)
    albums = (tracks[i : i + LARGEST] for tracks in own.values() for i in range(0, len(tracks), LARGEST))
    return [album for album in albums if len(album) >= 3]


def count_outliers(p: NDArray[np.float64], sure: NDArray[np.bool_]) -> int:
    """Count tracks that are sure of a genre which the others hardly have, as ``library.albums.disagrees`` does."""
    others = (p.sum(axis=0) - p) / (len(p) - 1)
    return int(np.sum(sure & (others[np.arange(len(p)), p.argmax(axis=1)] < MIN_SHARE)))


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gtzan", type=Path)
    folder = parser.parse_args().gtzan
    whole, short, extra = (make_models.hear(folder / part) for part in ("audio", "short", "16khz"))
    arrays = make_models.read_blurred(folder / "logmel_639x128x387_u8.npz")
    owner = np.concatenate([whole.track, short.track + len(whole.tracks)])
    tracks = whole.tracks + short.tracks
    labels, genres = np.unique([track.genre for track in tracks], return_inverse=True)
    albums = group([track.id for track in tracks], genres, folder)
    shares: defaultdict[str, list[float]] = defaultdict(list)
    for seed in range(make_models.SEEDS):
        log_p, novelty = make_models.cross_validate(whole, short, extra, arrays, seed)
        answers = Answers(log_p, owner, genres[owner], tuple(map(str, labels)), novelty=novelty)
        calibration = calibrate(answers)
        p = metrics.softmax(metrics.pool(log_p, owner, genres[owner])[0] / calibration.track_temperature)
        members = np.concatenate(albums)
        shares["each track for itself"].append(float(np.mean(p[members].argmax(axis=1) == genres[members])))
        for name, rule in RULES.items():
            right = sum(len(album) * (rule(p[album]) == genres[album[0]]) for album in albums)
            shares[name].append(right / len(members))
        sure = (p.max(axis=1) >= calibration.tag_threshold) & (answers.track_novelty <= calibration.novelty)
        n = sum(count_outliers(p[album], sure[album]) for album in albums)
        shares["tracks said to be unlike their album"].append(n / len(members))
    table = Table(f"{len(albums)} albums, {len(members)} tracks", "share of tracks", "by seed")
    for name, values in shares.items():
        table.add_row(name, f"{np.mean(values):.1%}", " ".join(f"{value:.1%}" for value in values))
    Console().print(table)


if __name__ == "__main__":
    main()
