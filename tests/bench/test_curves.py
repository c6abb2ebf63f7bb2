"""Deletion and insertion curves: they begin and end where they must, and explanations beat random orders."""

import numpy as np
import pytest
from curves import STEPS, TENTH, curves, order
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.decode import decode
from earmark.data.synth import compose
from earmark.explanation.occlusion import Cells, Occlusion, compute_evidence, make_neutral
from earmark.inference.tagger import Tagger

RATE = 22050


def test_curves_meet_at_their_ends(rng):
    tagger = Tagger("paper-attention-2x60")  # a quarter of the default model's time
    sound = compose("carillon", np.random.default_rng(1), seconds=13)[: 5 * RATE].astype(np.float32)
    frames = tagger.card.front_end(sound)
    cells = Cells.of(tagger.card, len(frames))
    orders = np.stack([rng.permutation(cells.shape[0] * cells.shape[1]) for _ in range(3)])
    found = curves(tagger, frames, cells, orders, 1)
    assert found.deletion.shape == (3, STEPS + 1)
    np.testing.assert_allclose(found.deletion[:, 0], found.insertion[:, -1], atol=1e-5)
    np.testing.assert_allclose(found.deletion[:, -1], found.insertion[:, 0], atol=1e-5)
    hidden = np.isin(np.arange(256), orders[1, :26]).reshape(cells.shape)
    altered = np.where(cells.expand(hidden), make_neutral(frames, tagger.card.front_end), frames)
    odds = compute_evidence(tagger, altered[None])[0, 1]
    assert found.deletion[1, TENTH] == pytest.approx(1 / (1 + 2**-odds), abs=1e-5)


@given(st.lists(st.integers(0, 3), min_size=4, max_size=40), st.integers(0, 9))
def test_orders_begin_with_what_matters_most(values, seed):
    relevance = np.array(values, float)[:, None]
    ranked = order(relevance, np.random.default_rng(seed))
    assert sorted(ranked) == list(range(len(values)))
    assert list(relevance[ranked, 0]) == sorted(values, reverse=True)


@pytest.mark.parametrize("model", ["gtzan", "paper-attention-2x60"])
def test_deleting_what_matters_hurts_more_than_deleting_anything(model, gtzan, rng):
    from earmark.explanation.integrated_gradients import IntegratedGradients

    tagger = Tagger(model)
    rate, seconds = tagger.card.front_end.sample_rate, round(tagger.card.clip_seconds)
    methods = [Occlusion(tagger), IntegratedGradients(tagger.model, 8)]
    drops, areas = [], []
    for genre in ("blues", "classical", "metal", "reggae"):
        path = min((gtzan / "audio" / genre).glob("*.ogg"))
        frames = tagger.card.front_end(decode(path, rate)[10 * rate : (10 + seconds) * rate])
        label = int(tagger.predict_log_proba(frames[None])[0].argmax())
        cells = Cells.of(tagger.card, len(frames))
        ranked = [order(find(frames, lambda _: None)[..., label], rng) for find in methods]
        orders = np.stack(ranked + [rng.permutation(ranked[0].size) for _ in range(8)])
        found = curves(tagger, frames, cells, orders, label)
        drops.append(found.drop)
        areas.append(found.areas[0])
    (occlusion, gradients, *random), (below_occlusion, below_gradients, *below_random) = np.mean([drops, areas], axis=1)
    assert min(occlusion, gradients) > max(random) + 0.15
    assert max(below_occlusion, below_gradients) < min(below_random)
