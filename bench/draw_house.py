"""Draw the packages and their imports: ``python bench/draw_house.py [-o docs/architecture.svg]``.

Boxes are packages, in the layers that pyproject.toml's contract gives them; a box's width tells its lines. An arrow
goes from a package to one that it imports, unless a way through others says so already.
"""

from __future__ import annotations

import argparse
import ast
from collections import defaultdict
from pathlib import Path

import grimp
import matplotlib as mpl
from house import EARMARK, read_layers
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from source_code import read_module

from earmark.plotting import BLUE

WIDTH, HEIGHT, GAP = 11.0, 0.62, 0.44
"""Inches of the drawing, of a box, and between layers."""


def read_packages(src: Path) -> dict[str, tuple[int, str]]:
    """Return each package's lines, and the first sentence of its docstring."""
    lines: defaultdict[str, int] = defaultdict(int)
    says: dict[str, str] = {}
    for path in sorted(src.rglob("*.py")):
        module = read_module(path, src)
        name = module.package if module.package != "(top level)" else module.name.rpartition(".")[2]
        lines[name] += module.lines
        if (path.parent.parent == src and path.name == "__init__.py") or path.parent == src:
            says[name] = (
                (ast.get_docstring(module.tree) or "").split("\n")[0].split(". ")[0].rstrip(".").replace("`", "")
            )
    return {name: (n, says.get(name, "")) for name, n in lines.items() if name != src.name}


def find_arrows(src: Path, packages: set[str]) -> list[tuple[str, str]]:
    """Return (importer, imported) between packages, without those that a longer way implies."""
    graph = grimp.build_graph(src.name, cache_dir=None)
    full = {package: f"{src.name}.{package}" for package in packages}
    for name in full.values():
        graph.squash_module(name)
    imports = {
        p: {q for q in packages - {p} if full[q] in graph.find_modules_directly_imported_by(full[p])} for p in packages
    }

    def reach(package: str) -> set[str]:
        return imports[package].union(*map(reach, imports[package]))

    return sorted((p, q) for p in packages for q in imports[p] if not any(q in reach(r) for r in imports[p] - {q}))


def place(src: Path, packages: dict[str, tuple[int, str]]) -> dict[str, tuple[float, float, float]]:
    """Return where each package's box lies: left, bottom and width, in inches."""
    layers = read_layers(src) or {}
    rows: defaultdict[int, list[str]] = defaultdict(list)
    for full, (layer, _) in layers.items():
        name = full.rpartition(".")[2]
        if name in packages:
            rows[layer].append(name)
    largest = max(n for n, _ in packages.values())
    places = {}
    for depth, layer in enumerate(sorted(rows, reverse=True)):  # the lowest layer on the ground
        widths = [2.6 + 2.0 * packages[name][0] / largest for name in rows[layer]]
        free = WIDTH - sum(widths)
        left = free / (len(widths) + 1)
        for name, width in zip(rows[layer], widths, strict=True):
            places[name] = (left, depth * (HEIGHT + GAP), width)
            left += width + free / (len(widths) + 1)
    return places


def draw(src: Path) -> Figure:
    """Draw the house."""
    packages = read_packages(src)
    places = place(src, packages)
    top = max(bottom for _, bottom, _ in places.values()) + HEIGHT
    figure = Figure(figsize=(WIDTH, top + 0.3))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(-0.15, top + 0.15))
    axes.axis("off")
    for importer, imported in find_arrows(src, set(places)):
        _draw_arrow(axes, places[importer], places[imported])
    for name, (left, bottom, width) in places.items():
        lines, says = packages[name]
        axes.add_patch(
            FancyBboxPatch((left, bottom), width, HEIGHT, "round,pad=0,rounding_size=0.08", fc="white", ec=BLUE, lw=1.2)
        )
        middle = left + width / 2
        axes.text(middle, bottom + 0.40, f"{name}  ·  {lines} lines", ha="center", va="center", size=10, weight="bold")
        axes.text(middle, bottom + 0.17, _shorten(says, round(width * 18)), ha="center", va="center", size=7)
    return figure


def _draw_arrow(axes: Axes, above: tuple[float, float, float], below: tuple[float, float, float]) -> None:
    start = (above[0] + above[2] / 2, above[1])
    end = (below[0] + below[2] / 2, below[1] + HEIGHT)
    bend = 0.0 if start[1] - end[1] < HEIGHT + 2 * GAP else 0.25  # around what lies between
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=9, color="0.55", lw=1.0, connectionstyle=f"arc3,rad={bend}"
        )
    )


def _shorten(text: str, most: int) -> str:
    words, ends = text.split(), [0]
    for word in words:
        ends.append(ends[-1] + len(word) + 1)
    fits = [i for i, end in enumerate(ends) if end - 1 <= most]
    return text if len(text) <= most else " ".join(words[: fits[-1]]).rstrip(",:;") + " …"


def main() -> None:
    """Draw into the file that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=EARMARK.parents[1] / "docs" / "architecture.svg")
    options = parser.parse_args()
    # text as text, and the same bytes for the same house
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "earmark", "font.family": "DejaVu Sans"}):
        draw(EARMARK).savefig(options.output, metadata={"Date": None} if options.output.suffix == ".svg" else None)
    print(options.output)


if __name__ == "__main__":
    main()
