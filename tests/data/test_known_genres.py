"""The tracks of a corpus under a model's labels, whatever their spelling, and those that it does not know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.data.corpus import Corpus, Track
from earmark.data.known_genres import assign_known_genres, divide_by_labels
from earmark.data.rare_genres import assign_common_genres
from earmark.errors import CorpusError

CHOICES = [["Indie", "Rock"], ["JAZZ"], ["Polka"]]


def corpus(*genres):
    return Corpus("mine", tuple(Track(f"{i}", genre) for i, genre in enumerate(genres)))


def test_a_track_goes_under_the_first_of_its_genres_that_the_model_knows():
    assert assign_known_genres(CHOICES, ["jazz", "Rock"]) == ("Rock", "jazz", "Polka")
    assert assign_known_genres(CHOICES, ["jazz", "Rock", "other"]) == ("Rock", "jazz", "other")
    assert assign_known_genres(CHOICES, ["ska"]) == ("Indie", "JAZZ", "Polka")


@given(
    st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=4), min_size=6, max_size=40),
    st.sampled_from(["drop", "merge"]),
)
def test_a_models_labels_file_its_own_library_as_in_training(choices, rare):
    try:
        genres = assign_common_genres(choices, 3, rare).genres
    except CorpusError:
        return
    labels = sorted(set(genres) - {""})
    assert assign_known_genres(choices, labels) == tuple(
        genre or own[0] for genre, own in zip(genres, choices, strict=True)
    )


def test_known_tracks_go_under_the_models_labels_and_foreign_ones_stay_apart():
    known, foreign = divide_by_labels(
        corpus("Jazz", "HipHop", "Salsa", "Polka", "hip hop"), ["hip hop", "jazz", "latin"]
    )
    assert known.counts == {"hip hop": 2, "jazz": 1, "latin": 1}
    assert known.notes == ("Salsa counts as latin",)
    assert foreign.counts == {"Polka": 1}
    with pytest.raises(CorpusError, match="knows none of the genres of mine: Fado, Polka; it knows: ska"):
        divide_by_labels(corpus("Polka", "Fado"), ["ska"])
