"""Folders to listen through: sounds, a table of what they were cut from, and a page that plays them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.audio.encode import write_wav
from earmark.audio.loudness import master
from earmark.audio.spectrogram import Samples
from earmark.auralization.excerpts import Moment, make_medley
from earmark.auralization.input_weights import InputWeights, input_weights
from earmark.auralization.listening_page import Entry, write_listening_page
from earmark.auralization.peak_activations import PeakActivations
from earmark.auralization.prototypes import Prototypes
from earmark.errors import AudioError, ModelError
from earmark.files import replacing, slug
from earmark.inference.model import Model
from earmark.inference.tagger import Tagger
from earmark.inference.verdict import Verdict

_LICENCE = "These are excerpts of recordings: you may do with them what you may do with the corpus, and no more."

PAGE, TABLE = "index.html", "moments.csv"


@dataclass(frozen=True)
class Gallery:
    """A folder of sounds.

    Attributes
    ----------
    page : Path
        HTML; the table of moments lies beside it.
    sounds : dict of str to Path
        WAV files by what they are of.
    failed : dict of str to str
        Sounds that could not be made, and tracks that are missing in one, and why.
    """

    page: Path
    sounds: dict[str, Path]
    failed: dict[str, str]


def write_prototype_gallery(
    tagger: Tagger, found: Prototypes, folder: Path, *, corpus: str, on_sound: Callable[[str], None] | None = None
) -> Gallery:
    """Write a medley of what a model finds typical for each genre.

    Parameters
    ----------
    tagger : Tagger
        Classifies each medley.
    found : Prototypes
    folder : Path
        Made where missing; files of the same names are replaced.
    corpus : str
        Its name.
    on_sound : callable, optional
        Called with each genre when its sound is written.
    """
    name = tagger.card.name
    facts = {"corpus": corpus, "model": name}
    writer = _GalleryWriter(tagger, folder, on_sound)
    for genre, moments in found.by_genre.items():
        if not moments:
            writer.failed[genre] = "no track of it could be heard, or none is in the corpus"
        else:
            writer.add_medley(genre, genre, moments, facts, wanted=genre)
    notes = [f"The clips of {corpus} that {name} is surest of: one of each artist or track, equally loud, joined."]
    return writer.finish(f"What {name} finds typical", [*notes, _LICENCE])


def write_unit_gallery(
    tagger: Tagger,
    peaks: PeakActivations,
    units: Iterable[int],
    folder: Path,
    *,
    count: int = 6,
    seconds: float = 3.0,
    seed: int = 0,
    on_sound: Callable[[str], None] | None = None,
) -> Gallery:
    """Write a medley of what excites each unit, and the unit's weights as sound where they are spectra.

    Parameters
    ----------
    tagger : Tagger
    peaks : PeakActivations
        Of the same model.
    units : iterable of int
        See :meth:`PeakActivations.most_selective` for which may be worth it.
    folder : Path
        Made where missing; files of the same names are replaced.
    count : int
        Moments of each unit.
    seconds : float
        Of each moment, and of the sound of the weights.
    seed : int
        Of the noise that the weights colour.
    on_sound : callable, optional
        Called with the name of each sound when it is written.
    """
    name, corpus = tagger.card.name, peaks.corpus.name
    selectivity = peaks.selectivity()
    weights = _try_input_weights(tagger)
    writer = _GalleryWriter(tagger, folder, on_sound)
    for unit in units:
        title, facts = peaks.probe.name(unit), {"corpus": corpus, "model": name, **_best_genre(selectivity, unit)}
        writer.add_medley(title, f"unit-{unit}", peaks.moments(unit, count, seconds=seconds), facts)
        if weights:
            sound, rate = master(
                weights.synthesize(unit, seconds=seconds, seed=seed), tagger.card.front_end.sample_rate
            )
            writer.add(f"{title}, its weights", f"unit-{unit}-weights", sound, rate, {"seed": seed, "model": name})
    notes = [f"The moments of {corpus} that excite units of the first recurrent layer of {name} most, equally loud."]
    if weights:
        notes.append("Its weights: the training music's mean spectrum, moved to where it drives the unit, as noise.")
    return writer.finish(f"Units of {name}", [*notes, _LICENCE])


def write_imagined_page(
    path: Path, verdicts: Mapping[Path, tuple[str, Verdict]], model: Model, facts: Mapping[str, object]
) -> Path:
    """Write a page to listen through sounds that were imagined.

    Parameters
    ----------
    path : Path
        HTML; the sounds lie in its folder.
    verdicts : mapping of Path to (str, Verdict)
        Of each WAV file, its genre, and what the model says of the file.
    model : Model
        That imagined them.
    facts : mapping
        What to show of each, such as the seed.

    Returns
    -------
    Path
    """
    highest = model.card.front_end.sample_rate / 2
    entries = [
        Entry(genre, file, verdict.genres, genre, facts, highest=highest) for file, (genre, verdict) in verdicts.items()
    ]
    note = (
        f"Sounds that {model.card.name} takes for these genres. Nobody played them: a computer changed them step by "
        "step until the network was sure, and then classified the files. They do not show what the genres sound like, "
        "but what this network listens for."
    )
    return write_listening_page(entries, path, title="Genres as a network imagines them", notes=[note])


def _try_input_weights(tagger: Tagger) -> InputWeights | None:
    try:
        return input_weights(tagger.model)
    except ModelError:
        # it reads no frames
        return None


def _best_genre(selectivity: Mapping[str, Any], unit: int) -> dict[str, object]:
    if not selectivity:
        return {}
    genre = max(selectivity, key=lambda genre: selectivity[genre][unit])
    return {"tells best": f"{genre} (d' {selectivity[genre][unit]:.1f})"}


class _GalleryWriter:
    """Writes sounds, classifies them, and lists them in a table and on a page."""

    def __init__(self, tagger: Tagger, folder: Path, on_sound: Callable[[str], None] | None) -> None:
        self.tagger, self.folder, self.on_sound = tagger, folder, on_sound
        self.entries: list[Entry] = []
        self.rows: list[dict[str, Any]] = []
        self.failed: dict[str, str] = {}

    def add_medley(
        self, title: str, name: str, moments: Sequence[Moment], facts: Mapping[str, object], wanted: str = ""
    ) -> None:
        def report(moment: Moment, words: str) -> None:
            self.failed[moment.track.id] = words

        try:
            sound, rate, used = make_medley(moments, self.tagger.card.front_end.sample_rate, on_error=report)
        except AudioError as error:
            self.failed[title] = str(error)
            return
        # The table holds all columns; the page none of this machine's paths.
        records = [moment.to_record() for moment in used]
        self.rows += [{"sound": title, "place": i, **record} for i, record in enumerate(records, 1)]
        parts = [{key: value for key, value in record.items() if key != "path"} for record in records]
        self.add(title, name, sound, rate, facts, wanted, parts)

    def add(
        self,
        title: str,
        name: str,
        sound: Samples,
        rate: int,
        facts: Mapping[str, object],
        wanted: str = "",
        parts: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        path = write_wav(self.folder / f"{slug(name)}.wav", sound, rate)
        said = self.tagger.classify(path).genres
        # players refuse low rates: above the front end's band the file holds nothing
        highest = min(rate, self.tagger.card.front_end.sample_rate) / 2
        self.entries.append(Entry(title, path, said, wanted, facts, parts, highest))
        if self.on_sound:
            self.on_sound(title)

    def finish(self, title: str, notes: Sequence[str]) -> Gallery:
        with replacing(self.folder / TABLE) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            columns = ("sound", "place", "track", "genre", "artist", "path", "start", "end", "value")
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        page = write_listening_page(self.entries, self.folder / PAGE, title=title, notes=notes)
        return Gallery(page, {entry.title: entry.sound for entry in self.entries}, self.failed)
