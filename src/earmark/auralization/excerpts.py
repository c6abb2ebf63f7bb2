"""Moments of tracks, cut out and joined into one sound to listen through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from earmark.audio import AudioFile
from earmark.audio.loudness import crossfade, master
from earmark.audio.spectrogram import Samples
from earmark.data.corpus import Corpus, Track
from earmark.errors import AudioError, CorpusError

_CROSSFADE = 0.15
"""Seconds."""


@dataclass(frozen=True)
class Moment:
    """A stretch of a track, and why it was chosen.

    Attributes
    ----------
    track : Track
    start, end : float
        Seconds from the track's beginning.
    value : float
        What it was chosen for: a unit's activation, or a probability.
    """

    track: Track
    start: float
    end: float
    value: float

    def to_record(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        return {
            "track": self.track.id,
            "genre": self.track.genre,
            "artist": self.track.artist,
            "path": None if self.track.path is None else str(self.track.path),
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "value": round(self.value, 4),
        }


def no_track_heard(corpus: Corpus, failed: Mapping[str, str], otherwise: str = "") -> CorpusError:
    """Return the error that says that no track of a corpus could be heard, and why the first could not."""
    first = next(iter(failed.items()), None)
    why = f"; the first: {first[0]}: {first[1]}" if first else otherwise
    return CorpusError(f"none of the {len(corpus.tracks)} tracks could be heard{why}")


def decode_moment(moment: Moment, sample_rate: int) -> Samples:
    """Decode a moment at a sample rate in Hz.

    Raises
    ------
    AudioError
        If the file cannot be heard there.
    CorpusError
        If the corpus holds arrays instead of sound.
    """
    if moment.track.path is None:
        raise CorpusError(f"{moment.track.id} is an array of frames: only tracks with sound can be cut out")
    seconds = moment.end - moment.start
    with AudioFile(moment.track.path) as recording:
        blocks = list(recording.blocks(sample_rate, start=moment.start, duration=seconds))
    if not blocks:
        raise AudioError(f"{moment.track.path}: no sound at {moment.start:.1f} s")
    return np.concatenate(blocks)


def make_medley(
    moments: Sequence[Moment], sample_rate: int, *, on_error: Callable[[Moment, str], None] | None = None
) -> tuple[Samples, int, list[Moment]]:
    """Join moments into one sound, all equally loud, each running into the next.

    Parameters
    ----------
    moments : sequence of Moment
    sample_rate : int
        Hz at which they are decoded: the front end's, to hear what a network hears.
    on_error : callable, optional
        Called with each moment that cannot be heard, and why; it is passed over.

    Returns
    -------
    samples : ndarray of float32, shape (samples,)
        Mastered, see :mod:`earmark.audio.loudness`.
    sample_rate : int
        Hz.
    heard : list of Moment
        Those that are in it.

    Raises
    ------
    AudioError
        If none can be heard.
    CorpusError
        As :func:`decode_moment`.
    """
    pieces: list[Samples] = []
    heard, rate, words = [], sample_rate, "there are none"
    for moment in moments:
        try:
            # one by one, to be equally loud; the rate may be raised to one that players take
            piece, rate = master(decode_moment(moment, sample_rate), sample_rate)
        except AudioError as error:
            words = str(error)
            if on_error:
                on_error(moment, words)
            continue
        pieces.append(piece)
        heard.append(moment)
    if not pieces:
        raise AudioError(f"none of {len(moments)} moments could be heard: {words}")
    # once more: crossfades change loudness and peaks
    sound, _ = master(crossfade(pieces, rate, seconds=_CROSSFADE), rate)
    return sound, rate, heard
