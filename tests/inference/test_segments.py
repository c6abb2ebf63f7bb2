"""Segments of one genre, made of running verdicts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sounds import told

from earmark.inference.segments import MAX_GAP, MIN_DURATION, Segmenter, find_segments


def spans(letters, **options):
    return [(s.start, s.end, s.genre or s.reason) for s in find_segments(told(letters, **options))]


def test_a_change_is_dated_to_when_it_was_first_heard():
    assert spans("....aaaaaabbbbbbbb") == [(0, 5, "a"), (5, 9, "b")]


def test_flicker_is_no_change():
    assert spans("aaaaa" + "b" * 5 + "aaaabababababbbbbaaa-a-a---aaa") == [(0, 20, "a")]
    assert MIN_DURATION == 3.0


def test_what_is_left_of_a_genre_after_a_new_title_is_no_segment():
    titles = ["x"] * 8 + ["y"] * 12
    ended = list(find_segments(told("a" * 10 + "b" * 10, titles=titles)))
    assert [(s.start, s.end, s.genre, s.title) for s in ended] == [(0, 4, "a", "x"), (4, 10, "b", "y")]


def test_doubt_is_a_segment_only_when_it_lasts():
    assert spans("aaaa" + "-" * 19 + "aaaa") == [(0, 13.5, "a")]
    expected = [(0, 3, "a"), (3, 13.5, "no genre stands out"), (13.5, 17, "a")]
    assert spans("aaaaaa" + "-" * 20 + "-aaaaaaa") == expected
    # for one reason or another, it is one doubt
    assert spans("aaaaaa" + "-?" * 10 + "-aaaaaaa") == expected


def test_who_speaks_between_two_songs_has_a_segment():
    assert spans("aaaaaa" + "!" * 8 + "bbbbbbbb") == [(0, 3, "a"), (3, 7, "speech"), (7, 11, "b")]
    assert spans("aaaaaa" + "!" * 3 + "aaaaaaaa") == [(0, 8.5, "a")]


def test_others_in_turns_end_a_genre_that_is_gone():
    found = spans("aaaa" + "bcd-" * 8)
    assert found[0][0] == 0
    assert found[0][2] == "a"
    assert found[0][1] <= 2 + MAX_GAP


def test_silence_counts_at_once_and_titles_too():
    assert spans("aaaa  aaaaaaa") == [(0, 2, "a"), (2, 3, "silence"), (3, 6.5, "a")]
    titles = [None, "x", "x", "x", "y", "y", "y", "y"]
    ended = list(find_segments(told("aaaaaaaa", titles=titles)))
    assert [(s.start, s.end, s.title) for s in ended] == [(0, 2, "x"), (2, 4, "y")]
    assert [s.confidence for s in ended] == pytest.approx([0.8, 0.8])
    ended = list(find_segments(told("aaaa    ", titles=["x"] * 4 + ["y"] * 4)))
    assert [(s.start, s.end, s.genre, s.title) for s in ended] == [(0, 2, "a", "x"), (2, 4, None, "y")]


@given(st.text("ab- .!", max_size=120), st.data())
def test_segments_tile_the_time(letters, data):
    titles = data.draw(st.lists(st.sampled_from([None, "x", "y"]), min_size=len(letters), max_size=len(letters)))
    found = list(find_segments(told(letters, titles=titles)))
    heard_something = letters.strip(".")
    assert bool(found) == bool(heard_something)
    if found:
        assert (found[0].start, found[-1].end) == (0, len(letters) / 2)
        assert all(a.end == b.start for a, b in pairwise(found))
        assert all(s.start < s.end or len(found) == 1 for s in found)
        assert all(0 <= s.confidence <= 0.8 + 1e-9 for s in found)


def test_before_anything_is_heard_no_segment_is_open():
    segmenter = Segmenter()
    assert [segmenter.update(v) for v in told("...")] == [None] * 3
    assert segmenter.open is None
