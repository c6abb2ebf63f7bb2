"""Integrated gradients: the shares add up to the whole difference."""

import numpy as np
from support.models import FRONT_ENDS, planted

from earmark.data.synth import compose
from earmark.explanation.integrated_gradients import IntegratedGradients
from earmark.explanation.occlusion import compute_evidence, make_neutral
from earmark.inference.tagger import Tagger

RATE = 22050


def test_integrated_gradients_share_out_the_whole_difference(tagger, sound):
    front_end = FRONT_ENDS[0]
    known = planted(slice(8, 16), front_end, style=slice(20, 28))
    frames = front_end(compose("ragtime", np.random.default_rng(0), seconds=1)[:4000].astype(np.float32))
    ends = compute_evidence(Tagger(known), np.stack([frames, make_neutral(frames, front_end)]))
    shares = IntegratedGradients(known, 4, others=["techno"]).shares(frames)
    np.testing.assert_allclose(shares.sum(axis=(0, 1)), ends[0] - ends[1], atol=1e-3)
    expected = (frames - make_neutral(frames, front_end)) * 0.01 / len(frames) / np.log(2)
    for name, first in ((0, 8), (2, 20)):
        band = slice(first, first + 8)
        np.testing.assert_allclose(shares[:, band, name], expected[:, band], atol=1e-5)
        assert not shares[:, :first, name].any() and not shares[:, band.stop :, name].any()
    frames = tagger.card.front_end(sound[: 5 * RATE])
    ends = compute_evidence(tagger, np.stack([frames, make_neutral(frames, tagger.card.front_end)]), (5, 1))
    shares = IntegratedGradients(tagger.model, 128)(frames, lambda _: None, (5, 1))
    assert shares.shape[-1] == ends.shape[-1] == len(tagger.labels) + 1
    np.testing.assert_allclose(shares.sum(axis=(0, 1)), ends[0] - ends[1], atol=0.1)
