"""The ``earmark`` command: the program itself and its commands, which lie in :mod:`earmark.cli.commands`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from earmark.cli import terminal
from earmark.cli.commands.classify import classify
from earmark.cli.commands.config import config
from earmark.cli.commands.data import data
from earmark.cli.commands.embed import embed
from earmark.cli.commands.evaluate import evaluate
from earmark.cli.commands.explain import explain
from earmark.cli.commands.export import export
from earmark.cli.commands.imagine import imagine
from earmark.cli.commands.library import library
from earmark.cli.commands.listen import listen
from earmark.cli.commands.medley import medley
from earmark.cli.commands.models import models
from earmark.cli.commands.reproduce import reproduce
from earmark.cli.commands.similar import similar
from earmark.cli.commands.stress import stress
from earmark.cli.commands.tag import tag
from earmark.cli.commands.train import train
from earmark.cli.commands.watch import watch
from earmark.cli.errors import handle_errors
from earmark.cli.help import Command, Group
from earmark.errors import SettingError

PANELS: dict[str, tuple[Callable[..., Any] | typer.Typer, ...]] = {
    "Name genres": (classify, tag, listen, library, watch, similar, embed),
    "Train and judge models": (train, reproduce, evaluate, stress, models, export, data),
    "See and hear what models have learned": (explain, imagine, medley),
    "Settings": (config,),
}
"""Commands, and groups of commands, as ``earmark --help`` shows them: by purpose, in this order."""

app = typer.Typer(
    name="earmark",
    cls=Group,
    help="Tells the genre of music by ear.",
    epilog="Exit status: 0 every file has an answer ('unknown' is one), 1 some file failed, 2 wrong usage, "
    "130 interrupted. Settings can be kept in a file: earmark config --help. NO_COLOR and FORCE_COLOR are respected.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    # A fault of ours shows Python's own traceback, which fits into a bug report.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line."""
    app()


# Else `earmark --version` would be refused for want of a command.
@app.callback(invoke_without_command=True)
@handle_errors
def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only answers and errors.")] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, metavar="", help="Log what is done; -vv: in detail.", show_default=False
        ),
    ] = 0,
    log_file: Annotated[
        Path | None, typer.Option(help="Append a detailed log, with times, to this file.", metavar="FILE")
    ] = None,
) -> None:
    """Tells the genre of music by ear."""
    if version:
        import earmark

        print(f"earmark {earmark.__version__}")
        raise typer.Exit
    # Click takes what an option's file says where neither the command line nor the environment says anything.
    # This one's own parameters were parsed before the map was there, so they are looked up by hand below.
    ctx.default_map = own = _read_settings(ctx)
    if quiet or own.get("quiet"):
        terminal.set_quiet()
    verbose, log_file = verbose or int(own.get("verbose", 0)), log_file or own.get("log_file")
    if verbose or log_file:
        terminal.set_up_log(verbose, log_file and Path(log_file))


def _read_settings(ctx: typer.Context) -> dict[str, Any]:
    """Return what the configuration file sets; a wrong one stops neither --help nor the command that mends it."""
    from earmark.cli.config_file import defaults, read_config

    try:
        found = read_config()
        return defaults(ctx.command, found) if found else {}
    except SettingError:
        # A command parses its own --help only after this, so it is looked for among the raw words.
        if ctx.invoked_subcommand == "config" or {"--help", "-h"} & set(sys.argv[1:]):
            return {}
        raise


for panel, commands in PANELS.items():
    for command in commands:
        if isinstance(command, typer.Typer):
            app.add_typer(command, rich_help_panel=panel)
        else:
            app.command(cls=Command, rich_help_panel=panel)(command)
