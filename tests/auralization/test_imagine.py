"""Imagined sounds: what they are made of, what is heard of them, and the command."""

import dataclasses
import doctest
import json
import re

import numpy as np
import pytest
import soxr
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.command import run
from support.paths import REPOSITORY

from earmark.audio import KaldiMel, LogMel, StftDensity, probe
from earmark.audio.clips import cut
from earmark.audio.decode import decode
from earmark.audio.loudness import loudness, true_peak
from earmark.auralization.ascent import (
    Ascent,
    ModeOptimizer,
    bin_power,
    clip_starts,
    densify,
    levels_to_features,
    normalize,
)
from earmark.auralization.equalizer import Equalizer
from earmark.auralization.imagine import count_steps, imagine, read_start
from earmark.auralization.prior import Prior, measure_prior, to_decibels
from earmark.data.corpus import Corpus, Track
from earmark.data.features.extract import extract
from earmark.data.synth import compose
from earmark.errors import AudioError, SettingError
from earmark.inference.card import Card, Training
from earmark.inference.model import open_model, save_model
from earmark.inference.tagger import Tagger
from earmark.networks.onnx.builder import Graph
from earmark.networks.onnx.differentiable import DifferentiableModel

FRONT_ENDS = [
    StftDensity(),
    StftDensity(log=True),
    LogMel(hop_length=1707, center=False),
    LogMel(sample_rate=16000, n_fft=512, hop_length=160, n_mels=40, top_db=None),
    LogMel(relative=True, fmin=40.0, fmax=8000.0),
    KaldiMel(),
]
FRONT_END = LogMel(sample_rate=8000, n_fft=512, hop_length=256, n_mels=24, center=False)


@pytest.fixture(scope="module")
def tilt(tmp_path_factory):
    """A model one can see through: bright where treble is hardly weaker than bass, dark where it is much, odd never."""
    g = Graph()
    x = g.input("spectrogram", ["clips", "frames", 24])
    weights = np.zeros((24, 3))
    weights[:8, :2], weights[16:, :2] = (-0.02, 0.02), (0.02, -0.02)
    logits = g(
        "Add", g("MatMul", g("ReduceMean", x, axes=[1], keepdims=0), g.constant(weights)), g.constant([2, -2, -40])
    )
    g.output(g("Softmax", logits, axis=1), "probabilities", ["clips", 3])
    training = Training(
        corpus="c", fingerprint="f", protocol="track", n_tracks=9, n_clips=9, recipe="", seed=0, epochs=1
    )
    card = Card(
        name="tilt", labels=("bright", "dark", "odd/one"), clip_seconds=2.0, front_end=FRONT_END, n_bins=24,
        attention=False, training=training, created="2026-01-01", earmark="0",
    )  # fmt: skip
    return save_model(tmp_path_factory.mktemp("tilt") / "tilt.onnx", g.model("tilt").SerializeToString(), card)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Steps so small are many times slower where several threads wait for one another on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def song():
    return compose("ragtime", np.random.default_rng(0), seconds=10)


def tilt_of(samples, rate):
    """Treble over bass, dB."""
    power, hz = np.abs(np.fft.rfft(samples)) ** 2, np.fft.rfftfreq(len(samples), 1 / rate)
    return 10 * np.log10(power[(hz > 2000) & (hz < 4000)].mean() / power[(hz > 50) & (hz < 500)].mean())


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=str)
def test_levels_are_read_as_the_front_end_gives_them(front_end, rng):
    clips = (0.1 * rng.standard_normal((2, 3 * front_end.sample_rate))).astype(np.float32)
    clips[:, : front_end.sample_rate] *= 1e-6  # below the floor
    frames = front_end(clips)
    again = levels_to_features(torch.from_numpy(to_decibels(frames, front_end)), front_end).numpy()
    np.testing.assert_allclose(again, frames, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=str)
def test_the_power_of_bins_adds_up_to_that_of_the_sound(front_end, rng):
    front_end = dataclasses.replace(front_end, **({"relative": False} if isinstance(front_end, LogMel) else {}))
    samples = (0.1 * rng.standard_normal(6 * front_end.sample_rate)).astype(np.float32)
    if getattr(front_end, "fmax", None):  # what lies beyond the bands is not counted
        spectrum, hz = np.fft.rfft(samples), np.fft.rfftfreq(len(samples), 1 / front_end.sample_rate)
        samples = np.fft.irfft(spectrum * ((hz > 60) & (hz < 7800))).astype(np.float32)
    power = 10 ** (to_decibels(front_end(samples), front_end) / 10)
    found = 10 * np.log10((power.mean(0) * bin_power(front_end)).sum())
    assert found == pytest.approx(10 * np.log10(np.mean(samples**2)), abs=0.3)


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=str)
def test_dense_frames_overlap_and_hold_those_that_are_read(front_end):
    made = densify(front_end)
    assert made.hop_length <= max(0.3 * front_end.n_fft, 1)
    assert dataclasses.replace(made, hop_length=front_end.hop_length) == front_end
    times = front_end.hop_length / made.hop_length
    assert abs(times - round(times)) < 0.05


