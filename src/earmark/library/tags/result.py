"""What became of a file that was to be tagged, or whose tags were taken back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TagResult:
    """What became of one file.

    Attributes
    ----------
    path : str
    outcome : str
        "written" (in a dry run "would write"), "had one", "unknown", "unsure" (of a genre, too little to write
        it), "to review" (unlike its album), "left out" (the user's words have none for it) or "failed"; of the rows
        of a plan that are not to be written, "kept" and "not reviewed"; of an undo, see
        :func:`earmark.library.tags.undo.undo`.
    before, genres, moods : tuple of str
        Genres that were there; genres and moods that were (or would be) written.
    confidence : float or None
    reason : str or None
        Why nothing is written.
    guesses : tuple of str
        Of a file that is not written to, the genres that it would get.
    error : str or None
    """

    path: str
    outcome: str
    before: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    confidence: float | None = None
    reason: str | None = None
    guesses: tuple[str, ...] = ()
    error: str | None = None
