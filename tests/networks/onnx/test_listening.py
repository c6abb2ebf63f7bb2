"""What the encoder tells by itself: features, and styles, moods and kinds of sound out of AudioSet's logits."""

import numpy as np
import onnxruntime

from earmark.inference.vocabulary import read_classes
from earmark.networks.onnx.builder import Graph
from earmark.networks.onnx.listening import write_listening


def listen(logits, features=None):
    graph = Graph()
    known = {
        "embedding": graph.input("steps", ["clips", "steps", 384]),
        "features": graph.input("all steps", ["clips", "steps", 634]),
        "logits": graph.input("logits", ["clips", 527]),
    }
    write_listening(graph, known)
    session = onnxruntime.InferenceSession(graph.model("listening").SerializeToString())
    steps = np.zeros((len(logits), 2, 634)) if features is None else features
    inputs = {"steps": steps[..., :384], "all steps": steps, "logits": logits}
    answers = session.run(None, {name: values.astype(np.float32) for name, values in inputs.items()})
    return dict(zip([output.name for output in session.get_outputs()], answers, strict=True))


def test_features_are_means_over_the_steps_of_each_clip(rng):
    steps = rng.normal(0, 2, (3, 7, 634))
    said = listen(np.zeros((3, 527)), steps)
    np.testing.assert_allclose(said["features"], steps.mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(said["embedding"], steps[..., :384].astype(np.float32))


def test_styles_and_moods_are_shares_of_what_their_classes_say(rng):
    logits = rng.normal(0, 2, (3, 527))
    said = listen(logits)
    styles = np.exp(logits[:, [item.index for item in read_classes("genre")]])
    np.testing.assert_allclose(said["styles"], styles / styles.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(said["moods"].sum(axis=1), 1, atol=1e-6)
    # the likeliest mood is that whose class is raised by much
    for k, mood in enumerate(read_classes("mood")):
        logits[:, mood.index] += 20
        assert (listen(logits)["moods"].argmax(axis=1) == k).all()
        logits[:, mood.index] -= 20


def test_music_speech_and_the_rest():
    logits = np.full((5, 527), -6.0)
    logits[0, [137, 140, 500]] = 2, 3, -3  # music, with a guitar
    logits[1, [0, 1, 508]] = 2, 2, 3  # a man who speaks in a hall
    logits[2, [520, 137]] = 3, -2  # white noise
    logits[3, [27, 137]] = 3, 1  # singing
    logits[4, [500]] = 4  # silence
    said = listen(logits)["sound"]
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
    assert said.argmax(axis=1).tolist() == [0, 1, 2, 0, 2]
