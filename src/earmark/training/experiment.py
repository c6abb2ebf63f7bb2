"""What is learned from, and how it is divided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from earmark.data.corpus import Corpus, Track
from earmark.data.features.extract import Features, Reduction, extract
from earmark.data.groups import MIN_GROUPS
from earmark.data.rare_genres import filter_rare_genres
from earmark.data.splits import PARTS, Fold, Leak, Protocol, Split, measure_leak, split_clips
from earmark.errors import CorpusError, format_count
from earmark.training.recipe import Recipe
from earmark.training.settings import identify_run

Learns = Literal["train", "train+valid", "all"]


@dataclass(frozen=True)
class Experiment:
    """One model to be made and judged.

    Attributes
    ----------
    corpus : Corpus
    recipe : Recipe
    protocol : {"clip", "track", "artist", "album", "fault-filtered"}
        How the corpus is split into training, validation and test.
    seed : int
        Of the split, the weights, the order and dropout.
    fold : Fold, optional
        One turn of a cross-validation.
    learns : {"train", "train+valid", "all"}
        Which parts learn. Where "valid" does, nothing chooses an epoch: networks keep their last.

    Raises
    ------
    CorpusError
        If the corpus has one genre only.
    """

    corpus: Corpus
    recipe: Recipe
    protocol: Protocol = "track"
    seed: int = 0
    fold: Fold | None = None
    learns: Learns = "train"

    def __post_init__(self) -> None:
        if len(self.corpus.genres) < 2:
            raise CorpusError(
                f"the corpus has one genre, {self.corpus.genres[0]!r}: there is nothing to tell apart; add tracks of "
                "another"
            )

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two runs the same run, as plain types."""
        own = identify_run(
            recipe=self.recipe, protocol=self.protocol, seed=self.seed, fold=self.fold and asdict(self.fold)
        )
        learns = {"learns": self.learns} if self.learns != "train" else {}
        return {"corpus": self.corpus.fingerprint, **own, **learns}


@dataclass(frozen=True)
class Resources:
    """What a run works with, and whom it tells how far it is.

    Attributes
    ----------
    cache : Path, optional
        Folder for features.
    jobs : int
        Tracks decoded at once.
    device : str
        "auto", "cpu", "cuda"…
    on_track : callable, optional
        Called after each track whose clips are ready.
    on_epoch : callable, optional
        Called after each epoch, with skorch's record of it.
    """

    cache: Path | None = None
    jobs: int = 1
    device: str = "auto"
    on_track: Callable[[Track], None] | None = None
    on_epoch: Callable[[dict[str, Any]], None] | None = None


@dataclass(frozen=True)
class Material:
    """The clips of an experiment.

    Attributes
    ----------
    parts : dict of str to Features
        Clips of "train", "valid", and "test" where the split has one.
    corpus : Corpus
        The tracks that could be read; ``Features.track`` counts in it.
    leak : Leak
        What the judging clips have in common with the training clips.
    failed : dict of str to str
        Tracks that could not be read, and why.
    """

    parts: dict[str, Features]
    corpus: Corpus
    leak: Leak
    failed: dict[str, str]


def read_clips(experiment: Experiment, resources: Resources) -> tuple[Corpus, Features]:
    """Compute the clips of an experiment; returns the tracks that could be read, and their clips.

    Examples of a model are left out where their very sound is there too, whose label is the newer one; under protocol
    "album", also genres of which too few tracks could be read.
    """
    corpus = experiment.corpus
    clips = _extract(experiment, corpus, experiment.recipe.hops(experiment.protocol)[0], resources, resources.on_track)
    repeated = _find_repeated(corpus, clips)
    left_out = repeated | clips.failed.keys()
    readable = replace(corpus, tracks=tuple(track for track in corpus.tracks if track.id not in left_out))
    if repeated:
        known = f"{format_count(len(repeated), 'track')} that the model had learned from, given again"
        readable = replace(readable, notes=(*readable.notes, f"{known}: the genre given now counts"))
    if experiment.protocol == "album":
        readable = filter_rare_genres(readable, MIN_GROUPS)
    names = {track.id for track in readable.tracks}
    # ascending, so that searchsorted gives a track's place in it
    kept = np.array([i for i, track in enumerate(corpus.tracks) if track.id in names])
    readable = replace(readable, tracks=corpus.subset(kept).tracks)
    clips = clips.part(np.flatnonzero(np.isin(clips.track, kept)))
    return readable, replace(clips, track=np.searchsorted(kept, clips.track))  # counts in `readable`


def gather(experiment: Experiment, resources: Resources, computed: tuple[Corpus, Features] | None = None) -> Material:
    """Make and split the clips of an experiment; those of training may overlap.

    `computed` is what :func:`read_clips` gave, where several experiments share it.
    """
    readable, clips = computed or read_clips(experiment, resources)
    hop_seconds, train_hop_seconds = experiment.recipe.hops(experiment.protocol)
    split = split_clips(readable, clips.track, experiment.protocol, experiment.seed, experiment.fold)
    split = _merge_parts(split, experiment.learns)
    parts = {part: clips.part(getattr(split, part)) for part in PARTS if len(getattr(split, part))}
    _require_all(parts, readable, ("train", "valid") if experiment.learns == "train" else ("train",))
    leak = measure_leak(readable, clips.track, split)
    # overlapping clips are cut of the training tracks only
    if train_hop_seconds != hop_seconds:
        learning = np.unique(parts["train"].track)
        overlapping = _extract(experiment, readable.subset(learning), train_hop_seconds, resources)
        # from counting in the subset back to counting in `readable`
        parts["train"] = replace(overlapping, track=learning[overlapping.track])
    return Material(parts, readable, leak, clips.failed)


def _find_repeated(corpus: Corpus, clips: Features) -> set[str]:
    """Return the ids of a model's examples whose clips are those of a sound file too."""
    # most corpora have no examples: then the clips, which may fill the memory, are not copied
    if all(track.embedding is None for track in corpus.tracks):
        return set()
    content = {i: clips.X[clips.track == i].tobytes() for i in np.unique(clips.track)}
    files = {content[i] for i in content if corpus.tracks[i].path}
    return {corpus.tracks[i].id for i in content if corpus.tracks[i].embedding is not None and content[i] in files}


def _extract(
    experiment: Experiment,
    corpus: Corpus,
    hop_seconds: float,
    resources: Resources,
    on_track: Callable[[Track], None] | None = None,
) -> Features:
    recipe = experiment.recipe
    return extract(
        corpus, recipe.front_end, recipe.clip_seconds, hop_seconds=hop_seconds,
        reduction=Reduction(recipe.pool is not None, recipe.max_clips),
        cache=resources.cache, jobs=resources.jobs, on_track=on_track,
    )  # fmt: skip


def _merge_parts(split: Split, learns: Learns) -> Split:
    """Move the valid part, or all, into the train part."""
    if learns == "train":
        return split
    test = split.test if learns == "train+valid" else split.test[:0]
    joining = [split.valid] if learns == "train+valid" else [split.valid, split.test]
    # [:0] is empty, of the same type
    return Split(split.protocol, np.sort(np.concatenate([split.train, *joining])), split.valid[:0], test)


def _require_all(parts: dict[str, Features], corpus: Corpus, needed: Sequence[str]) -> None:
    for part in needed:
        missing = sorted(set(corpus.genres) - set(parts[part].y if part in parts else ()))
        if part not in parts or (missing and part == "train"):
            raise CorpusError(
                f"the {part} part of the split has no clips" + (f" of {', '.join(missing)}" if missing else "")
                + ": give more tracks of each genre"
            )  # fmt: skip