@given(st.integers(1000, 200_000), st.integers(1000, 9000))
@example(75_992, 2576)  # half a clip remains
def test_clips_begin_where_they_do_when_classified(length, clip_length):
    card = type("Card", (), {"clip_length": clip_length})
    theirs = [clip.start for clip in cut([np.zeros(length, np.float32)], clip_length)]
    assert clip_starts(length, card).tolist() == theirs


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=str)
def test_the_prior_makes_what_it_says(front_end, rng):
    prior, rate, frames = Prior.typical(front_end), 40.0, 4000
    white = torch.from_numpy(rng.standard_normal((frames, front_end.n_bins)).astype(np.float32))
    field = prior.deviation(torch.fft.rfft(white, dim=0, norm="ortho"), frames, rate).numpy()
    assert prior.mean.shape == (front_end.n_bins,)
    assert field.std() == pytest.approx(9.0, rel=0.1)
    near, far = (np.corrcoef(field[:, 10], field[:, i])[0, 1] for i in (11, front_end.n_bins - 1))
    assert near > far + 0.1 > 0.1
    power = (np.abs(np.fft.rfft(field, axis=0)) ** 2).mean(1)
    slow, fast = (power[(hz := np.fft.rfftfreq(frames, 1 / rate)) < 1][1:].mean(), power[hz > 8].mean())
    assert slow > 10 * fast


def test_typical_music_is_as_loud_as_records_are():
    """The same table of levels, whatever the front end: it must give the same sound."""
    front_ends = StftDensity(sample_rate=22050, n_fft=2048), LogMel()
    levels = [10 * np.log10(10 ** (Prior.typical(one).mean / 10) @ bin_power(one)) for one in front_ends]
    assert levels[0] == pytest.approx(levels[1], abs=0.5)
    assert -35 < levels[0] < -15


def test_a_corpus_has_statistics_of_its_own(rng):
    typical = Prior.typical(FRONT_END)
    rate, frames = FRONT_END.sample_rate / FRONT_END.hop_length, 60
    clips = []
    for _ in range(60):
        white = torch.from_numpy(rng.standard_normal((frames, 24)).astype(np.float32))
        field = typical.deviation(torch.fft.rfft(white, dim=0, norm="ortho"), frames, rate)
        clips.append((field + torch.from_numpy(typical.mean).float()).numpy())
    short = np.full((1, frames, 24), np.nan, np.float32)
    short[0, :30] = 0
    found = Prior.from_clips(np.concatenate([np.stack(clips), short]), FRONT_END)
    np.testing.assert_allclose(found.mean, typical.mean, atol=2)
    np.testing.assert_allclose(found.covariance, typical.covariance, atol=12)  # of 81
    ours, theirs = (np.interp([0.5, 5.0], p.rates, p.power) for p in (found, typical))
    assert ours[0] / ours[1] == pytest.approx(theirs[0] / theirs[1], rel=0.4)
    linear = StftDensity(sample_rate=8000, n_fft=46, hop_length=23)
    again = Prior.from_clips(10 ** (np.stack(clips) / 10), linear)
    np.testing.assert_allclose(again.mean, found.mean, atol=0.01)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 10), st.integers(1, 40), st.integers(0, 2**31))
