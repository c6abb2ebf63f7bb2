"""Units of a network: what they do, what excites them, what their weights sound like."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from earmark.audio import StftDensity
from earmark.audio.encode import write_wav
from earmark.audio.loudness import loudness, master, true_peak
from earmark.auralization.excerpts import Moment, decode_moment, make_medley
from earmark.auralization.input_weights import GATES, input_weights
from earmark.auralization.peak_activations import PeakActivations, find_peak_activations
from earmark.auralization.units import UnitProbe
from earmark.data.corpus import Corpus, Track, read_folder
from earmark.errors import AudioError, CorpusError, ModelError, SettingError
from earmark.inference.model import Model, open_model
from earmark.networks.onnx.builder import Graph
from earmark.networks.recurrent import RecurrentNetwork
from earmark.networks.settings import NetworkSettings


@pytest.fixture(scope="module")
def paper():
    return open_model("paper-attention-2x60")


@pytest.fixture(scope="module")
def probe(paper):
    return UnitProbe(paper)


def made(front_end, curved=False, **settings):
    """An untrained model of three genres: a scaler, and a network."""
    torch.manual_seed(0)
    network = RecurrentNetwork(front_end.n_bins, 3, NetworkSettings(units=7, **settings)).eval()
    graph = Graph()
    x = graph.input("spectrogram", ["clips", "frames", front_end.n_bins])
    scaled = graph("Div", graph("Sub", x, graph.constant(3.0)), graph.constant(2.0))
    # as an encoder would, something that is not linear
    scaled = graph("Tanh", scaled) if curved else scaled
    logits, _ = network.to_onnx(graph, scaled)
    graph.output(graph("Softmax", logits, axis=1), "probabilities", ["clips", 3])
    card = open_model("paper-attention-2x60").card.model_copy(
        update={"front_end": front_end, "n_bins": front_end.n_bins, "min_frames": 1, "attention": False}
        | {"labels": ("a", "b", "c")}
    )
    return Model(card, graph.model("made").SerializeToString()), network


def test_activations_are_those_of_the_networks_own_equations(paper, probe, rng):
    """A slow LSTM in numpy, with the file's weights."""
    graph = onnx.load_from_string(paper.graph).graph
    w = {x.name: numpy_helper.to_array(x).astype(float) for x in graph.initializer}
    node = next(node for node in graph.node if node.op_type == "LSTM")
    W, R, b = (w[name][0] for name in node.input[1:4])
    x = rng.normal(-40, 15, (1, 20, 128)).astype(np.float32)
    level = np.maximum(x[0], x.max() - 55.0).astype(float)
    level = (level - level.mean() - w["w1"]) / w["w2"]
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    h, c, expected = np.zeros(60), np.zeros(60), []
    for frame in level:
        i, o, f, g = np.split(W @ frame + R @ h + b[:240] + b[240:], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        expected.append(h)
    np.testing.assert_allclose(probe.activations(x)[0], expected, atol=1e-4)


@pytest.mark.parametrize("settings", [{"cell": "rnn"}, {"bidirectional": True}, {"layers": 2, "attention": "dot"}])
def test_units_are_those_of_the_first_layer(settings, rng):
    model, network = made(StftDensity(), **settings)
    x = rng.normal(0, 1, (2, 9, 513)).astype(np.float32)
    scaled = (torch.from_numpy(x) - 3) / 2
    with torch.no_grad():
        expected, _ = network.recurrences[0](scaled if network.embedding is None else network.embedding(scaled))
    watched = UnitProbe(model)
    assert watched.n_units == 14 if settings.get("bidirectional") else 7
    np.testing.assert_allclose(watched.activations(x), expected, atol=1e-5)


def test_units_that_read_backwards_come_last():
    watched = UnitProbe(made(StftDensity(), bidirectional=True)[0])
    names = [watched.name(unit) for unit in range(watched.n_units)]
    assert len(set(names)) == 14
    assert (names[0], names[-1]) == ("unit 0", "unit 6 backwards")


def test_a_step_of_a_frame_network_is_a_frame(paper, probe):
    np.testing.assert_allclose(probe.times(64, 64), paper.card.front_end.times(64))
    hop = 1707 / 22050  # of an encoder's, as many frames as it joins
    np.testing.assert_allclose(probe.times(64, 8)[:2], [3.5 * hop + 1024 / 22050, 11.5 * hop + 1024 / 22050])
    assert len(probe.times(1, 1)) == 1


@pytest.mark.parametrize("unit", [-1, 60])
def test_units_that_there_are_not(probe, paper, unit):
    with pytest.raises(SettingError, match="has units 0 to 59"):
        probe.name(unit)
    with pytest.raises(SettingError, match="units 0 to 59"):
        input_weights(paper).spectrum(unit)


def test_a_units_weights_sound_like_what_excites_it(paper, probe):
    """Weights → sound → front end → network: the unit fires, more than for the others' sounds; negated, it is quiet."""
    weights, units = input_weights(paper), range(0, 60, 6)
    heard = {
        sign: probe.activations(
            np.stack([paper.card.front_end(weights.synthesize(u, strength=sign, seconds=3)) for u in units])
        ).mean(axis=1)[:, units]  # (sounds, units)
        for sign in (1, -1)
    }
    own = np.diag(heard[1])
    others = (heard[1].sum(axis=0) - own) / (len(own) - 1)
    assert np.mean(own > others) >= 0.8
    assert own.mean() > 0.3 > others.mean() + 0.1
    assert np.mean(np.diag(heard[-1]) < own) >= 0.9


def test_weights_of_other_kinds_of_network():
    front_end = StftDensity()
    model, network = made(front_end, cell="rnn")
    weights = input_weights(model)
    embedded = network.recurrences[0].weight_ih_l0 @ network.embedding.weight
    np.testing.assert_allclose(weights.weights, embedded.detach().numpy(), atol=1e-6)
    assert (weights.mean[0], weights.deviation[0]) == (3.0, 2.0)
    sound = weights.synthesize(3, seconds=2.0)
    assert len(sound) == 8000
    assert np.isfinite(sound).all()
    lstm, network = made(front_end)
    torch_order = dict(
        zip(("input", "forget", "cell", "output"), network.recurrences[0].weight_ih_l0.split(7), strict=True)
    )
    for gate in GATES:
        np.testing.assert_allclose(input_weights(lstm, gate).weights, torch_order[gate].detach().numpy(), atol=1e-6)


def test_a_spectrum_leans_as_the_weights_do(paper):
    weights = input_weights(paper)
    spectrum, less = weights.spectrum(5), weights.spectrum(5, -1.0)
    assert spectrum.max() == pytest.approx(20)
    lean = (spectrum - less) / weights.deviation
    assert np.corrcoef(lean - lean.mean(), weights.weights[5])[0, 1] > 0.9


def test_an_encoder_leaves_no_weights_to_listen_to(paper):
    with pytest.raises(ModelError, match=r"lies Tanh\): listen to what excites its units instead"):
        input_weights(made(StftDensity(), curved=True)[0])
    with pytest.raises(SettingError, match="must be one of input, output, forget, cell"):
        input_weights(paper, "both")


@pytest.fixture(scope="module")
def folder(paper, tmp_path_factory):
    """Noise, and noise in which one unit's own sound comes from 11 to 14 s; a file that is none; silence."""
    root = tmp_path_factory.mktemp("corpus")
    rate = paper.card.front_end.sample_rate
    rng = np.random.default_rng(0)
    noise, planted = (rng.normal(0, 0.02, 20 * rate).astype(np.float32) for _ in range(2))
    unit, _ = master(input_weights(paper).synthesize(30, seconds=3), rate)
    planted[11 * rate : 14 * rate] += 2 * unit
    write_wav(root / "a" / "noise.wav", noise, rate)
    write_wav(root / "b" / "planted.wav", planted / 4, rate)
    write_wav(root / "b" / "silence.wav", np.zeros(5 * rate), rate)
    (root / "b" / "broken.wav").write_text("no sound")
    return root


@pytest.fixture(scope="module")
def peaks(probe, folder):
    told = []
    found = find_peak_activations(probe, read_folder(folder), on_track=lambda track: told.append(track.id))
    assert told == ["noise", "broken", "planted", "silence"]
    return found


def test_the_exciting_moment_is_where_it_was_planted(peaks):
    first, second = peaks.moments(30, 5, seconds=2.0)
    assert (first.track.id, second.track.id) == ("planted", "noise")
    assert first.value > second.value
    assert 10 <= first.start < first.end <= 15
    assert first.end - first.start == pytest.approx(2)
    assert list(peaks.failed) == ["broken"]
    assert "not a sound file" in peaks.failed["broken"]
    assert first.to_record()["path"].endswith("planted.wav")


def test_a_medley_is_as_long_and_as_loud_as_it_should_be(peaks, folder):
    gone = Moment(Track("gone", "a", path=folder / "gone.wav"), 0.0, 2.0, 1.0)
    told = []
    moments = peaks.moments(30, 2, seconds=2.0)
    sound, rate, heard = make_medley(
        [gone, *moments], 22050, on_error=lambda moment, words: told.append((moment.track.id, words))
    )
    assert heard == moments
    assert [name for name, _ in told] == ["gone"]
    assert "cannot be opened" in told[0][1]
    with pytest.raises(AudioError, match="none of 1 moments could be heard: cannot be opened"):
        make_medley([gone], 22050)
    assert len(sound) / rate == pytest.approx(2 * 2 - 0.15, abs=0.01)
    assert loudness(sound, rate) == pytest.approx(-16, abs=0.2)
    assert true_peak(sound, rate) <= -1


def test_a_corpus_that_cannot_be_heard(probe, folder):
    corpus = read_folder(folder)
    with pytest.raises(CorpusError, match="none of the 1 tracks could be heard; the first: broken"):
        find_peak_activations(probe, corpus.subset([1]))
    with pytest.raises(CorpusError, match="silent or too short"):
        find_peak_activations(probe, corpus.subset([3]))


def test_arrays_are_heard_but_cannot_be_cut_out(probe, rng):
    track = Track("x", "a", spectrogram=rng.normal(-40, 10, (150, 128)).astype(np.float32))
    found = find_peak_activations(probe, Corpus("arrays", (track,)))
    (moment,) = found.moments(0)
    assert 0 <= moment.start < 150 * 1707 / 22050
    with pytest.raises(CorpusError, match="only tracks with sound"):
        decode_moment(moment, 22050)
    odd = Track("odd", "a", spectrogram=np.zeros((150, 96), np.float32))
    with pytest.raises(CorpusError, match="96 bins a frame"):
        find_peak_activations(probe, Corpus("arrays", (track, odd)))


def test_what_lies_beyond_a_files_end(folder):
    track = next(t for t in read_folder(folder).tracks if t.id == "noise")
    assert len(decode_moment(Moment(track, 19.0, 22.0, 1.0), 22050)) == pytest.approx(22050, abs=2)


def test_nothing_recurrent(paper):
    graph = Graph()
    x = graph.input("spectrogram", ["clips", "frames", 128])
    mean = graph("ReduceMean", x, axes=[1], keepdims=0)
    graph.output(
        graph("Softmax", graph("MatMul", mean, graph.constant(np.ones((128, 10))))), "probabilities", ["c", 10]
    )
    model = dataclasses.replace(paper, graph=graph.model("flat").SerializeToString())
    for look in (UnitProbe, input_weights):
        with pytest.raises(ModelError, match="no layer of it is recurrent"):
            look(model)


def test_the_most_selective_units_are_the_best_of_each_genre_in_turn(probe):
    tracks = tuple(Track(f"{genre}{i}", genre) for genre in ("jazz", "rock") for i in range(3))
    steps = np.array([[0.0, 0.1, 0.2]] * 2).reshape(6)
    jazz = np.repeat([1.0, 0.0], 3)
    # unit 0 tells nothing, 1 jazz, 2 rock, 3 rock somewhat
    highest = np.stack([steps, jazz + steps, -jazz + steps, -0.2 * jazz + steps], axis=1).astype(np.float32)
    peaks = PeakActivations(probe, Corpus("two", tracks), highest, np.zeros(highest.shape), {})
    assert peaks.most_selective(2) == [1, 2]
    assert peaks.most_selective(3) == [1, 2, 0]
    alone = PeakActivations(probe, Corpus("one", tracks[:3]), highest[:3], np.zeros((3, 4)), {})
    assert alone.most_selective(3) == [0, 1, 2]
