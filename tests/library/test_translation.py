"""Answers in words, and which words a name means."""

from dataclasses import replace

import pytest
from support.verdicts import verdict_of

from earmark.errors import SettingError
from earmark.inference.verdict import ClipVerdict
from earmark.library.translation import find_genres, list_words, translate_verdict
from earmark.library.vocabulary import load_vocabulary

OWN = load_vocabulary({"words": {"jazz": ["Jazz", "Swing"], "metal": "Rock", "pop": []}})


def test_an_answer_is_told_in_words_with_its_clips():
    clip = ClipVerdict(0.0, 10.0, {"rock": 0.5, "metal": 0.25, "pop": 0.25}, None)
    told = translate_verdict(verdict_of("/m/a.mp3", clips=[clip]), OWN)
    assert (told.genre, told.confidence) == ("Jazz", 0.7)
    assert told.genres == {"Jazz": 0.7, "Swing": 0.7, "Rock": 0.3}
    assert next(iter(told.genres)) == told.genre
    assert told.clips[0].genres == {"Rock": 0.75}


def test_in_the_models_own_names_an_answer_is_the_same():
    verdict = verdict_of("/m/a.mp3")
    assert translate_verdict(verdict, load_vocabulary("model")) is verdict
    # of depth 1, a style becomes its family
    styles = replace(verdict, styles={"techno": 0.5, "house": 0.5})
    assert translate_verdict(styles, load_vocabulary("model", depth=1)).styles == {"electronic": 1.0}


@pytest.mark.parametrize(("genre", "word"), [("pop", None), (None, None), ("metal", "Rock")])
def test_a_genre_without_a_word_is_unknown(genre, word):
    assert translate_verdict(verdict_of("/m/a.mp3", genre), OWN).genre == word


def test_a_name_is_a_word_or_a_genre_of_the_model():
    labels = ["jazz", "metal", "pop", "rock"]
    assert list_words(labels, OWN) == ["Jazz", "Swing", "Rock"]
    assert find_genres(["SWING"], labels, "mine", OWN) == (["jazz"], ["Swing"])
    # what shares the word goes with it; "pop" has none
    assert find_genres(["metal", "Pop"], labels, "mine", OWN) == (["metal", "pop", "rock"], ["Rock"])
    with pytest.raises(SettingError, match="polka"):
        find_genres(["polka"], labels, "mine", OWN)
