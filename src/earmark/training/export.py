"""A trained pipeline → the graph of a model file."""

from __future__ import annotations

from sklearn.pipeline import Pipeline

from earmark.errors import SettingError
from earmark.inference.encoder import Encoder
from earmark.networks.onnx.builder import Graph
from earmark.networks.onnx.listening import write_listening
from earmark.training.baselines import write_logistic
from earmark.training.pipeline import is_network


def pipeline_graph(pipeline: Pipeline, name: str, encoder: Encoder | None = None) -> bytes:
    """Write a fitted pipeline as ONNX.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Each step but the last has ``to_onnx(graph, x)``; the last is a network or a logistic regression.
    name : str
        Name of the graph.
    encoder : Encoder, optional
        Write it too, before the pipeline.

    Returns
    -------
    bytes
        Input ``spectrogram`` (clips, frames, bins), any number of clips and frames; outputs
        ``probabilities`` (clips, labels) and, with attention, ``attention`` (clips, frames). With an encoder the input
        is what it reads, attention is spread over the encoder's steps, and there are also ``novelty`` (clips,) of
        :class:`~earmark.training.novelty.NoveltyDetector` where the pipeline has one, and what
        :func:`~earmark.networks.onnx.listening.write_listening` writes.
    """
    graph = Graph()
    x = graph.input("spectrogram", ["clips", "frames", encoder.mel.n_bins if encoder else pipeline.n_features_in_])
    known = graph.include(encoder.graph(), x, "encoder_") if encoder else {"features": x}
    probabilities, attention = _write_pipeline(graph, pipeline, known["features"])
    # not calibrated: the temperature is in the card
    graph.output(probabilities, "probabilities", ["clips", len(pipeline.classes_)])
    if attention is not None:
        graph.output(attention, "attention", ["clips", "steps" if encoder else "frames"])
    if encoder:
        write_listening(graph, known)
    return bytes(graph.model(name).SerializeToString())


def _write_pipeline(graph: Graph, pipeline: Pipeline, x: str) -> tuple[str, str | None]:
    """Write all steps; returns the names of probabilities and, where a network attends, of attention."""
    *transformers, (kind, classifier) = pipeline.steps
    if kind not in ("network", "logistic"):
        raise SettingError(f"a {type(classifier).__name__} has no ONNX form here: judge it by 'earmark reproduce'")
    for _, step in transformers:
        x = step.to_onnx(graph, x)
    if not is_network(pipeline):
        return write_logistic(graph, classifier, x), None
    logits, attention = classifier.network_.to_onnx(graph, x)
    return graph("Softmax", logits, axis=1), attention
