"""The front end as part of an ONNX graph: samples in, the frames that the network reads out."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import compose

from earmark.audio.kaldi_mel import SILENCE, KaldiMel
from earmark.audio.spectrogram import FrontEnd, LogMel, StftDensity
from earmark.inference.model import Model
from earmark.networks.onnx.builder import Graph


def waveform_graph(model: Model) -> bytes:
    """Put a model's front end inside its graph, for those who deploy without Python.

    The input is ``samples`` (clips, samples) at the card's sample rate, full scale ±1; else the graph is the same.
    """
    front = front_end_graph(model.card.front_end)
    network = onnx.load_from_string(model.graph)
    joined = compose.merge_models(
        compose.add_prefix(front, "front_", rename_inputs=False),
        network,
        io_map=[("front_frames", "spectrogram")],
    )
    return bytes(joined.SerializeToString())


def front_end_graph(front_end: FrontEnd) -> Any:
    """Build the graph from samples (clips, samples) to frames (clips, frames, bins)."""
    graph = Graph()
    x = graph.input("samples", ["clips", "samples"])
    if isinstance(front_end, KaldiMel):
        x = _emphasise(graph, x, front_end)
    elif isinstance(front_end, LogMel) and front_end.center:
        pad = front_end.n_fft // 2
        x = graph("Pad", x, graph.integers(0, pad, 0, pad))
    spectrum = _detrend_spectrum(graph, x, front_end)
    # re² + im²: (clips, frames, bins)
    power = graph("ReduceSum", graph("Mul", spectrum, spectrum), graph.integers(3), keepdims=0)
    frames = _density(graph, power, front_end) if isinstance(front_end, StftDensity) else _mel(graph, power, front_end)
    graph.output(frames, "frames", ["clips", "frames", front_end.n_bins])
    return graph.model("front_end")


def _detrend_spectrum(graph: Graph, x: str, front_end: FrontEnd) -> str:
    """Return the STFT (clips, frames, bins, 2). A frame's mean m adds m · FFT(window), which is taken off again."""
    # as long as the transform: Kaldi's lies in its middle
    window = np.pad(front_end.window.astype(np.float32), (front_end.n_fft - len(front_end.window)) // 2)
    hop = graph.constant(front_end.hop_length, np.int64)
    spectrum = graph("STFT", graph.unsqueeze(x, 2), hop, graph.constant(window))
    if not isinstance(front_end, StftDensity):
        return spectrum
    sizes = {"kernel_shape": [front_end.n_fft], "strides": [front_end.hop_length]}
    mean = graph("AveragePool", graph.unsqueeze(x, 1), **sizes)  # (clips, 1, frames)
    mean = graph.unsqueeze(graph("Transpose", mean, perm=[0, 2, 1]), 3)  # (clips, frames, 1, 1)
    # FFT((x - m) w) = FFT(x w) - m FFT(w)
    of_window = np.fft.rfft(front_end.window)
    offset = graph.constant(np.stack([of_window.real, of_window.imag], axis=1)[None, None])
    return graph("Sub", spectrum, graph("Mul", mean, offset))


def _density(graph: Graph, power: str, front_end: StftDensity) -> str:
    # one-sided: all but DC and Nyquist stand for two
    scale = np.full(front_end.n_bins, 2.0)
    scale[0] = 1.0
    if front_end.n_fft % 2 == 0:
        scale[-1] = 1.0
    density = graph("Mul", power, graph.constant(scale * front_end.amplitude**2 / np.sum(front_end.window**2)))
    return _decibels(graph, graph("Add", density, graph.constant(1e-10))) if front_end.log else density


def _emphasise(graph: Graph, x: str, front_end: KaldiMel) -> str:
    """Return x[t] - a x[t-1] of clips at the front end's level, reflected at both ends by half a transform."""
    if front_end.rms_db is not None:
        power = graph("ReduceMean", graph("Mul", x, x), axes=[1])
        # 1 / √p = exp(-ln p / 2)
        half = graph("Mul", graph("Log", graph("Add", power, graph.constant(SILENCE))), graph.constant(-0.5))
        gain = graph("Mul", graph("Exp", half), graph.constant(10 ** (front_end.rms_db / 20)))
        x = graph("Mul", x, gain)
    ends = graph.integers(-1), graph.integers(2**31 - 1)
    before = graph("Slice", x, graph.integers(0), ends[0], graph.integers(1))
    x = graph("Slice", x, graph.integers(1), ends[1], graph.integers(1))
    x = graph("Sub", x, graph("Mul", before, graph.constant(front_end.preemphasis)))
    pad = front_end.n_fft // 2
    return graph("Pad", x, graph.integers(0, pad, 0, pad), mode="reflect")


def _mel(graph: Graph, power: str, front_end: LogMel | KaldiMel) -> str:
    mel = graph("MatMul", power, graph.constant(front_end.filters))
    if isinstance(front_end, KaldiMel):
        level = graph("Log", graph("Add", mel, graph.constant(1e-5)))
        return graph("Div", graph("Add", level, graph.constant(4.5)), graph.constant(5))
    level = _decibels(graph, graph("Max", mel, graph.constant(front_end.amin)))
    peak = graph("ReduceMax", level, axes=[1, 2])
    if front_end.top_db is not None:
        level = graph("Max", level, graph("Sub", peak, graph.constant(front_end.top_db)))
    return graph("Sub", level, peak) if front_end.relative else level


def _decibels(graph: Graph, power: str) -> str:
    # 10 log10 p = (10 / ln 10) ln p
    return graph("Mul", graph("Log", power), graph.constant(10 / np.log(10)))
