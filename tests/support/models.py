"""Models one can see through, for tests of what is said about models."""

import numpy as np

from earmark.audio import KaldiMel, LogMel, StftDensity
from earmark.inference.card import Card, Training
from earmark.inference.model import Model

FRONT_ENDS = [
    LogMel(sample_rate=4000, n_fft=256, hop_length=128, n_mels=40),
    StftDensity(n_fft=256, hop_length=128, log=True),
    KaldiMel(sample_rate=4000, n_fft=256, window_length=200, hop_length=128, n_mels=40, fmax=2000.0),
]


def planted(band, front_end, weight=0.01, style=None):
    """A model whose log-odds for "yes" are the mean level of one band of bins, and nothing else.

    So are those of the style "techno", of the band `style`, where it is given.
    """
    from earmark.networks.onnx.builder import Graph

    weights = np.zeros((front_end.n_bins, 2), np.float32)
    weights[band, 0] = weight
    g = Graph()
    x = g.input("spectrogram", ["clips", "frames", front_end.n_bins])
    mean = g("ReduceMean", x, axes=[1], keepdims=0)  # (clips, bins)
    g.output(g("Softmax", g("MatMul", mean, g.constant(weights)), axis=1), "probabilities", ["clips", 2])
    if style:
        weights = np.zeros((front_end.n_bins, 1), np.float32)
        weights[style] = weight
        g.output(g("Sigmoid", g("MatMul", mean, g.constant(weights))), "styles", ["clips", 1])
    training = Training(corpus="", fingerprint="", protocol="track", n_tracks=9, n_clips=9, recipe="", seed=0, epochs=1)
    card = Card(
        name="planted", labels=("yes", "no"), clip_seconds=1.0, front_end=front_end, n_bins=front_end.n_bins,
        attention=False, training=training, created="2026-01-01", earmark="0", styles=("techno",) if style else (),
    )  # fmt: skip
    return Model(card, g.model("planted").SerializeToString())


STYLES, MOODS = ("techno", "salsa", "swing"), ("happy", "sad")


def listening(sound=(0.8, 0.1, 0.1), **changes):
    """A model that also tells styles, moods and kinds of sound: the same of any sound, whose frames are embedded.

    `changes` are to its card.
    """
    from earmark.networks.onnx.builder import Graph

    front_end = FRONT_ENDS[0]
    g = Graph()
    x = g.input("spectrogram", ["clips", "frames", front_end.n_bins])
    # (clips, frames, bins) → (clips, 1), all zero
    zero = g.unsqueeze(g("Mul", g("ReduceMean", x, axes=[1, 2], keepdims=0), g.constant(0)), 1)
    told = {"probabilities": [0.75, 0.25], "styles": [0.2, 0.7, 0.1], "moods": [0.3, 0.6], "sound": sound}
    if changes.get("attention"):
        told["attention"] = [0.1, 0.2, 0.3, 0.4]
    for name, values in told.items():
        g.output(g("Add", zero, g.constant([values])), name, ["clips", len(values)])
    g.output(x, "embedding", ["clips", "steps", front_end.n_bins])
    training = Training(corpus="", fingerprint="", protocol="track", n_tracks=9, n_clips=9, recipe="", seed=0, epochs=1)
    settings = {
        "name": "listening", "labels": ("electronic", "latin"), "styles": STYLES, "moods": MOODS, "clip_seconds": 1.0,
        "front_end": front_end, "n_bins": front_end.n_bins, "attention": False, "training": training,
        "created": "2026-01-01", "earmark": "0",
    }  # fmt: skip
    return Model(Card(**{**settings, **changes}), g.model("listening").SerializeToString())
