"""From sound to verdict: aggregation, calibration, unknowns, attention."""

from dataclasses import replace

import numpy as np
import pytest
from support.models import listening
from support.sounds import noise, wav

import earmark
from earmark.audio.clips import Clip
from earmark.errors import AudioError, SettingError
from earmark.inference.aggregate import make_verdict, pool_clips, sort_labels
from earmark.inference.tagger import Tagger
from earmark.inference.verdict import explain_doubt


@pytest.fixture(scope="module")
def tagger():
    return earmark.load("paper-attention-2x60")


def test_a_verdict_adds_up(tagger):
    verdict = tagger.classify(noise(32), 22050)
    assert verdict.duration == pytest.approx(32)
    assert set(verdict.genres) == set(tagger.labels)
    assert sum(verdict.genres.values()) == pytest.approx(1)
    assert list(verdict.genres.values()) == sorted(verdict.genres.values(), reverse=True)
    assert verdict.confidence == max(verdict.genres.values())
    assert [clip.start for clip in verdict.clips] == [0, 5, 10, 15, 20, 25]  # the last 2 s are less than half a clip
    for clip in verdict.clips:
        assert clip.end == clip.start + 5
        assert sum(clip.genres.values()) == pytest.approx(1)
        assert sum(clip.attention) == pytest.approx(1, abs=1e-5)


def test_a_padded_clip_attends_to_its_real_frames_only(tagger):
    full, half = tagger.classify(noise(8), 22050).clips
    assert (half.start, half.end) == (5, pytest.approx(8))
    frames = tagger.card.front_end.n_frames
    assert len(full.attention) == frames(tagger.card.clip_length)
    assert len(half.attention) == frames(3 * 22050) < len(full.attention)
    assert sum(half.attention) == pytest.approx(1, abs=1e-5)


def test_file_object_and_array_say_the_same(tagger):
    sound = np.round(noise(10) * 32767) / 32767
    sound = np.clip(sound, -1, 1)
    heard = tagger.classify(wav(sound, 22050))
    given = tagger.classify(sound * np.float32(32767 / 32768), 22050)
    assert heard.genres == pytest.approx(given.genres, abs=1e-4)
    assert heard.path is None


def test_channels_and_sample_rate_of_an_array(tagger):
    sound = noise(10, rate=44100)
    mono = tagger.classify(sound, 44100)
    stereo = tagger.classify(np.stack([sound, sound]), 44100)
    assert mono.genres == pytest.approx(stereo.genres, abs=1e-4)


@pytest.mark.parametrize("gain_db", [-20, 20])
def test_gain_changes_nothing(tagger, gain_db):
    sound = noise(10, level=0.02)
    louder = tagger.classify((sound * 10 ** (gain_db / 20)).astype(np.float32), 22050)
    assert louder.genres == pytest.approx(tagger.classify(sound, 22050).genres, abs=0.02)


def test_silence_is_no_genre(tagger):
    verdict = tagger.classify(np.zeros(22050 * 6, np.float32), 22050)
    assert (verdict.genre, verdict.reason, verdict.genres) == (None, "silence", {})


def test_silent_clips_do_not_count(tagger):
    sound = noise(5)
    alone = tagger.classify(sound, 22050)
    framed = tagger.classify(np.concatenate([np.zeros(5 * 22050, np.float32), sound]), 22050)
    assert framed.genres == pytest.approx(alone.genres)
    assert [bool(clip.genres) for clip in framed.clips] == [False, True]


@pytest.mark.parametrize("seconds", [1 / 22050, 0.3, 0.99])
def test_too_short(tagger, seconds):
    verdict = tagger.classify(noise(seconds), 22050)
    assert (verdict.genre, verdict.reason, verdict.error) == (None, "too short", None)


def test_what_is_uncertain_is_unknown(tagger):
    sound = noise(10)
    card = tagger.card
    for threshold, named in ((0.0, True), (1.0, False)):
        calibration = card.calibration.model_copy(update={"threshold": threshold})
        model = type(tagger.model)(card.model_copy(update={"calibration": calibration}), tagger.model.graph)
        verdict = Tagger(model).classify(sound, 22050)
        assert (verdict.genre is not None) == named
        assert verdict.reason == (None if named else explain_doubt(verdict.genres))
        assert verdict.best is not None


def test_a_spectrogram_takes_the_way_of_the_sound(tagger):
    sound = noise(20)
    front_end = tagger.card.front_end
    verdict = tagger.classify_spectrogram(front_end(sound[None])[0], 20.0)
    heard = tagger.classify(sound, 22050)
    assert [c.start for c in verdict.clips] == [c.start for c in heard.clips]
    assert verdict.genres == pytest.approx(heard.genres, abs=0.05)


