"""Settings in a file: defaults of options, for all commands and for one; and where each setting comes from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import typer

from earmark.errors import SettingError

_NEVER = {"help", "version", "install-completion", "show-completion", "null", "prune", "retry"}
"""Options that make no sense as a habit."""


class Setting(NamedTuple):
    """An option as a configuration file may set it.

    Attributes
    ----------
    section : tuple of str
        The command's words; empty for options of ``earmark`` itself.
    key : str
        The long option, without its dashes.
    param : Any
        Click's parameter.
    command : Any
        Click's command.
    """

    section: tuple[str, ...]
    key: str
    param: Any
    command: Any


def config_path() -> Path | None:
    """Return the file in use, or the new one to be; None where ``EARMARK_CONFIG`` is empty, which asks for none."""
    named = os.environ.get("EARMARK_CONFIG")
    if named is not None:
        return Path(named).expanduser() if named else None
    new, *old = config_places()
    return next((path for path in (new, *old) if _exists(path)), new)


def config_places() -> list[Path]:
    """Return where the file may be: ``earmark/config.toml`` in the user's folder of settings, then the old places."""
    from platformdirs import user_config_path

    # roaming: settings follow the user to other Windows machines
    new = user_config_path("earmark", appauthor=False, roaming=True) / "config.toml"
    xdg = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()  # honoured on every system
    old = [xdg, new.parents[1]]
    # There XDG_CONFIG_HOME moves the new place, so the system's own is looked at as well.
    if sys.platform == "darwin":
        old.append(Path("~/Library/Application Support").expanduser())
    return list(dict.fromkeys([new, *(folder / "earmark.toml" for folder in old)]))


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 (Path.exists raises where a folder may not be searched)


def read_config() -> dict[str, Any]:
    """Read the file as it is, unchecked; empty where there is none.

    Raises
    ------
    SettingError
        If it is not TOML, cannot be read, or is named by ``EARMARK_CONFIG`` and missing.
    """
    path = config_path()
    if path is None:
        return {}
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if os.environ.get("EARMARK_CONFIG"):
            raise SettingError(f"{path}: no such file, though EARMARK_CONFIG names it") from None
        return {}
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from error
    # Late: most people have no such file, and every command comes through here.
    import tomllib

    try:
        # -sig: Windows editors put a byte order mark first, which TOML does not allow.
        return tomllib.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise SettingError(f"{path}: not TOML: {error}") from error


def settings(command: Any, section: tuple[str, ...] = ()) -> Iterator[Setting]:
    """All options of a command and of those below it that a file may set."""
    for param in command.params:
        if param.param_type_name == "option" and not getattr(param, "hidden", False):
            # Of -j and --jobs the long one, as a file spells it: jobs.
            key = max(param.opts, key=len).lstrip("-")
            if key not in _NEVER:
                yield Setting(section, key, param, command)
    for name, below in getattr(command, "commands", {}).items():
        # That command shows and mends the file: a setting of its own could hide what is wrong.
        if name != "config":
            yield from settings(below, (*section, name))


def defaults(root: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Check a configuration, and turn it into Click's ``default_map``.

    Parameters
    ----------
    root : click.Group
        The whole command.
    config : dict
        As the file has it. Keys above all tables go to every command that has such an option.

    Returns
    -------
    dict
        Parameter → value, with one such dict for each command; of ``earmark`` itself at the top.

    Raises
    ------
    SettingError
        If a key or a value does not fit an option.
    """
    known = list(settings(root))
    result: dict[str, Any] = {}
    # A command's own table comes second, and so overwrites what is said for all.
    for own in (False, True):
        for section, key, value in _entries(config):
            if bool(section) != own:
                continue
            # min_tracks is taken for min-tracks; a section of () means every command that has the option.
            fitting = [s for s in known if s.key == key.replace("_", "-") and section in ((), s.section)]
            if not fitting:
                raise SettingError(_no_such(known, section, key))
            for setting in fitting:
                # default_map nests like the commands: {command: {subcommand: {parameter: value}}}.
                place = result
                for word in setting.section:
                    place = place.setdefault(word, {})
                place[setting.param.name] = _fitting(setting, value, section)
    return result


def _entries(config: dict[str, Any], section: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _entries(value, (*section, key))
        else:
            yield section, key, value


def _no_such(known: list[Setting], section: tuple[str, ...], key: str) -> str:
    where = f"{config_path()}: "
    sections = {".".join(s.section) for s in known if s.section}
    name = ".".join(section)
    if section and name not in sections:
        near = get_close_matches(name, sections, 1)
        return f"{where}no command [{name}]" + (f"; did you mean [{near[0]}]?" if near else "")
    keys = sorted({s.key for s in known if not section or s.section == section})
    near = get_close_matches(key.replace("_", "-"), keys, 1)
    place = f"[{name}] has no" if section else "there is no"
    return f"{where}{place} setting {key!r}" + (
        f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(keys)}"
    )


def _fitting(setting: Setting, value: Any, section: tuple[str, ...]) -> Any:
    """Return a value as its option would take it; refuse it as the option would refuse it."""
    param = setting.param
    where = f"{config_path()}: {''.join(f'[{w}] ' for w in ['.'.join(section)] if w)}{setting.key}"
    flag, many = getattr(param, "is_flag", False), getattr(param, "multiple", False)
    values = value if many and isinstance(value, list) else [value]
    for one in values:
        # In Python a bool is an int, so jobs = true would pass for 1 without this.
        if isinstance(one, bool) != flag or not isinstance(one, bool | int | float | str):
            wanted = "true or false" if flag else "a number or text" + (", or a list of them" if many else "")
            raise SettingError(f"{where} = {one!r}: need {wanted}")
    # No shell expands ~ in a file. As text, since Click converts what it reads, as on the command line.
    values = [one if flag else os.path.expanduser(str(one)) for one in values]  # noqa: PTH111 (Path drops a last slash)
    given = values if many else values[0]
    try:
        # Tried, to refuse it here with the file's name; Click converts it again where the command runs.
        param.process_value(typer.Context(setting.command), given)
    except typer.BadParameter as error:
        raise SettingError(f"{where} = {value!r}: {error.message}") from error
    return given
