"""A model's answers to all files of a search, fresh or kept in a library; and which model's answers a library shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from earmark.errors import LibraryError, ModelError, SettingError
from earmark.library.library import Library, ModelKey

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
    data, name, _ = read_model(model)
    card, *_ = split_card(data, name)
    key = ModelKey(card.get("checksum", ""), card.get("name", name), tuple(card.get("labels", ())), preview)

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
        if not model or model in (hearing.name, hearing.checksum[: len(model)]) or _has_checksum(model, hearing):
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
    """Return the card of the model whose answers these are; `model` may be its file, where it is not a bundled one.

    A SettingError if it is not found.
    """
    from earmark.inference.model import open_model

    for which in filter(None, (model, hearing.name)):
        if _has_checksum(which, hearing):
            return open_model(which).card
    raise SettingError(
        f"the model {hearing.name} ({hearing.checksum[:8]}), whose answers these are, is not there: name its file with "
        "--model"
    )


def _has_checksum(model: str, hearing: ModelKey) -> bool:
    """Tell whether a model file, or bundled model, is the one whose answers these are."""
    from earmark.inference.model_file import read_model, split_card

    try:
        data, name, _ = read_model(model)
        return bool(split_card(data, name)[0].get("checksum") == hearing.checksum)
    except ModelError:
        return False
