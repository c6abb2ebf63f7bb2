"""The sentences of a reproduction's report, and the numbers in them: protocols, their leak, warnings.

The words are in ``templates/sentences.j2``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark.data.corpus import Corpus
from earmark.paper.names import PROTOCOLS
from earmark.paper.summary import Summary, protocols_of

if TYPE_CHECKING:
    import jinja2

# Tracks of a genre below which its accuracy is an anecdote.
_FEW = 10


@dataclass(frozen=True)
class ProtocolFacts:
    """A protocol and what it leaked.

    Attributes
    ----------
    leak_tracks : float
        Share of test clips with a sibling in training.
    leak_artists : float or None
        Share whose artist is in training; None where no artists are known.
    n_tracks : int
        Different tracks that were tested.
    part : str
        Tested part: "test", "valid".
    in_folds : bool
        Whether all of it was cross-validation.
    """

    protocol: str
    leak_tracks: float
    leak_artists: float | None
    n_tracks: int
    part: str
    in_folds: bool

    @property
    def heading(self) -> str:
        """The protocol as a heading."""
        return PROTOCOLS[self.protocol]

    @property
    def explanation(self) -> str:
        """What the protocol keeps on one side."""
        return " ".join(_fill_macro("explain", fact=self))


def gather_protocol_facts(summaries: Sequence[Summary]) -> list[ProtocolFacts]:
    """Gather the facts of each protocol that ran, in the order of :func:`~earmark.paper.summary.protocols_of`."""
    facts = []
    for protocol in protocols_of(summaries):
        own = [s for s in summaries if s.protocol == protocol]
        artists = [s.leak_artists for s in own if s.leak_artists is not None]
        facts.append(
            ProtocolFacts(
                protocol,
                float(np.mean([s.leak_tracks for s in own])),
                float(np.mean(artists)) if artists else None,
                max(s.n_tracks for s in own),
                " and ".join(dict.fromkeys(part for s in own for part in s.parts)),
                all(record["fold"] is not None for s in own for record in s.records),
            )
        )
    return facts


def accuracy_gains(summaries: Sequence[Summary], strict: str, looser: str) -> dict[str, float]:
    """Return the clip accuracy, 0 to 1, that each recipe gains from one protocol to a looser; negative for a loss."""
    accuracy = {(s.recipe, s.protocol): s.clip_accuracy.mean for s in summaries}
    recipes = dict.fromkeys(s.recipe for s in summaries)
    both = [r for r in recipes if (r, strict) in accuracy and (r, looser) in accuracy]
    return {r: accuracy[r, looser] - accuracy[r, strict] for r in both}


def describe_leak(summaries: Sequence[Summary]) -> str:
    """Say in one paragraph what leaked and what it was worth, with this run's numbers; "" where nothing ran."""
    facts = gather_protocol_facts(summaries)
    found = {(s.recipe, s.protocol): s for s in summaries}
    gains = []
    # each protocol against the first, which is the strictest
    for fact in facts[1:]:
        if gained := accuracy_gains(summaries, facts[0].protocol, fact.protocol):
            mean = float(np.mean(list(gained.values())))
            # the model that changes most in the direction of the mean
            most = max(gained, key=lambda recipe: gained[recipe] * np.sign(mean))
            strict, looser = found[most, facts[0].protocol], found[most, fact.protocol]
            gains.append((fact, mean, len(gained), strict, looser))
    return " ".join(_fill_macro("leak", facts=facts, gains=gains))


def list_warnings(summaries: Sequence[Summary], corpus: Corpus) -> list[str]:
    """Say what a reader must know before believing the numbers, each in a sentence or two."""
    by_protocol = {PROTOCOLS[p].lower(): [s for s in summaries if s.protocol == p] for p in protocols_of(summaries)}
    rare: dict[str, list[str]] = defaultdict(list)
    # inner: a set that keeps its order
    noted: dict[str, dict[str, None]] = defaultdict(dict)
    for heading, own in by_protocol.items():
        if genres := _rare_genres(own):
            rare[genres].append(heading)
    for s in summaries:
        for note in s.notes:
            noted[note][s.short] = None
    return _fill_macro(
        "warnings",
        corpus=corpus,
        counts=sorted(corpus.counts.values()),
        by_valid=[heading for heading, own in by_protocol.items() if any("valid" in s.parts for s in own)],
        few=_FEW,
        rare=rare,
        once=summaries and all(len(s.records) == 1 for s in summaries),
        guessing=[s for s in summaries if s.track_accuracy.mean <= s.majority_baseline],
        noted=noted,
        failed=sorted({track for s in summaries for record in s.records for track in record["failed"]}),
    )


def _rare_genres(summaries: Sequence[Summary]) -> str:
    tested = {track["id"]: track["genre"] for s in summaries for r in s.records for track in r["tracks"]}
    return ", ".join(f"{genre} ({n})" for genre, n in sorted(Counter(tested.values()).items()) if n < _FEW)


def percent(share: float) -> str:
    """Write a share in per cent with one decimal, without its sign.

    Examples
    --------
    >>> percent(0.3825), percent(1.0)
    ('38.2', '100.0')
    """
    return f"{100 * share:.1f}"


def _fill_macro(macro: str, **numbers: Any) -> list[str]:
    """Return the lines of one of the sentences' macros, filled in."""
    lines = getattr(_load_sentences(), macro)(**numbers).split("\n")
    return [line for line in lines if line]


@cache
def _load_sentences() -> Any:
    # a line break within a genre's name must not end a sentence
    environment = open_templates(finalize=lambda value: value.replace("\n", " ") if isinstance(value, str) else value)
    # 0 and 100 as one says them, without a decimal
    environment.filters |= {"share": lambda share: percent(share).removesuffix(".0")}
    # the template's macros, which are called as functions
    return environment.get_template("sentences.j2").module


def open_templates(**settings: Any) -> jinja2.Environment:
    """Return Jinja's environment for the report's templates: strict, and escaping what goes into HTML only."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        # by the end of the template's name
        autoescape=jinja2.select_autoescape(["html.j2"], default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **settings,
    )
    environment.filters |= {"percent": percent}
    return environment