def test_no_mode_goes_far_at_once_nor_out_of_what_the_prior_imagines(rate, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    modes = torch.randn(8, 5, dtype=torch.complex64, generator=generator)
    modes /= modes.abs().square().mean().sqrt()
    climber = ModeOptimizer(modes, rate, steps)
    for _ in range(steps):
        before = modes.clone()
        slope = torch.zeros(8, 5, dtype=torch.complex64)
        slope[0, 0] = 1e30  # one mode promises everything
        climber.step(normalize(slope))
        assert (modes - before).abs().max() < 0.6
        assert modes.abs().max() <= 3.5001
        assert modes.abs().square().mean() <= 1.0001


def test_a_slope_that_is_none_leads_nowhere():
    for value in (0.0, torch.nan, torch.inf):
        assert normalize(torch.full((3,), value)).tolist() == [0, 0, 0]
    assert torch.linalg.vector_norm(normalize(torch.tensor([3e30, 4e30]))) == pytest.approx(1)
    assert torch.linalg.vector_norm(normalize(torch.tensor([3e-30, 4e-30]))) == pytest.approx(1)


def test_an_ascent_stays_within_its_range_and_level(tilt):
    prior = Prior.typical(FRONT_END)
    ascent = Ascent(DifferentiableModel(tilt), 0, prior, 4.0, seed=1, rate=0.5)
    probabilities = list(ascent.optimize(40))
    assert probabilities[-1] > 0.9 > probabilities[0]
    levels = ascent.levels().detach()
    spread = levels - torch.from_numpy(prior.mean).float()
    assert spread.max() - spread.min() <= 40.001  # whatever the overall level
    assert 10 * np.log10((10 ** (levels.numpy() / 10)).mean(0) @ bin_power(FRONT_END)) == pytest.approx(-17, abs=0.1)
    assert ascent.spectrogram().shape == (ascent.frames, 24)


def test_a_sound_that_is_not_shaped_yet_is_itself(tilt, song):
    sound = np.asarray(song[:40_000], np.float32)
    shaping = Equalizer(DifferentiableModel(tilt, waveform=True), 0, sound, level=lambda _: 0.5)
    np.testing.assert_allclose(shaping.render().detach(), 0.5 * sound, atol=1e-5)
    before = tilt_of(sound, 8000)
    assert list(shaping.optimize(60))[-1] > 0.9
    assert 1 < shaping.gains().abs().max() <= 12.001
    assert tilt_of(shaping.render().detach().numpy(), 8000) > before + 3


@pytest.mark.parametrize(("genre", "start"), [("bright", "noise"), ("dark", "noise"), ("bright", "silence")])
def test_what_a_model_listens_for_is_in_the_sound(tilt, genre, start):
    made = imagine(tilt, genre, start=start, seconds=4, steps=40)
    assert made.verdict.genre == genre
    assert made.confidence > 0.9
    treble, bass = made.spectrogram[:, 16:].mean(), made.spectrogram[:, :8].mean()
    assert (treble - bass > -12.5) == (genre == "bright")  # dB: where the model draws the line
    assert made.sample_rate == 16000  # players refuse 8000
    assert len(made.samples) == 4 * 16000
    assert loudness(made.samples, 16000) == pytest.approx(-16, abs=0.5)
    assert true_peak(made.samples, 16000) <= -0.9
    assert made.spectrogram.shape == (FRONT_END.n_frames(4 * 8000), 24)
    assert [step.stage for step in made.history[:40]] == ["ascent"] * 40


def test_the_same_seed_gives_the_same_sound(tilt):
    one, same, other = (imagine(tilt, "dark", seconds=2, steps=5, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.samples, same.samples)
    assert np.corrcoef(one.samples, other.samples)[0, 1] < 0.5


def test_a_genre_in_another_spelling_is_the_models(tilt):
    sound = imagine(tilt, "BRIGHT", seconds=2, steps=2)
    assert (sound.genre, sound.confidence) == ("bright", sound.verdict.genres["bright"])


def test_what_a_model_never_hears_is_tried_and_given_back(tilt):
    made = imagine(tilt, "odd/one", seconds=2, steps=3)
    assert made.verdict.genre != "odd/one"
    assert {step.stage for step in made.history} == {"ascent", "shaping"}  # it tried everything
    assert loudness(made.samples, made.sample_rate) == pytest.approx(-16, abs=0.5)


@pytest.mark.parametrize("name", ["gtzan", "paper-attention-2x60"])
def test_bundled_models_hear_what_they_imagine(name):
    seen, model = [], open_model(name)
    made = imagine(model, "jazz", seconds=model.card.clip_seconds, steps=40, on_step=seen.append)
    assert made.verdict.best == "jazz"
    assert made.confidence >= 0.8
    assert tuple(seen) == made.history
    assert made.history[0].probability < 0.5 < made.history[-1].probability


def test_a_song_keeps_its_tune(song):
    model = open_model("gtzan")
    before = Tagger(model).classify(song, 22050)
    wanted = "classical" if before.best != "classical" else "metal"
    made = imagine(model, wanted, start=(song, 22050), steps=25)
    song = soxr.resample(song, 22050, made.sample_rate)
    assert before.genres[wanted] < 0.2
    assert made.confidence >= 0.8
    assert {step.stage for step in made.history} == {"shaping"}
    n = min(len(made.samples), len(song))
    assert np.corrcoef(made.samples[:n], song[:n])[0, 1] > 0.6  # sample by sample, phases too


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"genre": "brigth"}, "'brigth' is no genre of tilt; did you mean 'bright'\\? It knows bright, dark"),
        ({"seconds": 1.0}, r"1 seconds: need one clip \(2 s\) to 120"),
        ({"seconds": 121.0}, "121 seconds: need one clip"),
        ({"steps": 0}, "0 steps: need 1 or more"),
        ({"start": "nothing"}, "start 'nothing': need 'noise', 'silence' or"),
    ],
)
def test_wishes_that_make_no_sense(tilt, settings, says):
    with pytest.raises(SettingError, match=says):
        imagine(tilt, **{"genre": "dark", **settings})


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.zeros(8000), "the song has 1.0 s: need 2 s"),
        (np.zeros(20_000), "the song is silent"),
        (np.full(20_000, np.nan), "samples are not finite"),
        (np.zeros(20_000, int), "need floats of full scale"),
    ],
)
def test_songs_that_are_none(tilt, samples, says):
    with pytest.raises(AudioError, match=says):
        imagine(tilt, "dark", start=(samples, 8000))


