"""Opening a corpus for a command: whichever way its genres are given, and with a word on what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from earmark.cli import terminal
from earmark.cli.options import Labels, Rare

if TYPE_CHECKING:
    from earmark.data.corpus import Corpus


def opened(
    source: str,
    labels: Labels,
    min_tracks: int | None = None,
    rare: Rare | None = None,
    *,
    known: Sequence[str] | None = None,
    jobs: int = 1,
) -> Corpus:
    """Open a corpus as the options say, and say what was left out or merged.

    Parameters
    ----------
    source : str
        Folder, CSV manifest or ``.npz``; with ``Labels.tags`` a folder.
    labels : Labels
    min_tracks : int, optional
    rare : Rare, optional
        Folders and lists are taken as they are where neither this nor `min_tracks` is given.
    known : sequence of str, optional
        Labels of the model to be judged by tags.
    jobs : int
        Files read at once.

    Returns
    -------
    Corpus
    """
    from earmark.data.corpus import open_corpus
    from earmark.data.rare_genres import MIN_TRACKS, filter_rare_genres

    least: int = min_tracks or MIN_TRACKS
    fate: Literal["drop", "merge"] = (rare or Rare.drop).value
    if labels is Labels.tags:
        from earmark.data.tag_corpus import open_tag_corpus

        with terminal.progress("reading tags", None) as advance:
            corpus = open_tag_corpus(
                source, min_tracks=least, rare=fate, known=known, jobs=jobs, on_file=lambda _: advance(1)
            )
    else:
        corpus = open_corpus(source)
        if min_tracks or rare:
            corpus = filter_rare_genres(corpus, least, fate)
    for note in corpus.notes:
        terminal.say(note)
    return corpus
