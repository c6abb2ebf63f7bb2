"""What is proposed for a file: from a verdict on it, and what its tags say, to a row of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from earmark.inference.genre_names import match_genres, spelling_key
from earmark.inference.verdict import Verdict
from earmark.library.albums import describe_outlier, disagrees, group_by_album, pool_album
from earmark.library.tagging.tracks import Track
from earmark.library.tags.plan import Action, PlanRow
from earmark.library.tags.selection import GenreSelector
from earmark.library.tags.values import Existing, TagValues, describe_source, may_change, merge_values

if TYPE_CHECKING:
    from earmark.inference.card import Card

HAD_GENRE = "had one"
"""Outcome of files that keep the genre they have."""


@dataclass(frozen=True)
class Proposer:
    """Proposes what files get.

    Attributes
    ----------
    card : Card
        Of the model that gave the verdicts.
    selector : GenreSelector
        Which genres are written, in which words.
    existing : Existing
        What becomes of genres that are there.
    by_album : bool
        Give the tracks of an album one genre. Tracks then come in the order that
        :func:`earmark.library.albums.group_by_album` wants, and their rows when all of a folder is known.
    """

    card: Card
    selector: GenreSelector
    existing: Existing = "keep"
    by_album: bool = False

    def propose(self, track: Track) -> PlanRow:
        """Return the row of one track for itself."""
        verdict, there = track.verdict, track.there
        if verdict.error:
            return _make_row(track, reason=verdict.error, outcome="failed")
        if track.correction:
            return self._correct(track, track.correction)
        if not may_change(there, self.existing):
            return _keep(track)
        if rejected := self.selector.rejects(verdict):
            genre = self.selector.guess(verdict)
            action: Action = "review" if genre else "keep"
            confidence = verdict.confidence if verdict.genres else None
            doubt = _describe_doubt(verdict)
            return _make_row(track, genre, confidence=confidence, reason=doubt, action=action, outcome=rejected)
        return self._fill(track)

    def propose_all(self, tracks: Iterable[Track]) -> Iterator[PlanRow]:
        """Yield the rows of tracks, as soon as they are known."""
        return self._propose_albums(tracks) if self.by_album else map(self.propose, tracks)

    def _propose_albums(self, tracks: Iterable[Track]) -> Iterator[PlanRow]:
        for album in group_by_album(tracks, key=lambda track: track.tags):
            yield from self._propose_album(album.tracks) if album.kind == "album" else map(self.propose, album.tracks)

    def _propose_album(self, tracks: Sequence[Track]) -> Iterator[PlanRow]:
        # what tracks have that keep their genre is the album's
        kept = [track.there.genres for track in tracks if not may_change(track.there, self.existing)]
        if kept:
            yield from (self._join(track, kept) for track in tracks)
            return
        verdicts = [track.verdict for track in tracks]
        pooled = replace(pool_album(verdicts, self.card), error=None)
        together = replace(self, selector=self.selector.for_albums(self.card))
        for track in tracks:
            own = track.verdict
            if own.error or not own.genres:
                yield self.propose(track)
                continue
            row = together.propose(track._replace(verdict=replace(pooled, path=own.path, moods=own.moods)))
            yield _doubt(row, own) if row.source and disagrees(own, verdicts, self.card) else row

    def _join(self, track: Track, kept: Sequence[tuple[str, ...]]) -> PlanRow:
        """Return the row of a track by itself, which is to be reviewed where other tracks of its album differ."""
        row, there = self.propose(track), set(map(spelling_key, chain.from_iterable(kept)))
        if row.source and there.isdisjoint(map(spelling_key, row.genres)):
            row = _doubt(row, track.verdict)
        return replace(row, genre=kept[0], styles=()) if row.action == "review" and not track.correction else row

    def _correct(self, track: Track, correction: str) -> PlanRow:
        """Return the row of a file whose genre a person has given: one of the model's, or a word of their own."""
        vocabulary = self.selector.vocabulary
        label = match_genres([correction], self.card.labels).get(correction)
        known = label is not None or vocabulary.has_word(correction)
        genre = vocabulary.translate(label or correction) if known else (correction,)
        if not genre:
            return _leave_out(track)
        if track.there.genres == genre:
            return _keep(track)
        if may_change(track.there, self.existing):
            return _make_row(track, genre, reason="corrected", action="write")
        return _make_row(track, genre, reason="corrected", action="review", outcome=HAD_GENRE)

    def _fill(self, track: Track) -> PlanRow:
        """Return the row of a verdict that is sure enough."""
        select, verdict, there = self.selector, track.verdict, track.there
        genre, styles = select.select(verdict), select.select_styles(verdict)
        if not genre:
            return _leave_out(track)
        source = describe_source(verdict.model, self.card.checksum, verdict.confidence)
        new = TagValues(tuple(dict.fromkeys(genre + styles)), select.select_moods(verdict), source)
        values = merge_values(there, new, self.existing)
        if values.genres == there.genres and values.moods in ((), there.moods):
            return _keep(track)
        # a style may be the parent of another, or among the genres that stay
        added = tuple(word for word in styles if word not in genre + there.genres)
        genre = tuple(word for word in values.genres if word not in added)
        return _make_row(
            track,
            genre,
            added,
            moods=values.moods,
            confidence=verdict.confidence,
            action="write",
            source=values.provenance,
        )


def _make_row(track: Track, genre: tuple[str, ...] = (), styles: tuple[str, ...] = (), **values: Any) -> PlanRow:
    path = track.verdict.path or ""
    return PlanRow(path, track.tags.album, track.there.genres, genre, styles, state=track.state, **values)


def _leave_out(track: Track) -> PlanRow:
    return _make_row(track, reason="your words have none for it", outcome="left out")


def _keep(track: Track) -> PlanRow:
    return _make_row(track, reason="has a genre", outcome=HAD_GENRE)


def _doubt(row: PlanRow, verdict: Verdict) -> PlanRow:
    """Return the row of a track that sounds unlike its album."""
    reason = describe_outlier(verdict.best, verdict.confidence)
    return replace(row, reason=reason, action="review", source="", outcome="to review")


def _describe_doubt(verdict: Verdict) -> str:
    """Return why a genre is not named, and which other one is as near."""
    if verdict.reason != "two genres alike":
        return verdict.reason or "not sure enough"
    return f"two genres alike: {' or '.join(islice(verdict.genres, 2))}"
