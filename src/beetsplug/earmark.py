"""beets plugin: genres by ear, as music is imported, and for what is in the library already."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import confuse
from beets import config, ui, util
from beets.dbcore import types
from beets.library import Album, Item
from beets.plugins import BeetsPlugin
from beets.ui import UserError  # type: ignore[attr-defined]  # where beets 2.0 and 2.14 both have it
from mediafile import MediaFile, UnreadableFileError

from earmark.errors import EarmarkError, format_count
from earmark.inference.genre_names import spelling_key
from earmark.library.tags.selection import select_words, sum_by_word
from earmark.library.vocabulary import BUILT_IN, Vocabulary, load_vocabulary

if TYPE_CHECKING:
    import optparse

    from beets.importer import ImportSession, ImportTask
    from beets.library import Library

    from earmark.inference.tagger import Tagger

DEFAULTS: dict[str, Any] = {
    "auto": True,
    "count": 1,
    "force": False,
    "jobs": 0,
    "keep_existing": False,
    "min_confidence": None,
    "model": None,
    "pretend": False,
    "preview": False,
    "quiet": False,
    "separator": ", ",
    "source": "track",
    "vocabulary": "beets",
    "write": None,
}
"""Options; None: the model's own threshold for tags, the bundled model, beets' own ``import.write``."""

_TYPES = {
    **{name: bool for name, value in DEFAULTS.items() if isinstance(value, bool)},
    "count": confuse.Integer(),
    "jobs": confuse.Integer(),
    "min_confidence": confuse.Optional(confuse.Number()),
    "model": confuse.Optional(confuse.String()),
    "separator": confuse.String(),
    "source": confuse.Choice(["track", "album"]),
    "write": confuse.Optional(bool),
}

GENRE = "genres" if "genres" in Item._fields else "genre"
"""beets' field: a list from 2.7 on, one text before."""


class Classifier(NamedTuple):
    """The tagger, the words for its labels, and the confidence that suffices to write them.

    For the mean over an album's tracks less suffices, as tracks differ: the threshold of "unknown".
    """

    tagger: Tagger
    words: Vocabulary
    min_confidence: float
    album_confidence: float


