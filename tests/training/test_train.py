"""From a corpus to a model file, by the installed command: what a user of `train`, `evaluate` and `export` meets."""

import json
import os
import re
import signal
import subprocess
import time

import numpy as np
import onnxruntime
import pytest
from support.command import COMMAND, run

from earmark.audio.decode import decode
from earmark.data.corpus import open_corpus
from earmark.data.synth import write_corpus
from earmark.errors import TrainingError
from earmark.evaluation.evaluate import evaluate
from earmark.inference.model import open_model
from earmark.inference.tagger import Tagger
from earmark.networks.onnx.front_end import waveform_graph
from earmark.training.registry import list_recipes, open_recipe, parse_recipe
from earmark.training.train import Experiment, train

RECIPE = """
clip_seconds = 2.0
top_db = 60.0
[front_end]
kind = "log-mel"
n_mels = 32
hop_length = 1707
center = false
[network]
units = 24
attention = "dot"
[training]
optimizer = "adamw"
lr = 0.01
schedule = "one-cycle"
batch_size = 32
max_epochs = 15
"""

PAPER = "[network]\nunits = 8\nattention = 'dot'\n[training]\nmax_epochs = 2\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus") / "styles"
    write_corpus(root, tracks=10, seconds=6, seed=3, styles=["ambient", "march", "techno"])
    return root


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def trained(folder, recipe, tmp_path_factory):
    """A model trained by the command, and what the command said."""
    home = tmp_path_factory.mktemp("home")
    model = home / "tiny.onnx"
    said = run("train", folder, "-o", model, "--recipe", recipe, "--seed", 1, "--name", "tiny", "--licence", "CC0")
    return model, said


def test_train_judges_what_it_has_not_seen(trained):
    model, said = trained
    assert "the test part of protocol track" in " ".join(said.stdout.split())
    assert "track accuracy" in said.stdout
    card = open_model(model).card
    assert (card.name, card.licence, card.training.seed) == ("tiny", "CC0", 1)
    assert card.labels == ("ambient", "march", "techno")
    figures = {(m.name, m.part): m.value for m in card.metrics}
    assert figures["track_accuracy", "test"] >= 0.8
    assert parse_recipe(card.training.recipe, "card") == parse_recipe(RECIPE, "file")
    assert [p.name for p in model.parent.iterdir()] == ["tiny.onnx"]  # the run folder is gone


def test_evaluate_says_what_the_card_says(trained, folder):
    model, _ = trained
    said = run("evaluate", model, folder, "--protocol", "track", "--seed", 1, "--format", "json")
    report = json.loads(said.stdout)
    for m in open_model(model).card.metrics:
        if m.part == "test":
            # not rounded twice: 98 of 197 is 49.7 %, of 0.4975 it is 49.8 %
            assert report[m.name] == pytest.approx(m.value, abs=1e-6)
    assert report["n_tracks"] == np.sum(report["confusion"]) == 6
    assert set(report) >= {
        "clip_accuracy", "track_accuracy", "n_clips", "n_tracks", "unknown", "confusion", "per_genre", "named_accuracy",
    }  # fmt: skip
    table = run("evaluate", model, folder)
    assert "all of them" in table.stdout


def test_audio_and_arrays_take_the_same_way(trained, folder, tmp_path):
    model, _ = trained
    tagger, corpus = Tagger(model), open_corpus(folder)
    front_end = tagger.card.front_end
    frames = [front_end(decode(track.path, front_end.sample_rate)) for track in corpus.tracks]
    np.savez(
        tmp_path / "arrays.npz", X=np.stack(frames).transpose(0, 2, 1), ids=[t.id for t in corpus.tracks],
        y=[corpus.genres.index(t.genre) for t in corpus.tracks], genres=corpus.genres,
    )  # fmt: skip
    heard, read = evaluate(tagger, corpus), evaluate(tagger, open_corpus(tmp_path / "arrays.npz"))
    assert read.n_clips == heard.n_clips
    assert read.track_accuracy == pytest.approx(heard.track_accuracy, abs=0.04)
    assert read.clip_accuracy == pytest.approx(heard.clip_accuracy, abs=0.06)


@pytest.mark.parametrize("text", [RECIPE, PAPER], ids=["log-mel", "stft-density"])
def test_a_graph_from_samples_says_the_same(text, folder, tmp_path, trained):
    if text == RECIPE:
        model = open_model(trained[0])
    else:
        model = train(Experiment(open_corpus(folder), parse_recipe(text, "paper")), tmp_path / "paper.onnx").model
    session = onnxruntime.InferenceSession(waveform_graph(model))
    front_end, length = model.card.front_end, model.card.clip_length
    sound = decode(next(folder.rglob("march.00003.wav")), front_end.sample_rate)[:length][None]
    probabilities, attention = session.run(None, {session.get_inputs()[0].name: sound})
    expected, weights = model.session().run(None, {"spectrogram": front_end(sound)})
    np.testing.assert_allclose(probabilities, expected, atol=1e-3)
    np.testing.assert_allclose(attention, weights, atol=1e-3)


