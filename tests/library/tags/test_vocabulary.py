"""The words for a model's genres, and which of them are written."""

import pytest

from earmark.errors import SettingError
from earmark.inference.verdict import Verdict
from earmark.library.tags.vocabulary import GenreSelector, load_words, spell_label


def verdict(genre="hiphop", **genres):
    genres = genres or {"hiphop": 0.5, "jazz": 0.3, "pop": 0.1}
    best = next(iter(genres.values()))
    return Verdict(genre, None if genre else "no genre stands out", best, genres, 3.0, (), "m")


@pytest.mark.parametrize(
    ("selector", "written"),
    [
        (GenreSelector(), ("Hip-Hop",)),
        (GenreSelector(load_words(["hiphop", "jazz"], raw=True)), ("hiphop",)),
        (GenreSelector(top=3), ("Hip-Hop", "Jazz")),
        (GenreSelector(tag_threshold=0.6), ()),
        (GenreSelector(tag_threshold=0.6, min_confidence=0.4), ("Hip-Hop",)),
        (GenreSelector(min_confidence=0.6), ()),
        (GenreSelector(min_confidence=0.5), ("Hip-Hop",)),
        (GenreSelector({"hiphop": ("Rap", "Urban"), "jazz": ("Rap",)}, top=2), ("Rap", "Urban")),
        (GenreSelector({"hiphop": ()}), ()),
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
    assert GenreSelector().select(told) == ("Electronic",)
    assert GenreSelector(top=2, styles=9).select(told) == ("Electronic", "Pop", "Techno", "Drum & Bass")
    words = load_words([*told.genres, *told.styles], {"Techno": "Tekkno", "Drum & Bass": None})
    assert GenreSelector(words, styles=3).select(told) == ("Electronic", "Tekkno")


def test_words_of_labels():
    labels = {"blues": "Blues", "r&b": "R&B", "hip-hop": "Hip-Hop", "post_rock": "Post Rock", "Trip-Hop": "Trip-Hop"}
    assert {label: spell_label(label) for label in labels} == labels


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("hiphop = ", "not TOML"),
        ('hipopp = "Hip-Hop"', "no genre hipopp; it has hiphop, jazz"),
        ("hiphop = 3", "a word, or a list of words"),
        ('hiphop = ["a", ""]', "a word, or a list of words"),
        ('hiphop = "a\\u0000b"', "a word, or a list of words"),
    ],
)
def test_a_mapping_with_mistakes_is_refused(tmp_path, text, match):
    (tmp_path / "words.toml").write_text(text)
    with pytest.raises(SettingError, match=match):
        load_words(("hiphop", "jazz"), tmp_path / "words.toml")


def test_a_mapping(tmp_path):
    (tmp_path / "words.toml").write_text('hiphop = ["Hip-Hop", "Rap"]\njazz = "Jass"\n')
    assert load_words(("hiphop", "jazz"), tmp_path / "words.toml") == {"hiphop": ("Hip-Hop", "Rap"), "jazz": ("Jass",)}
    with pytest.raises(SettingError, match="cannot be read"):
        load_words((), tmp_path / "none.toml")


@pytest.mark.parametrize("nothing", ["", "  ", [], None])
def test_a_genre_kept_out_of_tags(nothing):
    assert load_words(["jazz", "new age"], {"jazz": nothing}) == {"jazz": (), "new age": ("New Age",)}
