"""Distortions of training clips: each does the physics that it is named for, and nothing beyond."""

import numpy as np
import pytest
import torch

from earmark.training.augment import Augment, Augmentation
from earmark.training.pipeline import make_pipeline
from earmark.training.recipe import parse_recipe

ALL = {"stretch": 0.3, "shift_bins": 2, "equalizer": 3.0, "dynamics": 0.2, "floor": 0.5, "lowpass": 0.5, "noise": 2.0}


def distort(x, seed=0, **settings):
    torch.manual_seed(seed)
    return Augment(Augmentation(**settings)).train()(x)


@pytest.fixture
def clips():
    """Levels in dB around zero; the last clips end in filling."""
    torch.manual_seed(1)
    x = 12 * torch.randn(300, 40, 16)
    x[200:, 30:] = torch.nan
    return x


def ruler(n_clips, n_frames, real, period=12.0):
    """Two bins: the number of the frame, which shows where a clip was read, and a sine."""
    frames = torch.arange(n_frames, dtype=torch.float32)
    x = torch.stack([frames, torch.sin(2 * torch.pi * frames / period)], dim=1).repeat(n_clips, 1, 1)
    x[:, real:] = torch.nan
    return x


@pytest.mark.parametrize("real", [256, 200])
def test_a_stretched_beat_changes_its_rate_by_what_was_drawn(real):
    x = ruler(100, 256, real)
    y = distort(x, stretch=0.5)[:, :real].double().numpy()
    rates = np.median(np.abs(np.diff(y[:, :, 0], axis=1)), axis=1)
    frequencies = np.fft.rfftfreq(8192)
    beats = frequencies[np.abs(np.fft.rfft(y[:, :, 1] * np.hanning(real), 8192, axis=1)).argmax(axis=1)]
    slow = rates < 1  # not turned back, so that the beat is pure
    np.testing.assert_allclose(beats[slow], rates[slow] / 12, rtol=0.02)
    np.testing.assert_allclose(beats, rates / 12, rtol=0.1)
    assert 1 / 1.5 <= rates.min() < 0.72
    assert 1.4 < rates.max() <= 1.5
    assert np.median(np.log(rates)) == pytest.approx(0, abs=0.1)


def test_stretching_reads_between_real_frames_and_turns_back_at_the_ends():
    real = 50
    x = ruler(100, 60, real)
    y = distort(x, stretch=0.5)
    assert torch.equal(y.isnan(), x.isnan())
    place, sine = y[:, :real, 0].double().numpy(), y[:, :real, 1].double().numpy()
    assert place.min() >= 0
    assert place.max() <= real - 1
    np.testing.assert_allclose(sine, np.interp(place, np.arange(real), x[0, :real, 1].double()), atol=1e-5)
    steps = np.diff(place, axis=1)
    slow = np.median(np.abs(steps), axis=1) < 1
    assert (steps[slow] > 0).all()
    assert np.ptp(place[slow, 0]) > 5  # begins anywhere
    backwards = (steps[~slow] < -0.5).mean(axis=1)
    assert 0 < backwards.max() < 0.4  # at most a third is heard twice, from behind
    assert (place[~slow, 0] > 1).any()
    assert (steps[~slow, -1] < 0).any()  # at either end


def test_a_clip_of_one_frame_cannot_be_stretched():
    x = torch.full((5, 4, 3), torch.nan)
    x[:, 0] = 7.0
    for given in (x, x[:, :1]):
        torch.testing.assert_close(distort(given, stretch=0.5), given, equal_nan=True)


def test_dynamics_scale_each_clip_as_a_whole(clips):
    y = distort(clips, dynamics=0.25)
    factors = y / clips
    for clip in factors:
        clip = clip[~clip.isnan()]
        torch.testing.assert_close(clip, clip[:1].expand_as(clip), rtol=1e-4, atol=0)
    drawn = factors.nanmean((1, 2))
    assert 0.8 <= drawn.min() < 0.82
    assert 1.22 < drawn.max() <= 1.25
    assert drawn.log().median().abs() < 0.05


def moved_back(was, now):
    """Undo what keeps the mean of a clip: the least that any value was raised by is taken for the shift."""
    return now - (now - was).nan_to_num(torch.inf).amin((1, 2), keepdim=True)


def test_a_floor_adds_its_power_and_keeps_the_mean(clips):
    y = distort(clips, floor=0.5)
    real = ~clips.isnan()
    torch.testing.assert_close(y.nanmean((1, 2)), clips.nanmean((1, 2)), atol=1e-3, rtol=0)
    touched = (y != clips).logical_and(real).any(2).any(1)
    assert 0.4 < touched.float().mean() < 0.6
    assert torch.equal(y[~touched].nan_to_num(), clips[~touched].nan_to_num())
    y = moved_back(clips, y)
    before, after = (v[touched].double().nan_to_num(-300.0).flatten(1).numpy() for v in (clips, y))
    quietest = np.where(before == -300, np.inf, before).argmin(1)[:, None]
    power = [np.take_along_axis(10 ** (v / 10), quietest, 1) for v in (after, before)]
    floor = 10 * np.log10(power[0] - power[1])  # (clips, 1)
    below = before.max(1, keepdims=True) - floor
    deep = below[:, 0] > 30  # the loudest value is not raised to speak of, so the shift is known
    assert 19.9 < below.min() < 25
    assert 55 < below.max() < 60.1
    summed = 10 * np.log10(10 ** (before / 10) + 10 ** (floor / 10))
    heard = (before > -300) & deep[:, None]
    np.testing.assert_allclose(after[heard], summed[heard], atol=1e-2)


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


def test_noise_is_as_strong_as_asked_and_falls_on_each_value_alone(clips):
    added = (distort(clips, noise=3.0) - clips)[:200].double()
    assert added.std() == pytest.approx(3, rel=0.02)
    assert added.mean() == pytest.approx(0, abs=0.05)
    neighbours = torch.stack([added[:, 1:].flatten(), added[:, :-1].flatten()])
    assert torch.corrcoef(neighbours)[0, 1].abs() < 0.02


def test_without_settings_and_outside_training_nothing_is_done(clips):
    assert torch.equal(distort(clips).nan_to_num(), clips.nan_to_num())
    augment = Augment(Augmentation(**ALL))
    assert augment.eval()(clips) is clips


@pytest.mark.parametrize("setting", ALL)
def test_filling_stays_and_the_seed_decides(clips, setting):
    one, two, other = (distort(clips, seed, **{setting: ALL[setting]}) for seed in (1, 1, 2))
    assert torch.equal(one.isnan(), clips.isnan())
    assert torch.equal(one.nan_to_num(), two.nan_to_num())
    assert not torch.equal(one.nan_to_num(), other.nan_to_num())


@pytest.mark.parametrize("setting", sorted(ALL.keys() - {"noise"}))  # noise draws for filling too
def test_filling_has_no_say_in_what_is_done_to_real_frames(clips, setting):
    filled, cut = (distort(x, **{setting: ALL[setting]}) for x in (clips[200:], clips[200:, :30]))
    torch.testing.assert_close(filled[:, :30], cut)


def test_a_recipe_reaches_the_network():
    recipe = parse_recipe(
        "[training]\naverage = 0.9\n[augmentation]\nstretch = 0.2\nfloor = 0.3\nlowpass = 0.4\nnoise = 1.5", "mine"
    )
    network = make_pipeline(recipe)[-1]
    assert network.average == 0.9
    assert network.augmentation == Augmentation(stretch=0.2, floor=0.3, lowpass=0.4, noise=1.5)