def test_the_command_closes_the_loop(tmp_path):
    """What it writes is a file like any other to ``earmark classify``."""
    wav = tmp_path / "new" / "metal.wav"
    said = run("imagine", "metal", "-o", wav, "--seconds", 10, "--steps", 40).stdout
    assert "classified as metal" in said
    (record,) = map(json.loads, run("classify", wav, "--format", "json").stdout.splitlines())
    assert record["genre"] == "metal"
    assert record["confidence"] >= 0.8
    assert record["duration"] == pytest.approx(10)
    samples = decode(wav, probe(wav).sample_rate)
    assert loudness(samples, probe(wav).sample_rate) == pytest.approx(-16, abs=0.5)
    assert abs(samples.mean()) < 1e-4


def test_the_command_imagines_every_genre_and_says_which_it_does_not_hear(tilt, tmp_path):
    folder = tmp_path / "all"
    done = run("imagine", "--all", "-o", folder, "-m", tilt.path, "--seconds", 2, "--steps", 30, expect=1)
    lines = done.stdout.splitlines()
    assert [("classified as bright" in line, "classified as dark" in line) for line in lines[:2]] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert len(lines) == 4
    assert {path.suffix for path in folder.iterdir()} == {".wav", ".html"}
    assert len(list(folder.glob("*.wav"))) == 3
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert all(label in page for label in ("bright", "dark", "odd/one"))


def test_the_command_reads_songs_and_corpora(tilt, tmp_path, write_sound, song):
    for genre, sound in (("a", song), ("b", song[::-1])):
        (tmp_path / "music" / genre).mkdir(parents=True)
        for i in range(2):
            write_sound(tmp_path / "music" / genre / f"{i}.flac", sound[i * 22050 :], 22050)
    flac = tmp_path / "music" / "a" / "0.flac"
    run("imagine", "bright", "-o", tmp_path / "x.wav", "-m", tilt.path, "--from", flac, "--seconds", 5)
    assert probe(tmp_path / "x.wav").duration == pytest.approx(5)
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    two = ["--seconds", 2, "--steps", 20]
    run(
        "imagine", "dark", "-o", tmp_path / "y.wav", "-m", tilt.path, "--corpus", tmp_path / "music", *two, "-j", 1,
        env=env,
    )  # fmt: skip
    run("imagine", "dark", "-o", tmp_path / "z.wav", "-m", tilt.path, *two)
    assert (tmp_path / "y.wav").read_bytes() != (tmp_path / "z.wav").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["jaz", "-o", "x.wav"], "did you mean 'jazz'?"),
        (["jazz", "-o", "x.mp3"], "name it x.wav"),
        (["--all", "jazz", "-o", "x"], "Give one, or --all"),
        (["-o", "x.wav"], "Give one, or --all"),
        (["jazz", "-o", "x.wav", "--from", "no-such-song.mp3"], "no-such-song.mp3: cannot be opened"),
        (["jazz", "-o", "x.wav", "--model", "gone.onnx"], "gone.onnx"),
    ],
)
def test_the_command_says_what_it_needs(tmp_path, arguments, says):
    assert says in run("imagine", *arguments, expect=2, cwd=tmp_path).stderr
    assert not list(tmp_path.iterdir())


