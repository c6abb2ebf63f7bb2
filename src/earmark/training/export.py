"""A trained pipeline → the graph of a model file, and its head."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from earmark.errors import SettingError
from earmark.inference.aggregate import LEAST_PROBABILITY
from earmark.inference.encoder import Encoder
from earmark.inference.model import Model
from earmark.networks.onnx.builder import Graph
from earmark.networks.onnx.listening import write_listening
from earmark.training.baselines import write_logistic
from earmark.training.pipeline import is_network

Matrix = NDArray[np.floating]


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


def pipeline_head(pipeline: Pipeline) -> bytes:
    """Write a fitted pipeline that pools clips of an encoder's features as a head, see :mod:`earmark.inference.head`.

    Returns
    -------
    bytes
        Base64 of an ONNX graph with the input ``features`` (tracks, 634), means over tracks; outputs ``probabilities``
        (tracks, labels) and ``novelty`` (tracks,).
    """
    graph = Graph()
    # (tracks, 634) → (tracks, 1, 634), clips of one step
    x = graph.unsqueeze(graph.input("features", ["tracks", pipeline.n_features_in_]), 1)
    probabilities, _ = _write_pipeline(graph, pipeline, x)
    graph.output(probabilities, "probabilities", ["tracks", len(pipeline.classes_)])
    return _encode_head(graph)


def write_adapted(base: Model, evidence: Matrix, weights: Matrix, bias: Matrix) -> tuple[bytes, bytes]:
    """Write a model that goes beyond another: of a track, p = softmax(log p_base @ evidence + W x + b).

    Parameters
    ----------
    base : Model
        Gives ``features``, and one genre a track. p_base are its calibrated probabilities, x are mean features.
    evidence : ndarray, shape (base labels, labels)
        What each label of the base speaks for. All columns have one sum: with another, p would depend on the sum of
        p_base, which is 1 for a track, but not for the mean over its clips.
    weights : ndarray, shape (labels, 634)
    bias : ndarray, shape (labels,)

    Returns
    -------
    graph : bytes
        As of :func:`pipeline_graph`, with all outputs of the base but ``novelty``: what is learned here may be music
        that is unlike what the base learned. A track is as above where the new card's ``track_temperature`` is 1.
    head : bytes
        As of :func:`pipeline_head`, with the input ``base`` (tracks, base labels) beside ``features``. The new card's
        ``base`` must be the checksum of the base.

    Raises
    ------
    SettingError
        If the base does not give features, or gives several genres.
    """
    assert np.ptp(evidence.sum(axis=0)) < 1e-6, "columns of different sums"
    outputs = {output.name: output.shape for output in base.session().get_outputs()}
    if "features" not in outputs or base.card.multilabel:
        raise SettingError(f"{base.name} cannot be adapted: it must be on the encoder, and give one genre a track")
    graph, head = Graph(), Graph()
    x = graph.input("spectrogram", ["clips", "frames", base.card.n_bins])
    known = graph.include(base.graph, x, "base_")
    # the logarithms of a clip are tempered as those of its track are
    tempered = evidence / base.card.calibration.track_temperature
    adapted = _write_sum(graph, known["probabilities"], tempered, known["features"], weights, bias)
    graph.output(adapted, "probabilities", ["clips", len(bias)])
    for name, shape in outputs.items():
        if name not in ("probabilities", "novelty"):
            graph.output(known[name], name, shape)
    answers = head.input("base", ["tracks", len(base.card.labels)])
    features = head.input("features", ["tracks", weights.shape[1]])
    adapted = _write_sum(head, answers, evidence, features, weights, bias)
    head.output(adapted, "probabilities", ["tracks", len(bias)])
    return bytes(graph.model("adapted").SerializeToString()), _encode_head(head)


def _encode_head(graph: Graph) -> bytes:
    return base64.b64encode(graph.model("head").SerializeToString())


def _write_sum(graph: Graph, probabilities: str, evidence: Matrix, features: str, weights: Matrix, bias: Matrix) -> str:
    """Write softmax(evidence' log p + W x + b): (n, base labels) and (n, 634) → (n, labels), whose name it returns."""
    log_p = graph("Log", graph("Max", probabilities, graph.constant(LEAST_PROBABILITY)))
    known = graph("MatMul", log_p, graph.constant(evidence))
    learned = graph("Add", graph("MatMul", features, graph.constant(weights.T)), graph.constant(bias))
    return graph("Softmax", graph("Add", known, learned), axis=1)


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
