"""Prototypes: the clips of a corpus that a network finds most typical of a genre.

Such clips are mostly ones that it learned from, so its confidence in them is no measure of how good it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from earmark.audio import AudioFile
from earmark.auralization.excerpts import Moment, no_track_heard
from earmark.data.audit.fingerprint import Fingerprinter, Words, find_twins
from earmark.data.corpus import Corpus, Track
from earmark.data.groups import group_by_known_artist, group_by_protocol
from earmark.data.known_genres import divide_by_labels
from earmark.errors import SettingError
from earmark.evaluation.evaluate import predict_corpus
from earmark.inference.aggregate import make_verdict
from earmark.inference.genre_names import find_label
from earmark.inference.tagger import Tagger

OnePer = Literal["artist", "track"]
ONE_PER = ("artist", "track")

_AROUND = 15.0
"""Seconds before and after a clip that are compared with others too: copies may be shifted."""


@dataclass(frozen=True)
class Prototypes:
    """What a network finds most typical.

    Attributes
    ----------
    by_genre : dict of str to list of Moment
        The most typical first; the value is the genre's probability. Empty where a genre has no track.
    failed : dict of str to str
        Tracks that could not be read, and why.
    notes : tuple of str
        Which genres were left out, as the model does not know them, and which styles count as their family.
    """

    by_genre: dict[str, list[Moment]]
    failed: dict[str, str]
    notes: tuple[str, ...] = ()


def find_prototypes(
    tagger: Tagger,
    corpus: Corpus,
    genres: Sequence[str] | None = None,
    *,
    count: int = 6,
    one_per: OnePer = "artist",
    labelled: bool = True,
    jobs: int = 1,
    on_track: Callable[[Track], None] | None = None,
) -> Prototypes:
    """Find the clips that a model is surest of.

    Parameters
    ----------
    tagger : Tagger
    corpus : Corpus
    genres : sequence of str, optional
        All that the model knows when left out; with `labelled`, those of them that the corpus has.
    count : int
        Clips a genre.
    one_per : {"artist", "track"}
        At most one clip of each. Where the artist is not known, of each track. Copies, and cuts of one recording,
        count as one track: those that GTZAN's index knows, and those whose sound is found to be the same.
    labelled : bool
        Only among the tracks that the corpus files under the genre, in any spelling, or under a style of it; otherwise
        among all.
    jobs : int
        Files heard at once, in processes of their own.
    on_track : callable, optional
        Called after each track.

    Raises
    ------
    CorpusError
        If no track could be heard.
    SettingError
        If the model does not know a genre, or `one_per` is neither.
    """
    notes: tuple[str, ...] = ()
    if labelled:
        corpus, rest = divide_by_labels(corpus, tagger.labels)
        unknown = (f"left out, as the model does not know it: {genre} ({n})" for genre, n in rest.counts.items())
        notes = (*corpus.notes, *unknown)
    wanted = _check_genres(tagger, genres or [one for one in tagger.labels if one in corpus.genres or not labelled])
    _check_one_per(one_per)
    if labelled:
        corpus = corpus.subset([i for i, track in enumerate(corpus.tracks) if track.genre in wanted])
    best: dict[str, list[Moment]] = {genre: [] for genre in wanted}
    failed = {}
    for track, prediction in predict_corpus(tagger, corpus, jobs):
        verdict = make_verdict(prediction, tagger.card)
        if verdict.error:
            failed[track.id] = verdict.error
        for genre in [track.genre] if labelled else wanted:
            clips = [Moment(track, c.start, c.end, c.genres[genre]) for c in verdict.clips if c.genres]
            # no more than one clip of a track
            best[genre] += sorted(clips, key=_rank)[:1]
        if on_track:
            on_track(track)
    if not any(best.values()):
        raise no_track_heard(corpus, failed)
    group = _group_tracks(corpus, one_per)
    return Prototypes({genre: _select_distinct(found, group, count) for genre, found in best.items()}, failed, notes)


def _check_one_per(one_per: str) -> None:
    if one_per not in ONE_PER:
        raise SettingError(f"one_per is {one_per!r}: must be one of {', '.join(ONE_PER)}")


def _check_genres(tagger: Tagger, genres: Sequence[str]) -> tuple[str, ...]:
    """Return labels in any spelling as the model spells them."""
    return tuple(find_label(genre, tagger.labels, tagger.card.name) for genre in genres)


def _group_tracks(corpus: Corpus, one_per: OnePer) -> dict[str, int]:
    # "track" joins copies, and cuts of one recording, that GTZAN's index knows
    groups = group_by_known_artist(corpus) if one_per == "artist" else group_by_protocol(corpus, "fault-filtered")
    return {track.id: int(i) for track, i in zip(corpus.tracks, groups, strict=True)}


def _rank(moment: Moment) -> tuple[float, str, float]:
    """Return the key to sort by: the most typical first, ties always in the same order."""
    return -moment.value, moment.track.id, moment.start


def _select_distinct(moments: list[Moment], group: dict[str, int], count: int) -> list[Moment]:
    """Select the most typical ones, one of each group, none of which is the same sound as another."""
    chosen: list[Moment] = []
    taken: set[int] = set()
    prints: list[Words] = []
    for moment in sorted(moments, key=_rank):
        if len(chosen) == count:
            break
        if group[moment.track.id] in taken:
            continue
        # last, as it decodes the file: whether the same sound is there under another name
        words = _fingerprint(moment)
        if find_twins([*prints, words]):
            continue
        chosen.append(moment)
        taken.add(group[moment.track.id])
        prints.append(words)
    return chosen


def _fingerprint(moment: Moment) -> Words:
    """Compute the fingerprint of a clip and its surroundings; of arrays an empty one, which is like no other."""
    rate = 8000
    printer = Fingerprinter(rate)
    if moment.track.path is not None:
        start = max(0.0, moment.start - _AROUND)
        with AudioFile(moment.track.path) as recording:
            for block in recording.blocks(rate, start=start, duration=moment.end + _AROUND - start):
                printer.add(block)
    return printer.words()
