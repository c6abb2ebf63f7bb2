"""Tracks → clips of frames, in order: from the cache, from arrays, or from sound, by several processes."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from earmark.audio import AudioFile, FrontEnd, cut
from earmark.audio.clips import cut_frames
from earmark.data.corpus import Track
from earmark.data.features.cache import ClipCache, Clips, Content, Index, read_content
from earmark.errors import AudioError, CorpusError
from earmark.inference.encoder import Encoder
from earmark.parallel import Pool, is_small, limit_for_file

# What makes frames, or steps of embeddings, of samples.
Extractor = FrontEnd | Encoder


@dataclass(frozen=True)
class ClipSettings:
    """How a track becomes clips: front end, seconds of a clip, and seconds from clip to clip."""

    front_end: Extractor
    clip_seconds: float
    hop_seconds: float

    @property
    def frames(self) -> int:
        """Frames of a full clip."""
        return self.front_end.n_frames(round(self.clip_seconds * self.front_end.sample_rate))

    @property
    def key(self) -> str:
        """All settings as text: what clips depend on besides the sound."""
        return json.dumps([asdict(self.front_end), self.clip_seconds, self.hop_seconds], sort_keys=True)

    def read_file(self, path: Path) -> Clips:
        """Return the clips of a file, silent ones left out."""
        rate = self.front_end.sample_rate
        with AudioFile(path) as recording:
            clips = cut(recording.blocks(rate), round(self.clip_seconds * rate), round(self.hop_seconds * rate))
            return [self.front_end(clip.samples[: clip.length]) for clip in clips if not clip.silent]

    def read_array(self, track: Track) -> Clips:
        """Return the clips of a track whose frames the corpus holds."""
        assert track.spectrogram is not None
        frames, bins = track.spectrogram.shape
        if isinstance(self.front_end, Encoder):
            raise CorpusError(
                f"{track.id} is an array, but the encoder hears sound: choose a recipe of log-mel frames, such as "
                "paper-attention-2x60"
            )
        if bins != self.front_end.n_bins:
            raise CorpusError(
                f"{track.id} has {bins} bins a frame, the recipe's front end gives {self.front_end.n_bins}"
            )
        seconds = frames * self.front_end.hop_length / self.front_end.sample_rate
        clips = cut_frames(track.spectrogram, seconds, self.clip_seconds, self.frames, self.hop_seconds)
        return [clip for _, clip in clips]


@dataclass(frozen=True)
class TrackClips:
    """The clips of one track.

    Attributes
    ----------
    clips : list of ndarray, shape (frames, bins)
    error : str
        Why there are none; empty where the track could be read.
    content : Content or None
        Of its file, where that was read.
    """

    clips: Clips
    error: str = ""
    content: Content | None = None


def compute_clips(
    tracks: Sequence[Track], settings: ClipSettings, cache: Path | None, jobs: int
) -> Generator[TrackClips, None, None]:
    """Yield the clips of every track, in order; `jobs` processes compute them where there is enough to do.

    A file that cannot be read, or kills its process, gives an error instead of clips. `cache` is the folder where
    clips are kept, if any. Raises CorpusError if an array does not fit the front end.
    """
    reader = _ClipReader(settings, cache)
    paths = [track.path for track in tracks if track.path is not None and track.spectrogram is None]
    index = None if cache is None else Index(cache)
    digests = {path: digest for path in paths if index and (digest := index.find(path)) and reader.caches(digest)}
    new = [path for path in paths if path not in digests]
    with closing(_compute_files(new, reader, 1 if is_small(paths) else jobs)) as computed:
        try:
            for track in tracks:
                if track.spectrogram is not None:
                    yield TrackClips(settings.read_array(track))
                    continue
                if track.embedding is not None:
                    # (clips, numbers) → clips of one frame
                    yield TrackClips(list(track.embedding[:, None].astype(np.float32)))
                    continue
                assert track.path is not None
                # `computed` holds the new files in the order of the tracks: take its next only for one of them
                digest = digests.get(track.path)
                result = reader(track.path, digest) if digest else next(computed)
                if index and result.content:
                    index.add(track.path, result.content)
                yield result
        finally:
            if index:
                index.save()


class _ClipReader:
    """Computes the clips of one file after another, here or in a process of a pool."""

    def __init__(self, settings: ClipSettings, cache: Path | None) -> None:
        self.settings, self.cache = settings, cache
        self._clips = None if cache is None else ClipCache(cache, settings.key)

    def caches(self, digest: str) -> bool:
        return self._clips is not None and digest in self._clips

    def __call__(self, path: Path, digest: str | None = None) -> TrackClips:
        """Compute a file's clips, or take them from the cache: without reading the file, if its digest is known."""
        try:
            if self._clips is None:
                return TrackClips(self.settings.read_file(path))
            if digest and (clips := self._clips.get(digest)) is not None:
                return TrackClips(clips)
            content = read_content(path)
            clips = self._clips.get(content.digest)
            # not there yet, or damaged
            if clips is None:
                clips = self.settings.read_file(path)
                self._clips.put(content.digest, clips)
            return TrackClips(clips, content=content)
        except AudioError as error:
            return TrackClips([], str(error))


def _compute_files(paths: Sequence[Path], reader: _ClipReader, jobs: int) -> Generator[TrackClips, None, None]:
    if jobs == 1:
        yield from map(reader, paths)
    else:
        # Even a single file goes to a process: what kills one is never cached, and comes again in every run.
        prepare = partial(_ClipReader, reader.settings, reader.cache)
        pool = Pool(prepare, jobs, lambda path, failure: TrackClips([], failure), limit=limit_for_file)
        yield from pool.map(iter(paths))
