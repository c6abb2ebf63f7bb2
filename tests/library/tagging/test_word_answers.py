"""Answers in words: what is written of a track, of an album, and what a plan says of them."""

from dataclasses import replace

import pytest
from support.models import listening

from earmark.inference.verdict import Verdict
from earmark.library.tagging.word_answers import WordAnswer, WordNamer
from earmark.library.tags.file_tags import FileTags
from earmark.library.tags.plan import PlanRow
from earmark.library.tags.selection import GenreSelector
from earmark.library.vocabulary import load_vocabulary

CARD = listening().card
CARD = CARD.model_copy(
    update={"calibration": CARD.calibration.model_copy(update={"threshold": 0.4, "tag_threshold": 0.6})}
)


def verdict(electronic, reason=None, **more):
    genres = {"electronic": electronic, "latin": 1 - electronic}
    genres = dict(sorted(genres.items(), key=lambda item: -item[1]))
    best, p = next(iter(genres.items()))
    return Verdict(None if reason else best, reason, p, genres, 30.0, (), "listening", "a.mp3", **more)


def namer(words=None, **options):
    return WordNamer(CARD, GenreSelector(load_vocabulary(words), tag_thresholds=CARD.tag_thresholds, **options))


def name(one, words=None, **options):
    (answer,) = namer(words, **options).name_tracks([(one, FileTags("a.mp3"))])
    return answer


def test_a_track_is_named_from_its_threshold_on():
    assert name(verdict(0.75)) == WordAnswer("Electronic", 0.75, "", ("Electronic",))
    assert name(verdict(0.55)) == WordAnswer("Electronic", 0.55, "not sure enough")
    assert name(verdict(0.55), min_confidence=0.5).genres == ("Electronic",)


def test_of_genres_that_share_a_word_the_sum_counts():
    both = {"words": {"electronic": "Dance", "latin": "Dance"}}
    answer = name(verdict(0.55), both)
    assert (answer.best, answer.genres) == ("Dance", ("Dance",))
    assert answer.confidence == pytest.approx(1)


def test_why_nothing_is_written():
    assert name(verdict(0.75), {"words": {"electronic": []}}).reason == "your words have none for it"
    assert name(Verdict(None, "speech", 0.0, {}, 3.0, (), "m")) == WordAnswer("", 0.0, "speech")
    unlike = verdict(0.9, "unlike what it learned")
    assert name(unlike) == WordAnswer("", 0.0, "unlike what it learned")
    assert name(unlike, min_confidence=0.5).genres == ("Electronic",)


def test_styles_moods_and_parents_follow():
    heard = verdict(0.75, styles={"techno": 0.7, "salsa": 0.2, "swing": 0.1}, moods={"sad": 0.9, "happy": 0.1})
    assert name(heard, styles=3, moods=2)[3:] == (("Electronic", "Techno"), ("Sad",))
    # styles of the genres that share the word, which the most probable genre does not
    dance = {"words": {"electronic": "Dance", "latin": "Dance"}}
    shared = replace(heard, genre="jazz", genres={"jazz": 0.35, "electronic": 0.33, "latin": 0.32})
    assert name(shared, dance, styles=3, min_confidence=0.6).genres == ("Dance", "Techno", "Salsa")
    tree = {"tree": [{"Dance": ["Electronic"]}]}
    own = WordNamer(CARD, GenreSelector(load_vocabulary(tree, with_parents=True), tag_thresholds=CARD.tag_thresholds))
    ((best, p, _, genres, _),) = own.name_tracks([(heard, FileTags("a.mp3"))])
    assert (best, p, genres) == ("Electronic", 0.75, ("Dance", "Electronic"))


def album(*verdicts, **tags):
    named = [replace(one, path=f"A/{i}.mp3") for i, one in enumerate(verdicts)]
    return [(one, FileTags(one.path, album="A", **tags)) for one in named]


def test_tracks_of_an_album_are_named_together():
    own = namer()
    # of an album less suffices than of a track
    answers = own.name_together(album(verdict(0.55), verdict(0.5), verdict(0.54)))
    assert [answer.genres for answer in answers] == [("Electronic",)] * 3
    assert [answer.confidence for answer in answers] == [0.55, 0.5, 0.54]
    assert own.name_album(album(verdict(0.55), verdict(0.5))).genres == ("Electronic",)
    # which is no reason to take one track for an album
    assert own.name_album(album(verdict(0.55))).genres == ()
    answers = own.name_together(album(*[verdict(0.9)] * 3, verdict(0.1)))
    assert [answer.reason for answer in answers] == ["", "", "", "unlike its album: Latin 90%"]
    assert answers[3] == WordAnswer("Latin", 0.9, "unlike its album: Latin 90%", ("Electronic",))


def test_a_compilation_is_named_by_track():
    tracks = album(verdict(0.9), verdict(0.1), verdict(0.55), compilation=True)
    assert [answer.genres for answer in namer().name_together(tracks)] == [("Electronic",), ("Latin",), ()]
    assert namer().name_album(tracks) is None
    assert namer().name_album(album(verdict(0.9), verdict(0.9), discs=4)) is None


@pytest.mark.parametrize(
    ("answer", "action", "genre"),
    [
        (WordAnswer("Jazz", 0.8, "", ("Jazz", "Swing")), "write", ("Jazz", "Swing")),
        (WordAnswer("Jazz", 0.8, "unlike its album", ("Pop",)), "review", ("Pop",)),
        (WordAnswer("Jazz", 0.3, "not sure enough"), "review", ("Jazz",)),
        (WordAnswer("", 0.0, "speech"), "keep", ()),
    ],
)
def test_what_is_unsure_is_for_a_person_to_decide(answer, action, genre):
    row = answer.plan(PlanRow("a.mp3", genre=answer.genres))
    assert (row.action, row.genre, row.reason, row.confidence) == (action, genre, answer.reason, answer.confidence)
