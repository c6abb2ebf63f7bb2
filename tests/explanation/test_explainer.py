"""Explanations: their numbers are true, add up, and stand where and when they should."""

import doctest
import io
import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import soxr
from support.command import run
from support.models import FRONT_ENDS, STYLES, listening, planted
from support.paths import REPOSITORY
from support.sounds import noise

import earmark
from earmark.audio import StftDensity
from earmark.audio.decode import decode
from earmark.audio.encode import PLAY_RATE, encode_mp3
from earmark.data.synth import compose
from earmark.errors import AudioError, SettingError
from earmark.explanation.explainer import Explainer
from earmark.explanation.figure import draw_explanation
from earmark.explanation.occlusion import Occlusion, compute_evidence
from earmark.inference.aggregate import sort_labels
from earmark.inference.model import Model
from earmark.inference.tagger import Tagger

RATE = 22050


@pytest.fixture(scope="module")
def explanation(tagger, sound):
    return Explainer(tagger).explain((sound, RATE))


def test_the_verdict_is_the_taggers(explanation, tagger, sound):
    verdict = tagger.classify(sound, RATE)
    assert explanation.verdict.genres == pytest.approx(verdict.genres, abs=1e-6)
    middle = explanation.probabilities[explanation.moments == 2.5][0]
    assert sort_labels(middle, tagger.labels) == pytest.approx(verdict.clips[0].genres, abs=1e-5)


def test_an_encoders_steps_share_the_clip_evenly():
    e = Explainer(Tagger(listening(attention=True))).explain((noise(2, 4000), 4000), relevance=False)
    for k in range(8):
        inside = (e.times > k / 4 + 0.01) & (e.times < (k + 1) / 4 - 0.01)
        np.testing.assert_allclose(e.attention[inside], 0.4 * (k % 4 + 1), rtol=1e-6)
    page = e.to_html()
    assert '<p class="ranking">Styles: salsa 70% · techno 20% · swing 10%</p>' in page
    assert '<p class="ranking">Moods: sad 60% · happy 30%</p>' in page


def test_shapes_times_and_silence(explanation, tagger):
    e = explanation
    assert e.duration == e.whole == 12.5 and e.start == 0
    assert e.relevance.shape == (40, 16, 10)
    assert np.isnan(e.relevance[16:32]).all() and not np.isnan(e.relevance[:16]).any()
    assert not np.isnan(e.relevance[32:39]).any()  # the last clip is half as long
    silent = (e.times > 5.01) & (e.times < 9.99)
    loud = (e.times < 4.99) | ((e.times > 10.01) & (e.times < 12.4))
    assert np.isnan(e.attention[silent]).all() and not np.isnan(e.attention[loud]).any()
    assert e.attention[e.times < 5].mean() == pytest.approx(1, abs=0.05)
    assert len(e.moments) == 50 and np.isnan(e.probabilities[30]).all()  # 7.5 s: amid the silence
    rows = e.probabilities[~np.isnan(e.probabilities[:, 0])]
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert e.spectrogram.shape == (len(e.times), 128) and len(e.frequencies) == 128
    assert e.bands[0] == 0 and e.bands[-1] == 128 and len(e.bands) == 17
    np.testing.assert_array_equal(e.of("jazz"), e.relevance[:, :, tagger.labels.index("jazz")])


def test_relevance_is_each_clips_own(explanation, tagger, sound):
    frames = tagger.card.front_end(sound[: 5 * RATE])
    np.testing.assert_allclose(explanation.relevance[:16], Occlusion(tagger)(frames, lambda _: None), atol=1e-4)


def test_the_papers_own_front_end():
    front_end = StftDensity()  # linear power, not dB
    tone = np.concatenate([np.zeros(8000), 0.1 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 4000)])
    noise = np.random.default_rng(0).normal(0, 1e-3, 16_000)
    known = planted(slice(250, 260), front_end, 1e-9)
    e = Explainer(known).explain((tone + noise, 4000))
    assert e.relevance.shape == (8, 16, 2)  # two columns of two frames in each second
    loud = e.of("yes")[4:, 7:9]  # 875 to 1125 Hz, from the third second on
    assert (loud > 0).all() and loud.min() > 100 * np.abs(e.of("yes")[:4]).max()


