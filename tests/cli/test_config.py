"""Habits of the shell: settings in a file, quiet and verbose, logs, colours, completion."""

import json
import logging
import os
import pydoc
import re
from pathlib import Path

import hypothesis
import platformdirs.unix
import platformdirs.windows
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from support.command import run
from typer.testing import CliRunner

from earmark.cli import config_file as settings_module
from earmark.cli.config_file import config_path, defaults, read_config, settings
from earmark.cli.errors import unwrap
from earmark.cli.main import app
from earmark.data.features.extract import default_cache
from earmark.errors import EarmarkError, SettingError
from earmark.inference.model_file import DEFAULT
from earmark.library.tags.journal import default_journal

ROOT = typer.main.get_command(app)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write the configuration file."""
    monkeypatch.setenv("EARMARK_CONFIG", str(tmp_path / "my.toml"))

    def write(text):
        (tmp_path / "my.toml").write_text(text, encoding="utf-8")
        return tmp_path / "my.toml"

    return write


@pytest.fixture(scope="module")
def song(write_sound, tone, tmp_path_factory):
    return write_sound(tmp_path_factory.mktemp("song") / "song.wav", tone(440, 1.5, 22050), 22050)


def test_line_before_environment_before_file_before_default(config, song, monkeypatch):
    config('model = "paper-lstm-2x250"\n[classify]\nformat = "json"\ntop = 2\n')
    verdict = json.loads(run("classify", song).stdout)
    assert (verdict["model"], len(verdict["genres"])) == ("paper-lstm-2x250", 2)
    monkeypatch.setenv("EARMARK_MODEL", "paper-attention-2x60")
    verdict = json.loads(run("classify", song, "--top", 3).stdout)
    assert (verdict["model"], len(verdict["genres"])) == ("paper-attention-2x60", 3)
    assert json.loads(run("classify", song, "-m", "gtzan").stdout)["model"] == "gtzan"
    monkeypatch.setenv("EARMARK_CONFIG", "")
    assert run("classify", song, "-f", "csv").stdout.count("\n") == 2


def test_a_commands_own_table_goes_before_what_is_said_for_all():
    found = defaults(ROOT, {"data": {"synth": {"jobs": 3}}, "classify": {"jobs": 2}, "jobs": 1})
    assert found["classify"] == {"jobs": "2"}
    assert found["data"] == {"synth": {"jobs": "3"}, "check": {"jobs": "1"}}
    assert "library" not in found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("modle = 'x'", "there is no setting 'modle'; did you mean 'model'?"),
        ("[classify]\nfromat = 'x'", r"\[classify\] has no setting 'fromat'; did you mean 'format'?"),
        ("[clasify]\nformat = 'x'", r"no command \[clasify\]; did you mean \[classify\]?"),
        ("[library]\nprune = true", r"\[library\] has no setting 'prune'"),
        ("[classify]\nformat = 'xml'", r"\[classify\] format = 'xml': .*'xml' is not one of"),
        ("jobs = 'many'", "jobs = 'many': .*integer"),
        ("jobs = -1", "jobs = -1: "),
        ("jobs = true", "jobs = True: need a number or text"),
        ("jobs = [1, 2]", r"jobs = \[1, 2\]: need a number or text"),
        ("[classify]\ntimeline = 'yes'", r"timeline = 'yes': need true or false"),
        ("[classify]\nexclude = [true]", "exclude = True: need a number or text, or a list of them"),
        ("jobs = ", "not TOML: Invalid value"),
        ("paths = ['a']", "there is no setting 'paths'"),
        ("jobs = 2026-01-01", "need a number or text"),
    ],
)
def test_what_is_wrong_is_refused_by_name(config, song, text, says):
    path = config(text)
    with pytest.raises(SettingError, match=says) as caught:
        defaults(ROOT, read_config())
    assert str(path) in str(caught.value)


def test_a_wrong_file_stops_commands_but_not_help(config, song):
    config("modle = 'x'")
    assert "did you mean 'model'" in run("classify", song, expect=2).stderr
    assert "Usage" in run("classify", "--help").stdout
    assert run("config", "--path").stdout.strip() == str(config("modle = 'x'"))
    assert "did you mean 'model'" in run("config", expect=2).stderr


def test_a_file_that_is_named_must_be_there(monkeypatch, tmp_path):
    monkeypatch.setenv("EARMARK_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(SettingError, match="no such file, though EARMARK_CONFIG names it"):
        read_config()
    monkeypatch.setenv("EARMARK_CONFIG", str(tmp_path))
    with pytest.raises(SettingError, match="cannot be read"):
        read_config()


@pytest.mark.parametrize(
    ("platform", "variables", "place", "old"),
    [
        ("unix.Unix", {}, ".config/earmark/config.toml", ".config/earmark.toml"),
        ("unix.Unix", {"XDG_CONFIG_HOME": "HOME/xdg"}, "xdg/earmark/config.toml", "xdg/earmark.toml"),
        ("unix.Unix", {"XDG_CONFIG_HOME": "xdg"}, ".config/earmark/config.toml", ".config/earmark.toml"),  # relative
        ("macos.MacOS", {}, "LIBRARY/earmark/config.toml", "LIBRARY/earmark.toml"),
        ("macos.MacOS", {}, "LIBRARY/earmark/config.toml", ".config/earmark.toml"),
        ("macos.MacOS", {"XDG_CONFIG_HOME": "HOME/xdg"}, "xdg/earmark/config.toml", "LIBRARY/earmark.toml"),
        ("windows.Windows", {}, "roaming/earmark/config.toml", "roaming/earmark.toml"),
        ("windows.Windows", {}, "roaming/earmark/config.toml", ".config/earmark.toml"),
    ],
)
def test_where_the_file_lies(monkeypatch, tmp_path, platform, variables, place, old):
    for name in ("EARMARK_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("HOME", str(tmp_path)))
    monkeypatch.setattr(platformdirs, "PlatformDirs", pydoc.locate(f"platformdirs.{platform}"))
    windows = {"CSIDL_APPDATA": str(tmp_path / "roaming")}  # which only Windows itself can tell
    monkeypatch.setattr(platformdirs.windows, "get_win_folder", windows.__getitem__)
    if platform == "macos.MacOS":
        monkeypatch.setattr(settings_module.sys, "platform", "darwin")
    place, old = (tmp_path / one.replace("LIBRARY", "Library/Application Support") for one in (place, old))
    assert config_path() == place
    assert read_config() == {}
    for path, jobs in ((old, 1), (place, 2)):  # the old one is read until there is a new one
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"jobs = {jobs}")
        assert config_path() == path
        assert read_config() == {"jobs": jobs}


def test_which_file_is_in_use_is_said(tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "EARMARK_CONFIG"}
    env |= {"XDG_CONFIG_HOME": str(tmp_path), "VISUAL": "true"}
    new, old = tmp_path / "earmark" / "config.toml", tmp_path / "earmark.toml"
    assert run("config", env=env).stderr.startswith(f"{new} is not there; earmark config --edit makes one")
    old.write_text("jobs = 1")
    done = run("config", env=env)
    assert str(old) in re.sub(r"\s", "", done.stdout)
    assert done.stderr == f"{old} is read (the old place; the new one is {new})\n"
    run("config", "--edit", env=env)
    assert run("config", "--path", env=env).stdout == f"{old}\n"
    assert not new.parent.exists()
    old.unlink()
    run("config", "--edit", env=env)
    assert run("config", env=env).stderr.startswith(f"{new} sets nothing; ")
    new.write_text("jobs = 2")
    old.write_text("jobs = 1")
    assert run("config", env=env).stderr == f"{new} is read ({old} is not read)\n"
    assert run("config", env=env | {"EARMARK_CONFIG": str(old)}).stderr.startswith(f"{old} is read")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may search any folder")
def test_a_folder_that_may_not_be_searched(monkeypatch, tmp_path):
    monkeypatch.delenv("EARMARK_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "earmark").mkdir(mode=0)
    with pytest.raises(SettingError, match="cannot be read"):
        read_config()


@pytest.mark.parametrize(
    ("variable", "common", "find"),
    [
        ("XDG_CACHE_HOME", ".cache", lambda: default_cache().parent),
        ("XDG_STATE_HOME", ".local/state", lambda: default_journal().parents[1]),
    ],
)
def test_what_is_kept_lies_in_xdg_folders(monkeypatch, tmp_path, variable, common, find):
    monkeypatch.setattr(platformdirs, "PlatformDirs", platformdirs.unix.Unix)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, str(tmp_path / "mine"))
    assert find() == tmp_path / "mine" / "earmark"
    for unset in ("", "relative"):
        monkeypatch.setenv(variable, unset)
        assert find() == tmp_path / common / "earmark"
    monkeypatch.delenv(variable)
    assert find() == tmp_path / common / "earmark"
    assert list(tmp_path.iterdir()) == []  # nothing is made by asking


def test_a_tilde_is_the_home_folder():
    found = defaults(ROOT, {"classify": {"library": "~/l.db", "exclude": ["~x", "*~"]}})["classify"]
    assert found["library"] == str(Path("~/l.db").expanduser())
    assert found["exclude"][1] == "*~"


_KEYS = st.sampled_from(sorted({s.key for s in settings(ROOT)})) | st.sampled_from(["classify", "data", "synth", "x"])
_VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text("ab/~=é ", max_size=5),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(_KEYS, below, max_size=2),
    max_leaves=5,
)


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.too_slow])
@given(st.dictionaries(_KEYS, _VALUES, max_size=3))
def test_any_file_is_taken_or_refused(config):
    try:
        defaults(ROOT, config)
    except EarmarkError as error:
        assert str(error)


def test_every_option_of_a_file_is_known_to_its_command():
    keys = {(s.section, s.key) for s in settings(ROOT)}
    assert {((), "quiet"), (("embed",), "min-confidence"), (("data", "synth"), "jobs")} - keys == {
        (("embed",), "min-confidence")
    }
    assert not {key for _, key in keys} & {"help", "version", "install-completion", "prune"}


def test_effective_settings_and_where_each_comes_from(config, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = config('quiet = true\n[classify]\nformat = "json"\n')
    monkeypatch.setenv("EARMARK_JOBS", "3")
    rows = [json.loads(line) for line in run("config", "--format", "json").stdout.splitlines()]
    assert {"command": None, "key": "quiet", "value": True, "from": str(path)} in rows
    assert {"command": "classify", "key": "format", "value": "json", "from": str(path)} in rows
    assert {"command": "train", "key": "jobs", "value": "3", "from": "environment: EARMARK_JOBS"} in rows
    assert "default" not in {row["from"] for row in rows}
    every = [json.loads(line) for line in run("config", "--all", "--format", "json").stdout.splitlines()]
    assert {"command": "train", "key": "recipe", "value": "encoder-linear", "from": "default"} in every
    shown = run("config").stdout
    assert re.search(rf"classify +format +json +{re.escape(str(path))}", shown)


@pytest.mark.skipif(os.name == "nt", reason="a script of the shell")
def test_editing_begins_with_examples_and_ends_with_a_check(monkeypatch, tmp_path):
    path, editor = tmp_path / "c" / "my.toml", tmp_path / "my editor"
    editor.write_text('#!/bin/sh\necho "modle = 1" >> "$1"\n')
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EARMARK_CONFIG", str(path))
    monkeypatch.setenv("EDITOR", f"'{editor}'")
    assert "did you mean 'model'" in run("config", "--edit", expect=2).stderr
    assert path.read_text().startswith("# Earmark's settings")
    uncommented = "\n".join(line[2:] for line in path.read_text().splitlines() if re.match(r"# (\w+ = |\[)", line))
    path.write_text(uncommented)
    assert defaults(ROOT, read_config())["classify"]["form"] == "json"
    monkeypatch.setenv("EDITOR", "no-such-editor")
    assert "set VISUAL or EDITOR" in run("config", "--edit", expect=2).stderr


# Quiet, verbose, logs, colours


def test_quiet_says_errors_only(song, tmp_path):
    (tmp_path / "bad.mp3").write_text("no")
    loud = run("classify", song, tmp_path / "bad.mp3", "--library", tmp_path / "l.db", expect=1)
    quiet = run("-q", "classify", song, tmp_path / "bad.mp3", "--library", tmp_path / "l.db", expect=1)
    assert quiet.stdout == loud.stdout
    assert "known before" in loud.stderr
    assert quiet.stderr == "1 file with errors\n"


def test_verbose_and_log_file_tell_what_is_done(song, tmp_path):
    log = tmp_path / "logs" / "earmark.log"
    odd = tmp_path / "new\nline.wav"
    odd.write_bytes(song.read_bytes())
    said = run("-v", "--log-file", log, "classify", song, odd)
    assert "model earmark, checksum" in said.stderr
    assert r"new\nline.wav: unknown" in said.stderr
    assert "clips heard" not in said.stderr
    assert "clips heard in" in run("-vv", "--log-file", log, "classify", song).stderr  # what processes log is not heard
    assert not run("classify", song).stderr
    lines = log.read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d [\d:,]+ \d+ (DEBUG|INFO) earmark\.[a-z.]+: ", line) for line in lines)
    assert any("clips heard in" in line for line in lines)
    before = len(lines)
    run("--log-file", log, "classify", song)
    assert len(log.read_text(encoding="utf-8").splitlines()) > before  # added to
    assert "cannot be written" in run("--log-file", tmp_path, "classify", song, expect=2).stderr


def test_the_library_does_not_log_to_a_terminal_by_itself(song, capfd):
    import earmark

    list(earmark.load().classify_many([song, "none.wav"]))
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("earmark").handlers


COLOUR = re.compile(r"\x1b\[[\d;]*3[0-7][\d;]*m")


@pytest.mark.parametrize("command", [("classify", "SONG"), ("--help",), ("models",), ("classify", "none.wav")])
def test_colours_are_shown_and_left_out_as_asked(song, command):
    words = [song if word == "SONG" else word for word in command]
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS")}
    plain["TERM"] = "xterm-256color"
    expect = int("none.wav" in words)
    texts = {}
    for name, extra in (("pipe", {}), ("force", {"FORCE_COLOR": "1"}), ("no", {"FORCE_COLOR": "1", "NO_COLOR": "1"})):
        done = run(*words, env={**plain, **extra}, expect=expect)
        texts[name] = done.stdout + done.stderr
    assert "\x1b" not in texts["pipe"]
    assert "\x1b[" in texts["force"]
    assert not COLOUR.search(texts["no"])


# Completion and help


def completed(*words, cwd=None):
    line = " ".join(["earmark", *words])
    env = {**os.environ, "_EARMARK_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    return run(env=env, cwd=cwd).stdout.split("\n")


def test_the_shell_offers_names(tmp_path, song):
    (tmp_path / "mine.onnx").write_bytes(b"")
    (tmp_path / "models").mkdir()
    (tmp_path / "notes.txt").write_bytes(b"")
    offered = completed("classify", "--model", "m", cwd=tmp_path)
    assert {name for name in offered if name} == {"mine.onnx", "models/"}
    assert "paper-lstm-2x250" in completed("evaluate", "paper")
    assert {"lstm-1x250", "lstm-2x250"} <= set(completed("train", "--recipe", "lstm"))
    for name in ("mine.yaml", "more.yml"):
        (tmp_path / name).touch()
    offered = completed("tag", "--vocabulary", "m", cwd=tmp_path)
    assert {name for name in offered if name} == {"model", "musicbrainz", "mine.yaml", "more.yml", "models/"}
    assert {"table", "json", "csv"} <= set(completed("library", "l.db", "--format", ""))
    run("classify", song, "--library", tmp_path / "l.db")
    assert {"jazz", "reggae", "unknown"} <= set(completed("library", "l.db", "--genre", "", cwd=tmp_path))
    assert set(completed("library", "none.db", "--genre", "", cwd=tmp_path)) - {""} == {"unknown"}
    assert not (tmp_path / "none.db").exists()
    # Bash inserts an offer as it is.
    assert r"children\'s\ music" in completed("explain", "x", "-g", "ch")
    (tmp_path / "my model.onnx").write_bytes(b"")
    assert completed("classify", "--model", "my", cwd=tmp_path)[0] == r"my\ model.onnx"


def commands(command, words=()):
    below = getattr(command, "commands", {})
    yield from [(words, command)] if not below else []
    for name, one in below.items():
        yield from commands(one, (*words, name))


@pytest.mark.parametrize(
    ("words", "command"), list(commands(ROOT)), ids=lambda x: " ".join(x) if type(x) is tuple else ""
)
def test_every_command_has_examples_and_exit_statuses(words, command):
    assert re.search(rf"\n\s+(\w+= )?earmark {' '.join(words)}\b", command.help)
    assert "Exit status: 0" in command.help


def test_help_groups_commands_by_purpose():
    shown = run("--help").stdout
    panels = re.findall(r"╭─ ([A-Z][\w ]+?) ─", shown)
    assert panels == [
        "Options",
        "Name genres",
        "Train and judge models",
        "See and hear what models have learned",
        "Settings",
    ]


@pytest.mark.parametrize(
    ("words", "command"), list(commands(ROOT)), ids=lambda x: " ".join(x) if type(x) is tuple else ""
)
@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_and_shows_values_but_none_of_switches(words, command, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = CliRunner().invoke(app, [*words, "--help"]).stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert not [line for line in lines if re.search(r"<(bool|str|path|int|float|list)", line)]
    # Examples are copied: a line of them is never broken.
    for line in command.help.split("\n"):
        if line.startswith("  earmark "):
            assert len(line) + 2 <= 80, line


def test_help_names_the_default_model():
    shown = run("classify", "--help", env={**os.environ, "COLUMNS": "100"}).stdout
    said = " ".join(shown.replace("│", " ").split())
    assert f"[default: ({DEFAULT}; the one last used in --library)]" in said
    assert "'earmark models' lists them" in said


def test_help_flows_to_the_width_of_the_terminal():
    text = """First line
    goes on.

      earmark one
      earmark two
    """
    assert unwrap(text) == "First line goes on.\n\n  earmark one\n  earmark two"


@pytest.mark.parametrize(("target", "says"), [("taken/x.onnx", "exists"), ("taken.d", "directory")])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, target, says):
    (tmp_path / "taken").write_bytes(b"")
    (tmp_path / "taken.d").mkdir()
    error = run("export", "paper-attention-2x60", "-o", tmp_path / target, expect=2).stderr
    assert says in error
    assert str(tmp_path / "taken") in error.replace("\n", "")
    assert "partial" not in error
