"""A plain install, without torch, classifies; what needs an extra says so."""

import json
import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "skorch", "sklearn", "onnx", "scipy", "librosa")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """An environment with nothing but ``pip install .`` in it."""
    where = tmp_path_factory.mktemp("plain") / "venv"
    venv.create(where, with_pip=True)
    pip = [where / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--constraint", ROOT / "constraints.txt", ROOT], check=True, timeout=600)
    return where / "bin"


@pytest.mark.parametrize("module", HEAVY)
def test_nothing_heavy_came_along(plain, module):
    tried = subprocess.run([plain / "python", "-c", f"import {module}"], capture_output=True, text=True, check=False)
    assert f"No module named '{module}'" in tried.stderr


def test_it_classifies(plain, write_sound, tmp_path):
    rng = np.random.default_rng(0)
    song = write_sound(tmp_path / "song.mp3", 0.2 * rng.standard_normal((2, 44100 * 8)), 44100)
    said = subprocess.run(
        [plain / "earmark", "classify", song, "--format", "json", "--timeline"],
        capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    verdict = json.loads(said.stdout)
    assert verdict["error"] is None
    assert len(verdict["genres"]) == 10
    assert [sum(clip["attention"]) for clip in verdict["clips"]] == pytest.approx([1, 1], abs=1e-3)


def test_it_evaluates_and_lists_models(plain, write_sound, tmp_path):
    rng = np.random.default_rng(0)
    for genre in ("jazz", "rock"):
        (tmp_path / genre).mkdir()
        write_sound(tmp_path / genre / "a.wav", 0.2 * rng.standard_normal(22050 * 6), 22050)
    said = subprocess.run(
        [plain / "earmark", "evaluate", "gtzan-attention", tmp_path, "--format", "json"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(said.stdout)["n_tracks"] == 2
    subprocess.run([plain / "earmark", "models"], capture_output=True, check=True, timeout=60)


def test_training_asks_for_its_extra(plain, write_sound, tmp_path):
    (tmp_path / "jazz").mkdir()
    write_sound(tmp_path / "jazz" / "a.wav", np.zeros(22050), 22050)
    said = subprocess.run(
        [plain / "earmark", "train", tmp_path, "-o", tmp_path / "m.onnx"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert said.returncode == 2
    last = said.stderr.splitlines()[-1]
    assert last == "training needs packages that are not installed: pip install 'earmark[learn]'"
