"""Cutting: nothing lost, nothing twice, and the block sizes do not matter."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio import cut, preview_starts
from earmark.audio.clips import cut_frames, spans
from earmark.errors import SettingError


@pytest.mark.parametrize(
    ("seconds", "clips"), [(30, 6), (29.99, 6), (32.4, 6), (32.5, 7), (33, 7), (5, 1), (2.4, 1), (0.01, 1), (7.4, 1)]
)
def test_number_of_clips(seconds, clips):
    assert len(list(cut([np.ones(round(seconds * 100))], 500))) == clips


@given(
    signal=st.integers(0, 60).map(lambda n: np.arange(1, n + 1, dtype=np.float32)),
    clip_length=st.integers(1, 12),
    data=st.data(),
)
def test_blocks_of_any_size_give_the_same_clips(signal, clip_length, data):
    hop = data.draw(st.integers(1, clip_length))
    bounds = sorted(data.draw(st.lists(st.integers(0, len(signal)), max_size=5)))
    whole = list(cut([signal], clip_length, hop))
    pieces = list(cut(np.split(signal, bounds), clip_length, hop))
    assert [(c.start, c.length, c.samples.tolist()) for c in pieces] == [
        (c.start, c.length, c.samples.tolist()) for c in whole
    ]
    for clip in whole:
        assert len(clip.samples) == clip_length
        np.testing.assert_array_equal(clip.samples[: clip.length], signal[clip.start : clip.start + clip.length])
        assert not clip.samples[clip.length :].any()


@given(n=st.integers(1, 200), clip_length=st.integers(1, 20))
def test_without_overlap_at_most_half_a_clip_is_dropped(n, clip_length):
    clips = list(cut([np.zeros(n)], clip_length))
    kept = sum(c.length for c in clips)
    assert [c.start for c in clips] == list(range(0, len(clips) * clip_length, clip_length))
    assert n - kept < clip_length / 2


def test_silence_is_told_from_sound_by_its_real_samples():
    quiet, loud = cut([np.full(10, 1e-4), np.full(3, 0.5)], 10, None), cut([np.full(6, 1e-3)], 10)
    first, _ = *quiet, None
    assert first.silent
    assert not next(loud).silent  # -60 dB, though padded with zeros


@pytest.mark.parametrize(("length", "hop"), [(0, None), (5, 0), (5, 6), (-1, 1)])
def test_lengths_that_make_no_sense(length, hop):
    with pytest.raises(SettingError, match="need 0 < hop <= clip length"):
        list(cut([np.ones(9)], length, hop))


@given(duration=st.floats(0, 1000), count=st.integers(1, 10))
def test_preview_windows_lie_inside_and_apart(duration, count):
    starts = preview_starts(duration, 5.0, count)
    assert len(starts) == min(count, int(duration // 5.0))
    assert all(s >= 0 and s + 5.0 <= duration + 1e-9 for s in starts)
    assert all(b - a >= 5.0 - 1e-9 for a, b in pairwise(starts))


@given(frames=st.integers(1, 400), seconds=st.floats(0.5, 60))
def test_frames_are_cut_as_the_sound_would_be(frames, seconds):
    spectrogram = np.arange(frames, dtype=np.float32)[:, None]
    clips = cut_frames(spectrogram, seconds, 5.0, 64)
    sound = list(cut([np.zeros(round(seconds * 1000))], 5000))
    assert [start for start, _ in clips] == [c.start / 1000 for c in sound]
    for start, clip in clips:
        assert len(clip) <= 64
        if len(clip):
            assert abs(clip[0, 0] - start * frames / seconds) <= 0.5 + 1e-6


@given(st.integers(0, 400), st.integers(1, 40), st.data())
def test_spans_are_where_clips_are_cut(length, clip_length, data):
    hop = data.draw(st.none() | st.integers(1, clip_length))
    clips = cut([np.zeros(length, np.float32)], clip_length, hop)
    assert spans(length, clip_length, hop) == [(clip.start, clip.length) for clip in clips]
