"""What a check of a corpus can find: faults, which must be put right, and notes, which are worth knowing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Fault = Literal[
    "unreadable", "damaged", "silent", "short", "clipped", "copy", "twin", "conflict", "altered", "misfiled"
]
Note = Literal["suspect", "missing", "extra", "known-fault"]
Kind = Fault | Note
Grade = Literal["fault", "note"]

# In the order in which they are shown: what is surest first.
KINDS: tuple[Kind, ...] = (*get_args(Fault), *get_args(Note))


@dataclass(frozen=True)
class Finding:
    """One thing that a check has found.

    ============  ======  =========================================================================
    unreadable    fault   not a sound file, or nothing in it can be decoded
    damaged       fault   parts could not be decoded
    silent        fault   nothing but silence
    short         fault   less than one clip of sound
    clipped       fault   peaks cut off flat
    copy          fault   byte for byte another track
    twin          fault   the sound of another track in other bytes, or part of it
    conflict      fault   a copy or twin under another genre
    altered       fault   GTZAN: not the released file of that name
    misfiled      fault   GTZAN: under another genre than its name says
    suspect       note    sounds like another genre
    missing       note    GTZAN: tracks of this genre are not there
    extra         note    GTZAN: not one of its thousand
    known-fault   note    GTZAN: left out of the fault-filtered split
    ============  ======  =========================================================================

    `track` is the id of the track (for "missing", the genre), `detail` the finding in words.
    """

    track: str
    kind: Kind
    detail: str

    @property
    def grade(self) -> Grade:
        """Whether it must be put right, or is only worth knowing."""
        return "fault" if self.kind in get_args(Fault) else "note"

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON."""
        return {**asdict(self), "grade": self.grade}
