"""What a sound is besides its genre: the encoder's features; styles, moods and kinds of sound, by its own classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from earmark.inference.encoder import Encoder
from earmark.inference.vocabulary import MUSIC, SPEECH, read_classes
from earmark.networks.onnx.builder import Graph

_KINDS = (range(8), range(27, 38), range(137, 283), range(506, 513), range(524, 527))
"""Classes of speech, singing, music with its instruments, rooms, and radio: all other 527 are sounds of neither."""
_OTHERS = sorted(set(range(527)).difference(*_KINDS))

_LEAST = 0.33
"""What clicks, hum and silence stay below, and all music that was heard but three soundscapes is above."""

_MOOD_OFFSETS = (2.8, 3.0, 3.3, 2.7, 2.5, 4.1, 3.8)
"""Half of what each mood's logit is below 0 on average, over GTZAN and free music: AudioSet names moods seldom."""


def write_listening(graph: Graph, known: Mapping[str, str]) -> None:
    """Add what the encoder itself tells of clips to a graph that holds it.

    Parameters
    ----------
    graph : Graph
        Gets the outputs ``embedding`` (clips, steps, 384), ``features`` (clips, 634), which are means over the steps,
        and ``styles``, ``moods`` and ``sound`` (clips, names). Each of the last three sums to 1: which style fits best,
        which mood, and whether it is music, speech or anything else. Styles and moods are in the order of
        :func:`earmark.inference.vocabulary.read_classes`.
    known : mapping of str to str
        The names in the graph of the outputs of :meth:`earmark.inference.encoder.Encoder.graph`, by their own.
    """
    graph.output(known["embedding"], "embedding", ["clips", "steps", Encoder.n_dimensions])
    features = graph("ReduceMean", known["features"], axes=[1], keepdims=0)
    graph.output(features, "features", ["clips", Encoder.n_bins])
    logits = known["logits"]
    styles = _take(graph, logits, [item.index for item in read_classes("genre")])
    graph.output(graph("Softmax", styles, axis=1), "styles", ["clips", len(read_classes("genre"))])
    moods = _take(graph, logits, [item.index for item in read_classes("mood")])
    moods = graph("Softmax", graph("Add", moods, graph.constant(_MOOD_OFFSETS)), axis=1)
    graph.output(moods, "moods", ["clips", len(read_classes("mood"))])
    _write_kinds_of_sound(graph, logits)


def _write_kinds_of_sound(graph: Graph, logits: str) -> None:
    probabilities = graph("Sigmoid", logits)
    other = graph("ReduceMax", _take(graph, probabilities, _OTHERS), axes=[1])
    other = graph("Max", other, graph.constant(_LEAST))
    sound = graph("Concat", _take(graph, probabilities, [MUSIC, SPEECH]), other, axis=1)
    graph.output(graph("Div", sound, graph("ReduceSum", sound, graph.integers(1))), "sound", ["clips", 3])


def _take(graph: Graph, x: str, indices: list[int]) -> str:
    return graph("Gather", x, graph.constant(indices, np.int64), axis=1)