def test_the_option_bounds_the_epochs(folder, recipe, tmp_path):
    said = run("train", folder, "-o", tmp_path / "m.onnx", "--recipe", recipe, "--epochs", 1)
    assert open_model(tmp_path / "m.onnx").card.training.epochs == 1
    assert said.stdout.rstrip().endswith("kB, 1 epoch")
    said = run("train", folder, "-o", tmp_path / "n.onnx", "--epochs", 1, expect=2)
    assert "--epochs is for networks: recipe encoder-linear learns in one go" in said.stderr


@pytest.mark.parametrize("options", [["--protocol", "artist"], ["--folds", 11], ["--folds", 2]])
def test_a_refused_training_leaves_nothing(options, folder, tmp_path):
    (tmp_path / "last.toml").write_text(RECIPE + 'keep = "last"\n')
    run("train", folder, "-o", tmp_path / "m.onnx", "--recipe", tmp_path / "last.toml", *options, expect=2)
    assert [path.name for path in tmp_path.iterdir()] == ["last.toml"]


def test_recipes_are_listed_without_a_corpus():
    listed = run("train", "--list-recipes", env={**os.environ, "COLUMNS": "80"}).stdout
    assert max(map(len, listed.splitlines())) <= 80
    for name in list_recipes():
        (line,) = [line for line in listed.splitlines() if line.split()[:1] == [name]]
        assert ("PyTorch" in line) is open_recipe(name).is_network
        assert re.search(r"  \d+ (s|min) *$", line)


def test_export_writes_plain_onnx(trained, tmp_path):
    model, _ = trained
    for flags, name in (([], "spectrogram"), (["--waveform"], "samples")):
        run("export", model, "-o", tmp_path / "plain.onnx", *flags)
        session = onnxruntime.InferenceSession(tmp_path / "plain.onnx")
        assert name in session.get_inputs()[0].name
        assert session.get_outputs()[0].name == "probabilities"