def test_a_spectrogram_of_one_clip_is_exactly_the_sound(tagger):
    sound = noise(5)
    frames = tagger.card.front_end(sound)
    assert tagger.classify_spectrogram(frames, 5.0).genres == pytest.approx(tagger.classify(sound, 22050).genres)


@pytest.mark.parametrize(
    ("frames", "says"),
    [(np.zeros((4, 7)), r"shape \(4, 7\): need \(frames, 128\)"), (np.full((64, 128), np.nan), "not finite")],
)
def test_spectrograms_that_do_not_fit(tagger, frames, says):
    with pytest.raises(AudioError, match=says):
        tagger.classify_spectrogram(frames)


@pytest.mark.parametrize(
    ("source", "rate", "error", "says"),
    [
        (np.zeros(9), None, SettingError, "needs its sample rate"),
        (np.zeros(9, np.int16), 8000, AudioError, "need floats"),
        (np.zeros((2, 3, 4)), 8000, AudioError, "need floats"),
        (np.zeros(0), 8000, AudioError, "need floats"),
        (np.full(9000, np.nan), 8000, AudioError, "not finite"),
        ("song.mp3", 44100, SettingError, "sample_rate is for arrays"),
    ],
)
def test_sources_that_make_no_sense(tagger, source, rate, error, says):
    with pytest.raises(error, match=says):
        tagger.classify(source, rate)


def test_clips_that_overlap(tagger):
    """A card with a hop: clips begin at its multiples, and each says what it says by itself."""
    model = replace(tagger.model, card=tagger.card.model_copy(update={"hop_seconds": 2.5}))
    sound = noise(12)
    apart, overlapping = tagger.classify(sound, 22050), Tagger(model).classify(sound, 22050)
    assert [clip.start for clip in overlapping.clips] == [0, 2.5, 5, 7.5]
    assert [clip.start for clip in apart.clips] == [0, 5]
    assert overlapping.clips[2].genres == pytest.approx(apart.clips[1].genres, abs=1e-5)
    framed = Tagger(model).classify_spectrogram(tagger.card.front_end(sound), 12.0)
    assert [clip.start for clip in framed.clips] == [0, 2.5, 5, 7.5]


def test_each_layer_adds_one_step(tagger):
    """Frames, clips and track agree, and the verdict is what is pooled of them."""
    quiet, card = np.zeros(tagger.card.clip_length, np.float32), tagger.card
    sound = np.concatenate([noise(5), quiet, noise(3, seed=1)])
    track = tagger.predict(sound, 22050)
    assert [clip.skipped for clip in track.clips] == [None, "silence", None]
    assert track.clips[1].log_probabilities is None
    (first,) = tagger.predict_log_proba(card.front_end(noise(5)[None]))
    np.testing.assert_allclose(track.clips[0].log_probabilities, first, atol=1e-6)
    pooled = pool_clips(
        np.stack([track.clips[i].log_probabilities for i in (0, 2)]), card.calibration.track_temperature
    )
    verdict = make_verdict(track, card)
    assert verdict == tagger.classify(sound, 22050)
    assert verdict.genres == sort_labels(pooled, tagger.labels)
    assert [tagger.predict(noise(0.9), 22050).clips[0].skipped, card.is_long_enough(22049)] == ["too short", False]


def test_a_model_may_tell_styles_moods_and_what_is_no_music():
    tagger = Tagger(listening())
    frames = tagger.predict_frames(np.ones((2, 9, 40), np.float32))
    np.testing.assert_array_equal(frames.embedding, np.ones((2, 9, 40)))
    assert (frames.attention, frames.sound.shape) == (None, (2, 3))
    verdict = tagger.classify(noise(3, 4000), 4000)
    assert (verdict.genre, verdict.confidence) == ("electronic", pytest.approx(0.75))
    assert verdict.styles == pytest.approx({"salsa": 0.7, "techno": 0.2, "swing": 0.1})
    assert list(verdict.moods) == ["sad", "happy"]
    assert verdict.to_record()["style"] == "salsa"
    assert Tagger(listening((0, 1, 0))).classify(noise(3, 4000), 4000).reason == "speech"


def test_clips_of_any_length_keep_their_order(tagger):
    lengths = [tagger.card.clip_length, 60000, 60000, tagger.card.clip_length, 9]
    clips = [Clip(i * 10**6, noise(5, seed=i), length) for i, length in enumerate(lengths)]
    together = list(tagger.predict_clips(clips))
    assert [round(p.start * 22050) for p in together] == [clip.start for clip in clips]
    for clip, prediction in zip(clips[:4], together, strict=False):
        (alone,) = tagger.predict_clips([clip])
        np.testing.assert_allclose(prediction.log_probabilities, alone.log_probabilities, atol=1e-5)
        np.testing.assert_allclose(prediction.attention, alone.attention, atol=1e-6)
    assert together[4].skipped == "too short"
