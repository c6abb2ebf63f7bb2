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
from earmark.files import replacing, slug
from earmark.paper import summary, tables, text
from earmark.paper.names import in_words
from earmark.paper.rows import FIGURE_3, FIGURE_5, PAPER
from earmark.paper.runs import Record
from earmark.paper.summary import Summary
from earmark.training.provenance import provenance
from earmark.training.recipe import Recipe
from earmark.training.registry import LOG, open_recipe


def write_report(
    folder: Path,
    records: Sequence[Record],
    corpus: Corpus,
    *,
    source: str,
    command: str,
    failures: Mapping[str, str] | None = None,
) -> Path:
    """Write all that is to be said of the rows that were run.

    Parameters
    ----------
    folder : Path
        Gets ``report.html`` and ``report.md``, ``results.csv`` (a line for each run), ``results.json`` (aggregates and
        records), ``run.json`` (where it comes from), ``figures/`` (each as PNG and SVG), and ``recipes/`` with the
        recipes that do not come with the package.
    records : sequence of dict
        As :class:`~earmark.paper.runs.Laboratory` leaves them, in any order; may be none.
    corpus : Corpus
        What they were run on.
    source : str
        How the corpus was named, for the commands that repeat single rows.
    command : str
        The command that made all of this.
    failures : mapping of str to str, optional
        Rows that came to nothing, and why.

    Returns
    -------
    Path
        ``report.html``.

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
    repeat = _Repeat(folder, source)
    lines = summary.table(records, repeat.command)
    run = _run(records, corpus, command, dict(failures or {}))
    drawings = draw_all(summaries, corpus)
    for drawing in drawings:
        drawing.save(folder / "figures")
    repeat.save_recipes(records)
    _write(folder / "results.csv", summary.to_csv(lines))
    aggregated = [summary.to_dict() for summary in summaries]
    _write(folder / "results.json", _json({"rows": aggregated, "records": records}))
    _write(folder / "run.json", _json(run))
    context = _context(summaries, corpus, run, repeat)
    _write(folder / "report.md", _render("report.md.j2", context))
    figures = {drawing.name: drawing for drawing in drawings}
    _write(folder / "report.html", _render("report.html.j2", {**context, "figures": figures}))
    return folder / "report.html"


@dataclass(frozen=True)
class _Repeat:
    """How single rows are run again.

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
        return (record["recipe"], limit) if recipe == known.with_epochs(limit) else ("", None)

    def _file(self, record: Record) -> Path:
        return self.folder / "recipes" / f"{record['recipe']}.toml"


def _run(records: Sequence[Record], corpus: Corpus, command: str, failures: dict[str, str]) -> dict[str, Any]:
    """Tell where all of it comes from."""
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


def _context(summaries: Sequence[Summary], corpus: Corpus, run: dict[str, Any], repeat: _Repeat) -> dict[str, Any]:
    """Gather all that the templates speak of."""

    def among(names: Collection[str]) -> list[Summary]:
        return [s for s in summaries if s.recipe.removesuffix(LOG) in names]

    others = {s.recipe.removesuffix(LOG) for s in summaries} - set(PAPER)
    chapters = [
        ("figure-3", "Figure 3: baselines", among(FIGURE_3)),
        ("figure-5", "Figure 5: recurrent networks", among(FIGURE_5)),
        ("others", "Beyond the paper's rows", among(others)),
    ]
    return {
        "run": run,
        "corpus": corpus,
        "summaries": summaries,
        "protocols": text.protocol_facts(summaries),
        "warnings": text.warnings(summaries, corpus),
        "highlights": [summary.best_of(summaries, p) for p in summary.protocols_of(summaries)],
        "chapters": [(name, title, tables.compare(some)) for name, title, some in chapters if some],
        "leak": text.leak_in_words(summaries),
        "losses": tables.losses(summaries),
        "appendix": _appendix(summaries, repeat),
        "commonest": max((s.commonest for s in summaries), default=None),
    }


@dataclass(frozen=True)
class _Entry:
    """A model in the appendix."""

    name: str
    words: str
    anchor: str
    recipe: Recipe
    rows: list[tuple[Summary, list[tuple[Record, str]]]]


def _appendix(summaries: Sequence[Summary], repeat: _Repeat) -> list[_Entry]:
    entries = []
    for name in dict.fromkeys(s.recipe for s in summaries):
        own = [s for s in summaries if s.recipe == name]
        words = in_words(name, own[0].settings) + (", dB" if name.endswith(LOG) else "")
        rows = [(s, [(record, repeat.command(record)) for record in s.records]) for s in own]
        entries.append(_Entry(name, words, f"model-{slug(name)}", own[0].settings, rows))
    return entries


def _render(template: str, context: Mapping[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=jinja2.select_autoescape(["html.j2"], default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": text.percent,
        "brief": tables.format_spread,
        "interval": tables.format_interval,
        "anchor": tables.anchor,
        "inline": inline,
        "cell": _cell,
    }
    return environment.get_template(template).render(context)


def inline(svg: bytes, name: str, alt: str) -> str:
    """Turn an SVG file into an element of a page: no prolog, ids of its own, a name for who cannot see it.

    Parameters
    ----------
    svg : bytes
        As Matplotlib writes it.
    name : str
        Put before its ids, which must not meet those of other figures.
    alt : str

    Returns
    -------
    str
        Safe to be put into HTML.
    """
    from markupsafe import Markup, escape

    text = svg.decode("utf-8")
    body = text[text.index("<svg") :]
    body = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", body)
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    assert box, "Matplotlib gives every figure a viewBox"
    opening = f'<svg {box[0]} role="img" aria-label="{escape(alt)}" style="aspect-ratio: {_ratio(box[0])}"'
    return Markup(f"{opening}>{rest.replace('xlink:href', 'href')}")  # our own drawing


def _ratio(box: str) -> str:
    _, _, width, height = box.split('"')[1].split()
    return f"{float(width):.0f} / {float(height):.0f}"


def _cell(text: object) -> str:
    """Escape text within a Markdown table."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")
