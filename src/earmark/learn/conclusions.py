"""What the numbers of a reproduction say, in plain words: protocols, the leak, and what to be wary of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from earmark.learn.corpus import Corpus
from earmark.learn.describe import PROTOCOLS, in_short
from earmark.learn.results import Summary

_EXPLAINED = {
    "clip": "clips are shuffled 70/10/20, as in the paper: clips of one track land on both sides.",
    "track": "all clips of a track are on one side.",
    "artist": "all tracks of an artist, and all copies of a recording, are on one side.",
    "fault-filtered": "GTZAN's accepted split: 443/197/290 tracks, faulty excerpts left out. Copies of a recording are "
    "on one side, artists are not",
}
_FAULT_FILTERED_FOLDS = (
    "the tracks of GTZAN's accepted split, faulty excerpts left out, dealt into folds: all tracks of an artist, and "
    "all copies of a recording, are on one side."
)
_FEW = 10
"""Tracks of a genre below which its accuracy is an anecdote."""

_GTZAN = 1000


@dataclass(frozen=True)
class ProtocolFacts:
    """A protocol in words and what it leaked.

    Attributes
    ----------
    protocol, heading, explained : str
    leak_tracks : float
        Share of judging clips with a sibling in training.
    leak_artists : float or None
        Share whose artist is in training; None where no artists are known.
    n_tracks : int
        Different tracks that judged.
    part : str
        Who judged: "test", "valid".
    """

    protocol: str
    heading: str
    explained: str
    leak_tracks: float
    leak_artists: float | None
    n_tracks: int
    part: str


def protocol_facts(summaries: Sequence[Summary]) -> list[ProtocolFacts]:
    """Describe each protocol that ran, in the order of strictness."""
    facts = []
    for protocol in protocols_of(summaries):
        own = [s for s in summaries if s.protocol == protocol]
        artists = [s.leak_artists for s in own if s.leak_artists is not None]
        leak_artists = float(np.mean(artists)) if artists else None
        facts.append(
            ProtocolFacts(
                protocol,
                PROTOCOLS[protocol],
                _explain(protocol, own, leak_artists),
                float(np.mean([s.leak_tracks for s in own])),
                leak_artists,
                max(s.n_tracks for s in own),
                " and ".join(dict.fromkeys(part for s in own for part in s.parts)),
            )
        )
    return facts


def _explain(protocol: str, own: Sequence[Summary], leak_artists: float | None) -> str:
    """Say what a protocol keeps on one side; of the fault-filtered split, also how much of it is not."""
    if protocol != "fault-filtered":
        return _EXPLAINED[protocol]
    if all(record["fold"] is not None for s in own for record in s.records):
        return _FAULT_FILTERED_FOLDS
    if leak_artists is None:
        return f"{_EXPLAINED[protocol]}."
    share = f"{_round(leak_artists)} %" if leak_artists else "none"
    return f"{_EXPLAINED[protocol]}: {share} of the judging clips share one, or a recording, with those that learned."


def protocols_of(summaries: Sequence[Summary]) -> list[str]:
    """The protocols that ran, in the order of strictness."""
    return [p for p in PROTOCOLS if any(s.protocol == p for s in summaries)]


def drops(summaries: Sequence[Summary], stricter: str, loosest: str) -> dict[str, float]:
    """What each recipe loses from one protocol to a stricter one, in clip accuracy; negative where it gains.

    Returns
    -------
    dict of str to float
        Recipe → difference, 0 to 1, for recipes that ran under both.
    """
    accuracy = {(s.recipe, s.protocol): s.clip_accuracy.mean for s in summaries}
    recipes = dict.fromkeys(s.recipe for s in summaries)
    both = [r for r in recipes if (r, stricter) in accuracy and (r, loosest) in accuracy]
    return {r: accuracy[r, loosest] - accuracy[r, stricter] for r in both}


def leak_in_words(summaries: Sequence[Summary]) -> str:
    """One paragraph on what leaked and what it was worth, with this run's numbers; empty where nothing ran."""
    facts = protocol_facts(summaries)
    if not facts:
        return ""
    sentences = [_leaked(fact, first=fact is facts[0]) for fact in facts]
    if len(facts) == 1:
        other = "artist" if facts[0].protocol == "clip" else "clip"
        what = "what remains when nothing leaks" if other == "artist" else "what the leak of the paper's split is worth"
        return " ".join([*sentences, f"Only this protocol was run; “--protocol {other}” beside it shows {what}."])
    for fact in facts[1:]:
        lost = drops(summaries, fact.protocol, facts[0].protocol)
        sentences += [_lost(summaries, lost, facts[0], fact)] if lost else []
    sentences.append(
        "The splits also differ in who judges and how much is learned from: a few points in a single row mean little."
    )
    return " ".join(sentences)


