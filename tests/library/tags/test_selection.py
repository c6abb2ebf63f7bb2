"""Which genres of an answer are written."""

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
    assert GenreSelector(styles=9).select_styles(told) == ("Electronic", "Techno", "Drum & Bass")
    own = words(**{"Techno": "Tekkno", "Drum & Bass": None})
    assert GenreSelector(own, styles=3).select_styles(told) == ("Electronic", "Tekkno")
    parents = load_vocabulary("musicbrainz", with_parents=True)
    assert GenreSelector(parents, styles=2).select_styles(told) == ("electronic", "techno")
