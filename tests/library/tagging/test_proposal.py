"""What is proposed: for a track, for the tracks of an album, beside genres that are there."""

from dataclasses import replace

import pytest
from support.models import listening
from support.verdicts import verdict_of

from earmark.inference.card import Calibration
from earmark.inference.verdict import Verdict
from earmark.library.tagging.proposal import Proposer
from earmark.library.tagging.tracks import Track
from earmark.library.tags.file_tags import FileTags
from earmark.library.tags.plan import PlanRow
from earmark.library.tags.selection import GenreSelector
from earmark.library.tags.values import TagValues, read_note
from earmark.library.vocabulary import load_vocabulary

CALIBRATION = Calibration(threshold=0.5, tag_threshold=0.6)
CARD = listening().card.model_copy(update={"labels": ("jazz", "rock"), "calibration": CALIBRATION})


def heard(genre="jazz", p=0.7, path="/m/a.mp3", reason=None, **more):
    genres = {genre: p, "rock" if genre != "rock" else "jazz": 1 - p}
    return Verdict(None if reason else genre, reason, p, genres, 9.0, (), "made-up", path, **more)


def track(verdict=None, there=(), correction=None, **tags):
    verdict = verdict or heard()
    return Track(verdict, FileTags(verdict.path, **tags), TagValues(there), "1 bytes at 2 ns", correction)


def proposer(existing="keep", by_album=False, **selection):
    return Proposer(CARD, GenreSelector(**{"tag_thresholds": CARD.tag_thresholds} | selection), existing, by_album)


def test_a_row_says_what_is_written_and_by_whom():
    row = proposer(styles=1, moods=1).propose(
        track(heard(styles={"swing": 0.5}, moods={"happy": 0.9}), album="An album")
    )
    note = row.source
    assert replace(row, source="") == PlanRow(
        "/m/a.mp3", "An album", (), ("Jazz",), ("Swing",), ("Happy",), 0.7, "", "write", "1 bytes at 2 ns"
    )
    assert note.startswith("model=made-up; checksum=")
    assert (read_note(note, "genre"), read_note(note, "mood")) == (("Jazz", "Swing"), ("Happy",))


@pytest.mark.parametrize(
    ("verdict", "genre", "action", "reason", "outcome"),
    [
        (heard(p=0.55), ("Jazz",), "review", "not sure enough", "unsure"),
        (heard(reason="two genres alike"), ("Jazz",), "review", "two genres alike: jazz or rock", "unknown"),
        (heard(reason="unlike what it learned"), ("Jazz",), "review", "unlike what it learned", "unknown"),
        (Verdict(None, "silence", 0.0, {}, 9.0, (), "m", "/a"), (), "keep", "silence", "unknown"),
        (verdict_of("/a", error="no sound"), (), "keep", "no sound", "failed"),
    ],
)
def test_what_is_not_written_says_why_and_holds_the_guess(verdict, genre, action, reason, outcome):
    row = proposer().propose(track(verdict))
    assert (row.genre, row.action, row.reason, row.outcome, row.source) == (genre, action, reason, outcome, "")


def test_what_ones_words_leave_out_is_kept():
    row = proposer(vocabulary=load_vocabulary({"words": {"jazz": []}})).propose(track())
    assert (row.action, row.outcome) == ("keep", "left out")


@pytest.mark.parametrize(
    ("existing", "there", "written"),
    [
        ("keep", ("Polka",), None),
        ("replace", ("Polka",), ("Jazz",)),
        ("replace", ("Jazz",), None),
        ("append", ("Polka",), ("Polka", "Jazz")),
        ("append", ("jazz", "Polka"), None),
        ("mine", ("Polka",), None),
    ],
)
def test_genres_that_are_there(existing, there, written):
    row = proposer(existing).propose(track(there=there))
    assert row.current == there
    assert (row.genres, row.action) == ((written, "write") if written else ((), "keep"))
    if not written:
        assert (row.reason, row.outcome) == ("has a genre", "had one")


def test_styles_stand_apart_from_genres_unless_they_are_there():
    told = heard(styles={"swing": 0.6, "techno": 0.4})
    row = proposer("append", styles=2).propose(track(told, there=("Swing",)))
    assert (row.genre, row.styles) == (("Swing", "Jazz"), ())
    row = proposer("append", styles=2).propose(track(told, there=("Polka",)))
    assert (row.genre, row.styles, row.genres) == (("Polka", "Jazz"), ("Swing",), ("Polka", "Jazz", "Swing"))


