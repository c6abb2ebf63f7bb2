"""Arrays of samples: which axis is which, and what is no sound."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sounds import noise

import earmark
from earmark.audio.mixdown import mix_array
from earmark.errors import AudioError


@given(channels=st.integers(1, 8), times=st.integers(100, 400), dtype=st.sampled_from(["f2", "f4", "f8"]))
def test_either_axis_may_be_the_channels(channels, times, dtype):
    rows = np.random.default_rng(channels).uniform(-1, 1, (channels, channels * times)).astype(dtype)
    mono = mix_array(rows, 44100)
    for other in (mix_array(rows.T, 44100), mix_array(rows.T.copy(), 44100), rows.astype(float).mean(axis=0)):
        np.testing.assert_allclose(mono, other, atol=1e-6 if dtype != "f2" else 1e-3)
    assert (mono.shape, mono.dtype) == ((channels * times,), np.float32)


@given(shape=st.one_of(
    st.tuples(st.integers(9, 50), st.integers(9, 2000)),  # too many channels, whichever they are
    st.tuples(st.integers(1, 8), st.integers(1, 99)),  # too few samples to tell
    st.just((0, 2)), st.just(()), st.just((2, 3, 4000)),
))  # fmt: skip
def test_a_shape_that_does_not_tell_is_refused(shape):
    for array in (np.zeros(shape), np.zeros(shape).T):
        with pytest.raises(AudioError, match=re.escape(f"an array of float64 of shape {array.shape}: need floats")):
            mix_array(array, 44100)


@pytest.mark.parametrize("dtype", ["i2", "u1", "i4", "c16", "O"])
def test_what_is_no_float_tells_no_full_scale(dtype):
    with pytest.raises(AudioError, match=r"16-bit integers are to be divided by 32768"):
        mix_array(np.zeros((44100, 2), dtype), 44100)


def test_every_door_takes_the_shape_that_soundfile_gives():
    stereo = np.stack([noise(11), 0.5 * noise(11, seed=1)])
    tagger = earmark.load()
    doors = (
        tagger.classify,
        lambda *pair: str(tagger.predict(*pair)),
        lambda *pair: list(tagger.classify_many([pair] * 16, jobs=1)),
        lambda *pair: tagger.embed(*pair).vectors.tolist(),
        lambda *pair: earmark.Explainer(tagger).explain(pair, relevance=False).sound,
        lambda *pair: earmark.Explainer(tagger).explain(pair, relevance=False, sound=False).whole,
    )
    for door in doors:
        assert door(stereo.T, 22050) == door(stereo, 22050)
