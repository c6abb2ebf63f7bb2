"""Pooling of clips."""

from dataclasses import replace

import numpy as np
import pytest
from support.models import listening

from earmark.inference.aggregate import ClipPrediction, TrackPrediction, make_verdict, pool_clips
from earmark.inference.card import Calibration


def test_the_track_is_the_geometric_mean_of_its_clips():
    clips = np.array([[0.9, 0.1], [0.4, 0.6]])
    expected = np.sqrt(clips[0] * clips[1])
    np.testing.assert_allclose(pool_clips(np.log(clips), 1.0), expected / expected.sum())
    assert pool_clips(np.log(clips), 5.0).max() < pool_clips(np.log(clips), 1.0).max()


def clip(sound, styles=(0.1, 0.2, 0.3), start=0.0, probabilities=(0.75, 0.25), novelty=0.0):
    given = {"styles": styles, "moods": (0.5, 0.25), "sound": sound, "novelty": novelty}
    return ClipPrediction(
        start, start + 1, np.log(probabilities), **{name: np.array(values) for name, values in given.items()}
    )


def test_styles_and_moods_are_means_over_the_clips_that_were_heard():
    clips = [clip((1, 0, 0)), ClipPrediction(1.0, 2.0, skipped="silence"), clip((1, 0, 0), (0.5, 0.8, 0.3), 2.0)]
    verdict = make_verdict(TrackPrediction(clips, 3.0), listening().card)
    assert verdict.genre == "electronic"
    assert list(verdict.styles) == ["salsa", "techno", "swing"]
    assert verdict.styles == pytest.approx({"salsa": 0.5, "techno": 0.3, "swing": 0.3})
    assert verdict.moods == {"happy": 0.5, "sad": 0.25}
    assert [clip.reason for clip in verdict.clips] == [None, "silence", None]


@pytest.mark.parametrize(
    ("sounds", "reason"),
    [
        ([(0.9, 0.1, 0.0), (0.2, 0.8, 0.0)], None),  # on the whole, music
        ([(0.6, 0.4, 0.0), (0.0, 1.0, 0.0)], "speech"),
        ([(0.4, 0.2, 0.4), (0.2, 0.2, 0.6)], "no music"),
    ],
)
def test_what_is_no_music_has_no_genre_and_says_so(sounds, reason):
    verdict = make_verdict(TrackPrediction([clip(sound) for sound in sounds], 2.0), listening().card)
    assert verdict.reason == reason
    assert bool(verdict.genres) == bool(verdict.genre) == bool(verdict.styles) == (reason is None)
    assert verdict.to_dict()["moods"] == ({} if reason else {"happy": 0.5, "sad": 0.25})
    second = verdict.clips[1]
    assert (second.reason, bool(second.genres)) == ("no music" if reason == "no music" else "speech", False)


@pytest.mark.parametrize(
    ("probabilities", "novelties", "reason"),
    [
        ((0.9, 0.1), (0.5, 0.7), None),
        ((0.9, 0.1), (0.9, 0.7), "unlike what it learned"),  # however sure of it
        ((0.55, 0.45), (0.9, 0.9), "unlike what it learned"),
        ((0.55, 0.45), (0.1, 0.1), "two genres alike"),
        ((0.7, 0.3), (0.1, 0.1), "not sure enough"),
    ],
)
def test_an_unknown_answer_keeps_the_ranking_and_says_why(probabilities, novelties, reason):
    card = listening(calibration=Calibration(threshold=0.8, novelty=0.75)).card
    clips = [clip((1, 0, 0), probabilities=probabilities, novelty=novelty) for novelty in novelties]
    verdict = make_verdict(TrackPrediction(clips, 2.0), card)
    assert (verdict.genre, verdict.reason) == (None if reason else "electronic", reason)
    assert verdict.genres == pytest.approx(dict(zip(("electronic", "latin"), probabilities, strict=True)))
    assert verdict.confidence == pytest.approx(probabilities[0])
    assert list(verdict.styles) == ["swing", "salsa", "techno"]


def test_a_verdict_keeps_the_mean_of_the_features_of_the_clips_that_were_heard():
    heard = [clip((1, 0, 0)), clip((1, 0, 0))]
    rows = [np.float32([1, 2]), np.float32([3, 6])]
    clips = [replace(one, features=row) for one, row in zip(heard, rows, strict=True)]
    verdict = make_verdict(
        TrackPrediction([*clips, ClipPrediction(2.0, 3.0, skipped="silence")], 3.0), listening().card
    )
    assert verdict.embedding.dtype == np.float16
    assert verdict.embedding.tolist() == [2, 4]
    # what is compared, printed and written is the answer
    assert verdict == make_verdict(
        TrackPrediction([*heard, ClipPrediction(2.0, 3.0, skipped="silence")], 3.0), listening().card
    )
    assert "embedding" not in {**verdict.to_dict(), **verdict.to_record()}
    assert "embedding" not in repr(verdict)
