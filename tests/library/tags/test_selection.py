"""Which genres of an answer are written."""

from dataclasses import replace

import pytest

from earmark.inference.verdict import Verdict
from earmark.library.tags.selection import GenreSelector
from earmark.library.vocabulary import load_vocabulary


def words(**words):
    return load_vocabulary({"words": words})


def verdict(genre="hiphop", **genres):
    genres = genres or {"hiphop": 0.5, "jazz": 0.3, "pop": 0.1}
    best = next(iter(genres.values()))
    return Verdict(genre, None if genre else "no genre stands out", best, genres, 3.0, (), "m")


@pytest.mark.parametrize(
    ("selector", "written"),
    [
        (GenreSelector(), ("Hip-Hop",)),
        (GenreSelector(load_vocabulary("model")), ("hiphop",)),
        (GenreSelector(top=3), ("Hip-Hop", "Jazz")),
        (GenreSelector(tag_thresholds={"hiphop": 0.6}), ()),
        (GenreSelector(tag_thresholds={"hiphop": 0.6}, min_confidence=0.4), ("Hip-Hop",)),
        (GenreSelector(tag_thresholds={"hiphop": 0.5, "jazz": 0.6}, top=2), ("Hip-Hop", "Jazz")),
        (GenreSelector(min_confidence=0.6), ()),
        (GenreSelector(min_confidence=0.5), ("Hip-Hop",)),
        (GenreSelector(words(hiphop=["Rap", "Urban"], jazz="Rap"), top=2), ("Rap", "Urban")),
        (GenreSelector(words(hiphop=[])), ()),
    ],
)
def test_what_is_written_for_a_verdict(selector, written):
    assert selector.select(verdict()) == written


def test_an_unknown_verdict_is_written_only_on_demand():
    unsure = verdict(None, hiphop=0.2)
    assert GenreSelector().select(unsure) == ()
    assert GenreSelector(min_confidence=0.1).select(unsure) == ("Hip-Hop",)
    silent = Verdict(None, "silence", 0.0, {}, 3.0, (), "m")
    assert GenreSelector(min_confidence=0.0).select(silent) == ()


def test_styles_follow_the_genres_where_they_are_wanted():
    told = Verdict(
        "electronic", None, 0.7, {"electronic": 0.7, "pop": 0.3}, 3.0, (), "m",
        styles={"electronic": 0.9, "techno": 0.5, "drum and bass": 0.3, "house": 0.1},
    )  # fmt: skip
    assert GenreSelector().select_styles(told) == ()
    assert GenreSelector(top=2, styles=9).select(told) == ("Electronic", "Pop")
    assert GenreSelector(styles=9).select_styles(told) == ("Techno", "Drum & Bass")
    own = words(**{"Techno": "Tekkno", "Drum & Bass": None})
    assert GenreSelector(own, styles=3).select_styles(told) == ("Tekkno",)
    parents = load_vocabulary("musicbrainz", with_parents=True)
    assert GenreSelector(parents, styles=1).select_styles(told) == ("electronic", "techno")


@pytest.mark.parametrize(
    ("genre", "top", "styles"),
    [
        ("jazz", 1, ("Swing",)),  # a solo trumpet: not "Jazz; Classical"
        ("jazz", 2, ("Swing", "Techno")),  # electronic is written too
        ("latin", 1, ()),
        ("trumpet", 1, ("Classical", "Swing", "Jazz")),  # no family: any style
    ],
)
def test_styles_belong_to_the_genres_that_are_written(genre, top, styles):
    told = {"classical": 0.4, "swing": 0.3, "jazz": 0.25, "techno": 0.2}
    heard = replace(verdict(genre, **{genre: 0.7, "electronic": 0.3}), styles=told)
    assert GenreSelector(top=top, styles=3).select_styles(heard) == styles


def test_a_family_is_known_by_any_spelling():
    heard = replace(verdict(hiphop=0.9), styles={"hip hop": 0.5, "rock": 0.3, "beatboxing": 0.2})
    assert GenreSelector(styles=1).select_styles(heard) == ("Beatboxing",)
