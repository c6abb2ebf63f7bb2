"""How ``--help`` shows what options and arguments take: a word such as N or FILE, and nothing for a switch."""

from __future__ import annotations

import textwrap
from typing import Any

from typer.core import TyperCommand, TyperGroup

_WIDEST = 22
"""Columns that the choices of an option take in a line; the text beside them needs the rest."""


class _PlainHelp:
    """Names values, where a command does not name them itself."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with --help."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if param.param_type_name == "argument":
                param.metavar = param.metavar or param.name.upper()
                # Beside the name, Typer shows a type, which its text tells better.
                param.display_type_rich = lambda ctx: None
            elif param.metavar is None:
                param.metavar = _name_value(param)
        return params


class Command(_PlainHelp, TyperCommand):
    """A command with such help."""


class Group(_PlainHelp, TyperGroup):
    """A group of commands with such help."""


def _name_value(option: Any) -> str:
    """Return what stands for an option's value: nothing, its choices, N, or the option's own name."""
    if option.is_flag or option.count:
        return ""
    value = option.type_descriptor
    if value.is_choice:
        choices = "| ".join(choice.value for choice in value.choices)
        return textwrap.fill(choices, _WIDEST, break_on_hyphens=False).replace("| ", "|")
    if value.is_ranged or value.annotation in (int, float):
        return "N"
    name: str = max(option.opts, key=len)
    return name.lstrip("-").upper()
