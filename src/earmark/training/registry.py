"""Where recipes are: those that come with the package, those of the sweeps, and files that may extend either."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from earmark.audio.spectrogram import StftDensity
from earmark.errors import SettingError
from earmark.training import sweeps
from earmark.training.recipe import OFF, Ancestry, Recipe, validate

LOG = "-log"
"""How the name of a logarithmic variant ends."""


def list_recipes() -> list[str]:
    """Return the recipes that come with the package: the rows of the paper's figures, and two on log-mel."""
    return sorted(Path(entry.name).stem for entry in _folder().iterdir() if entry.name.endswith(".toml"))


def describe_recipe(name: str) -> tuple[str, str]:
    """Return what a recipe of the package makes, and about how long learning takes.

    The time is of some 350 excerpts of 30 s on two cores, once they are decoded. Both stand in the first lines of the
    recipe's file.
    """
    what, time, *_ = (_folder() / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    return what.removeprefix("# ").partition(" (")[0].removesuffix("."), time.removeprefix("# Time: ").removesuffix(".")


def open_recipe(which: str) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    which : str
        Name of one that comes with the package or belongs to a sweep (:mod:`earmark.training.sweeps`), or the path
        of a TOML file. ``-log`` after a name takes its better conditioned variant: the density's logarithm, in
        dB, standardised bin by bin; networks train at rate 0.1, their gradient's norm clipped at 1.
        A file may say ``extends = "other.toml"``, a path from its own folder or one of these names, and hold only its
        difference from that recipe; ``without = ["network.attention"]`` leaves settings of that recipe out.
        ``patience = "off"`` in ``[training]`` never stops early: "off" is None.

    Raises
    ------
    SettingError
        If there is no such recipe, or it holds an unknown key or a value that makes no sense, or what it extends is
        missing or extends it in turn.
    """
    return _open(which, Path(), ())


def _open(which: str, folder: Path, above: tuple[str, ...]) -> Recipe:
    """Read a recipe, a path from `folder`, that those `above` extend (names of ours, or whole paths of files)."""
    if which in list_recipes():
        text = (_folder() / f"{which}.toml").read_text(encoding="utf-8")
        return _parse(text, which, folder, _add_to_chain(which, above))
    known = [*list_recipes(), *sweeps.list_recipes()]
    if which in known:
        return sweeps.get_recipe(which)
    if which.endswith(LOG) and which.removesuffix(LOG) in known:
        return _make_logarithmic(open_recipe(which.removesuffix(LOG)), which)
    try:
        # one name for each file, so that a circle is found
        path = (folder / which).resolve()
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # no UTF-8, or no path at all
        near = difflib.get_close_matches(which, [*known, *(name + LOG for name in known)], 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(list_recipes())}"
        raise SettingError(f"no recipe {which!r}: neither a readable file nor one of ours; {hint}") from error
    return _parse(text, which, (folder / which).parent, _add_to_chain(str(path), above))


def _add_to_chain(which: str, above: tuple[str, ...]) -> tuple[str, ...]:
    if which in above:
        raise SettingError("recipes extend each other in a circle")
    return (*above, which)


def _make_logarithmic(recipe: Recipe, name: str) -> Recipe:
    """Return a better conditioned variant: levels in dB, each bin standardised by itself, and steps that suit them.

    Linear power spans eleven decades, so that a few loud clips move a network and most others hardly do; in dB all do,
    and at the paper's rate of 1 a vanilla RNN no longer learns.
    """
    if not isinstance(recipe.front_end, StftDensity):
        raise SettingError(f"no recipe {name!r}: its front end is logarithmic already")
    front_end = dataclasses.replace(recipe.front_end, log=True)
    training = recipe.training.model_copy(update={"lr": 0.1, "clip_norm": 1.0})
    change: dict[str, Any] = {"front_end": front_end, "per_bin": True}
    return recipe.model_copy(update=change | ({"training": training} if recipe.is_network else {}))


def parse_recipe(text: str, name: str) -> Recipe:
    """Read a recipe from TOML text; `name` is used in errors. See :func:`open_recipe`."""
    return _parse(text, name, Path(), ())


def _parse(text: str, name: str, folder: Path, above: tuple[str, ...]) -> Recipe:
    try:
        settings = _read_off(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{name}: not TOML: {error}") from error
    ancestry = {key: settings.pop(key) for key in Ancestry.model_fields if key in settings}
    if ancestry:
        settings = _extend(validate(Ancestry, ancestry, name), settings, name, folder, above)
    if isinstance(settings.get("front_end"), dict):  # without a kind it is the paper's
        settings["front_end"] = {"kind": "stft-density", **settings["front_end"]}
    return validate(Recipe, settings, name)


def _read_off(settings: dict[str, Any]) -> dict[str, Any]:
    """Read "off" as None, which TOML lacks, in settings and their tables."""
    read = {key: _read_off(value) if isinstance(value, dict) else value for key, value in settings.items()}
    return {key: None if value == OFF else value for key, value in read.items()}


def _extend(
    ancestry: Ancestry, change: dict[str, Any], name: str, folder: Path, above: tuple[str, ...]
) -> dict[str, Any]:
    """Return the settings of the recipe that is extended, with what is left out and changed of them."""
    try:
        merged = _open(ancestry.extends, folder, above).difference()
    except SettingError as error:
        raise SettingError(f"{name}: extends {ancestry.extends!r}: {error}") from error
    for key in ancestry.without:
        table, _, last = key.rpartition(".")
        inside = merged.get(table) if table else merged
        if not isinstance(inside, dict) or last not in inside:
            raise SettingError(f"{name}: without {key!r}: {ancestry.extends} does not set it")
        del inside[last]
    for key, value in change.items():
        base = merged.get(key)
        if isinstance(base, dict) and isinstance(value, dict):
            # a front end of another kind has other settings: it takes the place of the first
            value = {**base, **value} if value.get("kind", base.get("kind")) == base.get("kind") else value
        merged[key] = value
    return merged


def _folder() -> Any:
    return resources.files("earmark.training") / "recipes"
