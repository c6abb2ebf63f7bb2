"""Evaluation: what a model says of tracks whose genre is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from earmark.data.corpus import Corpus, Track
from earmark.data.splits import PARTS, split_tracks
from earmark.errors import AudioError, CorpusError, SettingError
from earmark.evaluation.calibration import Answers
from earmark.evaluation.report import Report, judge
from earmark.inference.aggregate import TrackPrediction, is_novel, mean_outputs, reject_sound
from earmark.inference.batch import predict_many
from earmark.inference.tagger import Tagger


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
        Its genres must be among the model's labels.
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
        If the corpus holds genres that the model does not know, or nothing could be read.
    """
    require_known_genres(corpus, tagger.labels)
    chosen = select_part(corpus, protocol, part, seed)
    ids, log_p, track, y, rejected = [], [], [], [], []
    failed: dict[str, str] = {}
    for i, (item, prediction) in enumerate(predict_corpus(tagger, chosen, jobs)):
        if on_track:
            on_track(item)
        ids.append(item.id)
        if prediction.error:
            failed[item.id] = prediction.error
        # silent and too short clips have none
        clips = [clip.log_probabilities for clip in prediction.clips if clip.log_probabilities is not None]
        log_p += clips
        track += [i] * len(clips)
        y += [tagger.labels.index(item.genre)] * len(clips)
        mean = mean_outputs(prediction.clips)
        rejected += [reject_sound(mean) is not None or is_novel(mean, tagger.card)] * len(clips)
    if not y:
        raise CorpusError("no track of the corpus could be judged" + "".join(f"; {k}: {v}" for k, v in failed.items()))
    # (clips, labels), and (clips,) each
    answers = Answers(np.array(log_p), np.array(track), np.array(y), tagger.labels, np.array(rejected))
    names = {"corpus": corpus.name, "protocol": protocol, "part": part}
    return judge(answers, tagger.card.calibration, **names, ids=ids, failed=failed)


def require_known_genres(corpus: Corpus, labels: Sequence[str]) -> None:
    """Raise :class:`CorpusError` where a corpus has genres that are not among a model's labels."""
    foreign = sorted(set(corpus.genres) - set(labels))
    if foreign:
        raise CorpusError(
            f"the corpus has genres that the model does not know: {', '.join(foreign)}; it knows: {', '.join(labels)}"
        )


def select_part(corpus: Corpus, protocol: str, part: str, seed: int) -> Corpus:
    """Return the tracks of one part of a split; all of them where protocol or part is "all"."""
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
