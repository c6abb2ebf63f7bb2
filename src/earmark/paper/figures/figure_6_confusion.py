"""What is mistaken for what: the paper's Figure 6, for the best network under each protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from earmark.paper.summary import Summary
from earmark.plotting import INK, Drawing, make_figure, render_figure

# Genres beyond which counts are left out: they would not be readable.
_MOST = 16


def draw_confusion(best: Sequence[Summary]) -> Drawing:
    """Draw one matrix for each of the summaries, one under another.

    Colour is the share of the genre's tracks (of a row), the number their count over all runs.
    """
    size = 62 + 18 * (len(best[0].labels) > _MOST)
    figure, panels = make_figure((size + 9) * len(best), len(best))
    for axes, summary in zip(panels, best, strict=True):
        _draw_matrix(axes, summary)
    caption = (
        "Tracks of each genre (rows) by the genre they were heard as (columns): darker, the larger share of the row; "
        "numbers count judgements, over all runs."
    )
    alt = "Confusion matrices. " + " ".join(_describe_worst(summary) for summary in best)
    return render_figure(figure, "figure-6-confusion", "What is mistaken for what", caption, alt)


def _draw_matrix(axes: Axes, summary: Summary) -> None:
    counts = summary.confusion
    # share of the genre's tracks; a genre without tested tracks gives zeros
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n = len(counts)
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=0.4)
    if n <= _MOST:
        for (i, j), count in np.ndenumerate(counts):
            if count:
                # dark cells need light numbers
                colour = "white" if shares[i, j] > 0.55 else INK
                axes.text(j + 0.5, i + 0.52, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(np.arange(n) + 0.5, summary.labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(n) + 0.5, summary.labels)
    axes.tick_params(length=0)
    # the first genre at the top
    axes.set_ylim(n, 0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{summary.heading}: {summary.short}")
    axes.set_xlabel("heard as")
    axes.set_ylabel("genre")


def _describe_worst(summary: Summary) -> str:
    counts = summary.confusion.copy()
    np.fill_diagonal(counts, 0)
    i, j = np.unravel_index(int(counts.argmax()), counts.shape)
    mistake = f"{summary.labels[i]} was heard as {summary.labels[j]} ({counts[i, j]})"
    return f"{summary.short}, {summary.protocol}: most often {mistake}."
