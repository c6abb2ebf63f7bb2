"""A model of one's own on the pretrained encoder, by the installed command, where torch cannot be imported."""

import json
import shutil

import numpy as np
import pytest
from mediafile import MediaFile
from support.command import json_lines, run, without_torch
from support.paths import REPOSITORY

from earmark.audio.decode import AudioFile
from earmark.data.corpus import open_corpus
from earmark.data.examples import decode_examples, join_examples
from earmark.data.features import worker
from earmark.data.open import prepare_for_folds
from earmark.data.synth import write_corpus
from earmark.errors import CorpusError, ModelError, SettingError
from earmark.inference.aggregate import make_answer
from earmark.inference.classifier import FrameClassifier
from earmark.inference.encoder import Encoder
from earmark.inference.head import Head
from earmark.inference.model import open_model, save_model
from earmark.inference.tagger import Tagger
from earmark.training.experiment import Resources
from earmark.training.pipeline import fit_several, make_pipeline
from earmark.training.registry import open_recipe
from earmark.training.train import Experiment, train

STYLES = ("ambient", "march", "techno")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus") / "styles"
    write_corpus(root, tracks=5, seconds=11, seed=3, styles=list(STYLES))
    # a genre of one track, and the same words as the user wrote them
    (root / "Tango Nuevo").mkdir()
    shutil.copy(next((root / "march").iterdir()), root / "Tango Nuevo" / "only.wav")
    return root


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory):
    own = tmp_path_factory.mktemp("without")
    return {**without_torch(own), "XDG_CACHE_HOME": str(own)}


@pytest.fixture(scope="module")
def trained(folder, home, surroundings):
    return home / "mine.onnx", run("train", folder, "-o", home / "mine.onnx", env=surroundings)


@pytest.fixture(scope="module")
def cache(surroundings):
    from pathlib import Path

    return Path(surroundings["XDG_CACHE_HOME"]) / "earmark" / "features"


def test_the_command_judges_by_folds_and_learns_from_everything(trained):
    model, said = trained
    assert "15 tracks, 5 held-out folds of protocol album" in " ".join(said.stdout.split())
    assert "mean recall" in said.stdout
    page = " ".join(said.stdout.split())
    assert "It needs more tracks, at least 10 and better 20, of ambient (5), march (5), techno (5)." in page
    assert "left out 1 of 16 tracks, of genres with fewer than 3 tracks: Tango Nuevo 1" in said.stderr
    card = open_model(model).card
    assert card.labels == STYLES
    assert (card.training.n_tracks, card.training.epochs, card.attention) == (15, 0, False)
    assert (card.front_end, card.n_bins, card.clip_seconds) == (Encoder.mel, 128, 10)
    assert {metric.name: metric.value for metric in card.metrics}["mean_recall"] >= 0.8
    assert (len(card.styles), len(card.moods)) == (53, 7)
    assert [path.name for path in model.parent.iterdir()] == ["mine.onnx"]


