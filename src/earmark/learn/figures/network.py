"""The network as boxes and arrows, drawn from its recipe: the paper's Figure 1."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from earmark.learn.describe import family
from earmark.learn.figures.style import BLUE, INK, ORANGE, QUIET, Drawing, canvas, finish
from earmark.learn.recipe import Recipe

_COLUMNS = (26.0, 40.0, 54.0, 76.0)
"""Where x_1, x_2, x_3 and x_T stand, mm from the left; dots stand between the last two."""

_DOTS = 65.0
_WIDTH, _HEIGHT, _STEP = 10.0, 6.0, 11.0
"""Of a cell, and from one layer's middle to the next, mm."""

_MIDDLE = (_COLUMNS[0] + _COLUMNS[-1]) / 2
_TINT = {"input": "#ffffff", "cell": "#d6e8f4", "attention": "#fbe6bf", "output": "#cfe9df"}


def draw_network(recipe: Recipe, labels: Sequence[str]) -> Drawing:
    """Draw a recurrent network or a perceptron.

    Parameters
    ----------
    recipe : Recipe
        Of kind "network" or "mlp".
    labels : sequence of str
        Genres.

    Returns
    -------
    Drawing
    """
    sheet = _Sheet()
    frames = recipe.front_end.n_frames(round(recipe.clip_seconds * recipe.front_end.sample_rate))
    sheet.row(["x", "x", "x", "x"], f"{frames} frames\nof {recipe.front_end.n_bins} bins", "input", "circle")
    if recipe.mlp:
        _perceptron(sheet, recipe, frames)
    else:
        _recurrent(sheet, recipe)
    sheet.step()
    sheet.wide(f"softmax over {len(labels)} genres", "output")
    drawn = textwrap.fill(", ".join(labels), 44, max_lines=3, placeholder=" …")
    sheet.note(drawn)
    figure = sheet.figure()
    words = _words(recipe, frames, len(labels))
    return finish(figure, "figure-1-network", "The network", words, f"Diagram of the network. {words}")


class _Sheet:
    """Boxes and arrows, from the bottom up; kept as drawing steps until the height is known."""

    def __init__(self) -> None:
        self.y = 6.0
        self._steps: list = []

    def figure(self):
        """All that was laid out, on a canvas just high enough."""
        figure, (axes,) = canvas(self.y)
        figure.set_layout_engine("none")
        axes.set_position((0, 0, 1, 1))
        axes.set_xlim(0, 85)
        axes.set_ylim(0, self.y)
        axes.set_axis_off()
        for step in self._steps:
            step(axes)
        return figure

    def step(self) -> None:
        self.y += _STEP

    def row(self, texts: Sequence[str], label: str, tint: str, shape: str = "cell") -> None:
        """One box at each frame, and a label at the left."""
        y = self.y
        for x, text, index in zip(_COLUMNS, texts, "123T", strict=True):
            mark = f"${text}_{{{index}}}$" if shape == "circle" else text
            self._steps.append(lambda axes, x=x, mark=mark: _box(axes, x, y, _WIDTH, mark, tint, round_=shape == "circle"))
        self._steps.append(lambda axes: axes.text(_DOTS, y, "…", ha="center", va="center"))
        self._steps.append(lambda axes: axes.text(1, y, label, va="center", color=QUIET))

    def wide(self, text: str, tint: str, label: str = "") -> None:
        """One box over all frames."""
        y = self.y
        width = _COLUMNS[-1] - _COLUMNS[0] + _WIDTH
        self._steps.append(lambda axes: _box(axes, _MIDDLE, y, width, text, tint))
        if label:
            self._steps.append(lambda axes: axes.text(1, y, label, va="center", color=QUIET))

    def up(self, at: Sequence[float] = _COLUMNS, colour: str = INK) -> None:
        """Arrows from the step below to this one."""
        bottom, top = self.y - _STEP + _HEIGHT / 2, self.y - _HEIGHT / 2
        for x in at:
            self.arrow((x, bottom), (x, top), colour)

    def along(self, *, both: bool) -> None:
        """Arrows from frame to frame; in both directions where the layer reads both ways."""
        y, half = self.y, _WIDTH / 2
        stops = [*_COLUMNS[:3], _DOTS, _COLUMNS[3]]
        for left, right in zip(stops, stops[1:], strict=False):
            begin = left + (2.0 if left == _DOTS else half)
            end = right - (2.0 if right == _DOTS else half)
            shift = 1.2 if both else 0.0
            self.arrow((begin, y + shift), (end, y + shift))
            if both:
                self.arrow((end, y - shift), (begin, y - shift))

    def arrow(self, begin: tuple[float, float], end: tuple[float, float], colour: str = INK, text: str = "") -> None:
        style = {"arrowstyle": "-|>,head_length=0.25,head_width=0.12", "color": colour, "linewidth": 0.7}
        style |= {"shrinkA": 0, "shrinkB": 0}
        self._steps.append(lambda axes: axes.annotate("", end, begin, arrowprops=style))
        if text:
            x, y = begin[0] + 0.8, (begin[1] + end[1]) / 2
            self._steps.append(lambda axes: axes.text(x, y, text, va="center", color=colour))

    def note(self, text: str) -> None:
        """Words above all."""
        y = self.y + _HEIGHT / 2 + 1.5
        self._steps.append(lambda axes: axes.text(_MIDDLE, y, text, ha="center", va="bottom", color=QUIET))
        self.y = y + 3.2 * (text.count("\n") + 1) + 1.0


