"""What is known about GTZAN's thousand excerpts: checksums, artists, copies, and the fault-filtered split.

The facts are data (``gtzan.csv``); nothing here touches the sound.

References
----------
Tzanetakis and Cook, "Musical genre classification of audio signals", 2002. Sturm, "The GTZAN dataset: its
contents, its faults", 2013. Kereliuk, Sturm, Larsen, "Deep learning and music adversaries", 2015 (the split).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Excerpt:
    """One excerpt.

    Attributes
    ----------
    track, genre : str
    md5 : str
        Of the released WAV file.
    fault_filtered : str
        "train", "valid" or "test"; empty for those left out as faulty.
    artist, artist_by_fingerprint, title : str
        Sturm's index, and audio fingerprinting; empty where unknown.
    identical_to, same_recording_as : tuple of str
        Other excerpts that are byte for byte the same, or cut from the same recording.
    """

    track: str
    genre: str
    md5: str
    fault_filtered: str
    artist: str
    artist_by_fingerprint: str
    title: str
    identical_to: tuple[str, ...]
    same_recording_as: tuple[str, ...]


@cache
def load_index() -> dict[str, Excerpt]:
    """Return all thousand excerpts by track id, such as ``"blues.00000"``."""
    table = resources.files("earmark.data") / "gtzan.csv"
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    # columns that hold several tracks, with spaces between
    links = ("identical_to", "same_recording_as")
    return {row["track"]: Excerpt(**row | {key: tuple(row[key].split()) for key in links}) for row in rows}


def find_artist(track: str) -> str:
    """Return the artist of an excerpt, by the index or else by fingerprint; empty where unknown or not GTZAN's."""
    excerpt = load_index().get(track)
    return (excerpt.artist or excerpt.artist_by_fingerprint) if excerpt else ""
