"""Vocabularies: words for labels, trees, aliases, whitelists; what is built in fits what other programs know."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import SettingError
from earmark.inference.vocabulary import list_families, read_classes
from earmark.library.vocabulary import BUILT_IN, load_vocabulary, spell_label

NAMES = [*list_families(), *(style.name for style in read_classes("genre"))]

TREE = """
base: model
words:
  hip hop: [Rap, Hip-Hop]
  pop: []
tree:
  - Electronic:
      - House:
          - Deep House
      - Techno
  - Hip-Hop
aliases:
  Drum & Bass: ['d(rum)?[ &n/]*b(ass)?']
  \\1-Pop: ['([ckj])[- ]*pop']
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(TREE)
    return path


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("hiphop", ("Rap", "Hip-Hop")),  # any spelling of a label
        ("pop", ()),
        ("deep house", ("Deep House",)),  # spelled as in the tree
        ("dnb", ("Drum & Bass",)),
        ("jpop", ("j-Pop",)),
        ("cool jazz", ("cool jazz",)),  # base: model
    ],
)
def test_words_of_a_file(own, label, words):
    assert load_vocabulary(own).translate(label) == words


@pytest.mark.parametrize("nothing", ["", "  ", [], None])
def test_a_genre_kept_out_of_tags(nothing):
    vocabulary = load_vocabulary({"words": {"jazz": nothing}}, ["jazz", "new age"])
    assert (vocabulary.translate("jazz"), vocabulary.translate("new age")) == ((), ("New Age",))


def test_parents_and_depth(own):
    assert load_vocabulary(own, with_parents=True).translate("deep house") == ("Electronic", "House", "Deep House")
    assert load_vocabulary(own, depth=2).translate("deep house") == ("House",)
    assert load_vocabulary(own, depth=1, with_parents=True).translate("deep house") == ("Electronic",)


def test_a_whitelist_lets_through_its_words_or_their_nearest_parent():
    vocabulary = load_vocabulary({"tree": [{"Electronic": [{"House": ["Deep House"]}]}], "whitelist": ["Electronic"]})
    assert vocabulary.translate("deep house") == ("Electronic",)
    assert vocabulary.translate("jazz") == ()


def test_a_list_is_a_tree_such_as_lastgenres(tmp_path):
    path = tmp_path / "tree.yaml"
    path.write_text("- rock:\n    - alternative rock:\n        - grunge\n- jazz\n")
    assert load_vocabulary(path, with_parents=True).translate("Grunge") == ("rock", "alternative rock", "grunge")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"wrods": {}}, "unknown key 'wrods'; did you mean 'words'\\?"),
        ({"genres": {}}, "unknown key 'genres'; it may hold base, words, aliases, tree, whitelist"),
        ({"base": "discogs"}, "base: .*'common'"),
        ({"words": {"jaz": "Jazz"}}, "no genre 'jaz'; did you mean 'jazz'"),
        ({"words": {"zydeco": "Zydeco"}}, "no genre 'zydeco'; it has jazz, pop"),
        ({"words": {"jazz": 3}}, "words: jazz = 3: a word, or a list of words, is wanted"),
        ({"words": {"jazz": ["a", ""]}}, "a word, or a list of words"),
        ({"words": {"jazz": "a\0b"}}, "a word, or a list of words"),
        ({"words": {"jazz": False}}, "words: jazz = False: a word"),
        ({"tree": [{"a": [{"b": ["A"]}]}]}, "'A' is among its own parents: a → b → A"),
        ({"tree": [{"a": 5}]}, "5 under a: a name is wanted"),
        ({"aliases": {"x": ["("]}}, r"'\(' is no pattern"),
        ({"aliases": {r"\2": ["(a)"]}}, "invalid group reference"),
        ({"whitelist": []}, "whitelist"),
    ],
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(SettingError, match=message):
        load_vocabulary(given, ["jazz", "pop"])


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "not YAML"), ("tree: &a [*a]", "holds itself"), ("7", "the file"), (b"\xff\xfe", "not YAML")],
)
def test_a_file_that_is_none_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingError, match=message):
        load_vocabulary(path)


def test_a_missing_file_says_which_vocabularies_there_are(tmp_path):
    with pytest.raises(SettingError, match="No such file.*or name one of common, model, musicbrainz"):
        load_vocabulary(tmp_path / "none.yaml")


def test_a_family_has_the_word_that_it_was_given():
    own = {"words": {"electronic": "Elektronisch", "techno": ["Tekkno", "Bumm"], "rock": []}}
    vocabulary = load_vocabulary(own, with_parents=True)
    assert vocabulary.translate("techno") == ("Elektronisch", "Tekkno", "Bumm")
    assert vocabulary.translate("house") == ("Elektronisch", "House")
    assert vocabulary.translate("grunge") == ("Grunge",)
    assert load_vocabulary(own, depth=1).translate("techno") == ("Elektronisch",)


@pytest.mark.parametrize("base", BUILT_IN)
def test_what_is_built_in_ends_every_line_of_parents(base):
    vocabulary = load_vocabulary(base, with_parents=True)
    for name in NAMES:
        words = vocabulary.translate(name)
        assert len(words) <= 2
        assert words or base == "id3v1"  # which has no word for children's music


def test_id3v1_has_every_word_of_its_vocabulary():
    mutagen = pytest.importorskip("mutagen.id3")
    words = {word for name in NAMES for word in load_vocabulary("id3v1", with_parents=True).translate(name)}
    assert words <= set(mutagen.TCON.GENRES)


def test_lastgenres_whitelist_has_every_word_of_beets():
    found = find_spec("beetsplug.lastgenre")
    if found is None or not found.origin:
        pytest.skip("beets is not installed")
    lines = (Path(found.origin).parent / "genres.txt").read_text(encoding="utf-8").lower().splitlines()
    words = {word for name in NAMES for word in load_vocabulary("beets", with_parents=True).translate(name)}
    assert {word.lower() for word in words} <= set(lines)


@given(st.recursive(st.text("abc", min_size=1), lambda t: st.lists(t) | st.dictionaries(st.text("abc", min_size=1), t)))
def test_any_tree_either_ends_every_line_or_is_refused(tree):
    try:
        vocabulary = load_vocabulary({"tree": tree if isinstance(tree, list) else [tree]}, with_parents=True)
    except SettingError:
        return
    for word in vocabulary.spellings.values():
        assert vocabulary.lineage(word)[-1] == word


def test_the_file_of_the_documentation_does_what_it_says(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "tags.md").read_text(encoding="utf-8")
    path = tmp_path / "words.yaml"
    path.write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1], encoding="utf-8")
    vocabulary = load_vocabulary(path, NAMES)
    said = {label: vocabulary.translate(label) for label in ("hiphop", "pop", "disco", "deep house", "rock", "dnb")}
    assert said == {
        "hiphop": ("Hip-Hop", "Rap"), "pop": (), "disco": ("Dance",), "deep house": ("House",), "rock": (),
        "dnb": ("Drum & Bass",),
    }  # fmt: skip
    assert load_vocabulary(path, with_parents=True).translate("house") == ("Electronic", "House")
    assert load_vocabulary(path, depth=1).translate("house") == ("Electronic",)


def test_labels_of_a_model_of_ones_own():
    labels = {"blues": "Blues", "r&b": "R&B", "hip-hop": "Hip-Hop", "post_rock": "Post Rock", "Trip-Hop": "Trip-Hop"}
    assert {label: spell_label(label) for label in labels} == labels
