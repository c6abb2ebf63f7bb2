"""One sound file, decoded once: what is wrong with it, and what it is compared with others by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import soxr
from numpy.typing import NDArray

from earmark.audio import AudioFile, LogMel, cut
from earmark.data import gtzan
from earmark.data.audit.findings import Finding
from earmark.data.audit.fingerprint import Fingerprinter, Words
from earmark.data.audit.label_errors import Timbre
from earmark.data.corpus import Track
from earmark.errors import AudioError
from earmark.parallel import Pool, limit_for_file

# Seconds below which a track gives less than one clip.
_SHORT = 5.0
# Share of samples in flat tops. Of 342 excerpts of GTZAN one has more; driven 6 dB over their peak, 92 % have.
_CLIPPED = 0.001
# Files that are worth the start of a process.
_FILES_PER_PROCESS = 8
_FRONT_END = LogMel(n_mels=64, fmax=8000.0, hop_length=2048, center=False, top_db=None)


@dataclass(frozen=True)
class Inspection:
    """What is known of one file.

    Attributes
    ----------
    findings : list of Finding
    digest : str
        SHA-256 of its bytes; empty where it cannot be read.
    words : ndarray of uint32, shape (frames,)
        Acoustic fingerprint.
    timbre : ndarray, shape (features,), or None
        Summary of its sound; None where it is silent.
    """

    findings: list[Finding]
    digest: str = ""
    words: Words = field(default_factory=lambda: np.empty(0, np.uint32))
    timbre: NDArray[np.float64] | None = None


class ClippingMeter:
    """Counts the samples of a signal that lie in flat tops: three or more equal ones at its highest or lowest level.

    What exceeds full scale is taken for full scale, as in anything that plays it. A signal that was clipped
    and turned down afterwards shows, too; lossy codecs hide flat tops below full scale.
    """

    # Full scale is 1; lower peaks may be flat because bits are coarse.
    _FAINTEST = 0.25

    def __init__(self) -> None:
        self._samples = 0
        # by side: level of the highest peak so far, and samples that are flat there
        self._tops = {+1: (self._FAINTEST, 0), -1: (self._FAINTEST, 0)}

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, shape (samples,); tops across the border of two pieces count on each side."""
        self._samples += len(samples)
        for side, (level, count) in self._tops.items():
            peak = min(1.0, float((side * samples).max(initial=0.0)))
            if peak >= level:
                self._tops[side] = (peak, (count if peak == level else 0) + _count_in_runs(side * samples >= peak))

    @property
    def share(self) -> float:
        """Share of all samples."""
        return sum(count for _, count in self._tops.values()) / max(1, self._samples)


def inspect_all(tracks: Sequence[Track], jobs: int) -> Iterator[Inspection]:
    """Yield inspections of tracks with a path, in order, by `jobs` processes at most; of few files, in this one."""
    jobs = min(jobs, len(tracks) // _FILES_PER_PROCESS)
    if jobs <= 1:
        yield from map(inspect, tracks)
    else:
        yield from Pool(partial(partial, inspect), jobs, _report_crash, limit=_patience).map(iter(tracks))


def inspect(track: Track) -> Inspection:
    """Read, decode and measure one track."""
    assert track.path is not None
    try:
        with track.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        findings = _compare_with_release(track)
        analysed = _analyse(track)
    except (AudioError, OSError) as error:
        return Inspection([Finding(track.id, "unreadable", str(error))])
    return replace(analysed, findings=findings + analysed.findings, digest=digest)


def _analyse(track: Track) -> Inspection:
    assert track.path is not None
    with AudioFile(track.path) as recording:
        rate = recording.info.sample_rate
        tops, printer, timbre = ClippingMeter(), Fingerprinter(rate), Timbre()
        resampler = soxr.ResampleStream(rate, _FRONT_END.sample_rate, 1, dtype="float32", quality="HQ")
        silent = True
        for second in cut(recording.blocks(rate), rate):
            samples = second.samples[: second.length]
            tops.add(samples)
            printer.add(samples)
            resampled = resampler.resample_chunk(samples)
            if not second.silent:
                silent = False
                timbre.add(_FRONT_END(resampled))
        findings = list(_find_faults(track.id, recording, silent, tops.share))
    return Inspection(findings, "", printer.words(), timbre.features())


def _find_faults(track: str, recording: AudioFile, silent: bool, flat: float) -> Iterator[Finding]:
    if recording.read_error:
        yield Finding(track, "damaged", recording.read_error)
    if silent:
        yield Finding(track, "silent", f"all of its {recording.seconds_decoded:.1f} s")
    elif recording.seconds_decoded < _SHORT:
        yield Finding(track, "short", f"{recording.seconds_decoded:.1f} s")
    if flat > _CLIPPED:
        yield Finding(track, "clipped", f"{flat:.1%} of its samples lie in flat tops")


def _compare_with_release(track: Track) -> list[Finding]:
    """Find whether a file that calls itself GTZAN's is the one that was released."""
    excerpt = gtzan.load_index().get(track.id)
    if excerpt is None or track.path is None or track.path.suffix.lower() != ".wav":
        return []
    with track.path.open("rb") as file:
        digest = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
    if digest == excerpt.md5:
        return []
    return [Finding(track.id, "altered", f"its md5 is {digest}, that of the released file {excerpt.md5}")]


def _count_in_runs(hot: NDArray[np.bool_]) -> int:
    """Count the trues that stand in runs of three or more."""
    three = hot[2:] & hot[1:-1] & hot[:-2]
    # three[i] says that hot[i], hot[i + 1] and hot[i + 2] are all true: mark all three
    flat = np.zeros(len(hot), bool)
    for shift in range(3):
        flat[shift : shift + len(three)] |= three
    return int(flat.sum())


def _patience(track: Track) -> float:
    assert track.path is not None
    return limit_for_file(track.path)


def _report_crash(track: Track, failure: str) -> Inspection:
    return Inspection([Finding(track.id, "unreadable", failure)])
