"""Words of a shelf: by spelling, by hearing, and a vocabulary file of them."""

from dataclasses import replace

import pytest
from support.verdicts import verdict_of

from earmark.library.vocabulary import load_vocabulary
from earmark.library.words import choose_words, format_vocabulary, propose_words

LABELS = ["hip hop", "electronic", "pop", "rock", "folk", "blues"]


def file(*genres, heard="rock", confidence=0.9):
    return genres, replace(verdict_of("/m/a.mp3", heard), confidence=confidence, styles={"techno": 0.6, "house": 0.4})


@pytest.fixture
def words():
    files = [
        *[file("Hip-Hop/Rap", heard="hip hop")] * 4, file("hip hop", heard="hip hop"),
        *[file("Elektronisch", heard="electronic")] * 3, file("Elektronisch", heard="pop"),
        *[file("Pop/Rock")] * 5, *[file("Techno", "Pop", heard="electronic", confidence=0.3)] * 2,
        *[file("Polka", heard="folk")] * 2, file("Krautrock", heard=None),
    ]  # fmt: skip
    return propose_words(files, LABELS)


def test_a_word_stands_for_what_is_spelled_like_it_or_most_heard_in_it(words):
    assert [(own.word, own.files, own.label, own.by) for own in words] == [
        ("Pop/Rock", 5, "rock", "hearing"),  # by its spelling it may be either
        ("Elektronisch", 4, "electronic", "hearing"),
        ("Hip-Hop/Rap", 4, "hip hop", "spelling"),
        ("Polka", 2, None, ""),  # too few
        ("Pop", 2, "pop", "spelling"),
        ("Techno", 2, "techno", "spelling"),
        ("Krautrock", 1, None, ""),
        ("hip hop", 1, "hip hop", "spelling"),
    ]
    assert words[1].heard == {"electronic": 3, "pop": 1}
    # "techno" was heard without being sure
    assert words[5].heard == {}
    assert {label: own.word for label, own in choose_words(words).items()} == {
        "rock": "Pop/Rock", "electronic": "Elektronisch", "hip hop": "Hip-Hop/Rap", "pop": "Pop", "techno": "Techno"
    }  # fmt: skip


def test_a_style_counts_only_where_the_model_tells_styles():
    (own,) = propose_words([(("Techno",), verdict_of("/m/a.mp3", "electronic"))], LABELS)
    assert own.label is None


def test_a_word_that_is_heard_in_everything_stands_for_nothing():
    files = [file("Favourites", heard=heard) for heard in ("rock", "pop", "folk") for _ in range(5)]
    files += [file("Nice", heard="blues")] * 2 + [file("Slow", heard="blues")] * 3 + [file("Old", heard="blues")] * 2
    assert {own.word: own.label for own in propose_words(files, LABELS)} == {
        "Favourites": None, "Slow": None, "Nice": None, "Old": None
    }  # fmt: skip


def test_the_file_is_a_vocabulary_that_writes_these_words(words, tmp_path):
    path = tmp_path / "words.yaml"
    odd = propose_words([file('R "n" B: #1 \\ Ünicode', heard="blues")] * 3, LABELS)
    path.write_text(format_vocabulary([*words, *odd], LABELS, "mine"), encoding="utf-8")
    own = load_vocabulary(path, [*LABELS, "techno"])
    assert [own.translate(label) for label in ("hip hop", "electronic", "rock", "blues", "folk")] == [
        ("Hip-Hop/Rap",), ("Elektronisch",), ("Pop/Rock",), ('R "n" B: #1 \\ Ünicode',), ("Folk",),
    ]  # fmt: skip
    text = path.read_text(encoding="utf-8")
    assert '"electronic": "Elektronisch"  # 4 files, known by what is heard alone: does it fit?' in text
    assert '#  "Polka": 2 files, folk 2' in text
    assert '#  "folk": "Folk"' in text


def test_without_genres_the_file_is_a_vocabulary_too(tmp_path):
    path = tmp_path / "words.yaml"
    path.write_text(format_vocabulary([], LABELS, "mine"), encoding="utf-8")
    assert load_vocabulary(path, LABELS).translate("rock") == ("Rock",)
