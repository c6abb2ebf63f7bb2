"""The page about the Python API, run as it stands, and what else a user's own program relies on."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import earmark

DOCS = Path(__file__).parents[1] / "docs" / "python.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)

PROGRAM = """
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import earmark


def listen(folder: Path) -> Iterator[earmark.Verdict]:
    tagger: earmark.Tagger = earmark.load()
    yield from tagger.classify_many(folder.glob("*.mp3"), jobs=2)
    yield from tagger.classify_many(["a.mp3", b"b.mp3", io.BytesIO(), (np.zeros(9), 22050)])
    yield tagger.classify(np.zeros(9), 44100)


for verdict in listen(Path("music")):
    genre: str | None = verdict.genre
    rows: list[dict[str, str | float | None]] = [verdict.to_record(["jazz"])]
    clips: tuple[earmark.ClipVerdict, ...] = verdict.clips
    version: str = earmark.__version__
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory, write_sound):
    """The files that the page speaks of."""
    from earmark.data.synth import compose

    folder = tmp_path_factory.mktemp("shelf")
    for name, seed in (("chiptune.mp3", 1), ("breakbeat.flac", 2), ("bossa.wav", 1)):
        sound = compose(Path(name).stem, np.random.default_rng(seed), seconds=15)
        write_sound(folder / name, sound, 22050)
    (folder / "notes.txt").write_text("buy milk\n")
    return folder


def test_the_page_is_true(shelf, monkeypatch):
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    monkeypatch.chdir(shelf)
    examples = "\n".join(text for language, text in BLOCKS if language == "pycon")
    said = []
    runner = doctest.DocTestRunner()
    runner.run(doctest.DocTestParser().get_doctest(examples, {}, "python.md", None, 0), out=said.append)
    assert not runner.summarize(verbose=False).failed, "".join(said)
    assert runner.tries > 20


def test_the_pages_script_runs(shelf, tmp_path):
    (script,) = (text for language, text in BLOCKS if language == "python")
    music = tmp_path / "Music"
    music.mkdir()
    for i in range(17):  # so many that processes are started
        (music / f"{i}.flac").write_bytes((shelf / "breakbeat.flac").read_bytes())
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env={"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert sorted(done.stdout.splitlines()) == sorted(f"{music / f'{i}.flac'} electronic" for i in range(17))


@pytest.mark.parametrize(("line", "says"), [("", None), ("verdict.genre.upper()\n", 'has no attribute "upper"')])
def test_a_users_program_passes_strict_type_checks(tmp_path, line, says):
    pytest.importorskip("mypy", reason="mypy is not installed")
    (tmp_path / "program.py").write_text(PROGRAM + (f"    {line}" if line else ""))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path.parent / "mypy", "program.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == (0 if says is None else 1), done.stdout + done.stderr
    assert says is None or says in done.stdout


@pytest.mark.parametrize("name", earmark.__all__)
def test_names_at_the_top(name):
    assert getattr(earmark, name) is not None
    assert name in dir(earmark)


def test_what_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'lead'"):
        earmark.lead  # noqa: B018
