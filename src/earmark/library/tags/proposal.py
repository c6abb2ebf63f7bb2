"""What is proposed for a file: from a verdict on it, and what its tags say, to a row of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from earmark.inference.verdict import Verdict
from earmark.library.albums import disagrees, group_by_album, pool_album
from earmark.library.tags.plan import PlanRow
from earmark.library.tags.selection import GenreSelector
from earmark.library.tags.tracks import Track
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
        verdict, tags, there, state, correction = track
        row = PlanRow(verdict.path or "", tags.album, there.genres, state=state)
        if verdict.error:
            return replace(row, reason=verdict.error, outcome="failed")
        if correction:
            return self._correct(row, correction, there)
        if not may_change(there, self.existing):
            return _keep(row)
        row = replace(row, confidence=verdict.confidence if verdict.genres else None)
        if rejected := self.selector.rejects(verdict):
            genre = self.selector.guess(verdict)
            reason = _describe_doubt(verdict)
            return replace(row, genre=genre, reason=reason, action="review" if genre else "keep", outcome=rejected)
        return self._fill(row, verdict, there)

    def propose_all(self, tracks: Iterable[Track]) -> Iterator[PlanRow]:
        """Yield the rows of tracks, as soon as they are known."""
        return self._propose_albums(tracks) if self.by_album else map(self.propose, tracks)

    def _propose_albums(self, tracks: Iterable[Track]) -> Iterator[PlanRow]:
        for album in group_by_album(tracks, key=lambda track: track.tags):
            yield from self._propose_album(album.tracks) if album.kind == "album" else map(self.propose, album.tracks)

    def _propose_album(self, tracks: Sequence[Track]) -> Iterator[PlanRow]:
        # what tracks that keep their genre have is the album's: the others join in, or are looked at
        kept = [track.there.genres for track in tracks if track.there.genres and not track.verdict.genres]
        if kept:
            for row, track in zip(map(self.propose, tracks), tracks, strict=True):
                fits = not row.source or row.genres in kept
                yield row if fits else _doubt(replace(row, genre=kept[0], styles=()), track.verdict)
            return
        verdicts = [track.verdict for track in tracks]
        pooled = replace(pool_album(verdicts, self.card), error=None)
        # of all tracks together the model need not be as sure as of one
        together = replace(self, selector=replace(self.selector, tag_threshold=0.0))
        for track in tracks:
            own = track.verdict
            if own.error or not own.genres:
                yield self.propose(track)
                continue
            row = together.propose(track._replace(verdict=replace(pooled, path=own.path, moods=own.moods)))
            yield _doubt(row, own) if row.source and disagrees(own, verdicts, self.card) else row

    def _correct(self, row: PlanRow, genre: str, there: TagValues) -> PlanRow:
        """Fill in what a person has said."""
        row = replace(row, genre=(genre,), reason="corrected")
        if there.genres == row.genre:
            return _keep(row)
        if may_change(there, self.existing):
            return replace(row, action="write")
        return replace(row, action="review", outcome=HAD_GENRE)

    def _fill(self, row: PlanRow, verdict: Verdict, there: TagValues) -> PlanRow:
        """Fill in the values of a verdict that is sure enough."""
        select = self.selector
        genre, styles = select.select(verdict), select.select_styles(verdict)
        if not genre:
            return replace(row, reason="your words have none for it", outcome="left out")
        source = describe_source(verdict.model, self.card.checksum, verdict.confidence)
        new = TagValues(tuple(dict.fromkeys(genre + styles)), select.select_moods(verdict), source)
        values = merge_values(there, new, self.existing)
        if values.genres == there.genres and values.moods in ((), there.moods):
            return _keep(row)
        # parents of a style may be genres that are written anyway
        added = tuple(word for word in styles if word not in genre + there.genres)
        genre = tuple(word for word in values.genres if word not in added)
        return replace(row, genre=genre, styles=added, moods=values.moods, action="write", source=values.provenance)


def _keep(row: PlanRow) -> PlanRow:
    return replace(row, genre=(), reason="has a genre", outcome=HAD_GENRE)


def _doubt(row: PlanRow, verdict: Verdict) -> PlanRow:
    """Return the row of a track that sounds unlike its album."""
    reason = f"unlike its album: {verdict.best} {verdict.confidence:.0%}"
    return replace(row, reason=reason, action="review", source="", outcome="to review")


def _describe_doubt(verdict: Verdict) -> str:
    """Return why a genre is not named, and which other one is as near."""
    if verdict.reason != "two genres alike":
        return verdict.reason or "not sure enough"
    return f"two genres alike: {' or '.join(islice(verdict.genres, 2))}"
