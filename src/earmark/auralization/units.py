"""What the units of a network respond to: their activations, read out of a model file, and what excites them most.

Only the file is needed. Its first recurrent layer is made an output of the graph, and onnxruntime does the rest, so
that a unit is watched inside the very network that answers. Looking for the real inputs that excite a unit most is
the oldest way to ask what it stands for, and needs no assumption on what lies between it and the sound (Erhan et
al. 2009; Girshick et al. 2014).

References
----------
D. Erhan, Y. Bengio, A. Courville, P. Vincent: Visualizing higher-layer features of a deep network. Université de
Montréal, 2009.
R. Girshick, J. Donahue, T. Darrell, J. Malik: Rich feature hierarchies. CVPR 2014, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import onnx
from numpy.typing import NDArray

from earmark.audio import Recording
from earmark.audio.clips import cut
from earmark.auralization.excerpts import Moment
from earmark.data.corpus import Corpus, Track
from earmark.data.features.worker import Cutting
from earmark.errors import AudioError, CorpusError, ModelError, SettingError
from earmark.inference.model import Model

_BATCH = 8
"""Clips that go through the network at once."""


@dataclass(frozen=True)
class Layer:
    """A recurrent node of a graph that no other comes before; a committee has one for each member.

    Attributes
    ----------
    node : str
        Name of its first output, by which it is known.
    size : int
        Units in one direction.
    directions : int
        1, or 2 where it reads both ways.
    """

    node: str
    size: int
    directions: int


def find_first_layers(graph: onnx.GraphProto) -> list[Layer]:
    """Find the recurrent nodes nearest to the input.

    Parameters
    ----------
    graph : onnx.GraphProto

    Returns
    -------
    list of Layer
        In the graph's order; empty where nothing in it is recurrent.
    """
    behind: set[str] = set()  # values that a recurrent node had a part in
    found = []
    for node in graph.node:  # sorted so that what is read was written before
        recurrent = node.op_type in ("LSTM", "RNN", "GRU")
        if recurrent and node.input[0] not in behind:
            settings = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            both = settings.get("direction", b"forward") == b"bidirectional"
            found.append(Layer(node.output[0], int(settings["hidden_size"]), 1 + both))
        if recurrent or behind.intersection(node.input):
            behind.update(node.output)
    return found


class UnitProbe:
    """Watches the hidden units of a model's first recurrent layer.

    Units are numbered through: of a committee first those of one member, then of the next; of a layer that reads
    both ways first those that read forwards.

    Parameters
    ----------
    model : Model

    Attributes
    ----------
    layers : list of Layer
    n_units : int

    Raises
    ------
    ModelError
        If nothing in the model is recurrent.

    Examples
    --------
    >>> from earmark.inference.model import open_model
    >>> probe = UnitProbe(open_model("paper-attention-2x60"))
    >>> probe.n_units, probe.name(3)
    (60, 'unit 3')
    >>> probe.activations(np.zeros((2, 64, 128), np.float32)).shape
    (2, 64, 60)
    """

    def __init__(self, model: Model) -> None:
        graph = onnx.load_from_string(model.graph)
        self.card = model.card
        self.layers = find_first_layers(graph.graph)
        if not self.layers:
            raise ModelError(f"{model.name}: no layer of it is recurrent")
        self.n_units = sum(layer.size * layer.directions for layer in self.layers)
        self._names = [layer.node for layer in self.layers]
        self._labels = [
            (f"member {member}, " if len(self.layers) > 1 else "") + f"unit {unit}{way}"
            for member, layer in enumerate(self.layers, 1)
            for way in ("", " backwards")[: layer.directions]
            for unit in range(layer.size)
        ]
        graph.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in self._names
        )
        self._session = replace(model, graph=graph.SerializeToString()).session()

    def name(self, unit: int) -> str:
        """How to speak of a unit."""
        return self._labels[self.check_unit(unit)]

    def check_unit(self, unit: int) -> int:
        """Return the unit's number, or raise :class:`SettingError` where there is no such unit."""
        if not 0 <= unit < self.n_units:
            raise SettingError(f"unit {unit}: {self.card.name} has units 0 to {self.n_units - 1}")
        return unit

    def activations(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs of all units.

        Parameters
        ----------
        spectrogram : ndarray, shape (clips, frames, bins)
            By the model's front end.

        Returns
        -------
        ndarray of float32, shape (clips, steps, units)
            −1 to 1. A step is a frame, or a window of frames where the network reads such.
        """
        every = self._session.run(self._names, {"spectrogram": spectrogram})  # each (steps, directions, clips, size)
        return np.concatenate([h.transpose(2, 0, 1, 3).reshape(h.shape[2], len(h), -1) for h in every], axis=2)

    def times(self, n_frames: int, n_steps: int) -> NDArray[np.float64]:
        """Middle of each step, seconds from the clip's start.

        Parameters
        ----------
        n_frames : int
            Frames of the clip.
        n_steps : int
            Steps that the network made of them.

        Returns
        -------
        ndarray, shape (steps,)
        """
        window = self.card.min_frames  # one step
        hop = (n_frames - window) // (n_steps - 1) if n_steps > 1 else 1
        middle = np.arange(n_steps) * hop + (window - 1) / 2
        times: NDArray[np.float64] = np.interp(middle, np.arange(n_frames), self.card.front_end.times(n_frames))
        return times


@dataclass(frozen=True)
class PeakActivations:
    """How much each track excites each unit at its most exciting moment.

    Attributes
    ----------
    corpus : Corpus
    highest : ndarray, shape (tracks, units)
        Activation; NaN where a track could not be heard, or is silent.
    at : ndarray, shape (tracks, units)
        When, in seconds.
    failed : dict of str to str
        Tracks that could not be read, and why.
    """

    corpus: Corpus
    highest: NDArray[np.float32]
    at: NDArray[np.float64]
    failed: dict[str, str]

    def moments(self, unit: int, count: int = 6, *, seconds: float = 3.0) -> list[Moment]:
        """List the moments of different tracks that excite a unit most, for a medley.

        Parameters
        ----------
        unit : int
        count : int
        seconds : float
            Around the moment.

        Returns
        -------
        list of Moment
            The most exciting first; fewer where there are fewer tracks.
        """
        order = np.argsort(-self.highest[:, unit], kind="stable")  # NaN last
        heard = [i for i in order if not np.isnan(self.highest[i, unit])]
        return [
            Moment(
                self.corpus.tracks[i],
                start := max(0.0, float(self.at[i, unit]) - seconds / 2),
                start + seconds,
                float(self.highest[i, unit]),
            )
            for i in heard[:count]
        ]

    def selectivity(self) -> dict[str, NDArray[np.float64]]:
        """Tell how well each unit tells each genre from all others, by its highest activation in each track.

        Returns
        -------
        dict of str to ndarray, shape (units,)
            d′ of signal detection: difference of the means over their common deviation. 0 says nothing, 2 separates
            five in six; negative where the genre leaves the unit cold. Genres of fewer than two tracks are left out.
        """
        heard = ~np.isnan(self.highest).any(axis=1)
        genres = np.array([track.genre for track in self.corpus.tracks])
        found = {}
        for genre in self.corpus.genres:
            own, others = (self.highest[heard & side].astype(np.float64) for side in (genres == genre, genres != genre))
            if min(len(own), len(others)) >= 2:
                spread = np.sqrt((own.var(axis=0, ddof=1) + others.var(axis=0, ddof=1)) / 2)
                found[genre] = (own.mean(axis=0) - others.mean(axis=0)) / np.maximum(spread, 1e-6)
        return found


def find_peak_activations(
    probe: UnitProbe, corpus: Corpus, *, on_track: Callable[[Track], None] | None = None
) -> PeakActivations:
    """Play a corpus to a network and note what excites each of its units most.

    Parameters
    ----------
    probe : UnitProbe
    corpus : Corpus
        Of sound; tracks that are arrays of frames are heard too, but cannot be cut out afterwards.
    on_track : callable, optional
        Called after each track.

    Returns
    -------
    PeakActivations
        All units at once: hearing takes longer than looking.

    Raises
    ------
    CorpusError
        If no track could be heard, or an array does not fit the front end.
    """
    highest = np.full((len(corpus.tracks), probe.n_units), np.nan, np.float32)
    at = np.full(highest.shape, np.nan)
    failed = {}
    for i, track in enumerate(corpus.tracks):
        try:
            for start, activations, times in _heard(probe, track):
                _note(highest[i], at[i], start, activations, times)
        except AudioError as error:
            failed[track.id] = str(error)
        if on_track:
            on_track(track)
    if np.isnan(highest).all():
        first = next(iter(failed.items()), None)
        why = f"; the first: {first[0]}: {first[1]}" if first else ": all are silent or too short"
        raise CorpusError(f"none of the {len(corpus.tracks)} tracks could be heard{why}")
    return PeakActivations(corpus, highest, at, failed)


def _heard(probe: UnitProbe, track: Track) -> Iterator[tuple[float, NDArray[np.float32], NDArray[np.float64]]]:
    """Start in seconds, activations (steps, units) and their times, for each clip of a track."""
    for starts, frames in _batches(probe, track):
        activations = probe.activations(frames)
        times = probe.times(frames.shape[1], activations.shape[1])
        yield from ((start, a, times) for start, a in zip(starts, activations, strict=True))


def _batches(probe: UnitProbe, track: Track) -> Iterator[tuple[Sequence[float], NDArray[np.float32]]]:
    """Clips of a track, those that are neither silent nor too short: starts, and frames (clips, frames, bins)."""
    card, front_end = probe.card, probe.card.front_end
    if track.path is None:
        for i, frames in enumerate(Cutting(front_end, card.clip_seconds, card.clip_seconds).of_array(track)):
            if len(frames) >= card.min_frames:
                yield [i * card.clip_seconds], frames[None]
        return
    with Recording(track.path) as recording:
        clips = cut(recording.blocks(front_end.sample_rate), card.clip_length)
        heard = (c for c in clips if not c.silent and front_end.n_frames(c.length) >= card.min_frames)
        while batch := list(islice(heard, _BATCH)):
            for length in {clip.length for clip in batch}:  # the last may be shorter
                alike = [clip for clip in batch if clip.length == length]
                frames = front_end(np.stack([clip.samples[:length] for clip in alike]))
                yield [clip.start / front_end.sample_rate for clip in alike], frames


def _note(
    highest: NDArray[np.float32],
    at: NDArray[np.float64],
    start: float,
    activations: NDArray[np.float32],
    times: NDArray[np.float64],
) -> None:
    """Remember what exceeds the highest so far, in place; all (units,) but the activations (steps, units)."""
    step = activations.argmax(axis=0)
    peak = activations.max(axis=0)
    higher = ~(peak <= highest)  # also where nothing was heard yet
    highest[higher] = peak[higher]
    at[higher] = start + times[step[higher]]
