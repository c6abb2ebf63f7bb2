"""Texture features against slow, literal rewrites; filling; the ONNX form; attention spread back over frames."""

import numpy as np
import onnxruntime
import pytest
import scipy.fft
import torch

from earmark.networks.onnx.builder import Graph
from earmark.networks.recurrent import RecurrentNetwork
from earmark.networks.settings import NetworkSettings
from earmark.networks.texture import Texture

BANDS, GROUPS = 64, 8


@pytest.fixture
def frames(rng):
    """Two clips of 50 frames, in dB: noise that beats."""
    t = np.arange(50)[None, :, None]
    return (10 * rng.standard_normal((2, 50, BANDS)) + 8 * np.sin(2 * np.pi * t / 8)).astype(np.float32)


def features_of_first_window(clip, window):
    """What the module's docstring says, one line a feature."""
    clip = clip.astype(np.float64)
    cepstrum = scipy.fft.dct(clip, axis=1, norm="ortho")[:, :60]
    cepstrum[:, 0] *= np.sqrt(2)  # ours is not orthonormal in the first coefficient
    groups = clip.reshape(len(clip), GROUPS, 8)
    bands, contrast = groups.mean(2), np.sqrt(groups.var(2) + 0.01)
    change = lambda x: np.diff(x, axis=0, prepend=x[:1])  # noqa: E731
    edges = np.pad(np.abs(np.diff(clip, axis=1)), ((0, 0), (1, 0))).reshape(len(clip), GROUPS, 8).mean(2)
    spread = lambda x: np.sqrt(x[:window].var(0) + 0.01)  # noqa: E731
    mean = lambda x: x[:window].mean(0)  # noqa: E731
    timbre, detail = cepstrum[:, :30], cepstrum[:, 30:]
    streams = np.concatenate([bands, timbre, np.maximum(change(bands), 0), contrast], axis=1)
    positive = [
        spread(timbre), mean(np.abs(change(timbre))), spread(detail), mean(np.abs(change(detail))),
        mean(contrast), spread(contrast), mean(edges), np.sqrt(mean(clip).reshape(GROUPS, 8).var(1) + 0.01),
        mean(np.abs(change(clip)).reshape(len(clip), GROUPS, 8).mean(2)), mean(np.abs(np.diff(clip, 2, axis=1))),
    ]  # fmt: skip
    moves = change(timbre[:, :20])[:window]
    covariance = [moves[:, i] @ moves[:, j] / window for i in range(20) for j in range(i, 20)]
    together = [np.sign(c) * np.log(1 + abs(c)) for c in covariance]
    return np.concatenate([mean(timbre), np.log(np.concatenate(positive)), together, modulation(streams[:window])])


def modulation(streams):
    """A Fourier sum at sixteen rates under a Hann window, offset taken off; pairs of magnitudes averaged."""
    n = len(streams)
    t, hann = np.arange(n), 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
    magnitudes = []
    for k in range(1, 17):
        wave = hann * np.exp(2j * np.pi * k / 32 * t)
        wave -= hann * wave.sum() / hann.sum()
        magnitudes.append(np.sqrt(np.abs(4 / hann.sum() * wave @ streams) ** 2 + 1e-4))
    pairs = np.array(magnitudes).reshape(8, 2, -1).mean(1)  # (rates, streams)
    return np.log(pairs + 0.03).ravel()


@pytest.mark.parametrize("window", [32, 48])
def test_features_are_what_they_say(frames, window):
    texture = Texture(BANDS, window, 4)
    features = texture(torch.from_numpy(frames))
    assert features.shape == (2, 1 + (50 - window) // 4, texture.n_features)
    for clip, ours in zip(frames, features, strict=True):
        np.testing.assert_allclose(ours[0], features_of_first_window(clip, window), rtol=1e-3, atol=1e-3)


def test_gain_changes_only_the_level(frames):
    texture = Texture(BANDS)
    one, other = texture(torch.from_numpy(frames)), texture(torch.from_numpy(frames + 6))
    changed = (one - other).abs().amax((0, 1)) > 1e-2
    assert changed.nonzero().flatten().tolist() == [0]  # the mean of the first cepstral coefficient


def test_a_beat_is_heard_at_its_rate(rng):
    t = np.arange(64)
    beats = {}
    for rate in (2, 5, 11):  # in 32nds of the frame rate
        clip = np.repeat((10 * np.sin(2 * np.pi * rate / 32 * t))[None, :, None], BANDS, axis=2)
        features = Texture(BANDS)(torch.tensor(clip, dtype=torch.float32))[0, 0]
        bands = features[-(3 * GROUPS + 30) * 8 :].reshape(8, -1)[:, 0]  # the first band at each of eight rates
        beats[rate] = int(bands.argmax())
    assert beats == {2: 0, 5: 2, 11: 5}


def test_onnx_says_the_same(frames):
    texture = Texture(BANDS, 32, 8)
    graph = Graph()
    out = texture.to_onnx(graph, graph.input("x", ["clips", "frames", BANDS]))
    graph.output(out, "y", ["clips", "windows", texture.n_features])
    session = onnxruntime.InferenceSession(graph.model("texture").SerializeToString())
    for x in (frames, frames[:1, :32], np.repeat(frames, 3, axis=1)):
        theirs = session.run(None, {"x": x})[0]
        np.testing.assert_allclose(theirs, texture(torch.from_numpy(x)).numpy(), atol=1e-4)


@pytest.mark.parametrize("attention", ["learned", "dot"])
def test_a_network_over_texture(frames, attention):
    torch.manual_seed(3)
    settings = NetworkSettings(
        units=6, attention=attention, bidirectional=True, texture_window=32, texture_hop=4, projection=5, skip=True,
        input_dropout=0.3,
    )  # fmt: skip
    network = RecurrentNetwork(BANDS, 3, settings)
    x = torch.from_numpy(frames)
    network.fit_input_statistics(x)
    network.train()(x)  # one step of batch statistics
    network.eval()
    logits, weights = network(x)
    assert weights.shape == (2, 50)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    for weight in network.attention.score.parameters() if attention == "learned" else ():
        kept = weight.detach().clone()
        weight.data.zero_()  # every window scores the same
        even = network(x)[1][:, :48]  # the windows reach as far as frame 48
        torch.testing.assert_close(even, torch.full_like(even, 1 / 48))
        weight.data.copy_(kept)

    ragged = x.clone()
    ragged[1, 41:] = torch.nan
    both, spread = network(ragged)
    alone, own = network(x[1:, :41])
    torch.testing.assert_close(both[0], logits[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(both[1], alone[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(spread[1, :41], own[0], atol=1e-6, rtol=0)
    assert (spread[1, 41:] == 0).all()

    graph = Graph()
    out, attended = network.to_onnx(graph, graph.input("x", ["clips", "frames", BANDS]))
    graph.output(out, "logits", ["clips", 3])
    graph.output(attended, "attention", ["clips", "frames"])
    session = onnxruntime.InferenceSession(graph.model("net").SerializeToString())
    for clip in (x, x[:, :41], x[:1, :32]):
        theirs = session.run(None, {"x": clip.numpy()})
        for a, b in zip(theirs, network(clip), strict=True):
            np.testing.assert_allclose(a, b.detach().numpy(), atol=1e-4)
