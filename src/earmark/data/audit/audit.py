"""Audit of a corpus before training: damaged files, copies, twins, label errors, and differences from GTZAN."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.data.audit.findings import KINDS, Finding, Kind
from earmark.data.audit.fingerprint import find_twins
from earmark.data.audit.gtzan_list import compare_with_gtzan
from earmark.data.audit.label_errors import FOLDS, MIN_TRACKS, Timbre, find_label_errors, screen_genres
from earmark.data.audit.track import Inspection, inspect_all
from earmark.data.corpus import Corpus, Track
from earmark.errors import CorpusError, MissingExtra


@dataclass(frozen=True)
class Audit:
    """What was found, sorted by kind, label errors the surest first; and what could not be checked, with the reason."""

    findings: list[Finding]
    skipped: list[str]


def check_corpus(
    corpus: Corpus, *, jobs: int = 1, label_errors: bool = True, on_track: Callable[[Track], None] | None = None
) -> Audit:
    """Look for damage, copies and wrong labels among the tracks of a corpus; each file is decoded once.

    Parameters
    ----------
    corpus : Corpus
        Of sound files; of arrays, only the labels and GTZAN's list are checked.
    jobs : int
        Processes at most.
    label_errors : bool
        Whether to look for tracks that sound like another genre, which needs scikit-learn.
    on_track : callable, optional
        Called after each track, in corpus order.
    """
    inspections = list(_inspect_tracks(corpus, jobs, on_track))
    findings = [finding for inspection in inspections for finding in inspection.findings]
    duplicates = _find_copies(corpus.tracks, inspections)
    duplicates |= _find_twins(corpus.tracks, inspections, set(duplicates))
    findings += duplicates.values()
    findings += compare_with_gtzan(corpus)
    skipped: list[str] = []
    if label_errors:
        # duplicates would vouch for each other's labels
        pairs = zip(corpus.tracks, inspections, strict=True)
        usable = [(track, one.timbre) for track, one in pairs if track.id not in duplicates and one.timbre is not None]
        found, skipped = _find_label_errors(usable)
        findings += found
    return Audit(sorted(findings, key=lambda finding: KINDS.index(finding.kind)), skipped)


def _inspect_tracks(corpus: Corpus, jobs: int, on_track: Callable[[Track], None] | None) -> Iterator[Inspection]:
    """Yield one inspection a track, in corpus order."""
    of_files = inspect_all([track for track in corpus.tracks if track.path is not None], jobs)
    for track in corpus.tracks:
        if track.path is not None:
            yield next(of_files)
        else:
            timbre = Timbre()
            if track.spectrogram is not None:
                timbre.add(track.spectrogram)
            yield Inspection([], timbre=timbre.features())
        if on_track:
            on_track(track)


def _find_copies(tracks: Sequence[Track], inspections: Sequence[Inspection]) -> dict[str, Finding]:
    """Find tracks that are byte for byte an earlier one, by id."""
    first: dict[str, Track] = {}
    found = {}
    for track, inspection in zip(tracks, inspections, strict=True):
        other = first.setdefault(inspection.digest, track) if inspection.digest else track
        if other is not track:
            kind: Kind = "copy" if other.genre == track.genre else "conflict"
            found[track.id] = Finding(track.id, kind, f"byte for byte {other.id} ({other.genre})")
    return found


def _find_twins(tracks: Sequence[Track], inspections: Sequence[Inspection], copies: set[str]) -> dict[str, Finding]:
    """Find tracks that sound the same as an earlier one, by id: each with the one that it resembles most."""
    distinct = [i for i, track in enumerate(tracks) if track.id not in copies]
    found = {}
    # by falling error: where a track has several twins, the closest overwrites the others
    for twin in sorted(find_twins([inspections[i].words for i in distinct]), key=lambda twin: -twin.error):
        track, other = tracks[distinct[twin.second]], tracks[distinct[twin.first]]
        shift = f", {abs(twin.lag):.1f} s {'earlier' if twin.lag > 0 else 'later'}" if abs(twin.lag) >= 0.05 else ""
        kind: Kind = "twin" if other.genre == track.genre else "conflict"
        detail = f"same sound as {other.id} ({other.genre}){shift}; {twin.error:.0%} of the bits differ"
        found[track.id] = Finding(track.id, kind, detail)
    return found


def _find_label_errors(usable: Sequence[tuple[Track, NDArray[np.float64]]]) -> tuple[list[Finding], list[str]]:
    """Return findings of tracks with their timbre, and which genres could not be judged."""
    tracks = [track for track, _ in usable]
    try:
        errors = find_label_errors(tracks, np.array([features for _, features in usable]))
    except CorpusError as error:
        return [], [str(error)]
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("sklearn", "threadpoolctl"):
            raise
        return [], [str(MissingExtra("judging labels", "learn"))]
    _, few = screen_genres(tracks)
    left_out = f"labels not judged: {', '.join(few)} (fewer than {MIN_TRACKS} tracks or {FOLDS} artists)"
    findings = []
    for e in errors:
        words = f"named {e.track.genre}, sounds like {e.genre} ({e.probability:.0%}, {e.track.genre} {e.own:.0%})"
        findings.append(Finding(e.track.id, "suspect", words))
    return findings, [left_out] if few else []
