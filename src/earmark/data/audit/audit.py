"""What is wrong with a corpus, before anyone learns from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.data.audit import gtzan_list
from earmark.data.audit.findings import KINDS, Finding, Kind
from earmark.data.audit.fingerprint import find_twins
from earmark.data.audit.label_errors import FOLDS, MIN_TRACKS, Timbre, find_label_errors, screen_genres
from earmark.data.audit.track import Inspection, inspect_all
from earmark.data.corpus import Corpus, Track
from earmark.errors import CorpusError, MissingExtra


@dataclass(frozen=True)
class Audit:
    """What a check gave.

    Attributes
    ----------
    findings : list of Finding
        By kind, in the order of :data:`~earmark.data.audit.findings.KINDS`; within a kind in corpus order, suspects
        most suspicious first.
    skipped : list of str
        What could not be checked, and why, in words.
    """

    findings: list[Finding]
    skipped: list[str]


def check_corpus(
    corpus: Corpus, *, jobs: int = 1, label_errors: bool = True, on_track: Callable[[Track], None] | None = None
) -> Audit:
    """Look through every track of a corpus; each file is decoded once.

    Parameters
    ----------
    corpus : Corpus
        Of sound files; of arrays, only the labels and GTZAN's list are checked.
    jobs : int
        Processes at most. A script that asks for more than one must begin its work under
        ``if __name__ == "__main__":``, as always with processes in Python.
    label_errors : bool
        Whether to look for tracks that sound like another genre, which needs scikit-learn.
    on_track : callable, optional
        Called after each track, in corpus order.
    """
    seen = list(_inspect_tracks(corpus, jobs, on_track))
    findings = [finding for inspection in seen for finding in inspection.findings]
    doubles = _find_copies(corpus.tracks, seen)
    doubles |= _find_twins(corpus.tracks, seen, set(doubles))
    findings += doubles.values()
    findings += gtzan_list.compare_with_gtzan(corpus)
    skipped: list[str] = []
    if label_errors:
        timbre = [None if track.id in doubles else one.timbre for track, one in zip(corpus.tracks, seen, strict=True)]
        found, skipped = _find_label_errors(corpus.tracks, timbre)
        findings += found
    return Audit(sorted(findings, key=lambda finding: KINDS.index(finding.kind)), skipped)


def _inspect_tracks(corpus: Corpus, jobs: int, on_track: Callable[[Track], None] | None) -> Iterator[Inspection]:
    """One inspection a track, in corpus order."""
    sounds = inspect_all([track for track in corpus.tracks if track.path is not None], jobs)
    for track in corpus.tracks:
        yield next(sounds) if track.path is not None else _inspect_array(track)
        if on_track:
            on_track(track)


def _inspect_array(track: Track) -> Inspection:
    timbre = Timbre()
    if track.spectrogram is not None:
        timbre.add(track.spectrogram)
    return Inspection([], timbre=timbre.features())


def _find_copies(tracks: Sequence[Track], seen: Sequence[Inspection]) -> dict[str, Finding]:
    """Tracks that are byte for byte an earlier one, by id."""
    first: dict[str, Track] = {}
    found = {}
    for track, inspection in zip(tracks, seen, strict=True):
        other = first.setdefault(inspection.digest, track) if inspection.digest else track
        if other is not track:
            kind: Kind = "copy" if other.genre == track.genre else "conflict"
            found[track.id] = Finding(track.id, kind, f"byte for byte {other.id} ({other.genre})")
    return found


def _find_twins(tracks: Sequence[Track], seen: Sequence[Inspection], copies: set[str]) -> dict[str, Finding]:
    """Tracks that sound the same as an earlier one, by id: each with the one that it resembles most."""
    fresh = [i for i, track in enumerate(tracks) if track.id not in copies]
    twins = find_twins([seen[i].words for i in fresh])
    found = {}
    for twin in sorted(twins, key=lambda twin: twin.error, reverse=True):  # the closest has the last word
        track, other = tracks[fresh[twin.second]], tracks[fresh[twin.first]]
        shift = f", {abs(twin.lag):.1f} s {'earlier' if twin.lag > 0 else 'later'}" if abs(twin.lag) >= 0.05 else ""
        kind: Kind = "twin" if other.genre == track.genre else "conflict"
        detail = f"same sound as {other.id} ({other.genre}){shift}; {twin.error:.0%} of the bits differ"
        found[track.id] = Finding(track.id, kind, detail)
    return found


def _find_label_errors(
    tracks: Sequence[Track], timbre: Sequence[NDArray[np.float64] | None]
) -> tuple[list[Finding], list[str]]:
    """Suspects, and what could not be judged."""
    heard = [(track, features) for track, features in zip(tracks, timbre, strict=True) if features is not None]
    judged = [track for track, _ in heard]
    try:
        found = find_label_errors(judged, np.array([features for _, features in heard]))
    except CorpusError as error:
        return [], [str(error)]
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("sklearn", "threadpoolctl"):
            raise
        return [], [str(MissingExtra("judging labels", "learn"))]
    _, few = screen_genres(judged)
    skipped = [f"labels not judged: {', '.join(few)} (fewer than {MIN_TRACKS} tracks or {FOLDS} artists)"]
    return [
        Finding(
            s.track.id,
            "suspect",
            f"named {s.track.genre}, sounds like {s.genre} ({s.probability:.0%}, {s.track.genre} {s.own:.0%})",
        )
        for s in found
    ], skipped if few else []
