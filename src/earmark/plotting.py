"""The style of every figure: sizes in millimetres, one typeface, colours that colour-blind readers tell apart."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from earmark.files import replacing

COLUMN = 85.0
"""Width of a figure: a printed column, mm."""

INK, QUIET, FAINT = "#222222", "#666666", "#dddddd"
BLUE, SKY, ORANGE, GREEN, VERMILION, PURPLE = "#0072b2", "#56b4e9", "#e69f00", "#009e73", "#d55e00", "#cc79a7"
"""Okabe and Ito's colours."""

PROTOCOL_COLOURS = {"clip": ORANGE, "track": SKY, "artist": BLUE, "fault-filtered": GREEN}

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib: the same letters everywhere
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize", "legend.fontsize"), 7),
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    **{
        f"{axis}tick.{key}": value
        for axis in "xy"
        for key, value in {
            "labelsize": 7, "color": QUIET, "labelcolor": INK, "major.width": 0.6, "major.size": 2.5,
        }.items()
    },
    "text.color": INK,
    "text.parse_math": False,  # a genre may be called $oul
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "lines.linewidth": 1.0,
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "earmark",  # the same figure gives the same bytes
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """A figure as PNG and SVG, with its caption.

    `name` is that of its files, without suffix; `alt` says what is seen to those who cannot see it.
    """

    name: str
    title: str
    caption: str
    alt: str
    png: bytes
    svg: bytes

    def save(self, folder: Path) -> None:
        """Write ``NAME.png`` and ``NAME.svg``."""
        for suffix, content in ((".png", self.png), (".svg", self.svg)):
            with replacing(folder / f"{self.name}{suffix}") as partial:
                partial.write_bytes(content)


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw in here: Matplotlib's settings are ours inside, whatever they were, and restored afterwards."""
    with mpl.rc_context():
        # a user's matplotlibrc must change no figure
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def make_figure(
    height: float, rows: int = 1, columns: int = 1, *, width: float = COLUMN, **settings: Any
) -> tuple[Figure, list[Axes]]:
    """Make an empty figure of rows × columns panels, sizes in mm; return it with its axes, row by row.

    `settings` are those of ``Figure.subplots``.
    """
    # millimetres to inches; without pyplot, which would keep every figure alive
    figure = Figure(figsize=(width / 25.4, height / 25.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **settings)
    return figure, [axis for row in axes for axis in row]


def render_figure(figure: Figure, name: str, title: str, caption: str, alt: str) -> Drawing:
    """Render a figure, without date and program's name, so that the same figure gives the same bytes."""
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=200, metadata={"Software": None})
    # in an SVG, dpi is that of pictures such as spectrograms; lines have none
    figure.savefig(svg, format="svg", dpi=400, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return Drawing(name, title, caption, alt, png.getvalue(), svg.getvalue())


def percent_axis(axes: Axes, highest: float = 1.0) -> None:
    """Set up a horizontal axis of accuracies, from 0 to 100 % or to a little above the highest."""
    axes.set_xlim(0, min(1.02, highest * 1.08))
    percent_ticks(axes.xaxis)
    axes.grid(axis="x")


def percent_ticks(axis: Axis) -> None:
    """Write shares as per cent."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")


def label_rows(axes: Axes, positions: Sequence[float], names: Sequence[str]) -> None:
    """Label rows on the left, the first on top, without tick marks."""
    axes.set_yticks(list(positions), list(names))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    # from the highest down to the lowest: the axis points downwards
    axes.set_ylim(max(positions) + 0.6, min(positions) - 0.6)
