"""A model's answers to all files of a search, fresh or kept in a library; and which model's answers a library shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from earmark.errors import LibraryError, ModelError, SettingError
from earmark.library.library import Library
from earmark.library.records import ModelKey

if TYPE_CHECKING:
    from earmark.inference.card import Card
    from earmark.inference.tagger import Tagger
    from earmark.inference.verdict import Verdict
    from earmark.library.search import Search


class Answers(NamedTuple):
    """Genres that the model names, and a verdict on each file, made while iterating."""

    labels: Sequence[str]
    verdicts: Iterator[Verdict]


def classify_search(search: Search, model: str | None = None, *, preview: bool = False, jobs: int = 1) -> Answers:
    """Classify all files that a search finds.

    Parameters
    ----------
    search : Search
    model : str, optional
        A model file, or the name of a bundled model; the default bundled model when left out.
    preview : bool
        Classify 30 s of each file, not all.
    jobs : int
        Files worked on at once.

    Returns
    -------
    Answers
        What could not be searched comes last, as failed.
    """
    from earmark.inference.tagger import Tagger

    tagger = Tagger(model)
    verdicts = tagger.classify_many((path for path, _ in search), jobs=jobs, preview=preview)
    return Answers(tagger.labels, chain(verdicts, search.failures(tagger.card.name)))


def classify_new(
    library: Library,
    search: Search,
    model: str | None = None,
    *,
    timeline: bool = False,
    retry: bool = False,
    preview: bool = False,
    jobs: int = 1,
) -> Answers:
    """Answer for all files as :func:`classify_search` does, but classify only those that a library does not know.

    The network is not even loaded where nothing is new. `timeline` and `retry` are those of :meth:`Library.classify`.
    """
    key, classify = load_lazily(model, preview=preview, jobs=jobs)
    verdicts = library.classify(search, key, classify, timeline=timeline, retry=retry)
    return Answers(key.labels, chain(verdicts, search.failures(key.name)))


def load_lazily(
    model: str | None = None, *, preview: bool = False, jobs: int = 1
) -> tuple[ModelKey, Callable[[Iterator[str]], Iterator[Verdict]]]:
    """Return what a library knows a model's answers by, and what classifies files; parameters are those of a search.

    The network is loaded with the first file.
    """
    from earmark.inference.model_file import read_model, split_card

    # only the card, to know the model by; its graph is parsed when the first new file turns up
    data, name, path = read_model(model)
    card, *_ = split_card(data, name)
    labels = tuple(card.get("labels", ()))
    key = ModelKey(card.get("checksum", ""), card.get("name", name), labels, preview, str(path) if path else None)

    @cache
    def tagger() -> Tagger:
        from earmark.inference.model import parse
        from earmark.inference.tagger import Tagger

        return Tagger(parse(data, name))

    def classify(paths: Iterator[str]) -> Iterator[Verdict]:
        return tagger().classify_many(paths, jobs=jobs, preview=preview)

    return key, classify


def choose_model(library: Library, model: str | None = None) -> tuple[ModelKey, list[str]]:
    """Choose a model that a library holds answers of.

    Parameters
    ----------
    library : Library
    model : str, optional
        A model file, a name, or how its checksum begins; the model last used when left out.

    Returns
    -------
    ModelKey
        The model chosen, and whether its answers are of previews.
    list of str
        Every one that there is, in words; the one last used first.

    Raises
    ------
    LibraryError
        If there are no answers at all.
    SettingError
        If there are none of this model.
    """
    hearings = library.models()
    if not hearings:
        raise LibraryError(f"{library.path}: nothing has been heard yet; 'earmark classify --library' fills it")
    names = [f"{h.name}{', preview' * h.preview} ({h.checksum[:8]}, {n} files)" for h, n in hearings]
    # the one last used comes first; a model file is opened only where neither name nor checksum fits
    for hearing, _ in hearings:
        if not model or _is_called(model, hearing) or _has_checksum(model, hearing):
            return hearing, names
    raise SettingError(f"no answers of model {model!r} in {library.path}; there are {'; '.join(names)}")


def find_hearing(library: Library, card: Card) -> ModelKey:
    """Return the key of a model's answers in a library, the ones last used; a SettingError if there are none."""
    hearings = library.models()
    for hearing, _ in hearings:
        if hearing.checksum == card.checksum:
            return hearing
    there = "; ".join(f"{hearing.name} ({hearing.checksum[:8]})" for hearing, _ in hearings) or "none at all"
    older = "an older one of this name" if any(hearing.name == card.name for hearing, _ in hearings) else there
    raise SettingError(
        f"{library.path}: no answers of the model {card.name} ({card.checksum[:8]}), but of {older}: "
        f"{advise_hearing(library)}; or name the file of another model by --model"
    )


def advise_hearing(library: Library) -> str:
    """Say how to bring a library's answers up to date."""
    return f"'earmark classify FOLDER --library {library.path}' hears the files once more, and corrections stay"


def find_card(hearing: ModelKey, model: str | None = None) -> Card:
    """Return the card of the model whose answers these are; `model` may be its file, where it has moved.

    A SettingError if it is not found.
    """
    from earmark.inference.model import open_model

    return open_model(_require_model(hearing, model)).card


def find_model(hearing: ModelKey, model: str | None = None) -> str | None:
    """Return the file or bundled name of the model whose answers these are; None where it is gone or is another now.

    `model` may be its file, where it has moved.
    """
    # the name first: of a bundled model, it is the better way to speak of it
    places = (model, hearing.name, hearing.model_file)
    return next((place for place in places if place and _has_checksum(place, hearing)), None)


def locate_model(library: Library, model: str) -> str:
    """Return the file or bundled name of a model that may be given as a library knows it: by name or checksum.

    A SettingError if the library knows it and it is not found.
    """
    from earmark.inference.model_file import list_models

    if model in list_models() or Path(model).is_file():
        return model
    known = next((hearing for hearing, _ in library.models() if _is_called(model, hearing)), None)
    return _require_model(known) if known else model


def find_last_used(library: Library) -> tuple[ModelKey, str | None] | None:
    """Return whose answers a library had last, and the model's file or bundled name, see :func:`find_model`.

    None where it has none, or those of a bundled model that an older Earmark had.
    """
    from earmark.inference.model_file import list_models

    hearing = next((hearing for hearing, _ in library.models()), None)
    if hearing is None:
        return None
    found = find_model(hearing)
    was_bundled = not hearing.model_file and hearing.name in list_models()
    return None if was_bundled and not found else (hearing, found)


def _require_model(hearing: ModelKey, model: str | None = None) -> str:
    found = find_model(hearing, model)
    if not found:
        raise SettingError(f"{describe_loss(hearing)}: name its file with --model")
    return found


def describe_loss(hearing: ModelKey) -> str:
    """Say that the model whose answers these are is not found."""
    where = f"not in {hearing.model_file} any more" if hearing.model_file else "not there"
    return f"the model {hearing.name} ({hearing.checksum[:8]}), whose answers these are, is {where}"


def _is_called(model: str, hearing: ModelKey) -> bool:
    """Tell whether this is the name, or the beginning of the checksum, of the model whose answers these are."""
    return model in (hearing.name, hearing.checksum[: len(model)])


def _has_checksum(model: str, hearing: ModelKey) -> bool:
    """Tell whether a model file, or bundled model, is the one whose answers these are."""
    from earmark.inference.model_file import read_model, split_card

    try:
        data, name, _ = read_model(model)
        return bool(split_card(data, name)[0].get("checksum") == hearing.checksum)
    except ModelError:
        return False