@pytest.mark.parametrize(
    ("existing", "there", "action"),
    [
        ("keep", (), "write"),
        ("keep", ("Polka",), "review"),
        ("replace", ("Polka",), "write"),
        ("keep", ("Ska",), "keep"),
    ],
)
def test_a_correction_goes_before_what_the_model_says(existing, there, action):
    row = proposer(existing).propose(track(there=there, correction="Ska"))
    assert (row.action, row.source, row.confidence) == (action, "", None)
    assert row.genre == (() if action == "keep" else ("Ska",))


@pytest.mark.parametrize(
    ("vocabulary", "correction", "genre"),
    [
        (None, "jazz", ("Jazz",)),
        ({"words": {"jazz": ["Swing", "Jazz"]}}, "JAZZ", ("Swing", "Jazz")),
        # an own word stays as it was given, unless the vocabulary has one for it
        (None, "my campfire", ("my campfire",)),
        ({"words": {"my campfire": "Lagerfeuer"}}, "My Campfire", ("Lagerfeuer",)),
        ({"aliases": {"Folk": ["my .*"]}}, "My Campfire", ("Folk",)),
        ({"words": {"jazz": []}}, "jazz", ()),
    ],
)
def test_a_correction_is_written_in_words(vocabulary, correction, genre):
    row = proposer(vocabulary=load_vocabulary(vocabulary)).propose(track(correction=correction))
    assert (row.genre, row.action) == (genre, "write" if genre else "keep")


def album(*tracks, **tags):
    tags = {"album": "One", "albumartist": "Somebody"} | tags
    return [track(replace(verdict, path=f"/m/one/{i}.mp3"), there, **tags) for i, (verdict, there) in enumerate(tracks)]


def propose(tracks, **options):
    return [(row.genre, row.action, row.reason) for row in proposer(by_album=True, **options).propose_all(iter(tracks))]


def test_the_tracks_of_an_album_get_one_genre():
    tracks = album((heard(p=0.9), ()), (heard(p=0.8), ()), (heard("rock", 0.55), ()))
    assert propose(tracks) == [(("Jazz",), "write", "")] * 3
    (first, *_) = proposer(by_album=True).propose_all(iter(tracks))
    assert first.album == "One"
    assert 0.6 < first.confidence < 0.9


def test_an_album_may_be_less_sure_than_a_track_and_each_track_has_moods_of_its_own():
    tracks = album((heard(p=0.55, moods={"sad": 0.9}), ()), (heard(p=0.55, moods={"happy": 0.9}), ()))
    assert [row.action for row in proposer(moods=1).propose_all(iter(tracks))] == ["review"] * 2
    rows = proposer(by_album=True, moods=1).propose_all(iter(tracks))
    assert [(row.action, row.moods) for row in rows] == [("write", ("Sad",)), ("write", ("Happy",))]


def test_a_correction_stays_whatever_the_album_has():
    rest, own = album((heard(), ("Polka",)), (heard(), ("Jazz",)))
    assert list(proposer(by_album=True).propose_all([rest, own._replace(correction="Ska")]))[1].genre == ("Ska",)


def test_what_is_sure_of_another_genre_than_its_album_is_to_be_reviewed():
    tracks = album(*[(heard(p=0.95), ())] * 5, (heard("rock", 0.95), ()))
    *rest, odd = propose(tracks)
    assert rest == [(("Jazz",), "write", "")] * 5
    assert odd == (("Jazz",), "review", "unlike its album: rock 95%")


@pytest.mark.parametrize("listened", [True, False])
def test_what_an_album_has_already_is_its_genre(listened):
    # a library knows verdicts on tracks that keep their genre too
    kept = heard("rock", 0.9) if listened else Verdict(None, None, 0.0, {}, None, (), "m")
    rest = [(heard(), ()), (heard("rock", 0.9), ()), (heard("rock", 0.55), ()), (heard(), ("Jazz",))]
    assert propose(album((kept, ("Fusion", "jazz")), *rest)) == [
        ((), "keep", "has a genre"),
        (("Jazz",), "write", ""),
        (("Fusion", "jazz"), "review", "unlike its album: rock 90%"),
        (("Fusion", "jazz"), "review", "not sure enough"),
        ((), "keep", "has a genre"),
    ]


def test_compilations_and_failures_are_left_to_their_tracks():
    mixed = album((heard(p=0.9), ()), (heard("rock", 0.9), ()), albumartist="Various Artists")
    assert [row[0] for row in propose(mixed)] == [("Jazz",), ("Rock",)]
    broken = album((heard(p=0.9), ()), (verdict_of("/x", error="no sound"), ()), (heard(p=0.9), ()))
    assert [row[1:] for row in propose(broken)] == [("write", ""), ("keep", "no sound"), ("write", "")]
