"""The network as boxes and arrows, drawn from its recipe: the paper's Figure 1."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from earmark.errors import format_count
from earmark.paper.names import family
from earmark.plotting import BLUE, COLUMN, INK, QUIET, VERMILION, Drawing, make_figure, render_figure
from earmark.training.recipe import Recipe

# Where x_1, x_2, x_3 and x_T stand, mm from the left; dots stand between the last two.
_COLUMNS = (26.0, 40.0, 54.0, 76.0)
_DOTS = 65.0
# Of a cell, and from one layer's middle to the next, mm.
_WIDTH, _HEIGHT, _STEP = 10.0, 6.0, 11.0
_MIDDLE = (_COLUMNS[0] + _COLUMNS[-1]) / 2
# Tints of boxes.
_INPUT, _CELL, _ATTENTION, _OUTPUT = "#ffffff", "#d6e8f4", "#fbe6bf", "#cfe9df"


def draw_network(recipe: Recipe, labels: Sequence[str]) -> Drawing:
    """Draw a recurrent network or a perceptron, by a recipe of kind "network" or "mlp", for these genres."""
    sheet = _Sheet()
    frames = recipe.front_end.n_frames(round(recipe.clip_seconds * recipe.front_end.sample_rate))
    sheet.row([f"$x_{index}$" for index in "123T"], f"{frames} frames\nof {recipe.front_end.n_bins} bins", _INPUT)
    if recipe.mlp:
        _draw_perceptron(sheet, recipe, frames)
    else:
        _draw_recurrent(sheet, recipe)
    sheet.wide(f"softmax over {len(labels)} genres", _OUTPUT)
    sheet.note(textwrap.fill(", ".join(labels), 44, max_lines=3, placeholder=" …"))
    figure = sheet.figure()
    words = _describe(recipe, frames, len(labels))
    return render_figure(figure, "figure-1-network", "The network", words, f"Diagram of the network. {words}")


class _Sheet:
    """Boxes and arrows, from the bottom up; kept as drawing steps until the height is known.

    `y` is the middle of the present step, mm from the bottom.
    """

    def __init__(self) -> None:
        self.y = 6.0
        self._steps: list[Callable[[Axes], object]] = []

    def figure(self) -> Figure:
        """Draw all that was laid out, on a canvas just high enough."""
        figure, (axes,) = make_figure(self.y)
        figure.set_layout_engine("none")
        axes.set_position((0, 0, 1, 1))
        axes.set_xlim(0, COLUMN)
        axes.set_ylim(0, self.y)
        axes.set_axis_off()
        for step in self._steps:
            step(axes)
        return figure

    def row(self, texts: Sequence[str], label: str, tint: str) -> None:
        """Put one box at each frame, and a label at the left."""
        for x, text in zip(_COLUMNS, texts, strict=True):
            self._box(x, _WIDTH, text, tint)
        self._text(_DOTS, self.y, "…", ha="center", va="center")
        self._label(label)

    def wide(self, text: str, tint: str, label: str = "") -> None:
        """Put one box over all frames."""
        self._box(_MIDDLE, _COLUMNS[-1] - _COLUMNS[0] + _WIDTH, text, tint)
        self._label(label)

    def up(self, at: Sequence[float] = _COLUMNS, colour: str = INK, texts: Sequence[str] = ("",) * 4) -> None:
        """Go up by one layer, along arrows with words beside them."""
        self.y += _STEP
        for x, text in zip(at, texts, strict=False):
            self._arrow((x, self.y - _STEP + _HEIGHT / 2), (x, self.y - _HEIGHT / 2), colour)
            self._text(x + 0.8, self.y - _STEP / 2, text, va="center", color=colour)

    def along(self, *, both: bool) -> None:
        """Draw arrows from frame to frame; in both directions where the layer reads both ways."""
        stops = [*_COLUMNS[:3], _DOTS, _COLUMNS[3]]
        shift = 1.2 if both else 0.0
        for left, right in pairwise(stops):
            begin = left + (2.0 if left == _DOTS else _WIDTH / 2)
            end = right - (2.0 if right == _DOTS else _WIDTH / 2)
            self._arrow((begin, self.y + shift), (end, self.y + shift))
            if both:
                self._arrow((end, self.y - shift), (begin, self.y - shift))

    def note(self, text: str) -> None:
        """Write words above all."""
        bottom = self.y + _HEIGHT / 2 + 1.5
        # a $ in the name of a genre begins no formula
        self._text(_MIDDLE, bottom, text, ha="center", va="bottom", color=QUIET, parse_math=False)
        self.y = bottom + 3.2 * (text.count("\n") + 1) + 1.0

    def _label(self, text: str) -> None:
        self._text(1, self.y, text, va="center", color=QUIET)

    def _text(self, x: float, y: float, text: str, **settings: Any) -> None:
        if text:
            self._steps.append(lambda axes: axes.text(x, y, text, **{"parse_math": True, **settings}))

    def _box(self, x: float, width: float, text: str, tint: str) -> None:
        corner = (x - width / 2, self.y - _HEIGHT / 2)
        box = FancyBboxPatch(
            corner, width, _HEIGHT, boxstyle="round,pad=0,rounding_size=1", facecolor=tint, edgecolor=INK, linewidth=0.7
        )
        self._steps.append(lambda axes: axes.add_patch(box))
        self._text(x, self.y - 0.1, text, ha="center", va="center")

    def _arrow(self, begin: tuple[float, float], end: tuple[float, float], colour: str = INK) -> None:
        head = "-|>,head_length=0.25,head_width=0.12"
        style = {"arrowstyle": head, "color": colour, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
        self._steps.append(lambda axes: axes.annotate("", end, begin, arrowprops=style))


def _draw_perceptron(sheet: _Sheet, recipe: Recipe, frames: int) -> None:
    assert recipe.mlp is not None
    bins = recipe.front_end.n_bins
    sheet.up()
    # the paper's 22 · 513 = 11286 (section 5.1)
    sheet.wide(f"one vector of {frames} × {bins} = {frames * bins} numbers", _INPUT)
    sheet.up([_MIDDLE])
    sheet.wide(f"{recipe.mlp.units} hidden units, {recipe.mlp.activation}", _CELL, "hidden layer")
    sheet.up([_MIDDLE])


def _draw_recurrent(sheet: _Sheet, recipe: Recipe) -> None:
    network = recipe.network
    # h_t^1 = W x_t (section 3.2.1)
    if network.cell == "rnn":
        sheet.up()
        sheet.row(["W"] * 4, f"each to {network.units}", _INPUT)
    both = False
    for layer in range(1, network.layers + 1):
        both = network.bidirectional is True or (network.bidirectional == "first" and layer == 1)
        sheet.up()
        units = f"{network.units} units" + (" × 2" if both else "")
        sheet.row([network.cell.upper()] * 4, f"layer {layer}:\n{units}", _CELL)
        sheet.along(both=both)
    if network.attention:
        _draw_attention(sheet, network.attention)
    # the last output is classified; a backward layer's is at x_1
    last = [_COLUMNS[0], _COLUMNS[-1]] if both else [_COLUMNS[-1]]
    sheet.up([_MIDDLE] if network.attention else last)


# Each scorer: what it gives a frame, and the query that is joined to the context.
# The paper's is "dot" (section 3.2.3).
_SCORES = {
    "dot": (r"$c_T \cdot h_t$", "$c_T$"),
    "scaled-dot": (r"$c_T \cdot h_t / \sqrt{H}$", "$c_T$"),
    "general": (r"$W_a h_T \cdot h_t$", "$W_a h_T$"),
    "additive": (r"$v \cdot \tanh(W_q h_T + W_h h_t)$", "$h_T$"),
    "learned": (r"$v \cdot \tanh(W_h h_t + b)$", ""),
}


def _draw_attention(sheet: _Sheet, scorer: str) -> None:
    # α_t = softmax_t(c_T · h_t), c = Σ_t α_t h_t, h̃ = tanh(W_c [c; c_T]) (section 3.2.3)
    score, query = _SCORES[scorer]
    sheet.up(colour=BLUE, texts=[f"$h_{index}$" for index in "123T"])
    sheet.wide(rf"$\alpha_t$ = softmax of {score}", _ATTENTION, "attention")
    sheet.up([_MIDDLE], VERMILION, [r"$c = \Sigma_t\, \alpha_t h_t$"])
    # q is the query
    joined = "[c; q]" if query else "c"
    sheet.wide(rf"$\tilde{{h}}$ = tanh($W_c\,{joined}$)" + (f", $q$ = {query}" if query else ""), _ATTENTION)


def _describe(recipe: Recipe, frames: int, genres: int) -> str:
    if recipe.mlp:
        hidden = f"{recipe.mlp.units} hidden units ({recipe.mlp.activation})"
        whole = f"A whole clip of {frames} frames at once"
        return f"{whole} through {hidden} to {genres} genres; dropout {recipe.mlp.dropout}."
    network = recipe.network
    both = {True: ", every layer read both ways", "first": ", the first read both ways", False: ""}[
        network.bidirectional
    ]
    attention = (
        f" Attention ({network.attention}) weighs all frames."
        if network.attention
        else " The last output is classified."
    )
    return (
        f"{family(network)}: {frames} frames, {format_count(network.layers, 'recurrent layer')} of "
        f"{network.units} units{both}; dropout {network.dropout} after each.{attention}"
    )