def test_the_command_finds_a_name_that_is_free(tilt, tmp_path, write_sound, song):
    write_sound(tmp_path / "lullaby.wav", song, 22050)
    options = ["-m", tilt.path, "--seconds", 2, "--steps", 20]
    for arguments, made in (
        (["bright"], "bright-imagined.wav"),
        (["bright"], "bright-imagined-2.wav"),
        (["dark", "--from", "lullaby.wav"], "lullaby-as-dark.wav"),
    ):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert run("imagine", *arguments, *options, cwd=tmp_path).stdout.startswith(f"{made}  classified as")
        assert set(tmp_path.iterdir()) - set(before) == {tmp_path / made}
        assert all(path.read_bytes() == content for path, content in before.items())
    run("imagine", "--all", *options, cwd=tmp_path, expect=1)
    assert (tmp_path / "imagined" / "index.html").exists()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory, write_sound):
    """Three tracks of two genres, and one that is none."""
    root = tmp_path_factory.mktemp("shelf")
    for genre, style in (("classical", "carillon"), ("rock", "breakbeat")):
        (root / genre).mkdir()
        for i in range(3):
            write_sound(root / genre / f"{i}.wav", compose(style, np.random.default_rng(i), seconds=6), 22050)
    (root / "rock" / "broken.wav").write_bytes(b"RIFF")
    return root


def test_the_command_joins_what_is_typical(shelf, tmp_path):
    folder, taken = tmp_path / f"{shelf.name}-medley-2", tmp_path / f"{shelf.name}-medley"
    taken.mkdir()
    quick = ("-m", "paper-attention-2x60", "--count", 2, "-j", 1)
    done = run("medley", shelf, *quick, expect=1, cwd=tmp_path)
    assert "broken" in done.stderr
    assert {path.name for path in folder.iterdir()} >= {"classical.wav", "rock.wav", "index.html", "moments.csv"}
    assert not any(taken.iterdir())
    assert f"open {folder.name}/index.html" in done.stdout


def test_the_command_joins_what_excites_units(shelf, tmp_path):
    folder = tmp_path / "units"
    run("medley", shelf, "-o", folder, "-m", "paper-attention-2x60", "--count", 2, "--units", 2, expect=1)
    names = {path.name for path in folder.iterdir()}
    assert {"index.html", "moments.csv"} < names
    assert sum(name.endswith("-weights.wav") for name in names) == 2
    assert sum(name.endswith(".wav") for name in names) == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--units", 61, "-m", "paper-attention-2x60"], "has 60"),
        (["--units", 2, "--genre", "rock"], "--genre is for the clips of genres"),
        (["--genre", "polka"], "'polka'"),
    ],
)
def test_medleys_that_make_no_sense(shelf, tmp_path, arguments, says):
    assert says in run("medley", shelf, "-o", tmp_path / "x", *arguments, expect=2).stderr


def test_the_page_is_true(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    page = REPOSITORY / "docs" / "imagine.md"
    blocks = re.findall(r"```pycon\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    said = []
    runner = doctest.DocTestRunner()
    runner.run(doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, None, 0), out=said.append)
    assert not runner.summarize(verbose=False).failed, "".join(said)
    assert runner.tries > 40
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / picture).stat().st_size < 400_000


def test_a_start_is_noise_silence_or_so_much_of_a_file(tmp_path, write_sound, rng):
    model = open_model("paper-attention-2x60")
    assert [read_start(word, model, 5) for word in ("noise", "silence")] == ["noise", "silence"]
    song = write_sound(tmp_path / "song.wav", 0.1 * rng.standard_normal(8 * 44100), 44100)
    samples, rate = read_start(str(song), model, 6.0)
    assert (samples.shape, rate) == ((6 * 22050,), 22050)
    assert (count_steps("noise"), count_steps((samples, rate)), count_steps((samples, rate), 7)) == (
        ("ascent", 120), ("shaping", 60), ("shaping", 7),
    )  # fmt: skip
    with pytest.raises(AudioError):
        read_start(str(tmp_path / "none.wav"), model, 6.0)


def test_a_prior_is_measured_on_a_corpus(tmp_path, write_sound, rng):
    model = open_model("paper-attention-2x60")
    paths = [write_sound(tmp_path / f"{i}.wav", 0.1 * rng.standard_normal(11 * 22050), 22050) for i in range(2)]
    corpus = Corpus("two", tuple(Track(path.stem, "noise", path) for path in paths))
    seen = []
    prior = measure_prior(corpus, model, on_track=lambda track: seen.append(track.id))
    clips = extract(corpus, model.card.front_end, model.card.clip_seconds, cache=None, jobs=1).X
    assert np.array_equal(prior.mean, Prior.from_clips(clips, model.card.front_end).mean)
    assert sorted(seen) == ["0", "1"]
