"""One genre for each track that enough tracks share: what is common, what is rare, and what becomes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.data.corpus import open_corpus
from earmark.data.rare_genres import assign_common_genres, filter_rare_genres
from earmark.errors import CorpusError, SettingError


def test_a_track_goes_under_the_first_of_its_genres_that_is_common_enough():
    choices = [["Indie", "Rock"]] * 2 + [["Rock", "Jazz"]] * 3 + [["Jazz"]] * 3
    assignment = assign_common_genres(choices, 3)
    assert assignment.genres == ("Rock",) * 5 + ("Jazz",) * 3
    assert assignment.notes == ()
    assert assign_common_genres(choices, 2).genres == ("Indie",) * 2 + ("Rock",) * 3 + ("Jazz",) * 3


def test_a_genre_that_is_named_often_but_seldom_first_is_rare_too():
    choices = [["Rock", "Pop"]] * 5 + [["Pop", "Rock"], ["Pop"]]
    assignment = assign_common_genres(choices, 3)  # Pop is named by seven, but two would be filed there
    assert assignment.genres == ("Rock",) * 6 + ("",)
    assert assignment.notes == ("left out 1 of 7 tracks, of genres with fewer than 3 tracks: Pop 1",)


def test_rare_genres_are_dropped_or_merged():
    choices = [["Rock"]] * 6 + [["Polka"]] * 2 + [["Zydeco", "Fado"]]
    dropped, merged = assign_common_genres(choices, 3), assign_common_genres(choices, 3, "merge")
    assert dropped.genres == ("Rock",) * 6 + ("",) * 3
    assert dropped.notes == ("left out 3 of 9 tracks, of genres with fewer than 3 tracks: Polka 2, Zydeco 1",)
    assert merged.genres == ("Rock",) * 6 + ("other",) * 3
    assert merged.notes == ("merged 3 tracks of genres with fewer than 3 tracks into 'other': Polka 2, Zydeco 1",)


def test_too_few_rare_tracks_make_no_genre_of_their_own():
    assignment = assign_common_genres([["Rock"]] * 6 + [["Polka"]] * 2, 3, "merge")
    assert assignment.genres == ("Rock",) * 6 + ("",) * 2
    assert "too few to make up 'other': Polka 2" in assignment.notes[0]
    joined = assign_common_genres(
        [["Rock"]] * 6 + [["Other"]] * 3 + [["Polka"]] * 2, 3, "merge"
    )  # there is one already
    assert joined.genres[6:] == ("Other",) * 5


def test_a_long_list_of_rare_genres_is_cut():
    note = assign_common_genres([["Rock"]] * 3 + [[f"g{i:02}"] for i in range(30)], 3).notes[0]
    assert note.endswith("g18 1, g19 1 and 10 more")


@given(
    st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=4), min_size=1, max_size=40),
    st.integers(1, 6),
    st.sampled_from(["drop", "merge"]),
)
def test_every_genre_of_any_filing_is_common_enough(choices, least, rare):
    mentions = [sum(g in own for own in choices) for g in "abcdefg"]
    if max(mentions) < least:
        with pytest.raises(CorpusError, match=f"no genre has {least} tracks; the most common"):
            assign_common_genres(choices, least, rare)
        return
    genres = assign_common_genres(choices, least, rare).genres
    counts = {g: genres.count(g) for g in set(genres) - {"", "other"}}
    assert all(n >= least for n in counts.values())
    for own, genre in zip(choices, genres, strict=True):
        assert genre == next((g for g in own if g in counts), genre if genre in ("", "other") else None)


@pytest.mark.parametrize(("least", "rare"), [(0, "drop"), (3, "hide")])
def test_settings_that_make_no_sense(least, rare):
    with pytest.raises(SettingError, match="need at least 1, and 'drop' or 'merge'"):
        assign_common_genres([["Rock"]], least, rare)


def test_genre_folders_can_be_sifted_as_well(tmp_path):
    for genre, n in (("rock", 4), ("jazz", 2), ("polka", 1)):
        (tmp_path / genre).mkdir()
        for i in range(n):
            (tmp_path / genre / f"{genre}.{i}.wav").touch()
    corpus = open_corpus(tmp_path)
    assert filter_rare_genres(corpus, 2).counts == {"jazz": 2, "rock": 4}
    merged = filter_rare_genres(corpus, 3, "merge")
    assert merged.counts == {"other": 3, "rock": 4}
    assert [t.id for t in merged.tracks] == ["jazz.0", "jazz.1", "polka.0", "rock.0", "rock.1", "rock.2", "rock.3"]
    assert merged.notes == ("merged 3 tracks of genres with fewer than 3 tracks into 'other': jazz 2, polka 1",)
