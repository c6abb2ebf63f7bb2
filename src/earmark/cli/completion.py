"""What the shell offers on TAB: names of models, recipes, genres. Nothing slow is imported for it."""

from __future__ import annotations

import functools
import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import typer

Offer = TypeVar("Offer", bound=Callable[..., Iterator[str]])


def _escape_for_bash(offer: Offer) -> Offer:
    """Escape blanks and quotes in offers for bash, which inserts them as they are; other shells do so themselves."""

    @functools.wraps(offer)
    def run(*args: Any, **kwargs: Any) -> Iterator[str]:
        bash = os.environ.get("_EARMARK_COMPLETE") == "complete_bash"
        for name in offer(*args, **kwargs):
            yield re.sub(r"([^\w@%+=:,./~-])", r"\\\1", name) if bash else name

    return run  # type: ignore[return-value]


@_escape_for_bash
def models(incomplete: str) -> Iterator[str]:
    """Offer bundled models and model files."""
    # Late, as everything here: the shell starts a new Python at each TAB.
    from earmark.inference.model_file import list_models

    yield from (name for name in list_models() if name.startswith(incomplete))
    yield from _files(incomplete, ".onnx")


@_escape_for_bash
def recipes(incomplete: str) -> Iterator[str]:
    """Offer recipes of the package and TOML files."""
    import earmark

    # File names alone: opening recipes would import the training package.
    folder = Path(earmark.__file__).parent / "training" / "recipes"
    yield from sorted(path.stem for path in folder.glob("*.toml") if path.stem.startswith(incomplete))
    yield from _files(incomplete, ".toml")


@_escape_for_bash
def vocabularies(incomplete: str) -> Iterator[str]:
    """Offer vocabularies of the package and YAML files."""
    from earmark.library.vocabulary import BUILT_IN

    yield from (name for name in BUILT_IN if name.startswith(incomplete))
    yield from _files(incomplete, ".yaml", ".yml")


@_escape_for_bash
def labels(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Offer genres of the model named on the line, or of the bundled one."""
    yield from _read_names(ctx, incomplete, ("labels",))


@_escape_for_bash
def names(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Offer genres, styles and moods of the same model."""
    yield from _read_names(ctx, incomplete, ("labels", "styles", "moods"))


def _read_names(ctx: typer.Context, incomplete: str, kinds: Iterable[str]) -> Iterator[str]:
    from earmark.errors import EarmarkError
    from earmark.inference.model_file import read_model, split_card

    try:
        # The card alone: the network would take a second to load.
        data, name, _ = read_model(ctx.params.get("model"))
        card = split_card(data, name)[0]
        known = list(dict.fromkeys(one for kind in kinds for one in card.get(kind, [])))
    # Whatever is wrong, nothing is offered: a message on TAB would garble the line being typed.
    except EarmarkError:
        known = []
    yield from (genre for genre in known if genre.startswith(incomplete))


@_escape_for_bash
def genres(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Offer genres that the library named on the line knows, and "unknown"."""
    from earmark.errors import EarmarkError
    from earmark.library.library import Library

    # Of a line that is not finished, names may be among the rest.
    named = [ctx.params.get("database"), *ctx.args]
    known: list[str] = []
    try:
        with Library(next(filter(None, named), ""), create=False) as library:
            known = [genre for hearing, _ in library.models()[:1] for genre in hearing.labels]
    # Nothing named yet, or no library: nothing to offer.
    except EarmarkError:
        pass
    yield from (genre for genre in [*known, "unknown"] if genre.startswith(incomplete))


def _files(incomplete: str, *suffixes: str) -> Iterator[str]:
    """Offer files of one kind, and folders that may hold some."""
    # The tilde is expanded for the search only; offers keep it, since the shell drops what does not begin as typed.
    start = os.path.expanduser(incomplete)  # noqa: PTH111 (Path drops the slash at the end)
    # Escaped: a bracket or a star that was typed is part of the name.
    for path in sorted(glob.glob(glob.escape(start) + "*")):  # noqa: PTH207
        shown = incomplete + path[len(start) :]
        if Path(path).is_dir():
            yield shown + "/"
        elif path.endswith(suffixes):
            yield shown
