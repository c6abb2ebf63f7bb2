"""Figures of a reproduction, each from summaries of its rows, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from earmark.data.corpus import Corpus
from earmark.paper.figures.curves import draw_learning, draw_width
from earmark.paper.figures.figure_1_network import draw_network
from earmark.paper.figures.figure_2_spectrogram import draw_attention, draw_spectrogram
from earmark.paper.figures.figure_6_confusion import draw_confusion
from earmark.paper.figures.figures_3_4_5_accuracy import draw_leak, draw_others, draw_rows
from earmark.paper.rows import FIGURE_3, FIGURE_5
from earmark.paper.summary import Summary, best_of, protocols_of
from earmark.plotting import Drawing, figure_style

__all__ = ["Drawing", "draw_all"]


def draw_all(summaries: Sequence[Summary], corpus: Corpus) -> list[Drawing]:
    """Draw every figure that there is something to draw for."""
    with figure_style():
        return list(_draw_each(summaries, corpus))


def _draw_each(summaries: Sequence[Summary], corpus: Corpus) -> Iterator[Drawing]:
    networks = [s for s in summaries if s.settings.kind in ("network", "mlp")]
    if networks:
        shown = _choose_network(networks)
        yield draw_network(shown.settings, shown.labels)
    if spectrogram := draw_spectrogram(corpus):
        yield spectrogram
    for name, title, rows in (
        ("figure-3", "Baselines", FIGURE_3),
        ("figure-5", "Recurrent networks", FIGURE_5),
    ):
        if some := [s for s in summaries if s.base in rows]:
            yield draw_rows(name, title, some)
    if summaries:
        yield draw_others(summaries)
    if networks:
        yield from _draw_networks(networks)
    # some recipe ran under two protocols
    if len(summaries) > len({s.recipe for s in summaries}):
        yield draw_leak(summaries)


def _draw_networks(networks: Sequence[Summary]) -> Iterator[Drawing]:
    """Draw what only networks have: epochs, widths, attention."""
    yield draw_confusion([best_of(networks, p) for p in protocols_of(networks)])
    yield draw_learning(networks)
    if width := draw_width(networks):
        yield width
    if attentive := _keep_strictest([s for s in networks if any(record["attention"] for record in s.records)]):
        yield draw_attention(attentive)


def _choose_network(networks: Sequence[Summary]) -> Summary:
    """Return the best network with attention; without any, the best recurrent one, or else the best."""
    return max(networks, key=lambda s: (bool(s.settings.attention), s.settings.kind == "network", s.clip_accuracy.mean))


def _keep_strictest(summaries: Sequence[Summary]) -> list[Summary]:
    """Return, for each recipe, the summary of the strictest protocol that it was run under."""
    strict = protocols_of(summaries)
    # the last of a recipe, under its strictest protocol, replaces the others
    by_recipe = {s.recipe: s for s in sorted(summaries, key=lambda s: -strict.index(s.protocol))}
    return [by_recipe[recipe] for recipe in dict.fromkeys(s.recipe for s in summaries)]
