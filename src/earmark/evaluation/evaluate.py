"""Evaluation: what a model says of tracks whose genre is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from earmark.data.corpus import Corpus, Track
from earmark.data.known_genres import divide_by_labels
from earmark.data.splits import PARTS, split_tracks
from earmark.errors import AudioError, CorpusError, SettingError
from earmark.evaluation.calibration import Answers
from earmark.evaluation.rejection import count_rejections
from earmark.evaluation.report import Report, judge
from earmark.inference.aggregate import TrackPrediction, is_novel, make_verdict, mean_outputs, reject_sound
from earmark.inference.batch import predict_many
from earmark.inference.tagger import Tagger
from earmark.inference.verdict import Verdict


def evaluate(
    tagger: Tagger,
    corpus: Corpus,
    *,
    protocol: str = "all",
    part: str = "all",
    seed: int = 0,
    on_track: Callable[[Track], None] | None = None,
    jobs: int = 1,
) -> Report:
    """Let a model classify a corpus, as a user would, and compare with the truth.

    Parameters
    ----------
    tagger : Tagger
    corpus : Corpus
        Its genres are matched with the model's labels in any spelling, and a style counts as its family. Tracks of
        other genres are foreign: the report counts how many of them are named, and leaves them out of all else.
    protocol, part : str
        Judge only this part of this split; "all" takes every track.
    seed : int
        Of the split.
    on_track : callable, optional
        Called after each track.
    jobs : int
        Files worked on at once.

    Returns
    -------
    Report

    Raises
    ------
    CorpusError
        If the corpus holds no genre that the model knows, or nothing could be read.
    """
    chosen = select_part(corpus, tagger.labels, protocol, part, seed)
    ids: list[str] = []
    log_p, track, y, rejected = [], [], [], []
    foreign: dict[str, list[Verdict]] = {}
    failed: dict[str, str] = {}
    for item, prediction in predict_corpus(tagger, chosen, jobs):
        if on_track:
            on_track(item)
        if prediction.error:
            failed[item.id] = prediction.error
        if item.genre not in tagger.labels:
            if not prediction.error:
                foreign.setdefault(item.genre, []).append(make_verdict(prediction, tagger.card))
            continue
        # silent and too short clips have none
        clips = [clip.log_probabilities for clip in prediction.clips if clip.log_probabilities is not None]
        log_p += clips
        track += [len(ids)] * len(clips)
        y += [tagger.labels.index(item.genre)] * len(clips)
        mean = mean_outputs(prediction.clips)
        rejected += [reject_sound(mean) is not None or is_novel(mean, tagger.card)] * len(clips)
        ids.append(item.id)
    if not y:
        raise CorpusError("no track of the corpus could be judged" + "".join(f"; {k}: {v}" for k, v in failed.items()))
    # (clips, labels), and (clips,) each
    answers = Answers(np.array(log_p), np.array(track), np.array(y), tagger.labels, np.array(rejected))
    names = {"corpus": corpus.name, "protocol": protocol, "part": part}
    report = judge(answers, tagger.card.calibration, **names, ids=ids, failed=failed)
    return replace(report, foreign=[count_rejections(genre, verdicts) for genre, verdicts in foreign.items()])


def select_part(
    corpus: Corpus, labels: Sequence[str], protocol: str = "all", part: str = "all", seed: int = 0
) -> Corpus:
    """Return the tracks that a model of these labels is judged by, under its labels.

    They are those of one part of a split, or all where protocol or part is "all". Tracks of genres that the model does
    not know belong to no part, and come after them under their own names. The notes say which styles count as their
    family.
    """
    known, foreign = divide_by_labels(corpus, labels)
    chosen = _select_known(known, protocol, part, seed)
    return replace(chosen, tracks=chosen.tracks + foreign.tracks, notes=known.notes)


def _select_known(corpus: Corpus, protocol: str, part: str, seed: int) -> Corpus:
    if protocol == "all":
        if part != "all":
            raise SettingError(f"part {part!r} of what? Name the split with a protocol too")
        return corpus
    if protocol == "clip":
        raise SettingError("protocol 'clip' splits tracks into clips, so whole tracks cannot be judged by it")
    sides = split_tracks(corpus, protocol, seed)  # type: ignore[arg-type]
    if part != "all" and part not in PARTS:
        raise SettingError(f"part is {part!r}: must be one of {', '.join(PARTS)}, all")
    # "" marks the tracks that a split leaves out
    chosen = corpus.subset(np.flatnonzero(sides != "" if part == "all" else sides == part))
    if not chosen.tracks:
        raise CorpusError(f"the {part} part of protocol {protocol!r} has no tracks in this corpus")
    return chosen


def predict_corpus(tagger: Tagger, corpus: Corpus, jobs: int) -> Iterator[tuple[Track, TrackPrediction]]:
    """Predict the clips of every track of a corpus: those of sound first, `jobs` at once, then those of arrays.

    The prediction for a track that cannot be read has an error, and no clips.
    """
    sounds = [track for track in corpus.tracks if track.path is not None]
    yield from zip(sounds, predict_many(tagger, (track.path for track in sounds if track.path), jobs), strict=True)
    for track in corpus.tracks:
        if track.spectrogram is not None:
            try:
                yield track, tagger.predict_spectrogram(track.spectrogram)
            except AudioError as error:
                yield track, TrackPrediction((), None, error=str(error))
