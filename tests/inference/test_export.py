"""An exported model says by itself how it is used: programs without Earmark give the command's answers."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from support.command import run

from earmark.audio.decode import decode
from earmark.inference.export import KEY, describe_export
from earmark.inference.model import list_models, open_model
from earmark.inference.tagger import Tagger

EXAMPLES = Path(__file__).parents[2] / "examples"
RATE = 32000


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "genre.onnx"
    run("export", "earmark", "--waveform", "-o", path)
    return path


@pytest.fixture(scope="module")
def program():
    """The Python example, as a module."""
    spec = importlib.util.spec_from_file_location("export_example", EXAMPLES / "export" / "classify.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=["lets-go-fishin", "reading", "sugar-plum-fairy"])
def recording(request, tmp_path_factory, write_sound):
    """A song that is unknown, speech, and music, as WAV files, and what the command says of them."""
    path = tmp_path_factory.mktemp("recordings") / f"{request.param}.wav"
    write_sound(path, decode(EXAMPLES / f"{request.param}.opus", RATE), RATE)
    return path, json.loads(run("classify", path, "--format", "json").stdout)


def assert_same(answer, told):
    assert (answer["genre"], answer["reason"]) == (told["genre"], told["reason"])
    for what in ("genres", "styles", "moods"):
        assert answer.get(what, {}) == pytest.approx(told[what], abs=1e-3)


def test_a_python_program_gives_the_commands_answer(exported, recording):
    sound, told = recording
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; sys.modules['earmark'] = None; "
               "import runpy; runpy.run_path(sys.argv.pop(1), run_name='__main__')"]  # fmt: skip
    program = EXAMPLES / "export" / "classify.py"
    done = subprocess.run([*command, program, exported, sound], capture_output=True, text=True, check=True, timeout=60)
    assert_same(json.loads(done.stdout), told)


def test_a_javascript_program_gives_the_commands_answer(exported, recording):
    node, folder = shutil.which("node"), EXAMPLES / "export"
    if not node:
        pytest.skip("needs Node.js")
    there = subprocess.run([node, "-e", "require('onnxruntime-node')"], cwd=folder, capture_output=True, check=False)
    if there.returncode:
        pytest.skip("needs onnxruntime-node: npm install --ignore-scripts onnxruntime-node, in examples/export")
    sound, told = recording
    arguments = [node, folder / "classify.js", exported, sound]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60)
    assert_same(json.loads(done.stdout), told)


@pytest.mark.parametrize("seconds", [0.5, 4, 10, 14.9, 15, 33.3])
def test_clips_are_cut_and_left_out_as_by_the_tagger(exported, program, seconds):
    session = onnxruntime.InferenceSession(exported)
    about = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
    sound = decode(EXAMPLES / "vibe-ace.opus", RATE)
    sound = np.tile(sound, 2)[: round(seconds * RATE)]
    sound[10 * RATE : 20 * RATE] = 0
    tagger = Tagger()
    for samples in (sound, np.zeros_like(sound)):
        assert_same(program.classify(session, about, samples), tagger.classify(samples, RATE).to_dict())


@pytest.mark.parametrize("name", list_models())
def test_every_model_says_what_it_reads_and_gives(name, tmp_path):
    card = open_model(name).card
    for flags, reads in (([], "spectrogram"), (["--waveform"], "samples")):
        run("export", name, "-o", tmp_path / "x.onnx", *flags)
        session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
        about = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
        assert about == json.loads(json.dumps(describe_export(card, waveform=bool(flags))))
        assert [value.name for value in session.get_inputs()] == [about["input"]["name"]] == [reads]
        assert about["input"]["sample_rate"] == card.front_end.sample_rate
        assert ("front_end" in about["input"]) == (reads == "spectrogram")
        shapes = {value.name: value.shape for value in session.get_outputs()}
        assert ("novelty" in about["outputs"]) == (card.calibration.novelty is not None)
        assert {what: len(names) for what, names in about["outputs"].items() if names} == {
            what: shapes[what][-1] for what in shapes if what not in ("attention", "embedding", "features", "novelty")
        }
        for key, value in card.calibration.model_dump().items():
            assert about["calibration"][key] == value or key in ("thresholds", "tag_thresholds")
        assert len(about["calibration"]["thresholds"]) == len(card.labels)


def test_a_model_is_not_written_over_itself(tmp_path):
    model = tmp_path / "mine.onnx"
    shutil.copy(list_models()["paper-lstm-2x250"], model)
    before = model.read_bytes()
    assert "is the model itself" in run("export", model, "-o", model, expect=2).stderr
    assert model.read_bytes() == before
    for name in ("mine-export.onnx", "mine-export-2.onnx"):
        assert run("export", model, cwd=tmp_path).stdout.startswith(f"{name}: reads log-mel frames, gives 10 genres; ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine-export-2.onnx", "mine-export.onnx", "mine.onnx"]
