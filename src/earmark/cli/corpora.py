"""Opening a corpus for a command: as its options say, and with a word on what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from earmark.cli.options import Labels, Rare
from earmark.cli.progress import show_progress
from earmark.cli.terminal import say
from earmark.cli.text import join_counts
from earmark.errors import format_count

if TYPE_CHECKING:
    from earmark.data.corpus import Corpus


def open_corpus(
    source: str,
    labels: Labels = Labels.folders,
    min_tracks: int | None = None,
    rare: Rare | None = None,
    *,
    known: Sequence[str] | None = None,
    jobs: int = 1,
) -> Corpus:
    """Open a corpus as :func:`earmark.data.open.open_labelled` does, and say what was left out or merged."""
    from earmark.data.open import open_labelled

    # Folders and lists are open at once; the tags of a folder's files take a while.
    with show_progress("reading tags", quiet=labels is Labels.folders) as advance:
        corpus = open_labelled(
            source,
            labels.value,
            min_tracks=min_tracks,
            rare=rare.value if rare else None,
            known=known,
            jobs=jobs,
            on_file=lambda _: advance(1),
        )
    say_notes(corpus)
    return corpus


def say_notes(corpus: Corpus) -> None:
    """Say what was left out or changed in opening a corpus."""
    for note in corpus.notes:
        say(note)


def say_summary(corpus: Corpus) -> None:
    """Say what a corpus holds, in one line."""
    say(f"{corpus.name}: {format_count(len(corpus.tracks), 'track')} — {join_counts(corpus.counts)}")