def test_the_file_holds_the_encoder_and_its_answers(trained, folder, surroundings):
    said = run("classify", folder / "techno", "--model", trained[0], "--format", "json", env=surroundings)
    assert [verdict["genres"]["techno"] > 0.5 for verdict in json_lines(said.stdout)] == [True] * 5
    mel = Encoder.mel(np.random.default_rng(0).normal(0, 0.1, (2, 70000)).astype(np.float32))
    session = open_model(trained[0]).session()
    answers = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"spectrogram": mel}), strict=True))
    shapes = {name: value.shape for name, value in answers.items()}
    assert shapes == {
        "probabilities": (2, 3), "novelty": (2,), "embedding": (2, 7, 384), "styles": (2, 53), "moods": (2, 7),
        "sound": (2, 3), "features": (2, 634),
    }  # fmt: skip
    np.testing.assert_allclose(answers["probabilities"].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(answers["sound"].sum(axis=1), 1, atol=1e-5)
    # noise is neither music nor speech
    np.testing.assert_array_equal(answers["sound"].argmax(axis=1), 2)


def test_the_head_in_the_file_names_a_track_from_its_embedding(trained, several, folder):
    sounds = []
    for style in STYLES:
        with AudioFile(min((folder / style).iterdir())) as recording:
            sounds += recording.blocks(Encoder.sample_rate)
    # a mean of logarithms of probabilities that are each their own is below the logarithm of the mean's
    for path, at_most in ((trained[0], 1e-3), (several[0], 0.5)):
        model = open_model(path)
        heard = Tagger(model).classify(np.concatenate(sounds), Encoder.sample_rate)
        assert len(heard.clips) > 2
        (mean,) = Head(model).predict(heard.embedding[None]).split()
        said = make_answer(mean, model.card, model.card.calibration.track_temperature)
        for label, p in heard.genres.items():
            assert -1e-3 < said.genres[label] - p < at_most


def test_music_unlike_what_it_learned_is_unknown_and_says_so(trained, surroundings):
    said = run(
        "classify", REPOSITORY / "examples" / "hungarian-dance.opus", "-m", trained[0], "-f", "json", env=surroundings
    )
    (verdict,) = json_lines(said.stdout)
    assert (verdict["genre"], verdict["reason"]) == (None, "unlike what it learned")
    assert set(verdict["genres"]) == set(STYLES)


def test_what_was_embedded_once_is_never_decoded_again(trained, folder, cache, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(worker, "AudioFile", refuse)
    experiment = Experiment(prepare_for_folds(open_corpus(folder)), open_recipe("encoder-linear"), "album")
    again = train(experiment, tmp_path / "mine.onnx", folds=0, resources=Resources(cache))
    before = open_model(trained[0])
    assert again.model.card.calibration == before.card.calibration
    assert again.model.graph == before.graph


def test_more_examples_make_the_model_that_all_would_have_made(trained, folder, cache, surroundings, tmp_path):
    some, more = tmp_path / "some", tmp_path / "more"
    for path in folder.rglob("*.wav"):
        number = int(path.stem.split(".")[-1]) if path.stem != "only" else 0
        # number 3 comes twice, and is learned from once
        for root in [some] * (number <= 3) + [more] * (number >= 3):
            target = root / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    model = tmp_path / "mine.onnx"
    run("train", some, "-o", model, env=surroundings)
    assert {track.genre for track in decode_examples(open_model(model))} == set(STYLES)
    shutil.rmtree(some)
    said = run("train", more, "--add", model, env=surroundings)
    assert "3 tracks that the model had learned from, given again: the genre given now counts" in said.stderr
    before = model.read_bytes()
    few = tmp_path / "few" / "polka"
    few.mkdir(parents=True)
    (few / "one.wav").symlink_to(next(folder.rglob("*.wav")))
    assert "nothing is left to add" in run("train", few.parent, "--add", model, env=surroundings, expect=2).stderr
    assert model.read_bytes() == before
    whole, grown = open_model(trained[0]), open_model(model)
    assert grown.card.training.n_tracks == 15
    assert grown.card.training.corpus == "some + more"
    mel = Encoder.mel(np.random.default_rng(0).normal(0, 0.1, (2, 70000)).astype(np.float32))
    np.testing.assert_allclose(
        FrameClassifier(grown).predict_log_proba(mel), FrameClassifier(whole).predict_log_proba(mel), atol=1e-5
    )


def test_a_new_label_of_the_same_sound_holds(trained, folder, tmp_path, cache):
    learned = open_model(trained[0])
    (tmp_path / "slow").mkdir()
    for path in (folder / "ambient").iterdir():
        (tmp_path / "slow" / path.name).symlink_to(path)
    corpus = prepare_for_folds(join_examples(open_corpus(tmp_path), learned))
    assert len({track.id for track in corpus.tracks}) == 20
    outcome = train(
        Experiment(corpus, open_recipe("encoder-linear"), "album"), tmp_path / "m.onnx", folds=0,
        resources=Resources(cache),
    )  # fmt: skip
    assert outcome.model.card.labels == ("march", "slow", "techno")


@pytest.fixture(scope="module")
def several(tmp_path_factory, surroundings):
    """Music whose tags name several genres, and the model that it taught."""
    root = tmp_path_factory.mktemp("several")
    write_corpus(root / "music", tracks=6, seconds=11, seed=5, styles=["ambient", "march", "techno"])
    tags = {"techno": ["Techno", "Loud"], "march": ["Loud"], "ambient": ["Calm"]}
    for path in sorted((root / "music").rglob("*.wav")):
        file, odd = MediaFile(path), int(path.stem.split(".")[-1]) % 2
        file.genres = tags[path.parent.name][:: -1 if odd else 1]
        file.save()
    command = ["train", root / "music", "--labels", "tags", "--min-tracks", 3, "-o", root / "several.onnx"]
    return root / "several.onnx", run(*command, env=surroundings), root / "music"


def test_tracks_of_several_genres_teach_a_model_of_several_answers(several, surroundings):
    model, said, music = several
    assert "6 of 18 tracks have several genres: the model will give several" in said.stderr
    card = open_model(model).card
    assert card.multilabel
    assert card.labels == tuple(card.thresholds) == ("Calm", "Loud", "Techno")
    verdicts = json_lines(run("classify", music, "--model", model, "--format", "json", env=surroundings).stdout)
    told = [{genre for genre, p in v["genres"].items() if p >= card.thresholds[genre]} for v in verdicts]
    expected = [{"Calm"}] * 6 + [{"Loud"}] * 6 + [{"Loud", "Techno"}] * 6
    assert sum(a == b for a, b in zip(told, expected, strict=True)) >= 16
    assert {metric.name: metric.value for metric in card.metrics}["track_accuracy"] >= 0.8


def test_all_of_several_genres_are_written_and_learned_further(several, surroundings, tmp_path):
    model, _, music = several
    shutil.copytree(music / "techno", tmp_path / "music")
    command = ["tag", tmp_path / "music", "--model", model, "--overwrite", "--journal", tmp_path / "journal"]
    rows = json_lines(run(*command, "--format", "json", env=surroundings).stdout)
    # half of them have both in the order of their probability: nothing is to be written there
    assert sum(row["outcome"] in ("written", "had one") for row in rows) >= 5
    assert {frozenset(row["genres"]) for row in rows if row["outcome"] == "written"} == {frozenset(("Loud", "Techno"))}
    assert {track.genres for track in decode_examples(open_model(model))} == {
        ("Calm",), ("Loud",), ("Techno", "Loud"), ("Loud", "Techno"),
    }  # fmt: skip
    run("train", music, "--labels", "tags", "--min-tracks", 3, "--add", model, "-o", tmp_path / "m", env=surroundings)
    assert open_model(tmp_path / "m").card.calibration == open_model(model).card.calibration


def test_a_genre_of_which_too_little_can_be_read_is_named(folder, surroundings, tmp_path):
    for path in folder.rglob("*.wav"):
        target = tmp_path / "c" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    (tmp_path / "c" / "Tango Nuevo" / "empty.wav").write_bytes(b"")
    (tmp_path / "c" / "Tango Nuevo" / "broken.wav").write_bytes(b"RIFF")
    # of another shelf, and of a run that was interrupted
    (tmp_path / "m.onnx.run").mkdir()
    (tmp_path / "m.onnx.run" / "run.json").write_text("{}")
    said = run("train", tmp_path / "c", "-o", tmp_path / "m.onnx", env=surroundings, expect=1)
    assert "left out 1 of 16 tracks, of genres with fewer than 3 tracks: Tango Nuevo 1" in said.stderr
    assert "skipped broken: not a sound file" in said.stderr
    card = open_model(tmp_path / "m.onnx").card
    assert card.labels == STYLES
    assert "Florian Schmid" in card.credits[0]
    assert "Florian Schmid" in " ".join(run("models", tmp_path / "m.onnx").stdout.split())


def test_arrays_have_no_sound_to_embed(tmp_path, surroundings):
    np.savez(tmp_path / "a.npz", X=np.zeros((6, 128, 400)), ids=list("abcdef"), y=[0, 0, 0, 1, 1, 1], genres=["x", "y"])
    said = run("train", tmp_path / "a.npz", "-o", tmp_path / "m.onnx", env=surroundings, expect=2)
    assert "a is an array, but the encoder hears sound" in said.stderr


def test_a_genre_of_all_tracks_is_none():
    pipeline = make_pipeline(open_recipe("encoder-multilabel"))
    with pytest.raises(CorpusError, match="all tracks are 'a'"):
        fit_several(pipeline, np.zeros((3, 1, 4), np.float32), [["a"], ["b", "a"], ["a"]])


def test_models_that_cannot_go_on(trained, tmp_path, folder):
    said = run("train", folder, "--add", "paper-attention-2x60", "-o", tmp_path / "m.onnx", expect=2)
    assert "paper-attention-2x60 keeps no examples to go on from" in said.stderr
    model = open_model(trained[0])
    broken = save_model(tmp_path / "broken.onnx", model.graph, model.card, b'{"tracks": [["a", "b", "", "", 3]]}')
    with pytest.raises(ModelError, match="its examples cannot be read"):
        decode_examples(broken)
    with pytest.raises(SettingError, match="keeps no examples"):
        decode_examples(save_model(tmp_path / "none.onnx", model.graph, model.card))


def test_examples_are_sealed_too(trained, tmp_path):
    data = trained[0].read_bytes()
    at = data.index(b'"means": "') + 20
    (tmp_path / "altered.onnx").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(ModelError, match="the checksum does not match"):
        open_model(tmp_path / "altered.onnx")
    assert json.loads(open_model(trained[0]).examples)["tracks"][0][1] == ["ambient"]


def test_attention_over_the_encoders_steps(folder, cache, tmp_path):
    corpus = prepare_for_folds(open_corpus(folder))
    recipe = open_recipe("encoder-attention").with_epochs(3)
    outcome = train(Experiment(corpus, recipe, "album"), tmp_path / "a.onnx", folds=3, resources=Resources(cache))
    assert outcome.model.card.attention
    assert not outcome.model.examples
    mel = Encoder.mel(np.random.default_rng(0).normal(0, 0.1, (2, 70000)).astype(np.float32))
    (attention,) = outcome.model.session().run(["attention"], {"spectrogram": mel})
    assert attention.shape == (2, 7)
    np.testing.assert_allclose(attention.sum(axis=1), 1, atol=1e-5)


def test_networks_ask_for_their_extra_and_a_missing_output_for_itself(folder, surroundings, tmp_path):
    command = ["train", folder, "-o", tmp_path / "m.onnx", "--recipe", "encoder-attention"]
    said = run(*command, env=surroundings, expect=2)
    assert said.stderr.splitlines()[-1].endswith("pip install '.[learn]' in Earmark's folder")
    assert "Missing option '--output'" in run("train", folder, env=surroundings, expect=2).stderr