def _box(axes: Axes, x: float, y: float, width: float, text: str, tint: str, *, round_: bool = False) -> None:
    style = f"round,pad=0,rounding_size={_HEIGHT / 2 if round_ else 1.0}"
    corner = (x - width / 2, y - _HEIGHT / 2)
    axes.add_patch(FancyBboxPatch(corner, width, _HEIGHT, boxstyle=style, facecolor=_TINT[tint], edgecolor=INK, linewidth=0.7))
    axes.text(x, y - 0.1, text, ha="center", va="center")


def _perceptron(sheet: _Sheet, recipe: Recipe, frames: int) -> None:
    assert recipe.mlp is not None
    sheet.step()
    sheet.wide(f"one vector of {frames} × {recipe.front_end.n_bins} = {frames * recipe.front_end.n_bins} numbers", "input")
    sheet.up()
    sheet.step()
    sheet.wide(f"{recipe.mlp.units} hidden units, {recipe.mlp.activation}", "cell", "hidden layer")
    sheet.arrow(*_between(sheet, _MIDDLE))
    sheet.y += _STEP
    sheet.arrow(*_between(sheet, _MIDDLE))
    sheet.y -= _STEP


def _recurrent(sheet: _Sheet, recipe: Recipe) -> None:
    network = recipe.network
    for text in _before(recipe):
        sheet.step()
        sheet.up()
        sheet.wide(text, "input")
    if network.cell == "rnn":
        sheet.step()
        sheet.up()
        sheet.row(["W"] * 4, f"each to {network.units}", "input")
    for layer in range(1, network.layers + 1):
        both = network.bidirectional is True or (network.bidirectional == "first" and layer == 1)
        sheet.step()
        sheet.up()
        sheet.row([network.cell.upper()] * 4, f"layer {layer}:\n{network.units} units" + (" × 2" if both else ""), "cell")
        sheet.along(both=both)
    if network.attention:
        _attention(sheet, network.attention)
    else:
        both = network.bidirectional is True or (network.bidirectional == "first" and network.layers == 1)
        sheet.y += _STEP
        sheet.up([_COLUMNS[0], _COLUMNS[-1]] if both else [_COLUMNS[-1]])
        sheet.y -= _STEP


def _before(recipe: Recipe) -> list[str]:
    """What stands between frames and recurrence, beyond the paper."""
    network = recipe.network
    windows = f"windows of {network.texture_window} frames, every {network.texture_hop}"
    texture = [windows] if network.texture_window else []
    return texture + ([f"projected to {network.projection}"] if network.projection else [])


def _attention(sheet: _Sheet, scorer: str) -> None:
    query = {"dot": "$c_T$", "scaled-dot": "$c_T$", "general": "$W_a h_T$", "additive": "$h_T$", "learned": ""}[scorer]
    sheet.step()
    for x, index in zip(_COLUMNS, "123T", strict=True):
        begin, end = _between(sheet, x)
        sheet.arrow(begin, end, BLUE, rf"$h_{index}$")
    score = {"dot": r"$c_T \cdot h_t$", "scaled-dot": r"$c_T \cdot h_t / \sqrt{H}$", "general": r"$W_a h_T \cdot h_t$"}
    told = score.get(scorer, "a small network")
    sheet.wide(rf"attention: $\alpha_t$ = softmax of {told}", "attention", "attention")
    sheet.step()
    begin, end = _between(sheet, _MIDDLE)
    sheet.arrow(begin, end, ORANGE, r"$c = \Sigma_t\, \alpha_t h_t$")
    joined = "$[c; q]$" if query else "$c$"
    where = f", q = {query}" if query else ""
    sheet.wide(rf"$\tilde{{h}}$ = tanh $W_c${joined}{where}", "attention")
    sheet.y += _STEP
    sheet.arrow(*_between(sheet, _MIDDLE))
    sheet.y -= _STEP


def _between(sheet: _Sheet, x: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """From the top of the step below to the bottom of this one."""
    return (x, sheet.y - _STEP + _HEIGHT / 2), (x, sheet.y - _HEIGHT / 2)


def _words(recipe: Recipe, frames: int, genres: int) -> str:
    if recipe.mlp:
        hidden = f"{recipe.mlp.units} hidden units ({recipe.mlp.activation})"
        return f"A whole clip of {frames} frames at once through {hidden} to {genres} genres; dropout {recipe.mlp.dropout}."
    network = recipe.network
    both = {True: ", every layer read both ways", "first": ", the first read both ways", False: ""}[network.bidirectional]
    attention = f" Attention ({network.attention}) weighs all frames." if network.attention else " The last output is classified."
    return (
        f"{family(network)}: {frames} frames, {network.layers} recurrent layer{'s' * (network.layers > 1)} of "
        f"{network.units} units{both}; dropout {network.dropout} after each.{attention}"
    )
