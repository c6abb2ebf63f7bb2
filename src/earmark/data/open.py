"""Opening a corpus whichever way its genres are given: by folders and lists, or by the tags of files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from earmark.data.corpus import Corpus, open_corpus
from earmark.data.groups import MIN_GROUPS
from earmark.data.rare_genres import MIN_TRACKS, Rare, filter_rare_genres
from earmark.library.tags.spelling import unify_spellings


def open_labelled(
    source: str | os.PathLike[str],
    labels: Literal["folders", "tags"] = "folders",
    *,
    min_tracks: int | None = None,
    rare: Rare | None = None,
    known: Sequence[str] | None = None,
    jobs: int = 1,
    on_file: Callable[[Path], None] | None = None,
) -> Corpus:
    """Open a corpus, and leave rare genres out or merge them.

    Parameters
    ----------
    source : path
        Folder, CSV manifest or ``.npz``; with tags a folder.
    labels : {"folders", "tags"}
        Where genres come from: folders (or the list itself), or the genre tags of the folder's files.
    min_tracks : int, optional
        A genre with fewer tracks is rare; 10 when left out.
    rare : {"drop", "merge"}, optional
        What becomes of rare genres; dropped when left out. Folders and lists are taken as they are where neither this
        nor `min_tracks` is given.
    known : sequence of str, optional
        Labels of the model to be judged by tags.
    jobs : int
        Files whose tags are read at once.
    on_file : callable, optional
        Called after each file whose tags were read.

    Returns
    -------
    Corpus
        Its notes say what was left out or merged.

    Raises
    ------
    CorpusError
        If there is no such corpus, or it holds no tracks.
    """
    if labels == "tags":
        from earmark.data.tag_corpus import open_tag_corpus

        return open_tag_corpus(
            source, min_tracks=min_tracks or MIN_TRACKS, rare=rare or "drop", known=known, jobs=jobs, on_file=on_file
        )
    corpus = unify_genres(open_corpus(source))
    return filter_rare_genres(corpus, min_tracks or MIN_TRACKS, rare or "drop") if min_tracks or rare else corpus


def unify_genres(corpus: Corpus) -> Corpus:
    """Return a corpus of folders or a list with one spelling of each genre, the most used; its notes say which.

    Examples
    --------
    >>> from earmark.data.corpus import Track
    >>> tracks = [Track(str(i), genre) for i, genre in enumerate(["Hip-Hop", "Hip-Hop", "hiphop"])]
    >>> unify_genres(Corpus("c", tuple(tracks))).notes
    ('Hip-Hop and hiphop are one genre: Hip-Hop',)
    """
    genres = [track.genre for track in corpus.tracks]
    names = {own: one for own, (one,) in zip(genres, unify_spellings([[own] for own in genres]), strict=True)}
    spellings = {one: [own for own in corpus.genres if names[own] == one] for one in names.values()}
    notes = tuple(f"{' and '.join(own)} are one genre: {one}" for one, own in spellings.items() if len(own) > 1)
    return replace(corpus.rename(names), notes=corpus.notes + notes) if notes else corpus


def prepare_for_folds(corpus: Corpus, jobs: int = 1) -> Corpus:
    """Return a corpus for protocol "album": with artists and albums by its tags, without genres of one or two tracks.

    Its notes say only what of that was left out.
    """
    from earmark.data.tag_corpus import read_origins

    return filter_rare_genres(read_origins(replace(corpus, notes=()), jobs), MIN_GROUPS)
