"""README and docs are true: what they show is what the commands print, and what they name is there."""

import re
import subprocess
import sys

import pytest
from support.paths import REPOSITORY

pytest.importorskip("pty", reason="no pseudo-terminals on this system")

import typer
from documents import DOCUMENTS, agree, read_commands, run_commands

from earmark.cli.main import app

README = REPOSITORY / "README.md"
SLOW = ("imagine.md",)  # half a minute, and PyTorch
SOURCES = [*DOCUMENTS, *sorted((REPOSITORY / "src").rglob("*.py")), REPOSITORY / "demo.sh", REPOSITORY / "Makefile"]


def name_of(path):
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize(
    "document",
    [path for path in DOCUMENTS if path.name not in SLOW and any(shown.output for shown in read_commands(path))],
    ids=name_of,
)
def test_it_shows_what_the_commands_print(document):
    commands = read_commands(document)
    printed = run_commands(commands)
    wrong = {
        f"{name_of(document)}:{shown.line + 1}": printed[shown.line]
        for shown in commands
        if shown.line in printed and not agree(shown.output, printed[shown.line])
    }
    assert not wrong, "python bench/documents.py --write puts the real output in"


def test_outputs_agree_but_for_bars_and_a_last_per_cent():
    assert agree(["a.opus   jazz  ████▎  36%"], ["a.opus jazz ████▍ 37%"])
    assert not agree(["a.opus  jazz  ████▎  36%"], ["a.opus  jazz  ████▎  46%"])
    assert not agree(["a.opus  jazz  36%"], ["a.opus  rock  36%"])
    assert not agree(["a.opus  jazz  36%"], ["a.opus  jazz  36%", "b.opus  jazz  36%"])


def parse_command(words):
    """Return the command that words begin with, and the words that it is given."""
    command = typer.main.get_command(app)
    words = [word for word in words if word not in ("-q", "-v", "-vv")]
    while words and words[0] in getattr(command, "commands", ()):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("path", [*SOURCES, REPOSITORY / "bench" / "README.md"], ids=name_of)
def test_the_commands_it_names_are_there(path):
    """In console blocks, in `back quotes`, and in examples of help: commands and their options."""
    text = path.read_text(encoding="utf-8").replace("\\n", "\n")
    for line in re.findall(r"(?:\$ |^|`|'|^ {4,6}|run \")earmark ([a-z-][^`'\"\n#|>]*)", text, re.MULTILINE):
        command, words = parse_command(line.split())
        assert not hasattr(command, "commands") or not words or words[0].startswith("-"), f"earmark {line}"
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        known |= {"--help", "-h", "--install-completion", "--show-completion"}
        options = re.findall(r"(?<!\S)--?[a-z][\w-]*", " ".join(words))
        assert set(options) <= known, f"earmark {line}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_its_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        page = (document.parent / file).resolve() if file else document
        assert page.exists(), target
        if anchor and page.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, target


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_is_said_to_come_from_a_package_index(path):
    assert not re.search(r"pip install (-U )?['\"]?earmark", path.read_text(encoding="utf-8"))


def test_the_readme_is_short():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 120


def test_the_readmes_program_runs_as_a_plain_script(tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "examples/reading.opus speech" in done.stdout
    assert "(17, 384)" in done.stdout
