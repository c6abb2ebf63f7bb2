"""Measure the source as a house: ``python bench/house.py [SRC] [--names] [--json]``.

Packages, circles and upward arrows among modules, long modules, functions and signatures, comments, docstrings, and
functions named by a participle, all from the code. A report, not a gate: the exit status is 0 whatever it finds.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import grimp
from rich.console import Console
from rich.table import Table
from source_code import Definition, definitions, read_module

EARMARK = Path(__file__).parents[1] / "src" / "earmark"

MODULE_LINES, FUNCTION_LINES, PARAMETERS = 300, 30, 8
"""The most lines of a module, code lines of a function, parameters of a public signature."""

NAMED = (
    *("circles", "upward", "long_modules", "long_functions"),
    *("longest_signature", "longest_public_signature", "wide_signatures"),
)
"""Figures whose modules and definitions are always named."""


def find_circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Return the groups of modules that import one another, directly or through others, late imports included."""
    groups = {frozenset({m} | graph.find_upstream_modules(m) & graph.find_downstream_modules(m)) for m in graph.modules}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def read_layers(src: Path) -> dict[str, tuple[int, int]] | None:
    """Return where the modules of import-linter's layers contract stand; None without one.

    Full name → number of its layer, the highest 0, and its place among siblings that may not import one another.
    """
    settings = next((p for p in (folder / "pyproject.toml" for folder in src.parents) if p.is_file()), None)
    tool = tomllib.loads(settings.read_text(encoding="utf-8")).get("tool", {}) if settings else {}
    for contract in tool.get("importlinter", {}).get("contracts", ()):
        if contract["type"] == "layers":
            prefixes = [f"{container}." for container in contract.get("containers", ())] or [""]
            return {
                prefix + name: (i, j if "|" in layer else 0)  # "a | b" may not import one another, "a : b" may
                for i, layer in enumerate(contract["layers"])
                for j, name in enumerate(re.findall(r"[\w.]+", layer))  # "(a)" is a layer that need not exist
                for prefix in prefixes
            }
    return None


