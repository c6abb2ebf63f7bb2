"""What a corpus of GTZAN's tracks lacks, adds and is known for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from earmark.data import gtzan
from earmark.data.audit.findings import Finding
from earmark.data.corpus import Corpus


def compare_with_gtzan(corpus: Corpus) -> Iterator[Finding]:
    """Hold a corpus against GTZAN's list, if most of its tracks bear GTZAN's names.

    Checksums are compared when files are read, in :mod:`earmark.data.audit.track`.

    Yields
    ------
    Finding
        Of kind "misfiled", "missing", "extra" and "known-fault".
    """
    facts = gtzan.load_index()
    there = {track.id for track in corpus.tracks if track.id in facts}
    if 2 * len(there) <= len(corpus.tracks):
        return
    for track in corpus.tracks:
        fact = facts.get(track.id)
        if fact is None:
            yield Finding(track.id, "extra", "is not the name of a GTZAN excerpt")
            continue
        if fact.genre != track.genre:
            yield Finding(track.id, "misfiled", f"lies under {track.genre}, belongs to {fact.genre}")
        if not fact.fault_filtered:
            yield Finding(track.id, "known-fault", f"left out of the fault-filtered split{_reason(fact)}")
    here = Counter(facts[track].genre for track in there)
    for genre, released in sorted(Counter(fact.genre for fact in facts.values()).items()):
        if here[genre] < released:
            yield Finding(genre, "missing", f"{here[genre]} of {released} tracks")


def _reason(fact: gtzan.Excerpt) -> str:
    if fact.identical_to:
        return f": byte for byte {', '.join(fact.identical_to)}"
    if fact.same_recording_as:
        return f": cut from the same recording as {', '.join(fact.same_recording_as)}"
    return ""
