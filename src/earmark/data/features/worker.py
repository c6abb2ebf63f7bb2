"""Tracks → clips of frames, in order: from the cache, from arrays, or from sound, by several processes."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from earmark.audio import FrontEnd, Recording, cut
from earmark.audio.clips import cut_frames
from earmark.data.corpus import Track
from earmark.data.features.cache import ClipCache, Clips, Content, Index, read_content
from earmark.errors import AudioError, CorpusError
from earmark.parallel import Pool, little, patience


@dataclass(frozen=True)
class ClipSettings:
    """How a track becomes clips: all that they depend on besides the sound.

    Attributes
    ----------
    front_end : StftDensity or LogMel
    clip_seconds, hop_seconds : float
        Of a clip, and from clip to clip.
    """

    front_end: FrontEnd
    clip_seconds: float
    hop_seconds: float

    @property
    def frames(self) -> int:
        """Frames of a full clip."""
        return self.front_end.n_frames(round(self.clip_seconds * self.front_end.sample_rate))

    @property
    def settings(self) -> str:
        """All of it as text."""
        return json.dumps([asdict(self.front_end), self.clip_seconds, self.hop_seconds], sort_keys=True)

    def read_file(self, path: Path) -> Clips:
        """Clips of a file, silent ones left out."""
        rate = self.front_end.sample_rate
        with Recording(path) as recording:
            clips = cut(recording.blocks(rate), round(self.clip_seconds * rate), round(self.hop_seconds * rate))
            return [self.front_end(clip.samples[: clip.length]) for clip in clips if not clip.silent]

    def read_array(self, track: Track) -> Clips:
        """Clips of a track whose frames the corpus holds."""
        assert track.spectrogram is not None
        frames, bins = track.spectrogram.shape
        if bins != self.front_end.n_bins:
            raise CorpusError(
                f"{track.id} has {bins} bins a frame, the recipe's front end gives {self.front_end.n_bins}"
            )
        seconds = frames * self.front_end.hop_length / self.front_end.sample_rate
        clips = cut_frames(track.spectrogram, seconds, self.clip_seconds, self.frames, self.hop_seconds)
        return [clip for _, clip in clips]


@dataclass(frozen=True)
class TrackClips:
    """What became of one track.

    Attributes
    ----------
    clips : list of ndarray, shape (frames, bins)
    error : str
        Why there are none; empty where it could be heard.
    content : Content or None
        Of its file, where that was read.
    """

    clips: Clips
    error: str = ""
    content: Content | None = None


def compute_clips(
    tracks: Sequence[Track], settings: ClipSettings, cache: Path | None, jobs: int
) -> Generator[TrackClips, None, None]:
    """Hear every track, in order.

    Parameters
    ----------
    tracks : sequence of Track
    settings : ClipSettings
    cache : Path or None
        Folder where clips are kept.
    jobs : int
        Processes, where there is enough to do.

    Yields
    ------
    TrackClips
        A file that cannot be heard, or kills its process, is one with an error.

    Raises
    ------
    CorpusError
        If an array does not fit the front end.
    """
    listen = _ClipReader(settings, cache)
    paths = [track.path for track in tracks if track.path is not None and track.spectrogram is None]
    index = None if cache is None else Index(cache)
    digests = {path: digest for path in paths if index and (digest := index.find(path)) and listen.keeps(digest)}
    new = [path for path in paths if path not in digests]
    with closing(_compute_files(new, listen, 1 if little(paths) else jobs)) as made:
        try:
            for track in tracks:
                if track.spectrogram is not None:
                    yield TrackClips(settings.read_array(track))
                    continue
                assert track.path is not None
                digest = digests.get(track.path)
                heard = listen(track.path, digest) if digest else next(made)
                if index and heard.content:
                    index.note(track.path, heard.content)
                yield heard
        finally:
            if index:
                index.save()


class _ClipReader:
    """Hears one file after another, here or in a process of a pool."""

    def __init__(self, settings: ClipSettings, cache: Path | None) -> None:
        self.settings, self.cache = settings, cache
        self._kept = None if cache is None else ClipCache(cache, settings.settings)

    def keeps(self, digest: str) -> bool:
        return self._kept is not None and digest in self._kept

    def __call__(self, path: Path, digest: str | None = None) -> TrackClips:
        """Hear a file, or take what is kept of it: without reading the file, where its digest is known."""
        try:
            if self._kept is None:
                return TrackClips(self.settings.read_file(path))
            if digest and (clips := self._kept.get(digest)) is not None:
                return TrackClips(clips)
            content = read_content(path)
            clips = self._kept.get(content.digest)
            if clips is None:  # not there yet, or damaged
                clips = self.settings.read_file(path)
                self._kept.put(content.digest, clips)
            return TrackClips(clips, content=content)
        except AudioError as error:
            return TrackClips([], str(error))


def _compute_files(paths: Sequence[Path], listen: _ClipReader, jobs: int) -> Generator[TrackClips, None, None]:
    """Hear files, in order. Even one goes to a process, for what kills it is never kept and always comes again."""
    if jobs == 1:
        yield from map(listen, paths)
    else:
        prepare = partial(_ClipReader, listen.settings, listen.cache)
        yield from Pool(prepare, jobs, _report_crash, limit=patience).map(iter(paths))


def _report_crash(path: Path, failure: str) -> TrackClips:
    return TrackClips([], failure)
