"""What a run has written, taken back; what others have written since, left."""

import pytest
from mediafile import MediaFile
from support.tags import FORMATS, undone, write

from earmark.library.tags.journal import read_journal
from earmark.library.tags.undo import undo


@pytest.mark.parametrize("suffix", FORMATS)
def test_undo_takes_back_the_genre_alone_where_others_changed_the_file(put, journal, suffix):
    path = put(suffix)
    write(journal, path, "Jazz")
    file = MediaFile(path)
    file.title = "Changed since"
    file.save()
    assert undone(journal, dry_run=True) == [("would restore genre", None)]
    assert MediaFile(path).genres == ["Jazz"]
    assert undone(journal) == [("genre restored", None)]
    assert not MediaFile(path).genres
    assert MediaFile(path).title == "Changed since"
    assert undone(journal) == [("as it was", None)]


def test_undo_leaves_a_genre_that_others_have_written(put, journal):
    path = put(".flac")
    write(journal, path, "Jazz")
    file = MediaFile(path)
    file.genres = ["Mine"]
    file.save()
    ((outcome, error),) = undone(journal)
    assert outcome == "failed"
    assert "changed by another program" in error
    assert MediaFile(path).genres == ["Mine"]


def test_a_damaged_note_restores_nothing(put, journal):
    path = put(".mp3")
    write(journal, path, "Jazz")
    entries, _ = read_journal(journal)
    for note in ("x", entries[0].delta[:-8], ""):
        damaged = type(entries[0])(entries[0].path, entries[0].before, entries[0].after, note)
        assert [one.outcome for one in undo([damaged])] == ["failed"]
    assert MediaFile(path).genres == ["Jazz"]
