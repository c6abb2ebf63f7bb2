"""The vocabulary: the names of styles, families and moods."""

import csv

import pytest
from support.paths import REPOSITORY

from earmark.inference.genre_names import spelling_key
from earmark.inference.vocabulary import MUSIC, SPEECH, list_families, read_classes


def test_every_style_belongs_to_a_family_that_is_a_style():
    styles = read_classes("genre")
    names = [style.name for style in styles]
    assert len(set(names)) == len(names) == 53
    assert set(list_families()) <= set(names)
    families = {style.name: style.family for style in styles}
    assert all(families[family] == family for family in list_families())
    # no two names that tags would take for one
    assert len({spelling_key(name) for name in names}) == len(names)


def test_the_card_lists_families_and_their_styles():
    page = (REPOSITORY / "docs" / "model.md").read_text(encoding="utf-8")
    rows = page.split("| family | styles |\n|---|---|\n")[1].split("\n\n")[0].splitlines()
    shown = {family: styles.split(", ") for family, styles in (row.strip("| ").split(" | ") for row in rows)}
    styles = sorted(read_classes("genre"), key=lambda style: style.name)
    assert list(shown) == sorted(list_families())
    assert shown == {family: [style.name for style in styles if style.family == family] for family in shown}


def test_the_indices_are_audiosets():
    labels = REPOSITORY.parent / "shared" / "encoders" / "mn04" / "audioset_labels.csv"
    if not labels.is_file():
        pytest.skip("no list of AudioSet's classes")
    with labels.open(encoding="utf-8") as file:
        names = {row["index"]: row["display_name"] for row in csv.DictReader(file)}
    for kind in ("genre", "mood", "context"):
        for one in read_classes(kind):
            assert names[str(one.index)] == one.audioset
            assert bool(one.family) == (kind == "genre")
    assert (names[str(MUSIC)], names[str(SPEECH)]) == ("Music", "Speech")
