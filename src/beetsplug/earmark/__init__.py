"""beets plugin: genres by ear, as music is imported, and for what is in the library already."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from beets import config, ui, util
from beets.dbcore import types
from beets.library import Album, Item
from beets.plugins import BeetsPlugin
from beets.ui import UserError  # type: ignore[attr-defined]  # where beets 2.0 and 2.14 both have it
from mediafile import MediaFile, UnreadableFileError

from earmark.errors import format_count
from earmark.library.tagging.word_answers import WordAnswer, WordNamer
from earmark.library.tags.file_tags import FileTags
from earmark.library.tags.plan import PlanRow
from earmark.library.tags.plan_file import write_plan
from earmark.library.tags.tag_fields import list_fields
from earmark.library.tags.values import TagValues, merge_values

from .options import DEFAULTS, check_options, make_selector, open_tagger
from .review import choose_rows, name_path, read_state

if TYPE_CHECKING:
    import optparse

    import confuse
    from beets.importer import ImportSession, ImportTask
    from beets.library import Library

    from earmark.inference.tagger import Tagger
    from earmark.inference.verdict import Verdict

GENRE = "genres" if "genres" in Item._fields else "genre"
"""beets' field: a list from 2.7 on, one text before."""

NAMED, LEFT, FAILED = "with a new genre", "left as they are", "failed"
"""What becomes of tracks, as the last line says it."""

MOODS = "moods"
"""A field of ours for the moods in files, for which beets has none."""


