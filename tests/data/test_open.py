"""Opening a corpus whichever way its genres are given."""

import pytest

from earmark.data.open import open_labelled
from earmark.errors import CorpusError


@pytest.fixture
def folder(tmp_path):
    for genre, n in (("jazz", 5), ("rock", 4), ("ska", 2)):
        (tmp_path / genre).mkdir()
        for i in range(n):
            (tmp_path / genre / f"{genre}{i}.wav").touch()
    return tmp_path


def test_folders_are_taken_as_they_are_unless_rare_genres_are_spoken_of(folder):
    assert open_labelled(folder).counts == {"jazz": 5, "rock": 4, "ska": 2}
    assert open_labelled(folder, min_tracks=3).counts == {"jazz": 5, "rock": 4}
    assert open_labelled(folder, min_tracks=5, rare="merge").counts == {"jazz": 5, "other": 6}


def test_ten_tracks_are_enough_where_nobody_says_how_many(folder):
    with pytest.raises(CorpusError):
        open_labelled(folder, rare="drop")


def test_tags_are_read_from_files_only(folder):
    with pytest.raises(CorpusError, match="none of 11 files has a genre tag"):
        open_labelled(folder, "tags")


def test_folders_that_differ_in_spelling_only_are_one_genre(tmp_path):
    for genre, n in (("Hip-Hop", 3), ("hiphop", 1), ("jazz", 2)):
        (tmp_path / genre).mkdir()
        for i in range(n):
            (tmp_path / genre / f"{genre}.{i}.wav").touch()
    corpus = open_labelled(tmp_path)
    assert corpus.counts == {"Hip-Hop": 4, "jazz": 2}
    assert corpus.notes == ("Hip-Hop and hiphop are one genre: Hip-Hop",)
