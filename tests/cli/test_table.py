"""The table of answers: every line fits the terminal, whatever the names in it."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from earmark.cli.table import TableWriter
from earmark.cli.text import clean, fit, format_duration, shorten
from earmark.cli.writers import Tally
from earmark.inference.verdict import ClipVerdict, Verdict

WIDTHS = range(40, 201)
NAMES = st.one_of(
    st.text(max_size=120),
    st.text("久石譲🎷👨‍👩‍👧é\u0301\u0f39️ \u202e\x1b[31m/a.", max_size=120),
    st.just("/music/" + "久石譲 " * 30 + "🎷.mp3"),
    st.just("e\u0301" * 90 + ".flac"),
)
LABELS = ["jazz", "children's music", "J-ポップと歌謡曲のすべて", "x" * 80]
SHARES = st.dictionaries(st.sampled_from(LABELS), st.floats(0, 1), min_size=1).map(
    lambda shares: dict(sorted(shares.items(), key=lambda item: -item[1]))
)
REASONS = st.sampled_from([None, "low confidence", "unlike what it learned", "two genres alike"])


@st.composite
def verdicts(draw):
    genres = draw(st.one_of(st.just({}), SHARES))
    named = draw(st.booleans()) and bool(genres)
    clip = st.builds(
        ClipVerdict,
        st.floats(0, 2e4),
        st.floats(0, 2e4),
        st.one_of(st.just({}), SHARES),
        st.one_of(st.none(), st.just((0.25,) * 40)),
        st.sampled_from([None, "speech", "no music"]),
    )
    return Verdict(
        next(iter(genres)) if named else None,
        None if named else draw(REASONS),
        next(iter(genres.values()), 0.0),
        genres,
        30.0,
        tuple(draw(st.lists(clip, max_size=2))),
        "m",
        draw(NAMES),
        draw(st.one_of(st.none(), NAMES)),
        draw(st.one_of(st.just({}), SHARES)),
        draw(st.one_of(st.just({}), SHARES)),
    )


def render(width, *answers, labels=LABELS, top=3, timeline=False):
    """Return the lines that a terminal of so many columns gets."""
    file = io.StringIO()
    file.isatty = lambda: True
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        patch.setenv("TERM", "xterm")
        writer = TableWriter(file, labels, top, timeline)
        for answer in answers:
            writer.write(answer)
    return Text.from_ansi(file.getvalue()).plain.split("\n")[:-1]


@settings(max_examples=150, deadline=None)
@given(verdicts(), st.integers(40, 200), st.sampled_from([None, 1, 3, 9]), st.booleans(), st.integers(1, 4))
def test_every_line_fits_the_terminal(verdict, width, top, timeline, n_labels):
    lines = render(width, verdict, labels=LABELS[:n_labels], top=top, timeline=timeline)
    assert lines
    assert max(map(cell_len, lines)) <= width


@settings(max_examples=100, deadline=None)
@given(NAMES, st.integers(1, 80))
def test_a_name_fills_its_column(name, width):
    name = clean(name)
    assert cell_len(fit(name, width)) == width
    # The end stays, and as much of it as there is room for, but for half of a wide character.
    if cell_len(name) > width:
        kept = shorten(name, width)
        assert name.endswith(kept[1:])
        assert cell_len(kept) >= width - 1


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_columns_stand_below_each_other(width):
    names = ["a.mp3", "/music/久石譲/Summer.flac", "🎷🎷🎷.mp3", "cafe\u0301.ogg", "long " * 40 + ".mp3"]
    answers = [Verdict("jazz", None, 0.9, {"jazz": 0.9, "pop": 0.1}, 30.0, (), "m", name) for name in names]
    header, *lines = render(width, *answers, labels=["jazz", "pop"])
    (column,) = {cell_len(line[: line.index("  jazz")]) for line in lines}
    assert header.index("  genre") == column


def test_an_unknown_answer_says_why_and_keeps_the_ranking_and_says_nothing_twice():
    genres = {"pop": 0.36, "children's music": 0.32, "country": 0.12, "folk": 0.2}
    unsure = Verdict(None, "low confidence", 0.36, genres, 30.0, (), "m", "a.mp3")
    (_, line) = render(200, unsure, labels=list(genres))
    assert " ".join(line.split()) == "a.mp3 unknown: low confidence pop 36% children's music 32% country 12%"
    # Where the row has room for one alone, they stand below it.
    _, line, below = render(80, unsure, labels=list(genres))
    assert line.split() == ["a.mp3", "unknown:", "low", "confidence"]
    assert below.split()[:6] == ["genres", "pop", "36%", "children's", "music", "32%"]
    _, line = render(80, Verdict(None, "no music", 0.0, {}, 30.0, (), "m", "a.mp3"), labels=list(genres))
    assert line.split() == ["a.mp3", "unknown:", "no", "music"]


def test_what_rounds_to_nothing_is_not_shown():
    sure = Verdict("jazz", None, 0.99, {"jazz": 0.99, "pop": 0.005, "folk": 0.0049}, 30.0, (), "m", "a.mp3")
    assert "0%" not in render(120, sure)[1]


def test_a_long_error_is_shown_whole_beside_the_names():
    words = "this file ends in the middle of a packet and cannot be decoded any further by any means"
    header, *lines = render(60, Verdict.from_error("m", "a.mp3", words))
    start = header.index("genre")
    assert " ".join(line[start:].strip() for line in lines) == f"✗ {words}"
    assert not any(line[:start].strip() for line in lines[1:])


def test_the_last_line_counts_in_plain_english():
    tally = Tally()
    tally.add(Verdict("jazz", None, 0.9, {"jazz": 0.9}, 100.0, (), "m", "a.mp3"))
    assert tally.describe() == "1 file, 2 min of sound: jazz 1"
    assert not tally.describe_failures()
    tally.add(Verdict.from_error("m", "b.mp3", "gone"))
    assert tally.describe() == "2 files, 2 min of sound: jazz 1"
    assert tally.describe_failures() == "1 file with errors"
    assert Tally().describe() == "0 files"


@given(st.floats(0, 1e7))
def test_a_duration_has_no_zeros_in_front_and_is_nearly_right(seconds):
    text = format_duration(seconds)
    units = {"s": 1, "min": 60, "h": 3600}
    words = text.split()
    told = sum(float(n) * units[unit] for n, unit in zip(words[::2], words[1::2], strict=True))
    assert abs(told - seconds) <= max(0.05, 0.51 * units[words[-1]], 0)
    assert not text.startswith("0 ") or seconds < 0.06