class EarmarkPlugin(BeetsPlugin):
    """Fills in genres by ear; keeps the answer in ``earmark_genre``, ``earmark_confidence`` and ``earmark_reason``.

    Tracks have ``earmark_style`` and ``earmark_mood`` too where the model tells them.
    """

    album_types: ClassVar = {
        "earmark_genre": types.STRING, "earmark_confidence": types.Float(2), "earmark_reason": types.STRING,
    }  # fmt: skip
    item_types: ClassVar = {
        **album_types, "earmark_style": types.STRING, "earmark_mood": types.STRING, MOODS: types.MULTI_VALUE_DSV,
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.config.add(DEFAULTS)
        self.import_stages = [self.classify_imported]
        self.register_listener("import_begin", self.check_settings)
        self.register_listener("import_task_files", self.write_imported)
        # a process may add a field once; without moods, MOOD tags stay as they are
        if self.config["moods"].get() and not hasattr(MediaFile, MOODS):
            self.add_media_field(MOODS, list_fields()["moods"])
        self._to_write: set[int | None] = set()

    @cached_property
    def settings(self) -> confuse.AttrDict[str, Any]:
        """The options, checked."""
        return check_options(self.config)

    @cached_property
    def tagger(self) -> Tagger:
        """The model."""
        return open_tagger(self.settings)

    @cached_property
    def namer(self) -> WordNamer:
        """What names answers in words."""
        return WordNamer(self.tagger.card, make_selector(self.config["vocabulary"], self.settings, self.tagger.card))

    def commands(self) -> list[ui.Subcommand]:
        """Return ``beet earmark``, with the names that lastgenre and modify gave their options."""
        command = ui.Subcommand("earmark", help="tell genres by ear")
        for short, long, off, what in (
            ("-f", "force", ("-F", "--no-force"), "give tracks that have a genre a new one"),
            ("-k", "keep-existing", ("-K", "--no-keep-existing"), "with force: add to the genres that are there"),
            ("-w", "write", ("-W", "--nowrite"), "write genres into the files"),
            ("-r", "review", None, "write a plan, open it in the editor, and apply it then"),
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
        counts = self._review(items) if self.settings.review and not self.settings.pretend else self._classify(items)
        if not self.settings.quiet:
            counts["had a genre"] = len(items) - counts.total()
            said = ", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n)
            ui.print_(f"{format_count(len(items), 'track')}: {said}" if items else "No track is found.")
        if failed := counts[FAILED]:
            raise UserError(f"earmark: {format_count(failed, 'file')} failed, as said above")

    def check_settings(self, session: ImportSession) -> None:
        """Raise what is wrong with the settings before anything is imported."""
        if self.settings.auto:
            # cached: loads model and words now, which raises what is wrong with them
            assert self.namer

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

    def _classify(self, items: Sequence[Item], *, importing: bool = False) -> Counter[str]:
        """Classify tracks, and albums of which all tracks are given; return what became of how many tracks."""
        counts = Counter({NAMED: 0, LEFT: 0, FAILED: 0})
        for one, answer in self._answer(items):
            if answer:
                genres = self._merge_existing(one, answer.genres)
                self._store(one, genres, answer.moods, importing)
            if isinstance(one, Item):
                counts[FAILED if answer is None else NAMED if answer.genres else LEFT] += 1
        return counts

    def _answer(self, items: Sequence[Item]) -> Iterator[tuple[Item | Album, WordAnswer | None]]:
        """Yield tracks, then their album, and put each answer into fields of ours; None for what could not be heard."""
        # groupby joins neighbours only
        wanted = sorted(filter(self._lacks_genre, items), key=_album_key)
        n_wanted = Counter(item.album_id for item in wanted)
        for _, group in groupby(self._listen(wanted) if wanted else (), key=lambda pair: _album_key(pair[0])):
            heard = []
            for item, verdict in group:
                if verdict.error and not verdict.genres:
                    yield item, None
                else:
                    heard.append((item, verdict))
            album = heard[0][0].get_album() if heard else None
            together = album and self.settings.source == "album"
            tracks = [(verdict, _list_tags(item)) for item, verdict in heard]
            name = self.namer.name_together if together else self.namer.name_tracks
            for (item, verdict), answer in zip(heard, name(tracks), strict=True):
                for field, names in (("earmark_style", verdict.styles), ("earmark_mood", verdict.moods)):
                    # a format prints the name of a field that is not there
                    item[field] = next(iter(names), "")
                yield _note(item, answer)
            # some tracks of an album tell nothing of the whole, least of all those that nobody has named
            whole = album and n_wanted[album.id] == len(album.items())
            if album and whole and self._lacks_genre(album) and (shared := self.namer.name_album(tracks)):
                yield _note(album, shared)

    def _listen(self, wanted: Sequence[Item]) -> Iterator[tuple[Item, Verdict]]:
        jobs = self.settings.jobs or os.cpu_count() or 1
        verdicts = self.tagger.classify_many(map(name_path, wanted), jobs=jobs, preview=self.settings.preview)
        for item, verdict in zip(wanted, verdicts, strict=True):
            if verdict.error:
                self._log.warning("{}: {}", util.displayable_path(item.path), verdict.error)
            yield item, verdict

    def _store(self, one: Item | Album, genres: Sequence[str], moods: Sequence[str], importing: bool = False) -> None:
        """Give a track or an album its genres, show them, and store it in the library."""
        if genres:
            one[GENRE] = list(genres) if GENRE == "genres" else str(self.settings.separator).join(genres)
        # an album has no such tag
        if moods and isinstance(one, Item):
            one[MOODS] = list(moods)
        if self.settings.pretend or not (importing or self.settings.quiet):
            # an empty field says nothing
            ui.show_model_changes(one, fields=[name for name in one if one.get(name)])
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

    def _review(self, items: Sequence[Item]) -> Counter[str]:
        """Write a plan for tracks, let the user edit it, and apply it; return what became of how many tracks."""
        counts, rows, tracks, albums = Counter({NAMED: 0, LEFT: 0, FAILED: 0}), [], {}, []
        for one, answer in self._answer(items):
            if isinstance(one, Album):
                albums.append(one)
            elif answer:
                # kept, whatever becomes of the plan
                one.store()
                tracks[name_path(one)] = one
                current, new = self._genres(one), self._merge_existing(one, answer.genres)
                rows.append(answer.plan(PlanRow(name_path(one), one.album, tuple(current), new, state=read_state(one))))
            else:
                counts[FAILED] += 1
        outcomes = self._apply(rows, tracks) if rows else Counter()
        if outcomes[NAMED]:
            for album in albums:
                genres, _ = Counter(tuple(self._genres(item)) for item in album.items()).most_common()[0]
                self._store(album, genres, ())
        counts.update(outcomes)
        counts[LEFT] += len(rows) - outcomes.total()
        return counts

    def _apply(self, rows: Sequence[PlanRow], tracks: Mapping[str, Item]) -> Counter[str]:
        """Let the user edit a plan, and write it; return what became of the tracks that the user chose."""
        plan = Path(config.config_dir()) / "earmark-plan.csv"
        for name in write_plan(plan, rows):
            self._log.warning("{}: not in the plan, as its name is not UTF-8", name)
        counts: Counter[str] = Counter()
        for row in choose_rows(plan):
            if not (item := tracks.get(row.path)):
                continue
            if row.state == read_state(item):
                # a person has decided
                item["earmark_reason"] = ""
                self._store(item, row.genres, row.moods)
                counts[NAMED] += 1
            else:
                self._log.warning("{}: has changed since, and stays as it is", row.path)
                counts[FAILED] += 1
        if counts[NAMED] and not counts[FAILED]:
            plan.unlink()
        return counts

    def _merge_existing(self, one: Item | Album, genres: tuple[str, ...]) -> tuple[str, ...]:
        """Return genres to store, if any, after those that are there where these are to stay."""
        there = tuple(self._genres(one)) if self.settings.keep_existing else ()
        return merge_values(TagValues(there), TagValues(genres), "append").genres if genres else ()

    def _lacks_genre(self, one: Item | Album) -> bool:
        return self.settings.force or not self._genres(one)

    def _genres(self, one: Item | Album) -> list[str]:
        """Return genres of its own, a track's without its album's."""
        value = one.get(GENRE, with_album=False) if isinstance(one, Item) else one.get(GENRE)
        return [genre for genre in (value.split(self.settings.separator) if isinstance(value, str) else value) if genre]

    def _write_genre(self, item: Item) -> None:
        """Write these tags alone."""
        try:
            file = MediaFile(util.syspath(item.path), id3v23=config["id3v23"].get(bool))
            file.update({name: item[name] for name in (GENRE, MOODS) if item.get(name)})
            file.save()
        except (OSError, UnreadableFileError) as error:
            self._log.warning("{}: its genre cannot be written ({})", util.displayable_path(item.path), error)
            return
        # or beets would take it for changed by others
        item.mtime = item.current_mtime()
        item.store()


def _note(one: Item | Album, answer: WordAnswer) -> tuple[Item | Album, WordAnswer]:
    """Put an answer into fields of ours, and return both."""
    one["earmark_genre"], one["earmark_confidence"], one["earmark_reason"] = answer[:3]
    return one, answer


def _album_key(item: Item) -> tuple[int, int]:
    """Return what tracks of an album share, and of a track without an album is its own."""
    return (item.album_id, 0) if item.album_id else (0, item.id or 0)


def _list_tags(item: Item) -> FileTags:
    """Return what beets knows of a track and its album."""
    return FileTags(
        name_path(item), (), item.artist, item.album, item.albumartist, item.disc, item.disctotal, bool(item.comp)
    )
