"""What a corpus of GTZAN's tracks lacks, adds and is known for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from earmark.data import gtzan
from earmark.data.audit.findings import Finding
from earmark.data.corpus import Corpus
from earmark.inference.genre_names import spelling_key


def compare_with_gtzan(corpus: Corpus) -> Iterator[Finding]:
    """Yield what is misfiled, missing, extra or a known fault, if most of a corpus's tracks bear GTZAN's names.

    Checksums are compared when files are read, in :mod:`earmark.data.audit.track`.
    """
    index = gtzan.load_index()
    there = {track.id for track in corpus.tracks if track.id in index}
    if 2 * len(there) <= len(corpus.tracks):
        return
    for track in corpus.tracks:
        excerpt = index.get(track.id)
        if excerpt is None:
            yield Finding(track.id, "extra", "is not the name of a GTZAN excerpt")
            continue
        if spelling_key(excerpt.genre) != spelling_key(track.genre):
            yield Finding(track.id, "misfiled", f"lies under {track.genre}, belongs to {excerpt.genre}")
        if not excerpt.fault_filtered:
            yield Finding(track.id, "known-fault", f"left out of the fault-filtered split{_reason(excerpt)}")
    here = Counter(index[track].genre for track in there)
    for genre, released in sorted(Counter(excerpt.genre for excerpt in index.values()).items()):
        if here[genre] < released:
            yield Finding(genre, "missing", f"{here[genre]} of {released} tracks")


def _reason(excerpt: gtzan.Excerpt) -> str:
    if excerpt.identical_to:
        return f": byte for byte {', '.join(excerpt.identical_to)}"
    if excerpt.same_recording_as:
        return f": cut from the same recording as {', '.join(excerpt.same_recording_as)}"
    return ""
