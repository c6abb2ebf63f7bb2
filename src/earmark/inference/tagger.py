"""Tagger: all that a model can be asked, of one sound, of many, and of what is playing."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator

from numpy.typing import ArrayLike

from earmark.audio.source import Sound, Source
from earmark.audio.streams.stream import Stream
from earmark.inference import batch, live
from earmark.inference.classifier import TrackClassifier
from earmark.inference.embedding import Embedding, embed
from earmark.inference.live import RunningVerdict
from earmark.inference.verdict import Verdict


class Tagger(TrackClassifier):
    """Names the genre of tracks with one model.

    Parameters
    ----------
    model : Model, path or str, optional
        A model, a model file, or the name of a bundled model; the default bundled model when left out.
    threads : int
        Threads within the network; 1 is best when several tracks are classified at once.

    Examples
    --------
    >>> import numpy as np
    >>> tagger = Tagger()
    >>> tagger.classify(np.zeros(5 * 22050), 22050).reason
    'silence'
    """

    def classify_many(
        self, sounds: Iterable[Sound], *, jobs: int | None = None, preview: bool = False
    ) -> Iterator[Verdict]:
        """Name the genres of many sounds, in the order given; a bad one gives a verdict with an error.

        Parameters
        ----------
        sounds : iterable of path, binary file object, or pair (samples, sample_rate)
            Of one kind or mixed, each as in :meth:`classify`. Taken as the work goes on, a few ahead of the
            answers, so it may be endless; a file object may be closed when the next sound is asked for.
        jobs : int, optional
            Sounds worked on at once, each in a process of its own: what crashes a decoder, or keeps it busy for
            too long (:func:`earmark.parallel.limit_for_size`), is one verdict with an error, and the rest goes on.
            Few sounds get one process; one alone is classified in this one, as are file objects and arrays above
            64 MB. Left out: one sound after the other, in this process.
        preview : bool
            As in :meth:`classify`.

        Returns
        -------
        iterator of Verdict

        Examples
        --------
        >>> import numpy as np
        >>> silence = np.zeros(5 * 22050)
        >>> [v.reason or v.error for v in Tagger().classify_many([(silence, 22050), "gone.mp3"])]
        ['silence', 'cannot be opened (No such file or directory)']
        """
        return batch.classify_many(self, sounds, jobs, preview)

    def embed(self, source: Source | ArrayLike, sample_rate: float | None = None) -> Embedding:
        """Embed one sound by the pretrained encoder, whatever the model: see :func:`earmark.inference.embedding.embed`.

        Examples
        --------
        >>> import numpy as np
        >>> Tagger().embed(np.zeros(5 * 22050), 22050).vectors.shape
        (16, 384)
        """
        return embed(source, sample_rate)

    def follow(
        self, source: Stream | str | os.PathLike[str], *, every: float = 0.5, memory: float = 5.0
    ) -> Generator[RunningVerdict, None, None]:
        """Name the genre of what is playing, again and again: see :func:`earmark.inference.live.follow`."""
        return live.follow(self, source, every=every, memory=memory)