def find_upward(graph: grimp.ImportGraph, layers: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the imports that lead from a layer to a higher one, or to a sibling; the contract's exceptions too."""
    # sorted, so that of layers within one another the innermost counts
    places = {m: layers[name] for name in sorted(layers) for m in graph.modules if f"{m}.".startswith(f"{name}.")}
    arrows = ((a, b) for a in places for b in graph.find_modules_directly_imported_by(a) if b in places)
    return sorted(f"{a} -> {b}" for a, b in arrows if places[a] != places[b] and places[b][0] <= places[a][0])


def measure(src: Path) -> dict[str, Any]:
    """Return every figure of the package in this folder, with the names behind it."""
    modules = [read_module(path, src) for path in sorted(src.rglob("*.py"))]
    packages = Counter[str]()
    for module in modules:
        packages[module.package] += module.lines
    sys.path.insert(0, str(src.parent))  # where grimp finds a package, without importing it
    graph, layers = grimp.build_graph(src.name, cache_dir=None), read_layers(src)
    return {
        "packages": dict(packages.most_common()),
        "lines": packages.total(),
        "code_lines": sum(len(m.code) for m in modules),
        "comment_lines": sum(m.comment_lines for m in modules),
        "modules": len(modules),
        "long_modules": {m.name: m.lines for m in modules if m.lines > MODULE_LINES},
        "circles": find_circles(graph),
        "upward": None if layers is None else find_upward(graph, layers),
        **count_definitions([definition for module in modules for definition in definitions(module)]),
    }


def count_definitions(found: Sequence[Definition]) -> dict[str, Any]:
    """Return how long functions and signatures are, which are named by a participle, and what docstrings hold."""
    functions = [d for d in found if not isinstance(d.node, ast.ClassDef)]
    lengths = [d.code_lines for d in functions]
    widest = {d.name: d.parameters for d in sorted(functions, key=lambda d: -d.parameters)}
    free = {d.name for d in functions if d.public and d.free}
    public = [d for d in found if d.public and d.node.name != "__init__"]  # a class documents its own __init__
    taking = [d for d in public if d.parameters]
    return {
        "functions": len(functions),
        "function_lines": [median(lengths), round(quantiles(lengths, n=20)[-1])],
        "long_functions": {d.name: d.code_lines for d in functions if d.code_lines > FUNCTION_LINES},
        "participles": [d.name for d in functions if d.is_participle],
        "longest_signature": dict(list(widest.items())[:1]),
        "longest_public_signature": next(({name: n} for name, n in widest.items() if name in free), {}),
        "wide_signatures": {name: n for name, n in widest.items() if n > PARAMETERS and name in free},
        "public": len(public),
        "public_with_parameters": sum("Parameters\n---" in d.docstring for d in public),
        "public_taking": len(taking),
        "taking_with_parameters": sum("Parameters\n---" in d.docstring for d in taking),
        "public_with_example": sum(">>>" in d.docstring for d in public),
    }


def rows(figures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return each line of the report: what was measured, its figure, and what is wanted."""
    f, low_high = figures, "{:g} / {}".format(*figures["function_lines"])
    upward = "no layers contract" if f["upward"] is None else str(len(f["upward"]))
    return [
        ("lines (of code)", f"{f['lines']} ({f['code_lines']})", ""),
        ("lines that are only a comment", _share(f["comment_lines"], f["lines"]), "≥ 3 %"),
        ("largest package", _share(max(f["packages"].values()), f["lines"]), "≤ 15 %"),
        ("circles among modules", str(len(f["circles"])), "0"),
        ("upward arrows", upward, "0"),
        (f"modules above {MODULE_LINES} lines", f"{len(f['long_modules'])} of {f['modules']}", "0"),
        (f"functions above {FUNCTION_LINES} code lines", f"{len(f['long_functions'])} of {f['functions']}", "0"),
        ("code lines of a function, median / 95 %", low_high, ""),
        ("functions named by a participle", _share(len(f["participles"]), f["functions"]), "0"),
        ("longest signature", str(*f["longest_signature"].values()), ""),
        ("longest public signature *", str(*f["longest_public_signature"].values()), f"≤ {PARAMETERS}"),
        (f"public signatures above {PARAMETERS} parameters *", str(len(f["wide_signatures"])), "0"),
        ("public definitions with Parameters", _share(f["public_with_parameters"], f["public"]), ""),
        ("… of those that take any", _share(f["taking_with_parameters"], f["public_taking"]), ""),
        ("public definitions with an example", _share(f["public_with_example"], f["public"]), ""),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / max(whole, 1):.1%})".replace("%", " %")


def show(console: Console, figures: Mapping[str, Any], *, names: bool) -> None:
    """Print packages, figures, and by name what should not be; participles only where `names` asks for them."""
    packages = Table("package", "lines", "share")
    for package, n in figures["packages"].items():
        packages.add_row(package, str(n), f"{n / figures['lines']:.1%}".replace("%", " %"))
    table = Table("measured", "figure", "wanted", caption="* commands and scikit-learn's apart", caption_justify="left")
    for row in rows(figures):
        table.add_row(*row)
    console.print(packages, table)
    for key in (*NAMED, "participles") if names else NAMED:
        _list(console, key, figures[key])


def _list(console: Console, title: str, found: Mapping[str, int] | Sequence[Any] | None) -> None:
    if found:
        console.print(f"\n{title.replace('_', ' ')}", style="bold")
    for one in found or ():
        count = f"{found[one]:4} " if isinstance(found, Mapping) else "  "
        console.print(count + (one if isinstance(one, str) else ", ".join(one)), highlight=False, soft_wrap=True)


def main() -> None:
    """Measure the folder that is named, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("src", nargs="?", type=Path, default=EARMARK, metavar="SRC", help="a package's folder")
    parser.add_argument("--names", action="store_true", help="name the functions named by a participle")
    parser.add_argument("--json", action="store_true", help="all figures and names as JSON")
    options = parser.parse_args()
    figures = measure(options.src.resolve())
    if options.json:
        print(json.dumps(figures, indent=1, ensure_ascii=False))
    else:
        show(Console(), figures, names=options.names)


if __name__ == "__main__":
    main()
