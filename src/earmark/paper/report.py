"""The report of a reproduction: tables, figures and one page that needs nothing else, from the records of its rows."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.data.corpus import Corpus
from earmark.errors import MissingExtra, SettingError
from earmark.files import replacing
from earmark.paper import summary, tables, text
from earmark.paper.rows import FIGURE_3, FIGURE_5, PAPER
from earmark.paper.runs import Record
from earmark.paper.summary import Summary
from earmark.training.provenance import provenance
from earmark.training.registry import open_recipe


def write_report(
    folder: Path,
    records: Sequence[Record],
    corpus: Corpus,
    *,
    source: str,
    command: str,
    failures: Mapping[str, str] | None = None,
) -> Path:
    """Write the report of the rows that were run; return the path of ``report.html``.

    Parameters
    ----------
    folder : Path
        Gets ``report.html`` and ``report.md``, ``results.csv`` (a line for each run), ``results.json`` (aggregates and
        records), ``run.json`` (where it comes from), ``figures/`` (each as PNG and SVG), and ``recipes/`` with the
        recipes that do not come with the package.
    records : sequence of dict
        As :class:`~earmark.paper.runs.Reproduction` leaves them, in any order; may be none.
    corpus : Corpus
    source : str
        What the user called the corpus, for the commands that repeat single rows.
    command : str
        The command that made all of this.
    failures : mapping of str to str, optional
        Rows that failed, and why.

    Raises
    ------
    MissingExtra
        If Matplotlib or Jinja is not installed.
    """
    try:
        from earmark.paper.figures import draw_all
    except ImportError as error:
        raise MissingExtra("a report", "learn") from error
    records = summary.sort_records(records)
    summaries = summary.summarize(records)
    repeat = _RerunCommands(folder, source)
    run = _describe_run(records, corpus, command, dict(failures or {}))
    drawings = draw_all(summaries, corpus)
    for drawing in drawings:
        drawing.save(folder / "figures")
    repeat.save_recipes(records)
    _write(folder / "results.csv", summary.to_csv(summary.tabulate_runs(records, repeat.command)))
    _write(folder / "results.json", _to_json({"rows": [s.to_dict() for s in summaries], "records": records}))
    _write(folder / "run.json", _to_json(run))
    context = _context(summaries, corpus, run, repeat)
    _write(folder / "report.md", _render("report.md.j2", context))
    figures = {drawing.name: drawing for drawing in drawings}
    _write(folder / "report.html", _render("report.html.j2", {**context, "figures": figures}))
    return folder / "report.html"


@dataclass(frozen=True)
class _RerunCommands:
    """Commands that run single rows again.

    A recipe that the package does not know under its name is written beside the report, and named by its file.
    """

    folder: Path
    source: str

    def command(self, record: Record) -> str:
        recipe, epochs = self._find(record)
        return summary.row_of(record, recipe or str(self._file(record))).command(self.source, epochs)

    def save_recipes(self, records: Sequence[Record]) -> None:
        for record in records:
            if not self._find(record)[0]:
                _write(self._file(record), summary.recipe_of(record).toml())

    def _find(self, record: Record) -> tuple[str, int | None]:
        """Return its name, if the package knows it, and its limit on epochs, if that is not the recipe's own."""
        recipe = summary.recipe_of(record)
        try:
            known = open_recipe(record["recipe"])
        except SettingError:
            return "", None
        limit = recipe.training.max_epochs
        if recipe == known:
            return record["recipe"], None
        # the package's recipe but for the limit on epochs, which --epochs gives
        return (record["recipe"], limit) if recipe == known.with_epochs(limit) else ("", None)

    def _file(self, record: Record) -> Path:
        return self.folder / "recipes" / f"{record['recipe']}.toml"


def _describe_run(records: Sequence[Record], corpus: Corpus, command: str, failures: dict[str, str]) -> dict[str, Any]:
    """Return where all of it comes from, for ``run.json``."""
    seconds = {str(summary.row_of(record).place): record["seconds"] for record in records}
    return {
        **provenance(),
        "command": command,
        "seeds": sorted({record["seed"] for record in records}),
        "corpus": {
            "name": corpus.name,
            "fingerprint": corpus.fingerprint,
            "tracks": len(corpus.tracks),
            "counts": corpus.counts,
        },
        "seconds": {"total": round(sum(seconds.values()), 2), "rows": seconds},
        "failures": failures,
    }


def _context(
    summaries: Sequence[Summary], corpus: Corpus, run: dict[str, Any], repeat: _RerunCommands
) -> dict[str, Any]:
    """Gather all that the templates speak of."""

    def among(names: Collection[str]) -> list[Summary]:
        return [s for s in summaries if s.base in names]

    others = {s.base for s in summaries} - set(PAPER)
    chapters = [
        ("figure-3", "Figure 3: baselines", among(FIGURE_3)),
        ("figure-5", "Figure 5: recurrent networks", among(FIGURE_5)),
        ("others", "Beyond the paper's rows", among(others)),
    ]
    return {
        "run": run,
        "corpus": corpus,
        "summaries": summaries,
        "protocols": text.gather_protocol_facts(summaries),
        "warnings": text.list_warnings(summaries, corpus),
        "highlights": [summary.best_of(summaries, p) for p in summary.protocols_of(summaries)],
        "chapters": [(name, title, tables.tabulate_accuracy(some)) for name, title, some in chapters if some],
        "leak": text.describe_leak(summaries),
        "gains": tables.tabulate_gains(summaries),
        "appendix": [[s for s in summaries if s.recipe == name] for name in dict.fromkeys(s.recipe for s in summaries)],
        "repeat": repeat.command,
        "majority_baseline": max((s.majority_baseline for s in summaries), default=None),
    }


def _render(template: str, context: Mapping[str, Any]) -> str:
    environment = text.open_templates(keep_trailing_newline=True)
    environment.filters |= {
        "brief": tables.format_mean_std,
        "interval": tables.format_interval,
        "anchor": tables.anchor,
        "model_anchor": tables.model_anchor,
        "inline": inline_svg,
        "cell": _escape_cell,
    }
    return environment.get_template(template).render(context)


def inline_svg(svg: bytes, name: str, alt: str) -> str:
    """Turn Matplotlib's SVG file into an element of a page, safe to be put into HTML, with `alt` as its description.

    `name` is put before its ids, which must not meet those of other figures.
    """
    from markupsafe import Markup, escape

    text = svg.decode("utf-8")
    # no prolog; ids and what refers to them get the name
    body = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", text[text.index("<svg") :])
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', head)
    assert box, "Matplotlib gives every figure a viewBox"
    ratio = f"{float(box[1]):.0f} / {float(box[2]):.0f}"
    opening = f'<svg {box[0]} role="img" aria-label="{escape(alt)}" style="aspect-ratio: {ratio}"'
    # plain href is what SVG 2 reads; xlink:href is obsolete
    return Markup(f"{opening}>{rest.replace('xlink:href', 'href')}")  # our own drawing


def _escape_cell(text: object) -> str:
    """Escape text within a Markdown table."""
    # backslashes first, or those put before bars would be doubled
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _to_json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        # surrogateescape: names of files may hold bytes that are not UTF-8
        partial.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")