def test_clips_that_overlap_share_their_relevance():
    front_end = FRONT_ENDS[0]
    model = planted(slice(8, 16), front_end)
    overlapping = Model(model.card.model_copy(update={"hop_seconds": 0.5}), model.graph)
    samples = compose("ragtime", np.random.default_rng(0), seconds=1)[: 2 * 4000]
    e = Explainer(overlapping).explain((samples, 4000))
    each = [
        Occlusion(Tagger(model))(front_end(samples[start : start + 4000].astype(np.float32)), lambda _: None)
        for start in (0, 2000, 4000)
    ]
    half = len(each[0]) // 2
    assert e.relevance.shape == (2 * len(each[0]), 16, 2)
    np.testing.assert_allclose(e.relevance[:half], each[0][:half], atol=1e-4)
    np.testing.assert_allclose(e.relevance[half : 2 * half], (each[0][half:] + each[1][:half]) / 2, atol=1e-4)


def test_a_part_of_a_file(tagger, sound, tmp_path, write_sound):
    path = write_sound(tmp_path / "a.wav", sound, RATE)
    e = Explainer(tagger).explain(path, start=2.0, duration=5.0, relevance=False)
    part = decode(path, RATE)[2 * RATE : 7 * RATE]
    assert (e.start, e.duration, e.whole) == (2.0, 5.0, 12.5)
    assert e.verdict.genres == pytest.approx(tagger.classify(part, RATE).genres, abs=1e-4)
    assert e.verdict.path == str(path)
    same = Explainer(tagger).explain((np.stack([sound, sound]), RATE), start=2.0, duration=5.0, relevance=False)
    assert same.verdict.genres == pytest.approx(e.verdict.genres, abs=1e-3)  # the file has 16 bits


@pytest.mark.parametrize("seconds", [0.001, 0.7, 3.0])
def test_short_sounds(tagger, seconds, rng):
    e = Explainer(tagger).explain((rng.normal(0, 0.1, max(1, int(seconds * RATE))), RATE))
    heard = seconds >= 1
    assert (e.verdict.reason == "too short") != heard
    assert np.isfinite(e.relevance).any() == heard == bool(np.isfinite(e.probabilities).any())
    assert json.loads(e.to_json())["duration"] == pytest.approx(seconds, abs=1e-3)
    assert "<canvas" in e.to_html()


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"start": 99.0}, AudioError, "nothing to hear from 99 s on"),
        ({"start": -1.0}, SettingError, "need 0 or more"),
        ({"duration": 0.0}, SettingError, "more than 0"),
        ({"start": float("nan")}, SettingError, "need 0 or more"),
    ],
)
def test_parts_that_make_no_sense(tagger, sound, tmp_path, write_sound, settings, error, says):
    with pytest.raises(error, match=says):
        Explainer(tagger).explain((sound, RATE), **settings)
    with pytest.raises(error, match=says):
        Explainer(tagger).explain(write_sound(tmp_path / "a.flac", sound, RATE), **settings)


@pytest.mark.parametrize(
    ("array", "rate", "error", "says"),
    [
        (np.zeros(9), None, SettingError, "needs its sample rate"),
        (np.zeros((2, 2, 9)), 8000, AudioError, "shape (2, 2, 9)"),
        (np.zeros(0), 8000, AudioError, "shape (0,)"),
        (np.zeros(9, int), 8000, AudioError, "array of int64"),
    ],
)
def test_arrays_that_make_no_sense(tagger, array, rate, error, says):
    with pytest.raises(error, match=re.escape(says)):
        Explainer(tagger).explain((array, rate))


def test_what_speaks_for_the_winner_over_the_runner_up(explanation, tagger, sound):
    assert explanation.pair == tuple(explanation.verdict.genres)[:2]
    assert explanation.contrast.shape == explanation.relevance.shape[:2]
    np.testing.assert_array_equal(np.isnan(explanation.contrast), np.isnan(explanation.of("jazz")))
    card, pair = tagger.card, tuple(map(tagger.card.index_of, explanation.pair))
    frames = card.front_end(sound[: card.clip_length])
    log_p = tagger.predict_log_proba(frames[None])[0] / card.calibration.clip_temperature
    assert compute_evidence(tagger, frames[None], pair)[0, -1] == pytest.approx(
        np.subtract(*log_p[list(pair)]) / np.log(2)
    )
    bits = Occlusion(tagger)(frames, lambda _: None, pair)
    np.testing.assert_allclose(explanation.contrast[:16], bits[..., -1], atol=1e-4)
    drawn = draw_explanation(explanation)
    assert drawn.alt.endswith("Why {0}, and not {1}? Blue speaks for {0}, orange for {1}".format(*explanation.pair))
    assert draw_explanation(explanation, ["jazz"]).alt.count("?") == len({"jazz", explanation.genres[0]})
    silent = Explainer(tagger).explain((np.zeros(2 * RATE), RATE))
    assert silent.pair is silent.contrast is None


