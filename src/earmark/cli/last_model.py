"""By which model files are named where none is given: the one last used in the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earmark.cli import terminal
from earmark.cli.text import clean
from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.library.library import Library


def choose_last_model(library: Library | None, model: str | None, *, hears: bool = True) -> str | None:
    """Return the model to name files by: as given, else the one last used in the library, which is said on stderr.

    Parameters
    ----------
    library : Library, optional
    model : str, optional
        A model file, a bundled name, or a name or checksum that the library knows.
    hears : bool
        Whether files are heard, so that any model will do; else only one whose answers are there.

    Returns
    -------
    str or None
        A file or bundled name; None for the default model.

    Raises
    ------
    SettingError
        If a model that only the library knows is not found, or the one last used is not and nothing is heard.
    """
    if library is None:
        return model
    from earmark.inference.model_file import DEFAULT
    from earmark.library.answers import describe_loss, find_last_used, locate_model

    if model:
        return locate_model(library, model)
    last = find_last_used(library)
    if last is None:
        return None
    hearing, found = last
    database = clean(str(library.path))
    if found is None and not hears:
        others = "; ".join(f"{key.name} ({key.checksum[:8]})" for key, _ in library.models() if key != hearing)
        also = f", or another whose answers {database} has: {others}" if others else ""
        raise SettingError(f"{describe_loss(hearing)}: name its file with --model{also}")
    if found is None:
        terminal.say(clean(f"{describe_loss(hearing)}: by {DEFAULT} instead; --model chooses another"), "yellow")
    elif found != DEFAULT:
        terminal.say(
            clean(f"by {hearing.name} ({hearing.checksum[:8]}), last used in {database}; --model chooses another")
        )
    return found
