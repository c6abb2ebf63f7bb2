"""A trained pipeline → the graph of a model file; and a model file → a graph that starts from samples."""

from __future__ import annotations

from sklearn.pipeline import Pipeline

from earmark.errors import SettingError
from earmark.networks.onnx.builder import Graph
from earmark.training.network_classifier import NetworkClassifier


def pipeline_graph(pipeline: Pipeline, name: str) -> bytes:
    """Write a fitted pipeline of scalers and a network as ONNX.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Each step but the last has ``to_onnx(graph, x)``; the last is a :class:`NetworkClassifier`.
    name : str
        Name of the graph.

    Returns
    -------
    bytes
        Input ``spectrogram`` (clips, frames, bins), any number of clips and frames; outputs
        ``probabilities`` (clips, labels) and, with attention, ``attention`` (clips, frames).
    """
    *scalers, classifier = (step for _, step in pipeline.steps)
    if not isinstance(classifier, NetworkClassifier):
        raise SettingError(f"a {type(classifier).__name__} has no ONNX form here; only networks do")
    graph = Graph()
    x = graph.input("spectrogram", ["clips", "frames", pipeline.n_features_in_])
    for scaler in scalers:
        x = scaler.to_onnx(graph, x)
    logits, attention = classifier.network_.to_onnx(graph, x)
    # not calibrated: the temperature is in the card
    graph.output(graph("Softmax", logits, axis=1), "probabilities", ["clips", len(classifier.classes_)])
    if attention is not None:
        graph.output(attention, "attention", ["clips", "frames"])
    return bytes(graph.model(name).SerializeToString())