def test_an_unknown_genre_is_named(explanation):
    with pytest.raises(
        SettingError, match="'jaz' is no genre of paper-attention-2x60; did you mean 'jazz'\\? It knows blues, cl"
    ):
        explanation.of("jaz")
    with pytest.raises(SettingError, match="'jaz' is no genre"):
        explanation.to_html(["jaz"])
    with pytest.raises(SettingError, match="made without relevance"):
        replace(explanation, relevance=None).of("jazz")


def test_at_the_top(sound, tmp_path, write_sound):
    explanation = earmark.explain(write_sound(tmp_path / "a.wav", sound[:RATE], RATE), model="paper-lstm-2x250")
    assert isinstance(explanation, earmark.Explanation) and explanation.attention is None
    assert 'id="attending"' in explanation.to_html()


def test_json_holds_every_number(explanation):
    record = json.loads(explanation.to_json())
    assert record["pair"] == list(explanation.pair)
    for name in ("spectrogram", "relevance", "contrast", "probabilities", "attention", "envelope"):
        array, listed = getattr(explanation, name), np.array(record[name], float)  # None becomes NaN
        np.testing.assert_allclose(listed, array, atol=0.06 if name == "spectrogram" else 1e-4)
    assert record["verdict"]["model"] == "paper-attention-2x60"


def test_the_sound_to_play_begins_when_the_picture_does():
    samples = compose("ragtime", np.random.default_rng(0), seconds=6).astype(np.float32)
    given = soxr.resample(samples, RATE, PLAY_RATE).astype(np.float32)
    heard = decode(io.BytesIO(encode_mp3([given[:99_000], given[99_000:]])), PLAY_RATE)
    assert abs(len(heard) - len(given)) <= 1152
    lags = range(-2000, 2001, 20)
    middle = slice(60_000, 120_000)
    agreement = [np.dot(np.roll(heard, lag)[middle], given[middle]) for lag in lags]
    assert abs(lags[int(np.argmax(agreement))]) <= 40  # a millisecond


# ---- the command ----


@pytest.fixture(scope="module")
def song(tmp_path_factory, write_sound):
    samples = compose("carillon", np.random.default_rng(1), seconds=6)
    return write_sound(tmp_path_factory.mktemp("songs") / "carillon.flac", samples, RATE)


def test_all_outputs_at_once(song, tmp_path):
    outputs = [tmp_path / name for name in ("p.html", "f.png", "f.svg", "n.json")]
    done = run(
        "explain", song, *(f"-o{path}" for path in outputs), "--duration", 5, "-g", "jazz", "--model",
        "paper-attention-2x60",
    )  # fmt: skip
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == [str(path) for path in outputs]
    assert outputs[0].read_text().startswith("<!doctype html>") and outputs[0].stat().st_size < 200_000
    assert outputs[1].read_bytes().startswith(b"\x89PNG") and b"<svg" in outputs[2].read_bytes()[:500]
    assert np.shape(json.loads(outputs[3].read_text())["relevance"]) == (16, 16, 10)


def test_without_an_output_the_page_gets_a_free_name_and_opens(song, tmp_path):
    opened = tmp_path / "browser"
    opened.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/asked\n')
    opened.chmod(0o755)
    (tmp_path / "here").mkdir()
    quick = ("--duration", 2, "-m", "paper-attention-2x60", "--method", "attention")
    for name in ("carillon-explained.html", "carillon-explained-2.html"):
        done = run(
            "explain", song, *quick, "--open", cwd=tmp_path / "here", env={**os.environ, "BROWSER": f"{opened} %s"}
        )
        assert done.stdout.startswith(f"{name}: ")
        assert (tmp_path / "asked").read_text() == (tmp_path / "here" / name).as_uri()


