"""How every figure looks: sizes in millimetres, one typeface, colours that colour-blind readers tell apart."""

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
BLUE, SKY, ORANGE, GREEN, VERMILION, PURPLE, YELLOW = (
    "#0072b2", "#56b4e9", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#f0e442",
)  # fmt: skip
"""Okabe and Ito's colours."""

PROTOCOL_COLOURS = {"clip": ORANGE, "track": SKY, "artist": BLUE, "fault-filtered": GREEN}

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib: the same letters everywhere
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "text.color": INK,
    "text.parse_math": False,  # a genre may be called $oul
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "lines.linewidth": 1.0,
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "earmark",  # the same figure gives the same bytes
}


@dataclass(frozen=True)
class Drawing:
    """A figure and what is said of it.

    Attributes
    ----------
    name : str
        Its files' name, without suffix.
    title : str
    caption : str
        What is seen.
    alt : str
        The same for who cannot see it.
    png, svg : bytes
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
    """Draw in here; what others have set for Matplotlib is untouched afterwards, and unheard inside."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def make_figure(
    height: float, rows: int = 1, columns: int = 1, *, width: float = COLUMN, **settings: Any
) -> tuple[Figure, list[Axes]]:
    """Make an empty figure, of a column's width unless said otherwise.

    Parameters
    ----------
    height : float
        mm.
    rows, columns : int
        Panels.
    width : float
        mm.
    **settings
        Of ``Figure.subplots``.

    Returns
    -------
    figure : Figure
    axes : list of Axes
        Row by row.
    """
    figure = Figure(figsize=(width / 25.4, height / 25.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **settings)
    return figure, [axis for row in axes for axis in row]


def render_figure(figure: Figure, name: str, title: str, caption: str, alt: str) -> Drawing:
    """Render a figure; no date and no program's name in it, so that the same figure gives the same bytes."""
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=200, metadata={"Software": None})
    figure.savefig(svg, format="svg", dpi=400, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return Drawing(name, title, caption, alt, png.getvalue(), svg.getvalue())


def percent_axis(axes: Axes, highest: float = 1.0) -> None:
    """Make a horizontal axis of accuracies, from 0 to all or a little above the highest."""
    axes.set_xlim(0, min(1.02, highest * 1.08))
    percent_ticks(axes.xaxis)
    axes.grid(axis="x")


def percent_ticks(axis: Axis) -> None:
    """Write shares in per cent."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")


def label_rows(axes: Axes, positions: Sequence[float], names: Sequence[str]) -> None:
    """Write names down the left side, first on top, without tick marks."""
    axes.set_yticks(list(positions), list(names))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(max(positions) + 0.6, min(positions) - 0.6)