def test_a_killed_training_goes_on_and_ends_the_same(folder, recipe, tmp_path):
    arguments = [COMMAND, "train", folder, "--recipe", recipe, "--seed", "5", "--epochs", "40", "-o"]
    first = tmp_path / "killed.onnx"
    state = tmp_path / "killed.onnx.run" / "checkpoint.pt"
    process = subprocess.Popen([*arguments, first], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and not state.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not first.exists()
    run(*arguments[1:], first)
    run(*arguments[1:], tmp_path / "whole.onnx")
    one, other = open_model(first), open_model(tmp_path / "whole.onnx")
    assert one.card.metrics == other.card.metrics
    x = np.random.default_rng(0).normal(-30, 20, (3, 20, 32)).astype(np.float32)
    for a, b in zip(
        one.session().run(None, {"spectrogram": x}), other.session().run(None, {"spectrogram": x}), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_run_folder_of_another_experiment_is_not_mixed_in(folder, recipe, tmp_path):
    experiment = Experiment(open_corpus(folder), open_recipe(str(recipe)))
    (tmp_path / "m.onnx.run").mkdir()
    (tmp_path / "m.onnx.run" / "run.json").write_text("{}")
    with pytest.raises(TrainingError, match="another corpus, recipe, protocol, seed or number of folds"):
        train(experiment, tmp_path / "m.onnx")


def test_a_model_is_told_from_its_own_teachers(trained, folder):
    """Who judges by what was learned from is warned; who judges by the part that was kept apart is not."""
    model, _ = trained
    split = ("--protocol", "track", "--part", "test")
    warned = [
        "the model learned from this corpus" in run("evaluate", model, folder, *options).stderr
        for options in ((), (*split, "--seed", 1), (*split, "--seed", 2))
    ]
    assert warned == [True, False, True]


def test_held_out_folds_judge_and_everything_is_learned(folder, tmp_path):
    path = tmp_path / "last.toml"
    path.write_text(RECIPE + 'keep = "last"\n')
    command = ["train", folder, "--recipe", path, "--folds", 3, "-o", tmp_path / "m.onnx"]
    run_folder = tmp_path / "m.onnx.run"
    process = subprocess.Popen([COMMAND, *map(str, command)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (run_folder / "fold-1.json").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = json.loads((run_folder / "fold-0.json").read_text())
    assert 6 <= len(set(kept["track"])) <= 14  # of 30 tracks
    said = run(*command)
    assert "30 tracks, 3 held-out folds of protocol track" in said.stdout
    assert not run_folder.exists()
    card = open_model(tmp_path / "m.onnx").card
    assert card.training.n_tracks == 30
    assert {(m.n, m.part) for m in card.metrics if m.name == "track_accuracy"} == {(30, "3 held-out folds")}
    whole = train(Experiment(open_corpus(folder), open_recipe(str(path))), tmp_path / "whole.onnx", folds=3)
    assert whole.model.card.metrics == card.metrics
    assert whole.model.card.calibration == card.calibration


def test_folds_leave_nothing_to_choose_an_epoch_by(folder, recipe, tmp_path):
    said = run("train", folder, "--recipe", recipe, "--folds", 3, "-o", tmp_path / "m.onnx", expect=2)
    assert "training.keep = 'last'" in said.stderr


def test_the_papers_split_shares_tracks_between_the_sides(folder, tmp_path):
    outcome = train(Experiment(open_corpus(folder), parse_recipe(PAPER, "paper"), "clip"), tmp_path / "m.onnx")
    clips = outcome.model.card.training.n_clips + sum(r.n_clips for r in outcome.reports.values())
    tracks = outcome.model.card.training.n_tracks + sum(r.n_tracks for r in outcome.reports.values())
    assert clips == 30  # 6 s of sound are one clip of 5 s
    assert tracks == 30


def test_corpora_nobody_can_learn_from(folder, tmp_path):
    one = tmp_path / "one"
    (one / "march").mkdir(parents=True)
    for path in (folder / "march").iterdir():
        (one / "march" / path.name).symlink_to(path)
    said = run("train", one, "-o", tmp_path / "m.onnx", expect=2)
    assert "the corpus has one genre, 'march'" in said.stderr
    (one / "techno").mkdir()
    (one / "techno" / "only.wav").symlink_to(next((folder / "techno").iterdir()))
    said = run("train", one, "-o", tmp_path / "m.onnx", "--protocol", "track", expect=2)
    assert "genre 'techno' has 1 track: each needs at least 3" in said.stderr
    said = run("train", one, "-o", tmp_path / "m.onnx", expect=2)
    assert "left out 1 of 11 tracks, of genres with fewer than 3 tracks: techno 1" in said.stderr
    assert "the corpus has one genre, 'march'" in said.stderr
    assert not (tmp_path / "m.onnx").exists()


def test_unreadable_tracks_are_skipped_and_named(folder, recipe, tmp_path):
    for path in folder.rglob("*.wav"):
        target = tmp_path / "c" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    (tmp_path / "c" / "march" / "broken.wav").write_bytes(b"RIFF")
    said = run("train", tmp_path / "c", "-o", tmp_path / "m.onnx", "--recipe", recipe, "--epochs", 1, expect=1)
    assert "skipped broken: not a sound file" in said.stderr
    assert open_model(tmp_path / "m.onnx").card.labels == ("ambient", "march", "techno")


def test_a_loss_that_is_no_number_is_said_in_one_line(folder, tmp_path):
    (tmp_path / "wild.toml").write_text("[network]\nunits = 4\n[training]\nlr = 1e38\nclip_norm = 1e38\n")
    said = run("train", folder, "-o", tmp_path / "m.onnx", "--recipe", tmp_path / "wild.toml", expect=2)
    assert "the loss became" in said.stderr
    assert "lower the learning rate" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "nowhere", "-o", "m.onnx"], "no corpus at nowhere"),
        (["train", ".", "-o", "m.onnx", "--recipe", "lstm-2x25"], "did you mean 'lstm-2x250'"),
        (["evaluate", "none.onnx", "."], "no model 'none.onnx'"),
        (["train", "."], "Missing option '--output'"),
        (["data", "check", "/nowhere"], "no corpus at /nowhere"),
    ],
)
def test_wrong_usage_is_one_clear_line_and_status_2(arguments, says, tmp_path):
    said = run(*arguments, expect=2, cwd=tmp_path)
    assert says in " ".join(said.stderr.replace("│", " ").split())


def test_data_synth_and_check(tmp_path):
    said = run("data", "synth", tmp_path / "c", "--tracks", 1, "--seconds", 6, "--jobs", 2)
    assert "10 tracks of ambient" in said.stdout
    checked = run("data", "check", tmp_path / "c")
    assert checked.stdout == ""
    assert "labels cannot be judged: that takes two genres with 10 tracks" in checked.stderr
    next((tmp_path / "c" / "waltz").iterdir()).write_bytes(b"")
    found = run("data", "check", tmp_path / "c", "--format", "json", expect=1)
    assert [json.loads(line)["kind"] for line in found.stdout.splitlines()] == ["unreadable"]


def test_models_lists_cards(trained):
    said = run("models", "earmark", trained[0], "--format", "json")
    cards = [json.loads(line) for line in said.stdout.splitlines()]
    assert (cards[0]["name"], cards[0]["default"]) == ("earmark", True)
    assert [card["name"] for card in cards[1:]] == ["tiny"]
    assert {"labels", "metrics", "training", "calibration", "checksum"} <= set(cards[0])
    assert "earmark" in run("models").stdout