class EarmarkPlugin(BeetsPlugin):
    """Fills in genres by ear; keeps the most probable one in ``earmark_genre`` and ``earmark_confidence``.

    Tracks have ``earmark_style`` and ``earmark_mood`` too where the model tells them.
    """

    album_types: ClassVar = {"earmark_genre": types.STRING, "earmark_confidence": types.Float(2)}
    item_types: ClassVar = {**album_types, "earmark_style": types.STRING, "earmark_mood": types.STRING}

    def __init__(self) -> None:
        super().__init__()
        self.config.add(DEFAULTS)
        self.import_stages = [self.classify_imported]
        self.register_listener("import_begin", self.check_settings)
        self.register_listener("import_task_files", self.write_imported)
        self._to_write: set[int | None] = set()

    @cached_property
    def settings(self) -> confuse.AttrDict[str, Any]:
        """The options, checked; a wrong one is the user's error."""
        try:
            unknown = set(self.config.keys()) - set(DEFAULTS)
            settings: confuse.AttrDict[str, Any] = self.config.get(_TYPES)
        except confuse.ConfigError as error:
            raise UserError(str(error)) from error
        if unknown:
            raise UserError(f"earmark: no option {', '.join(sorted(unknown))}; there are {', '.join(DEFAULTS)}")
        for name, lowest, highest in (("count", 1, None), ("jobs", 0, None), ("min_confidence", 0, 1)):
            value = settings[name]
            if value is not None and (value < lowest or (highest is not None and value > highest)):
                allowed = f"at least {lowest}" if highest is None else f"between {lowest} and {highest}"
                raise UserError(f"earmark.{name}: {value}, must be {allowed}")
        if settings.write is None:
            settings.write = ui.should_write()
        return settings

    @cached_property
    def classifier(self) -> Classifier:
        """The model with its words; what is wrong with them is the user's error."""
        from earmark.inference.tagger import Tagger

        words = self.config["vocabulary"].get()
        try:
            if isinstance(words, str) and words not in BUILT_IN:
                words = self.config["vocabulary"].as_filename()
            elif not isinstance(words, str | Mapping):
                raise UserError(
                    f"earmark.vocabulary: {words!r}, must be one of {', '.join(BUILT_IN)}, the path of a YAML file, or "
                    "what such a file holds"
                )
            tagger = Tagger(self.settings.model)
            vocabulary = load_vocabulary(words, (*tagger.labels, *tagger.card.styles))
        except (EarmarkError, confuse.ConfigError) as error:
            raise UserError(f"earmark: {error}") from error
        lowest, own = self.settings.min_confidence, tagger.card.calibration
        least = (own.tag_threshold, own.threshold) if lowest is None else (lowest, lowest)
        return Classifier(tagger, vocabulary, *least)

    def commands(self) -> list[ui.Subcommand]:
        """Return ``beet earmark``, with the names that lastgenre and modify gave their options."""
        command = ui.Subcommand("earmark", help="tell genres by ear")
        for short, long, off, what in (
            ("-f", "force", ("-F", "--no-force"), "give tracks that have a genre a new one"),
            ("-k", "keep-existing", ("-K", "--no-keep-existing"), "with force: add to the genres that are there"),
            ("-w", "write", ("-W", "--nowrite"), "write genres into the files"),
            ("-p", "pretend", None, "show what would change, and change nothing"),
            ("-q", "quiet", None, "show only what goes wrong"),
        ):
            name = long.replace("-", "_")
            command.parser.add_option(short, f"--{long}", dest=name, action="store_true", help=what)
            if off:
                command.parser.add_option(*off, dest=name, action="store_false", help=f"do not: {what}")
        command.func = self.command
        return [command]

    def command(self, lib: Library, options: optparse.Values, query: list[str]) -> None:
        """Classify what a query finds."""
        self.config.set_args(options)
        items = list(lib.items(query))
        # an album is classified whole, whichever of its tracks was found
        if self.settings.source == "album":
            # each album once, in the order found
            albums = filter(None, map(lib.get_album, dict.fromkeys(item.album_id for item in items if item.album_id)))
            items = [item for item in items if not item.album_id] + [item for album in albums for item in album.items()]
        failed = self._classify(items)
        if failed:
            raise UserError(f"earmark: {format_count(failed, 'file')} could not be heard")

    def check_settings(self, session: ImportSession) -> None:
        """Raise what is wrong with the settings before anything is imported."""
        if self.settings.auto:
            # cached: loads model and words now, which raises what is wrong with them
            assert self.classifier

    def classify_imported(self, session: ImportSession, task: ImportTask) -> None:
        """Classify the tracks of an album, or of a single track, that is about to be imported."""
        if self.settings.auto:
            self._classify(task.imported_items(), importing=True)

    def write_imported(self, session: ImportSession, task: ImportTask) -> None:
        """Write genres into files that beets itself leaves as they are; but not through links into the originals."""
        items = [item for item in task.imported_items() if item.id in self._to_write]
        self._to_write.difference_update(item.id for item in items)
        # by beets, with all other tags
        written = task.apply and config["import"]["write"].get(bool)
        if self.settings.write and not written and not (session.config["link"] or session.config["hardlink"]):
            for item in items:
                self._write_genre(item)

    def _classify(self, items: Sequence[Item], *, importing: bool = False) -> int:
        """Classify tracks, and albums of which all tracks are given; return how many files failed."""
        n_given = Counter(item.album_id for item in items)
        # groupby joins neighbours only
        wanted = sorted(filter(self._lacks_genre, items), key=_album_id)
        failed = 0
        for album_id, answers in groupby(self._yield_words(wanted), key=lambda pair: _album_id(pair[0])):
            by_track = not album_id or self.settings.source == "track"
            tracks: list[tuple[Item, dict[str, float]]] = []
            for item, words in answers:
                if words is None:
                    failed += 1
                    continue
                if by_track:
                    self._store(item, words, words, self.classifier.min_confidence, importing)
                if album_id:
                    tracks.append((item, words))
            # silent tracks have no words, and no say
            mean = _mean([words for _, words in tracks if words])
            if not by_track:
                for item, words in tracks:
                    self._store(item, words, mean, self.classifier.album_confidence, importing)
            album = tracks[0][0].get_album() if tracks else None
            # some tracks of an album tell nothing of the whole
            if album and self._lacks_genre(album) and n_given[album_id] == len(album.items()):
                self._store(album, mean, mean, self.classifier.album_confidence, importing)
        return failed

    def _yield_words(self, wanted: Sequence[Item]) -> Iterator[tuple[Item, dict[str, float] | None]]:
        """Yield each track with the probabilities of words: none where there is no genre, None if it failed."""
        if not wanted:
            return
        paths = (os.fsdecode(util.syspath(item.path)) for item in wanted)
        jobs = self.settings.jobs or os.cpu_count() or 1
        verdicts = self.classifier.tagger.classify_many(paths, jobs=jobs, preview=self.settings.preview)
        for item, verdict in zip(wanted, verdicts, strict=True):
            if verdict.error:
                self._log.warning("{}: {}", util.displayable_path(item.path), verdict.error)
            failed = verdict.error and not verdict.genres
            for field, names in (("earmark_style", verdict.styles), ("earmark_mood", verdict.moods)):
                if names:
                    item[field] = next(iter(names))
            # as tags: of what is unlike the model's music no confidence says much, unless the user has set one
            unlike = verdict.reason == "unlike what it learned" and self.settings.min_confidence is None
            genres = {} if unlike else verdict.genres
            yield item, None if failed else sum_by_word(genres, self.classifier.words)

    def _store(
        self, one: Item | Album, own: Mapping[str, float], words: Mapping[str, float], least: float, importing: bool
    ) -> None:
        """Note the most probable of its own words, select its genres from `words`, and store both in the library."""
        one["earmark_genre"], one["earmark_confidence"] = next(iter(own.items()), ("", 0.0))
        genres = select_words(words, least, self.settings.count)
        if genres:
            one[GENRE] = self._merge_existing(one, genres)
        if self.settings.pretend or not (importing or self.settings.quiet):
            ui.show_model_changes(one)
        if self.settings.pretend:
            return
        # an album's genre is its own: its tracks keep theirs
        if isinstance(one, Album):
            one.store(inherit=False)
        elif importing:
            one.store()
            if genres:
                self._to_write.add(one.id)
        else:
            one.try_sync(write=bool(genres) and self.settings.write, move=False)

    def _merge_existing(self, one: Item | Album, genres: list[str]) -> list[str] | str:
        """Return genres as beets' field wants them, after those that are there where these are to stay."""
        existing = self._genres(one) if self.settings.keep_existing else []
        keys = {spelling_key(genre) for genre in existing}
        genres = existing + [genre for genre in genres if spelling_key(genre) not in keys]
        return genres if GENRE == "genres" else str(self.settings.separator).join(genres)

    def _lacks_genre(self, one: Item | Album) -> bool:
        return self.settings.force or not self._genres(one)

    def _genres(self, one: Item | Album) -> list[str]:
        """Return genres of its own, a track's without its album's."""
        value = one.get(GENRE, with_album=False) if isinstance(one, Item) else one.get(GENRE)
        return [genre for genre in (value.split(self.settings.separator) if isinstance(value, str) else value) if genre]

    def _write_genre(self, item: Item) -> None:
        """Write this one tag."""
        try:
            file = MediaFile(util.syspath(item.path), id3v23=config["id3v23"].get(bool))
            file.update({GENRE: item[GENRE]})
            file.save()
        except (OSError, UnreadableFileError) as error:
            self._log.warning("{}: its genre cannot be written ({})", util.displayable_path(item.path), error)
            return
        # or beets would take it for changed by others
        item.mtime = item.current_mtime()
        item.store()


def _album_id(item: Item) -> int:
    """Return the album's number; 0 for a track without an album."""
    return item.album_id or 0


def _mean(tracks: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return mean probabilities over an album's tracks, most probable first."""
    if not tracks:
        return {}
    # every track has the same words, those of the model's labels
    mean = {word: sum(track[word] for track in tracks) / len(tracks) for word in tracks[0]}
    return dict(sorted(mean.items(), key=lambda item: -item[1]))
