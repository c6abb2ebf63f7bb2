"""What is wrong with a corpus, before anyone learns from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal

from earmark.errors import AudioError
from earmark.learn.corpus import Corpus, Track
from earmark.listen import Recording, cut

_RATE = 8000
"""Hz; enough to tell sound from silence."""

_SHORT = 5.0
"""Seconds below which a track gives less than one clip."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    track : str
        Id of the track.
    kind : {"unreadable", "damaged", "silent", "short", "copy", "conflict"}
        "copy" is byte for byte another track; "conflict" is such a copy under another genre.
    detail : str
        In words.
    """

    track: str
    kind: Literal["unreadable", "damaged", "silent", "short", "copy", "conflict"]
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON."""
        return asdict(self)


def check_corpus(corpus: Corpus, *, jobs: int = 1, on_track: Callable[[Track], None] | None = None) -> list[Finding]:
    """Look through every track of a corpus.

    Parameters
    ----------
    corpus : Corpus
        Of sound files; arrays have nothing to check.
    jobs : int
        Files worked on at once.
    on_track : callable, optional
        Called after each track.

    Returns
    -------
    list of Finding
        In corpus order.
    """

    def one(track: Track) -> tuple[list[Finding], str]:
        try:
            return _listen(track)
        finally:
            if on_track:
                on_track(track)

    sounds = [track for track in corpus.tracks if track.path is not None]
    with ThreadPoolExecutor(jobs) as pool:
        looked = list(pool.map(one, sounds))
    findings: list[Finding] = []
    first: dict[str, Track] = {}
    for track, (own, digest) in zip(sounds, looked, strict=True):
        findings += own
        other = first.setdefault(digest, track) if digest else track
        if other is not track:
            kind: Literal["copy", "conflict"] = "copy" if other.genre == track.genre else "conflict"
            findings.append(Finding(track.id, kind, f"byte for byte {other.id} ({other.genre})"))
    return findings


def _listen(track: Track) -> tuple[list[Finding], str]:
    """What is wrong with one track by itself, and the digest of its bytes."""
    assert track.path is not None
    try:
        with track.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with Recording(track.path) as recording:
            quiet = [clip.silent for clip in cut(recording.blocks(_RATE), _RATE)]  # each second, to the end
            seconds, damage = recording.heard, recording.damage
    except (AudioError, OSError) as error:
        return [Finding(track.id, "unreadable", str(error))], ""
    findings = []
    if damage:
        findings.append(Finding(track.id, "damaged", damage))
    if all(quiet):
        findings.append(Finding(track.id, "silent", f"all of its {seconds:.1f} s"))
    elif seconds < _SHORT:
        findings.append(Finding(track.id, "short", f"{seconds:.1f} s"))
    return findings, digest
