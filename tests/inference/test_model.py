"""The model file: sealed, self-describing, and refused when anything is wrong with it."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.models import listening

from earmark.audio import LogMel
from earmark.errors import ModelError
from earmark.inference.card import FORMAT_VERSION, Calibration, Card, Training
from earmark.inference.model import Model, list_models, open_model, parse, save_model
from earmark.inference.model_file import compute_checksum, join_card


def card(**changes):
    training = Training(
        corpus="c", fingerprint="f", protocol="track", n_tracks=9, n_clips=9, recipe="", seed=0, epochs=1
    )
    settings = {
        "name": "räggae", "labels": ("a", "b"), "clip_seconds": 1.0, "front_end": LogMel(n_mels=3), "n_bins": 3,
        "attention": False, "training": training, "created": "2026-01-01", "earmark": "0",
    }  # fmt: skip
    return Card(**{**settings, **changes})


@pytest.fixture(scope="module")
def graph():
    """The mean frame, softmaxed, of its first two bins: a model as good as any for the file format."""
    from earmark.networks.onnx.builder import Graph

    g = Graph()
    x = g.input("spectrogram", ["clips", "frames", 3])
    mean = g("ReduceMean", x, axes=[1], keepdims=0)
    two = g("Slice", mean, g.integers(0), g.integers(2), g.integers(1))
    g.output(g("Softmax", two, axis=1), "probabilities", ["clips", 2])
    return g.model("mean").SerializeToString()


def test_what_is_saved_is_opened(tmp_path, graph):
    saved = save_model(tmp_path / "m.onnx", graph, card())
    opened = open_model(tmp_path / "m.onnx")
    assert opened == saved
    assert opened.card.model_copy(update={"checksum": ""}) == card()
    (probabilities,) = opened.session().run(None, {"spectrogram": np.ones((2, 4, 3), np.float32)})
    np.testing.assert_allclose(probabilities, 0.5)
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_any_onnx_tool_sees_the_card(tmp_path, graph):
    save_model(tmp_path / "m.onnx", graph, card())
    loaded = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(loaded)
    (entry,) = loaded.metadata_props
    assert entry.key == "earmark"
    assert json.loads(entry.value)["name"] == "räggae"


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_no_byte_can_be_changed_unseen(tmp_path_factory, graph, data):
    path = tmp_path_factory.mktemp("sealed") / "m.onnx"
    save_model(path, graph, card())
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ModelError, match="m.onnx"):
        parse(bytes(whole), "m.onnx")


@given(st.binary(max_size=300))
def test_bytes_that_are_no_model(noise):
    with pytest.raises(ModelError, match="not an ONNX model|without an Earmark card"):  # a few bytes may be a message
        parse(noise, "noise")


def test_a_number_is_no_graph():
    with pytest.raises(ModelError, match="not an ONNX model"):
        parse(b"8\x00", "number")


def test_a_file_cut_short(tmp_path, graph):
    save_model(tmp_path / "m.onnx", graph, card())
    whole = (tmp_path / "m.onnx").read_bytes()
    for size in range(0, len(whole), 37):
        with pytest.raises(ModelError):
            parse(whole[:size], "cut")


def test_a_card_of_another_file_is_sealed_anew(tmp_path, graph):
    first = save_model(tmp_path / "m.onnx", graph, card())
    save_model(tmp_path / "n.onnx", first.graph, first.card)
    assert open_model(tmp_path / "n.onnx").card == first.card


def test_onnx_without_a_card(graph):
    with pytest.raises(ModelError, match="without an Earmark card"):
        parse(graph, "plain")


def test_a_future_format_asks_for_an_upgrade(tmp_path, graph):
    save_model(tmp_path / "m.onnx", graph, card().model_copy(update={"format_version": FORMAT_VERSION + 1}))
    with pytest.raises(ModelError, match="install a newer Earmark"):
        open_model(tmp_path / "m.onnx")


def test_the_first_format_writes_tags_from_its_threshold_on():
    """It has neither a threshold for tags nor a limit of novelty."""
    old = Calibration.model_validate({"threshold": 0.4, "coverage": 0.9})
    assert (old.tag_threshold, old.novelty) == (0.4, None)


def test_a_label_may_have_its_own_threshold_for_tags():
    one, each = Calibration(tag_threshold=0.6), Calibration(tag_threshold=0.6, tag_thresholds=(0.5, 0.7))
    assert card(calibration=one).tag_thresholds == {"a": 0.6, "b": 0.6}
    assert card(calibration=each).tag_thresholds == {"a": 0.5, "b": 0.7}
    with pytest.raises(ValidationError, match="2 labels, but tag_thresholds of 1"):
        card(calibration=Calibration(tag_thresholds=(0.5,)))


def test_a_limit_of_novelty_needs_a_graph_that_measures_it(graph):
    model = Model(card(calibration=Calibration(novelty=0.5)), graph)
    with pytest.raises(ModelError, match="a limit of novelty, but the graph gives none"):
        model.session()


@pytest.mark.parametrize(("labels", "says"), [(("a", "b", "c"), "3 labels are wanted, but the graph has 2")])
def test_foreign_labels(tmp_path, graph, labels, says):
    save_model(tmp_path / "m.onnx", graph, card(labels=labels))
    with pytest.raises(ModelError, match=says):
        open_model(tmp_path / "m.onnx").session()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"styles": ("techno",)}, "1 styles are wanted, but the graph has 3"),
        ({"moods": ()}, "0 moods are wanted, but the graph has 2"),
        ({"sound": (0.5, 0.5)}, "3 kinds of sound are wanted, but the graph has 2"),
    ],
)
def test_other_outputs_than_the_card_names(changes, says):
    with pytest.raises(ModelError, match=says):
        listening(**changes).session()


def test_a_front_end_of_a_newer_earmark_is_refused_in_one_line(graph):
    odd = {**card().model_dump(mode="json"), "front_end": {"kind": "strange"}}
    odd["checksum"] = compute_checksum(graph, json.dumps(odd, ensure_ascii=False).encode())
    with pytest.raises(ModelError, match=r"new.onnx: the card is not valid: front_end: [^\n]*'strange'[^\n]*$"):
        parse(join_card(graph, json.dumps(odd, ensure_ascii=False).encode()), "new.onnx")


def test_a_card_that_claims_attention(tmp_path, graph):
    save_model(tmp_path / "m.onnx", graph, card(attention=True))
    with pytest.raises(ModelError, match="whether the network attends"):
        open_model(tmp_path / "m.onnx").session()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels": ("a", "a")}, "labels occur twice"),
        ({"moods": ("sad", "sad")}, "moods occur twice: sad"),
        ({"n_bins": 4}, "reads 4 bins, the front end gives 3"),
        ({"clip_seconds": 0}, "greater than 0"),
        ({"tempo": 1}, "Extra inputs"),
    ],
)
def test_cards_that_make_no_sense(changes, says):
    with pytest.raises(ValidationError, match=says):
        card(**changes)


def test_no_such_model(tmp_path):
    with pytest.raises(ModelError, match=r"neither|nor one of the bundled \(earmark"):
        open_model(tmp_path / "none.onnx")


def test_bundled_models_are_small_and_say_where_they_come_from():
    assert next(iter(list_models())) == "earmark"
    for name, path in list_models().items():
        assert path.stat().st_size < 10e6
        opened = open_model(name)
        assert opened.card.attention or "attention" not in name
        assert opened.card.training.protocol in ("fault-filtered", "artist", "album")
        assert {m.name for m in opened.card.metrics} >= {"track_accuracy", "clip_accuracy"}
        assert dataclasses.is_dataclass(opened.card.front_end)
