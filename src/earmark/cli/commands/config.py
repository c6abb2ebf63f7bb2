"""``earmark config``: which settings hold, and where each comes from."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from earmark.cli import terminal
from earmark.cli.errors import handle_errors
from earmark.cli.options import Shape

if TYPE_CHECKING:
    from earmark.cli.config_file import Setting

_TEMPLATE = """\
# Earmark's settings: defaults of options, by their long names. The command line and the environment
# override them. 'earmark config --all' lists every setting.

# For every command that has such an option:
# model = "~/models/mine.onnx"
# jobs = 4

# For one command:
# [classify]
# format = "json"
# library = "~/music.db"
# exclude = ["Podcasts/", "*.m4b"]
"""


@handle_errors
def config(
    ctx: typer.Context,
    path: Annotated[
        bool, typer.Option("--path", "-p", help="Print the path of the file, even if it does not exist.")
    ] = False,
    edit: Annotated[bool, typer.Option("--edit", "-e", help="Open the file in an editor, then check it.")] = False,
    everything: Annotated[bool, typer.Option("--all", "-a", help="List every setting, with its default.")] = False,
    form: Annotated[
        Shape, typer.Option("--format", "-f", help="Output format; json: one object per line.")
    ] = Shape.table,
) -> None:
    r"""Show which settings are in force, and where each comes from.

    A TOML file sets defaults of options. It is earmark/config.toml in
    ~/.config (or XDG_CONFIG_HOME; %APPDATA% on Windows, ~/Library/Application
    Support on macOS), or the file that EARMARK_CONFIG names; an empty
    EARMARK_CONFIG means no file. Where it is missing, earmark.toml in the same
    folder or in ~/.config is read, as older versions wrote it. Keys are the
    long names of options. Those at the top go to every command that has such
    an option, those under a command's name to that command:

      model = "~/models/mine.onnx"
      \[classify]
      format = "json"

    The command line overrides the environment (EARMARK_MODEL, EARMARK_JOBS,
    EARMARK_LIBRARY, EARMARK_MIRROR), which overrides the file.

    [bold]Examples[/bold]

      earmark config
      earmark config --edit
      EARMARK_CONFIG= earmark classify song.mp3    (without the file)

    [dim]Exit status: 0 all is well, 2 the file is wrong.[/dim]
    """
    from earmark.cli.config_file import config_path
    from earmark.cli.text import clean

    file = config_path()
    if path:
        print(file or "")
        return
    if edit:
        _edit(file)
    root = ctx.find_root().command
    # This checks the file, also one just edited; a wrong one ends the command here, with status 2.
    rows = list(_effective(root, everything))
    if form is Shape.json:
        for row in rows:
            record = {"command": row.command or None, "key": row.key, "value": row.value, "from": row.origin}
            print(json.dumps(record))
        return
    where = clean(_describe_file(file, "is read" if rows else "sets nothing"))
    if rows:
        terminal.console(sys.stdout).print(_table(rows))
        terminal.say(where)
    else:
        terminal.say(f"{where}; earmark config --edit makes one, --all lists what can be set")


def _describe_file(file: Path | None, does: str) -> str:
    """Return a sentence on the file in use, and on the other place where there is something to say of it."""
    from earmark.cli.config_file import config_places

    if file is None:
        return f"no file {does}"
    if not file.exists():
        return f"{file} is not there"
    new, *old = config_places()
    if file in old:
        return f"{file} {does} (the old place; the new one is {new})"
    ignored = [str(path) for path in old if file == new and path.exists()]
    return f"{file} {does}" + (f" ({', '.join(ignored)} is not read)" if ignored else "")


class _Row(NamedTuple):
    command: str
    key: str
    value: Any
    origin: str


def _effective(root: Any, everything: bool) -> Iterator[_Row]:
    """List settings that are set, or all; the command's own after those of all commands."""
    from earmark.cli.config_file import config_path, defaults, read_config, settings

    chosen = defaults(root, read_config())
    for setting in settings(root):
        own = chosen
        for word in setting.section:
            own = own.get(word, {})
        place, variable = " ".join(setting.section), _variable(setting)
        # In Click's order: the environment before the file, that before defaults.
        if variable:
            yield _Row(place, setting.key, os.environ[variable], f"environment: {variable}")
        elif setting.param.name in own:
            yield _Row(place, setting.key, own[setting.param.name], str(config_path()))
        elif everything:
            yield _Row(place, setting.key, _default(setting), "default")


def _variable(setting: Setting) -> str | None:
    """Return the environment variable that sets an option now, if any."""
    names = setting.param.envvar or ()
    return next((n for n in ([names] if isinstance(names, str) else names) if os.environ.get(n)), None)


def _default(setting: Setting) -> Any:
    value = setting.param.default
    value = value.value if isinstance(value, Enum) else value
    # Whatever else Click holds for a default cannot stand in JSON.
    return value if isinstance(value, bool | int | float | str | list) else None


def _table(rows: list[_Row]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from earmark.cli.text import clean

    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    for name, style in (("command", None), ("setting", "bold"), ("value", None), ("from", "dim")):
        table.add_column(name, style=style, overflow="fold")
    for row in rows:
        value = "" if row.value is None else row.value
        table.add_row(row.command or "(all)", row.key, Text(clean(str(value))), Text(clean(row.origin)))
    return table


def _edit(file: Path | None) -> None:
    """Open the file in an editor; a new one begins with examples."""
    import shlex
    import shutil
    import subprocess

    from earmark.errors import SettingError
    from earmark.files import replacing

    if file is None:
        raise SettingError("EARMARK_CONFIG is empty, which asks for no file: there is nothing to edit")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
    # An editor may come with options (code --wait). Posix rules would eat the backslashes of Windows paths.
    words = shlex.split(editor, posix=os.name != "nt")
    if not words or not shutil.which(words[0]):
        raise SettingError(f"no editor {editor!r}: set VISUAL or EDITOR to yours, or edit {file} by hand")
    if not file.exists():
        with replacing(file) as partial:
            partial.write_text(_TEMPLATE, encoding="utf-8")
    if status := subprocess.run([*words, str(file)], check=False).returncode:
        raise SettingError(f"{editor} ended with status {status}; {file} is as it left it")
