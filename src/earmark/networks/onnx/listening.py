"""What a sound is besides its genre: styles, moods, and whether it is music, by the encoder's own classes."""

from __future__ import annotations

import numpy as np

from earmark.inference.vocabulary import MUSIC, SPEECH, read_classes
from earmark.networks.onnx.builder import Graph

_KINDS = (range(8), range(27, 38), range(137, 283), range(506, 513), range(524, 527))
"""Classes of speech, singing, music with its instruments, rooms, and radio: all other 527 are sounds of neither."""
_LEAST = 0.33
"""What clicks, hum and silence stay below, and all music that was heard but three soundscapes is above."""

_OTHERS = sorted(set(range(527)).difference(*_KINDS))


def write_listening(graph: Graph, logits: str) -> None:
    """Add the outputs ``styles``, ``moods`` and ``sound`` to a graph that has AudioSet's logits, (clips, 527).

    Each style and mood has a probability of its own, in the order of :func:`earmark.inference.vocabulary.read_classes`;
    those of ``sound`` (music, speech, other) sum to 1. Music must be as probable as :data:`_LEAST` to be called so.
    """
    probabilities = graph("Sigmoid", logits)
    for name, kind in (("styles", "genre"), ("moods", "mood")):
        indices = [item.index for item in read_classes(kind)]
        graph.output(_take(graph, probabilities, indices), name, ["clips", len(indices)])
    other = graph("ReduceMax", _take(graph, probabilities, _OTHERS), axes=[1])
    other = graph("Max", other, graph.constant(_LEAST))
    sound = graph("Concat", _take(graph, probabilities, [MUSIC, SPEECH]), other, axis=1)
    graph.output(graph("Div", sound, graph("ReduceSum", sound, graph.integers(1))), "sound", ["clips", 3])


def _take(graph: Graph, x: str, indices: list[int]) -> str:
    return graph("Gather", x, graph.constant(indices, np.int64), axis=1)
