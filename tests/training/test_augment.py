"""Distortions of training clips: each does the physics that it is named for, and nothing beyond."""

import pytest
import torch

from earmark.training.augment import Augment
from earmark.training.pipeline import make_pipeline
from earmark.training.registry import parse_recipe
from earmark.training.settings import AugmentationSettings

ALL = {"shift_bins": 2, "equalizer": 3.0, "lowpass": 0.5}


def distort(x, seed=0, **settings):
    torch.manual_seed(seed)
    return Augment(AugmentationSettings(**settings)).train()(x)


@pytest.fixture
def clips():
    """Levels in dB around zero; the last clips end in filling."""
    torch.manual_seed(1)
    x = 12 * torch.randn(300, 40, 16)
    x[200:, 30:] = torch.nan
    return x


def test_a_low_pass_silences_what_is_above_and_keeps_the_mean(clips):
    y = distort(clips, lowpass=0.5)
    torch.testing.assert_close(y.nanmean((1, 2)), clips.nanmean((1, 2)), atol=1e-3, rtol=0)
    y = y - (y - clips)[:, :1, :1]  # the lowest bin is never silenced: it shows the shift
    same = (((y - clips).abs() < 1e-4) | clips.isnan()).all(1)  # (clips, bins)
    cut = same.sum(1)
    assert all(row[:c].all() and not row[c:].any() for row, c in zip(same, cut.tolist(), strict=True))
    assert 0.3 < (cut < 16).float().mean() < 0.5  # half, but for the cuts above all bins
    assert set(cut.tolist()) == set(range(12, 17))
    for was, now, c in zip(clips[cut < 16], y[cut < 16], cut[cut < 16].tolist(), strict=True):
        above = now[:, c:][~was[:, c:].isnan()]
        torch.testing.assert_close(above, was[:, c:].nan_to_num(torch.inf).min().expand_as(above), atol=1e-4, rtol=0)


def test_without_settings_and_outside_training_nothing_is_done(clips):
    assert torch.equal(distort(clips).nan_to_num(), clips.nan_to_num())
    augment = Augment(AugmentationSettings(**ALL))
    assert augment.eval()(clips) is clips


@pytest.mark.parametrize("setting", ALL)
def test_filling_stays_and_the_seed_decides(clips, setting):
    one, two, other = (distort(clips, seed, **{setting: ALL[setting]}) for seed in (1, 1, 2))
    assert torch.equal(one.isnan(), clips.isnan())
    assert torch.equal(one.nan_to_num(), two.nan_to_num())
    assert not torch.equal(one.nan_to_num(), other.nan_to_num())


@pytest.mark.parametrize("setting", ALL)
def test_filling_has_no_say_in_what_is_done_to_real_frames(clips, setting):
    filled, cut = (distort(x, **{setting: ALL[setting]}) for x in (clips[200:], clips[200:, :30]))
    torch.testing.assert_close(filled[:, :30], cut)


def test_a_recipe_reaches_the_network():
    recipe = parse_recipe("[augmentation]\nshift_bins = 1\nequalizer = 0.3\nlowpass = 0.4\nmixup = 1.5", "mine")
    network = make_pipeline(recipe)[-1]
    assert network.augmentation == AugmentationSettings(shift_bins=1, equalizer=0.3, lowpass=0.4, mixup=1.5)
