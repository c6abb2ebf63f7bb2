"""What becomes of values that are there, and the note that tells whose they are."""

import pytest
from mediafile import MediaFile
from support.tags import FORMATS, genres, undone, write

from earmark.library.tags.genre_tags import GenreTags
from earmark.library.tags.values import TagValues, describe_source, merge_values, read_note

SOURCE = describe_source("mine; 100 %", "1a2b3c4d5e6f", 0.8312)


def test_a_note_tells_what_was_written_whatever_is_in_the_names():
    note = merge_values(TagValues(()), TagValues(("R;B", "50%3B"), ("Calm",), SOURCE), "replace").provenance
    assert note == ("model=mine%3B 100 %25; checksum=1a2b3c4d; confidence=0.83; genre=R%3BB; genre=50%253B; mood=Calm")
    assert [read_note(note, key) for key in ("model", "genre", "mood", "none")] == [
        ("mine; 100 %",), ("R;B", "50%3B"), ("Calm",), (),
    ]  # fmt: skip


@pytest.mark.parametrize("note", ["", "genre", "genre=Rock", "genre=Jazz; genre=Rock", ";;=", "somebody else's words"])
def test_a_note_that_names_other_genres_makes_nothing_our_own(note):
    assert not TagValues(("Jazz",), provenance=note).is_own


@pytest.mark.parametrize("suffix", FORMATS)
def test_new_genres_come_after_those_that_stay(put, journal, suffix):
    path = put(suffix)
    genres(path, "Polka; Ska", "hip hop", "Unknown")
    original = path.read_bytes()
    new = {"moods": ("Calm",), "provenance": SOURCE, "existing": "append"}
    assert write(journal, path, "Hip-Hop", "Jazz", "ska", **new)
    # "ska" stands in a joined value, "Unknown" names none
    assert MediaFile(path).genres == ["Polka; Ska", "hip hop", "Jazz"]
    note = GenreTags(path).values.provenance
    assert (read_note(note, "genre"), read_note(note, "mood")) == (("Jazz",), ("Calm",))
    assert not write(journal, path, "Hip-Hop", "Jazz", **new)
    assert write(journal, path, "Soul", "Jazz", **new | {"moods": ("Calm", "Dark")})
    assert GenreTags(path).values.moods == ("Calm", "Dark")
    assert not write(journal, path, "Rock", existing="mine")  # not all of it is Earmark's
    assert undone(journal) == [("restored", None)] * 2
    assert path.read_bytes() == original


@pytest.mark.parametrize("suffix", FORMATS)
def test_own_genres_are_renewed_and_those_of_others_stay(put, journal, suffix):
    path = put(suffix)
    mine = {"existing": "mine", "provenance": SOURCE}
    assert write(journal, path, "Jazz", "Soul", moods=("Calm",), **mine)
    assert write(journal, path, "Rock", moods=("Dark",), **mine)
    assert MediaFile(path).genres == ["Rock"]
    assert GenreTags(path).values.moods == ("Dark",)
    assert not write(journal, path, "Pop", existing="keep")
    genres(path, "rock")
    assert not write(journal, path, "Pop", **mine)
    assert MediaFile(path).genres == ["rock"]


def test_moods_of_others_stay_where_only_own_genres_are_renewed(put, journal):
    path = put(".flac")
    write(journal, path, "Jazz", moods=("Calm",), provenance=SOURCE)
    file = GenreTags(path)
    file.restore(file.raw | {"moods": ["Restful"]})
    assert write(journal, path, "Rock", moods=("Dark",), provenance=SOURCE, existing="mine")
    assert GenreTags(path).values.moods == ("Restful",)
    assert read_note(GenreTags(path).values.provenance, "mood") == ()
    assert write(journal, path, "Pop", moods=("Dark",))
    assert GenreTags(path).values == TagValues(("Pop",), ("Dark",))


def test_without_moods_those_that_are_there_stay(put, journal):
    path = put(".mp3")
    write(journal, path, "Jazz", moods=("Calm",))
    assert write(journal, path, "Rock")
    assert GenreTags(path).values.moods == ("Calm",)
    assert write(journal, path, "Rock", moods=("Dark",))
    assert GenreTags(path).values == TagValues(("Rock",), ("Dark",))


@pytest.mark.parametrize("suffix", FORMATS)
def test_undo_of_the_genre_alone_takes_back_moods_and_note(put, journal, suffix):
    path = put(suffix)
    genres(path, "Polka")
    before = GenreTags(path).raw
    assert write(journal, path, "Jazz", moods=("Calm",), provenance=SOURCE)
    file = MediaFile(path)
    file.title = "Changed since"
    file.save()
    assert undone(journal) == [("genre restored", None)]
    assert GenreTags(path).raw == before
    assert MediaFile(path).title == "Changed since"


def test_undo_leaves_moods_that_the_run_has_not_written(put, journal):
    path = put(".flac")
    write(journal, path, "Jazz")
    file = GenreTags(path)
    file.restore(file.raw | {"moods": ["Restful"]})
    assert undone(journal) == [("genre restored", None)]
    assert GenreTags(path).raw == {"moods": ["Restful"]}