def test_methods(song, tmp_path):
    out = tmp_path / "n.json"
    run("explain", song, "-o", out, "--method", "integrated-gradients", "--duration", 2.6, "-m", "paper-lstm-2x250")
    record = json.loads(out.read_text())
    assert record["method"] == "integrated-gradients" and np.shape(record["relevance"]) == (9, 16, 10)
    run("explain", song, "-o", out, "--method", "attention", "-m", "paper-attention-2x60")
    record = json.loads(out.read_text())
    assert record["relevance"] is record["method"] is None and record["attention"]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["-o", "a.pdf"], 2, "a.pdf: need a name that ends in .html, .png, .svg or .json"),
        (["-o", "../songs.html"], 2, "songs.html is a folder"),
        (["-o", "/dev/null/a.json", "--duration", "2"], 2, "a.json cannot be written ("),
        (
            ["-o", "a.html", "-g", "jaz", "-m", "gtzan"],
            2,
            "'jaz' is no genre of gtzan; did you mean 'jazz'? It knows blues",
        ),
        (["-o", "a.html", "--method", "attention", "-m", "paper-lstm-2x250"], 2, "paper-lstm-2x250 has no attention"),
        (["-o", "a.html", "--start", "60"], 1, "nothing to hear from 60 s on"),
        (["-o", "a.png", "--open"], 2, "--open shows a page"),
    ],
)
def test_wrong_usage(song, tmp_path, arguments, status, says):
    (tmp_path / "songs.html").mkdir()
    (tmp_path / "here").mkdir()
    done = run("explain", song, *arguments, expect=status, cwd=tmp_path / "here")
    assert says in done.stderr
    assert not list((tmp_path / "here").iterdir())


def test_what_cannot_be_heard(song, tmp_path):
    (tmp_path / "notes.txt").write_text("buy milk")
    for name, says in (("notes.txt", "not a sound file"), ("gone.mp3", "No such file")):
        assert says in run("explain", name, "-o", "a.html", expect=1, cwd=tmp_path).stderr
        assert not (tmp_path / "a.html").exists()


def test_a_damaged_file_is_explained_as_far_as_it_goes(tmp_path, write_sound):
    path = write_sound(tmp_path / "a.wav", 0.3 * np.random.default_rng(0).normal(size=6 * RATE), RATE)
    path.write_bytes(path.read_bytes()[:150_000])
    done = run("explain", path, "-o", tmp_path / "a.html", "-m", "paper-attention-2x60", expect=1)
    assert "could be read" in done.stderr and "skipped" not in done.stderr
    assert "The file is damaged" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("package", "arguments", "feature"),
    [
        ("matplotlib", ["-o", "a.png"], "a figure"),
        ("torch", ["-o", "a.html", "--method", "integrated-gradients"], "--met"),
    ],
)
def test_a_plain_install_says_what_is_missing(song, tmp_path, package, arguments, feature):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / f"{package}.py").write_text(f"raise ModuleNotFoundError(name={package!r})")
    env = os.environ | {"PYTHONPATH": str(tmp_path / "without")}
    done = run("explain", song, *arguments, expect=2, cwd=tmp_path, env=env)
    assert done.stderr.startswith(feature)
    assert f"pip install '.[{'figures' if feature == 'a figure' else 'learn'}]'" in done.stderr
    run("explain", song, "-o", "a.html", "--duration", 3, cwd=tmp_path, env=env)  # which needs neither


def test_the_documents_examples_run(tmp_path, monkeypatch, write_sound):
    write_sound(tmp_path / "carillon.flac", compose("carillon", np.random.default_rng(1), seconds=15), RATE)
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "docs" / "explain.md").read_text(encoding="utf-8")
    examples, said = "\n".join(re.findall(r"```pycon\n(.*?)```", text, re.DOTALL)), []
    runner = doctest.DocTestRunner()
    runner.run(doctest.DocTestParser().get_doctest(examples, {}, "explain.md", None, 0), out=said.append)
    assert not runner.summarize(verbose=False).failed, "".join(said)
    assert runner.tries > 10


def test_styles_and_moods_are_explained_beside_genres():
    explanation = Explainer(listening(moods=("happy", "latin"))).explain((0.1 * np.ones(8000), 4000))
    assert explanation.labels == ("electronic", "latin", *STYLES, "happy")  # of a name that is both, the genre counts
    assert explanation.n_genres == len(explanation.genres) == 2
    middle = explanation.probabilities[len(explanation.moments) // 2]
    np.testing.assert_allclose(middle, [0.75, 0.25, 0.2, 0.7, 0.1, 0.3], atol=1e-6)
    assert explanation.shares["salsa"] == pytest.approx(0.7)
    assert np.abs(explanation.of("salsa")).max() < 1e-5  # the same of any sound
    page = explanation.to_html(["salsa"])
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page)[1])
    assert data["genres"] == 2 and data["shown"] == ["salsa", "electronic"]
    assert data["ranked"] == ["electronic", "latin", "salsa", "techno", "swing", "happy"]
