"""Names of genres: many spellings of one, and the families of styles."""

import pytest

from earmark.inference.genre_names import match_genres, spelling_key


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Jazz", "jazz"),
        ("Hip-Hop", "hiphop"),
        ("hip hop", "hiphop"),
        ("HIP_HOP", "hiphop"),
        ("Hip hop music", "hiphop"),
        ("RnB", "r&b"),
        ("R&B", "r&b"),
        ("Rhythm and Blues", "r&b"),
        ("Childrens Music", "children's music"),
    ],
)
def test_every_spelling_means_the_label(name, label):
    labels = ["jazz", "hiphop", "r&b", "children's music"]
    assert match_genres([name], labels) == {name: label}


def test_a_style_means_its_family_where_it_is_no_label_itself():
    names = ["Salsa", "bluegrass", "polka"]
    assert match_genres(names, ["latin", "country"], families=True) == {"Salsa": "latin", "bluegrass": "country"}
    assert match_genres(names, ["latin", "salsa"], families=True) == {"Salsa": "salsa"}
    assert match_genres(names, ["latin", "country"]) == {}


def test_of_two_labels_with_one_key_the_one_spelled_alike_is_meant():
    assert match_genres(["Jazz", "jazz", "JAZZ"], ["Jazz", "jazz"]) == {"Jazz": "Jazz", "jazz": "jazz", "JAZZ": "Jazz"}


@pytest.mark.parametrize("name", ["music", "Musical", "Sand", "metal"])
def test_what_only_looks_like_it_stays(name):
    assert spelling_key(name) == name.casefold()
