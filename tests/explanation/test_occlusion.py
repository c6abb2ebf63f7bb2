"""Occlusion: every cell counts as often, and what a known model reads is found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.models import FRONT_ENDS, planted

from earmark.audio import StftDensity
from earmark.explanation.integrated_gradients import IntegratedGradients
from earmark.explanation.occlusion import (
    WINDOW,
    Cells,
    Occlusion,
    compute_evidence,
    list_windows,
    log_odds,
    make_neutral,
)
from earmark.inference.card import Calibration
from earmark.inference.model import Model
from earmark.inference.tagger import Tagger

RATE = 22050


@given(st.integers(1, 20), st.integers(1, 20))
def test_every_cell_is_hidden_equally_often(columns, bands):
    assert (list_windows(columns, bands).sum(axis=0) == WINDOW**2).all()


@settings(deadline=None)
@given(st.lists(st.floats(-30, 0), min_size=2, max_size=12), st.floats(0.3, 5))
def test_log_odds_are_those_of_the_calibrated_probabilities(log_p, temperature):
    tempered = np.exp(np.array(log_p) / temperature)
    p = tempered / tempered.sum()
    others = np.array([np.delete(tempered, k).sum() for k in range(len(p))]) / tempered.sum()
    np.testing.assert_allclose(log_odds(np.array([log_p]), temperature)[0], np.log2(p / others), rtol=1e-6, atol=1e-9)


def test_what_is_nearly_certain_keeps_its_digits():
    assert log_odds(np.log([[1.0, 1e-12]]), 1.0)[0, 0] == pytest.approx(np.log2(1e12))


@pytest.mark.parametrize("front_end", [*FRONT_ENDS, StftDensity()], ids=str)
def test_what_replaces_a_region_is_steady_and_as_loud_and_sloped_as_the_clip(front_end, rng):
    frames = front_end(rng.normal(0, 0.1, front_end.sample_rate).astype(np.float32))
    base = make_neutral(frames, front_end)
    assert (base == base[0]).all()
    if getattr(front_end, "log", True):
        mels = np.log1p(front_end.frequencies / 700)
        assert base.mean() == pytest.approx(frames.mean(), abs=1e-3)
        np.testing.assert_allclose(np.polyfit(mels, base[0], 1), np.polyfit(mels, frames.mean(axis=0), 1), rtol=1e-3)
        np.testing.assert_allclose(np.polyval(np.polyfit(mels, base[0], 1), mels), base[0], atol=1e-3)
    else:
        assert (base > 0).all()


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=lambda f: f.kind)
def test_occlusion_finds_exactly_what_a_known_model_hears(front_end, rng):
    bands = {"yes": slice(8, 16), "techno": slice(20, 28)}
    tagger = Tagger(planted(bands["yes"], front_end, style=bands["techno"]))
    frames = front_end(rng.normal(0, 0.1, 4000).astype(np.float32))
    cells, steps = Cells.of(tagger.card, len(frames)), []
    found = Occlusion(tagger)(frames, steps.append)
    assert sum(steps) == Occlusion(tagger).steps(len(frames))
    assert tagger.card.names == ("yes", "no", "techno")
    for name, band in bands.items():
        share = (frames - make_neutral(frames, front_end)) * 0.01 / len(frames) / np.log(2)
        share[:, : band.start] = share[:, band.stop :] = 0
        each = cells.sum_cells(share)
        total = np.zeros(cells.shape)
        for window in list_windows(*cells.shape):  # slowly, one by one
            total += window * each[window].sum()
        np.testing.assert_allclose(found[..., tagger.card.names.index(name)], total / WINDOW**2, atol=1e-4)
    np.testing.assert_allclose(found[..., 1], -found[..., 0], atol=1e-9)


def test_threads_change_nothing(tagger, sound):
    frames = tagger.card.front_end(sound[: 5 * RATE])
    one, two = (Occlusion(tagger, jobs)(frames, lambda _: None) for jobs in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_labels_with_probabilities_of_their_own_have_evidence_of_their_own(rng):
    """The planted model's "yes" and "no", read as a model of several genres: the same log-odds, of two labels."""
    one = planted(slice(8, 16), FRONT_ENDS[0])
    several = Calibration(thresholds=(0.5, 0.5))
    many = Model(one.card.model_copy(update={"calibration": several}), one.graph)
    clips = FRONT_ENDS[0](rng.normal(0, 0.1, (3, 4000)).astype(np.float32))
    found = compute_evidence(Tagger(many), clips)
    np.testing.assert_allclose(found, compute_evidence(Tagger(one), clips), atol=1e-4)
    gradients = [IntegratedGradients(model, 4).shares(clips[0]) for model in (one, many)]
    np.testing.assert_allclose(*gradients, atol=1e-5)
