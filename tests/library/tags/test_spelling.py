"""Genres as people write them in tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.inference.genre_names import spelling_key
from earmark.library.tags.spelling import parse_genres, unify_spellings


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["Jazz"], ["Jazz"]),
        (["Jazz", "Soul"], ["Jazz", "Soul"]),
        (["Jazz;Soul / Funk, Blues|Gospel\0Ska"], ["Jazz", "Soul", "Funk", "Blues", "Gospel", "Ska"]),
        (["R&B/Soul", "Drum & Bass; Rock & Roll"], ["R&B", "Soul", "Drum & Bass", "Rock & Roll"]),
        (["Singer/Songwriter"], ["Singer/Songwriter"]),
        (["Folk, World, & Country"], ["Folk", "World", "Country"]),
        (["(17)"], ["Rock"]),
        (["17", "(8)(9)", "(4)Eurodisco; (7)"], ["Rock", "Jazz", "Metal", "Disco", "Eurodisco", "Hip-Hop"]),
        (["80s", "2 Tone"], ["80s", "2 Tone"]),
        (["rock; Rock; ROCK"], ["rock"]),
        (["  Acid \t Jazz\u00a0", "Bossa\x1b[31m Nova"], ["Acid Jazz", "Bossa [31m Nova"]),
        (["\uff2aazz\uff1bSoul"], ["Jazz", "Soul"]),
        (["", " ; ", "Unknown", "(255)", "Other", "N/A", "<>"], ["<>"]),
        ([], []),
    ],
)
def test_what_the_values_of_a_tag_name(values, names):
    assert list(parse_genres(values)) == names


@given(st.lists(st.text(max_size=12), max_size=4))
def test_names_are_clean_whatever_the_tag_holds(values):
    names = parse_genres(values)
    assert all(name == name.strip() and name.isprintable() and name for name in names)
    assert len({spelling_key(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "spellings",
    [
        ["Hip-Hop", "hip hop", "HipHop", "HIP HOP", "Hip\u2010Hop", "hip_hop"],
        ["Drum & Bass", "Drum and Bass", "drum'n'bass", "Drum n Bass", "Drum 'n Bass"],
        ["Rock & Roll", "Rock 'n' Roll", "Rock\u2019n\u2019Roll", "rock and roll"],
        ["Forro\u0301", "Forr\u00f3"],
    ],
)
def test_spellings_of_one_genre_go_by_the_one_most_often_used(spellings):
    for favourite in spellings:
        tracks = [[name] for name in [*spellings, favourite]]
        assert unify_spellings(tracks) == [(favourite,)] * len(tracks)
    assert unify_spellings([[name] for name in spellings], ["given", spellings[1]]) == [(spellings[1],)] * len(
        spellings
    )


@pytest.mark.parametrize(
    "pair", [("Rock", "Rock & Roll"), ("Country", "Countrn"), ("R&B", "RB"), ("Sand", "S&"), ("N Bass", "& Bass")]
)
def test_different_genres_stay_apart(pair):
    assert unify_spellings([[pair[0]], [pair[1]]]) == [(pair[0],), (pair[1],)]
