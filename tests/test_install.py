"""A plain install, without torch and without the ffmpeg program, classifies; what needs an extra says so."""

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from earmark.data.synth import compose, write_corpus
from earmark.inference.model import DEFAULT, open_model

ROOT = Path(__file__).parents[1]
FORMATS = (".aiff", ".flac", ".m4a", ".mkv", ".mp3", ".ogg", ".opus", ".wav", ".wma")
HEAVY = ("torch", "skorch", "sklearn", "onnx", "scipy", "librosa")
LABELS = set(open_model().card.labels)
SONG = compose("bossa", np.random.default_rng(0), seconds=8, sample_rate=48000)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """What ``pip install .`` makes and installs."""
    where = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", where, ROOT], check=True, timeout=600)
    (file,) = where.glob("earmark-*.whl")
    return file


@pytest.fixture(scope="module")
def plain(tmp_path_factory, wheel):
    """An environment with nothing but that wheel and what it needs."""
    where = tmp_path_factory.mktemp("plain") / "venv"
    venv.create(where, with_pip=True)
    pip = [where / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--constraint", ROOT / "constraints.txt", wheel], check=True, timeout=600)
    return where / "bin"


def test_the_wheel_holds_what_it_should(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        notices = "".join(archive.read(name).decode() for name in names if ".dist-info/licenses/" in name)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"earmark", "beetsplug"}
    assert {name for name in names if name.startswith("beetsplug/")} == {
        "beetsplug/earmark/__init__.py",
        "beetsplug/earmark/options.py",  # a namespace: no __init__.py of its own
        "beetsplug/earmark/review.py",
    }
    assert {"earmark/py.typed", "earmark/data/gtzan.csv", "earmark/inference/vocabulary.csv"} <= names
    assert {"earmark/inference/encoders/mn04-musicnn.onnx", f"earmark/inference/models/{DEFAULT}.onnx"} <= names
    assert not [name for name in names if name.endswith((".pyc", ".opus"))]
    assert all(notice in notices for notice in ("The Earmark authors", "Florian Schmid", "AudioSet"))
    assert wheel.stat().st_size <= 25e6


def test_a_plain_install_is_small(plain):
    """Earmark and what it needs, without pip itself."""
    size = sum(path.stat().st_size for path in plain.parent.rglob("*") if path.is_file() and "pip" not in path.parts)
    assert size <= 330e6  # of which FFmpeg 107, onnxruntime 80, NumPy 71, Earmark 22, bytecode in all of them 40


@pytest.fixture
def without_ffmpeg(tmp_path):
    """Surroundings in which no program can be found."""
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    assert not any(shutil.which(program, path=str(nothing)) for program in ("ffmpeg", "ffprobe", "sox", "lame"))
    return {"PATH": str(nothing), "HOME": str(tmp_path), "PYTHONUTF8": "1"}


@pytest.mark.parametrize("module", HEAVY)
def test_nothing_heavy_came_along(plain, module):
    tried = subprocess.run([plain / "python", "-c", f"import {module}"], capture_output=True, text=True, check=False)
    assert f"No module named '{module}'" in tried.stderr


def test_it_classifies(plain, without_ffmpeg, write_sound, tmp_path):
    song = write_sound(tmp_path / "song.mp3", SONG, 48000)
    for model in (DEFAULT, "paper-attention-2x60"):
        said = subprocess.run(
            [plain / "earmark", "classify", song, "--format", "json", "--timeline", "--model", model],
            capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60, env=without_ffmpeg,
        )  # fmt: skip
        verdict = json.loads(said.stdout)
        assert verdict["error"] is None
        assert set(verdict["genres"]) == set(open_model(model).card.labels)
    assert [sum(clip["attention"]) for clip in verdict["clips"]] == pytest.approx([1, 1], abs=1e-3)


def test_it_embeds(plain, without_ffmpeg, write_sound, tmp_path):
    write_sound(tmp_path / "a.mp3", np.random.default_rng(0).standard_normal(22050 * 5) / 8, 22050)
    command = [plain / "earmark", "embed", tmp_path / "a.mp3", "-o", tmp_path / "a.npz"]
    subprocess.run(command, env=without_ffmpeg, check=True)
    with np.load(tmp_path / "a.npz") as file:
        assert file["vectors"].shape[1] == 384


def test_it_reads_every_format(plain, without_ffmpeg, write_sound, tmp_path):
    for suffix in FORMATS:
        write_sound(tmp_path / f"song{suffix}", np.stack([SONG, SONG]), 48000)
    said = subprocess.run(
        [plain / "earmark", "classify", tmp_path, "--format", "json"],
        capture_output=True, text=True, check=True, timeout=120, env=without_ffmpeg,
    )  # fmt: skip
    verdicts = [json.loads(line) for line in said.stdout.splitlines()]
    assert {Path(v["path"]).suffix: (v["error"], set(v["genres"])) for v in verdicts} == dict.fromkeys(
        FORMATS, (None, LABELS)
    )


def test_it_explains(plain, without_ffmpeg, write_sound, tmp_path):
    song = write_sound(tmp_path / "song.opus", SONG[: 48000 * 3], 48000)
    command = [plain / "earmark", "explain", song, "-o", tmp_path / "page.html", "-o", tmp_path / "numbers.json"]
    subprocess.run(command, check=True, capture_output=True, timeout=60, env=without_ffmpeg)
    assert json.loads((tmp_path / "numbers.json").read_text())["duration"] == pytest.approx(3, abs=0.01)
    assert (tmp_path / "page.html").stat().st_size > 50_000


def test_it_tags_and_undoes(plain, wheel, without_ffmpeg, write_sound, tmp_path):
    """With the extra "tags"; it comes after what is heard without any."""
    pip = [plain / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--constraint", ROOT / "constraints.txt", f"{wheel}[tags]"], check=True, timeout=600)
    music = tmp_path / "music"
    music.mkdir()
    for suffix in (".mp3", ".flac", ".m4a"):
        write_sound(music / f"song{suffix}", SONG, 48000)
    before = {path.name: path.read_bytes() for path in music.iterdir()}

    def tag(*arguments):
        command = [plain / "earmark", "tag", *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, timeout=120, env=without_ffmpeg)

    tag(music, "--min-confidence", 0, "--journal", tmp_path / "journal.jsonl")
    assert all(path.read_bytes() != before[path.name] for path in music.iterdir())
    tag("--undo", tmp_path / "journal.jsonl")
    assert {path.name: path.read_bytes() for path in music.iterdir()} == before


def test_it_evaluates_and_lists_models(plain, write_sound, tmp_path):
    rng = np.random.default_rng(0)
    for genre in ("jazz", "rock"):
        (tmp_path / genre).mkdir()
        write_sound(tmp_path / genre / "a.wav", 0.2 * rng.standard_normal(22050 * 6), 22050)
    said = subprocess.run(
        [plain / "earmark", "evaluate", "paper-attention-2x60", tmp_path, "--format", "json"],
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
    assert last == "training needs packages that are not installed: pip install '.[train]' in Earmark's folder"


@pytest.mark.parametrize(("command", "feature"), [("imagine", "imagining"), ("medley", "a medley")])
def test_hearing_what_was_learned_asks_for_its_extra(plain, tmp_path, command, feature):
    arguments = ["jazz", "-o", tmp_path / "jazz.wav"] if command == "imagine" else [tmp_path, "-o", tmp_path / "out"]
    said = subprocess.run(
        [plain / "earmark", command, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert said.returncode == 2
    last = said.stderr.splitlines()[-1]
    assert last == f"{feature} needs packages that are not installed: pip install '.[learn]' in Earmark's folder"


def test_it_trains_without_torch(plain, wheel, tmp_path):
    """With the extra "train"; it comes after what is tried without any."""
    pip = [plain / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--constraint", ROOT / "constraints.txt", f"{wheel}[train]"], check=True, timeout=600)
    styles = ("bossa", "gamelan", "waltz")
    write_corpus(tmp_path / "music", tracks=5, seconds=10, styles=styles)
    songs = write_corpus(tmp_path / "new", tracks=1, seconds=10, seed=99, styles=styles)
    command = [plain / "earmark", "train", tmp_path / "music", "-o", tmp_path / "mine.onnx", "--no-cache"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    said = subprocess.run(
        [plain / "earmark", "classify", *songs, "--model", tmp_path / "mine.onnx", "--format", "json"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    genres = [json.loads(line)["genres"] for line in said.stdout.splitlines()]
    assert [max(each, key=each.get) for each in genres] == list(styles)
    for module in ("torch", "skorch", "pandas"):
        tried = subprocess.run(
            [plain / "python", "-c", f"import {module}"], capture_output=True, text=True, check=False
        )
        assert f"No module named '{module}'" in tried.stderr