def _leaked(fact: ProtocolFacts, *, first: bool) -> str:
    said = f"Under the {fact.heading.lower()}, {_round(fact.leak_tracks)} % of the judging clips have a sibling"
    said += ", another clip of the same track," if first else ""
    said += " among the clips that learned"
    if fact.leak_artists is not None:
        said += f", and {_round(fact.leak_artists)} % an artist or a recording that was met there"
    if first and fact.leak_tracks > 0.5:
        said += ": a model can be right because it remembers the track, not because it hears the genre"
    return said + "."


def _lost(summaries: Sequence[Summary], lost: dict[str, float], loosest: ProtocolFacts, fact: ProtocolFacts) -> str:
    mean = float(np.mean(list(lost.values())))
    worst = max(lost, key=lambda recipe: lost[recipe])
    before, after = (
        next(s for s in summaries if (s.recipe, s.protocol) == (worst, f.protocol)) for f in (loosest, fact)
    )
    verb = "falls" if mean >= 0 else "rises"
    models = f"{len(lost)} models" if len(lost) > 1 else "one model"
    return (
        f"From the {loosest.heading.lower()} to the {fact.heading.lower()}, clip accuracy {verb} by "
        f"{100 * abs(mean):.1f} points (mean of {models}), most for {in_short(worst, before.settings)}: from "
        f"{percent(before.clip_accuracy.mean)} % to {percent(after.clip_accuracy.mean)} %."
    )


def warnings(summaries: Sequence[Summary], corpus: Corpus) -> list[str]:
    """What a reader must know before believing the numbers, each a sentence or two."""
    return [*_about_corpus(corpus), *_about_judging(summaries), *_about_models(summaries)]


def _about_corpus(corpus: Corpus) -> Iterator[str]:
    counts = sorted(corpus.counts.values())
    if not corpus.name.startswith("GTZAN"):
        yield f"The corpus is {corpus.name}, not GTZAN: the paper's numbers are of other music, a landmark at most."
    elif len(corpus.tracks) < _GTZAN:
        yield (
            f"{len(corpus.tracks)} of GTZAN's {_GTZAN} tracks were there, {counts[0]} to {counts[-1]} a genre: the "
            "paper's numbers, of all thousand, are a landmark, not a target."
        )
    if counts and counts[-1] >= 2 * counts[0]:
        yield (
            "The genres are uneven: accuracy favours models that answer the common ones; macro-F1 counts all genres "
            "alike."
        )
    yield from corpus.notes


def _about_judging(summaries: Sequence[Summary]) -> Iterator[str]:
    for protocol in protocols_of(summaries):
        own = [s for s in summaries if s.protocol == protocol]
        heading = PROTOCOLS[protocol].lower()
        if any("valid" in s.parts for s in own):
            yield (
                f"Under the {heading} there is no test part here: the valid part judges, which also chose each "
                "network's epoch, so these numbers are a little too good."
            )
    rare: dict[str, list[str]] = {}
    for protocol in protocols_of(summaries):
        if genres := _rare_genres([s for s in summaries if s.protocol == protocol]):
            rare.setdefault(genres, []).append(PROTOCOLS[protocol].lower())
    for genres, headings in rare.items():
        yield (
            f"Under the {' and the '.join(headings)}, fewer than {_FEW} tracks judge {genres}: single tracks decide "
            "what is said of them."
        )
    if summaries and all(len(s.records) == 1 for s in summaries):
        yield "Each row was run once: how much another seed would change it is not known."


def _rare_genres(summaries: Sequence[Summary]) -> str:
    judged = {track["id"]: track["genre"] for s in summaries for r in s.records for track in r["tracks"]}
    return ", ".join(f"{genre} ({n})" for genre, n in sorted(Counter(judged.values()).items()) if n < _FEW)


def _about_models(summaries: Sequence[Summary]) -> Iterator[str]:
    guessing = [s for s in summaries if s.track_accuracy.mean <= s.commonest]
    if guessing:
        named = "; ".join(f"{in_short(s.recipe, s.settings)} ({PROTOCOLS[s.protocol].lower()})" for s in guessing)
        yield f"No better than always answering the commonest genre: {named}. Such a model has not learned to hear."
    noted: dict[str, list[str]] = {}
    for s in summaries:
        for note in s.notes:
            name = in_short(s.recipe, s.settings)
            noted.setdefault(note, []).append(name)
    for note, names in noted.items():
        yield f"{note[:1].upper()}{note[1:]}: {'; '.join(dict.fromkeys(names))}."
    failed = {track for s in summaries for record in s.records for track in record["failed"]}
    if failed:
        yield f"{len(failed)} tracks could not be read and are not counted: {', '.join(sorted(failed)[:5])}" + (
            "…" if len(failed) > 5 else "."
        )


def percent(share: float) -> str:
    """A share in per cent with one decimal, without its sign.

    Examples
    --------
    >>> percent(0.3825), percent(1.0)
    ('38.2', '100.0')
    """
    return f"{100 * share:.1f}"


def _round(share: float) -> str:
    """The same, but 0 and 100 as one says them."""
    return percent(share).removesuffix(".0")
