"""What `earmark data check` finds: clipped sound, twins, wrong labels, and what GTZAN's list says."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from earmark.audio.decode import decode
from earmark.data import gtzan as release
from earmark.data.audit.audit import check_corpus
from earmark.data.audit.findings import KINDS, Finding
from earmark.data.audit.label_errors import Timbre, find_label_errors
from earmark.data.audit.track import ClippingMeter, inspect
from earmark.data.corpus import Corpus, Track, open_corpus
from earmark.data.synth import compose, write_corpus
from earmark.errors import CorpusError

COMMAND = Path(sys.executable).with_name("earmark")
RATE = 22050
STYLES = ["ambient", "bossa", "march", "techno", "waltz"]


def run(*arguments, expect=0, code=None):
    command = [sys.executable, "-c", code] if code else [COMMAND]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr
    assert done.returncode == expect, done.stderr
    return done


def kinds(findings):
    return [(finding.track, finding.kind) for finding in findings]


@pytest.fixture(scope="module")
def styles(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus") / "styles"
    write_corpus(root, tracks=16, seconds=6, seed=4, styles=STYLES)
    return root


@pytest.fixture(scope="module")
def mislabelled(styles, tmp_path_factory):
    """Three tracks under another style."""
    root = tmp_path_factory.mktemp("wrong") / "styles"
    shutil.copytree(styles, root)
    for i, (own, other) in enumerate((("ambient", "march"), ("techno", "waltz"), ("march", "bossa"))):
        shutil.move(root / own / f"{own}.{i:05}.wav", root / other / f"{own}.{i:05}.wav")
    return root


@pytest.fixture
def pair(tmp_path, write_sound):
    """A corpus of two songs under two genres, and a way to add to it."""

    def add(name, samples, rate=RATE, **options):
        path = tmp_path / "songs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_sound(path, samples, rate, **options)

    for style in ("bossa", "waltz"):
        add(f"{style}/{style}.wav", song(style))
    add.root = tmp_path / "songs"
    return add


def song(style, seed=2, seconds=8):
    return compose(style, np.random.default_rng(seed), seconds=seconds)


def flat(samples, piece=RATE):
    tops = ClippingMeter()
    for start in range(0, len(samples), piece):
        tops.add(np.asarray(samples[start : start + piece], np.float32))
    return tops.share


def test_flat_tops_are_counted_by_hand():
    wave = [0, 0.5, 1, 1, 1, 0.5, -1, -1, 0, 1.2, 1.1, 1.3, 1.4, 0, 0, 0, 0, 0, 0, 0]
    assert flat(wave) == 7 / 20  # three at full scale, four beyond; two at the bottom are too few; zeros are no top
    assert flat([]) == 0


def test_loud_is_not_clipped(tone, rng):
    assert flat(2 * tone(440, 3, RATE)) == 0
    assert flat(np.rint(32767 * 2 * tone(55, 3, RATE)) / 32768) < 0.001
    assert flat(rng.uniform(-1, 1, 3 * RATE)) == 0
    assert flat(np.rint(3 * tone(440, 3, RATE)) / 32768) == 0  # two bits of sound are flat, but faint


def test_clipped_and_turned_down_is_still_clipped(tone):
    clipped = np.clip(4 * tone(440, 3, RATE), -1, 1)  # beyond 1 where |sin| > 1/2: two thirds of the time
    for gain in (1, 0.4):
        assert flat(gain * clipped) == pytest.approx(2 / 3, abs=0.04)
    assert flat(np.where(clipped > 0, 0.9 * clipped, 0.5 * clipped)) == pytest.approx(2 / 3, abs=0.04)  # lopsided


@pytest.mark.parametrize("rate", [8000, 44100])
def test_clipped_sound_is_found_at_the_rate_of_its_file(pair, tone, rate):
    pair("bossa/hot.wav", np.clip(1.5 * tone(300, 6, rate) * 2, -1, 1), rate)
    (finding,) = check_corpus(open_corpus(pair.root), label_errors=False).findings
    assert (finding.track, finding.kind, finding.grade) == ("hot", "clipped", "fault")
    assert "% of its samples lie in flat tops" in finding.detail


def test_twins_are_found_through_codec_gain_and_offset(pair):
    pair("bossa/radio.mp3", 0.1 * song("bossa")[round(3.3 * RATE) :], bit_rate=64_000)
    pair("bossa/waltz-too.m4a", song("waltz"))
    findings = {finding.track: finding for finding in check_corpus(open_corpus(pair.root), label_errors=False).findings}
    assert {track: f.kind for track, f in findings.items()} == {"radio": "twin", "waltz": "conflict"}
    assert findings["radio"].detail.startswith("same sound as bossa (bossa), 3.3 s earlier; ")
    assert findings["waltz"].detail.startswith("same sound as waltz-too (bossa); ")


def test_a_copy_is_not_called_a_twin_as_well(pair):
    shutil.copy(pair.root / "bossa" / "bossa.wav", pair.root / "bossa" / "same.wav")
    assert kinds(check_corpus(open_corpus(pair.root), label_errors=False).findings) == [("same", "copy")]


def test_processes_find_the_same(styles, mislabelled):
    told = []
    alone = check_corpus(open_corpus(mislabelled), on_track=told.append)
    assert check_corpus(open_corpus(mislabelled), jobs=2) == alone
    assert told == list(open_corpus(mislabelled).tracks)


def test_wrong_labels_are_suspects(mislabelled):
    outcome = check_corpus(open_corpus(mislabelled))
    suspects = [finding for finding in outcome.findings if finding.kind == "suspect"]
    assert {"ambient.00000", "techno.00001", "march.00002"} <= {finding.track for finding in suspects}
    assert len(suspects) <= 4
    techno = next(finding for finding in suspects if finding.track == "techno.00001")
    assert techno.detail.startswith("named waltz, sounds like techno (")
    assert outcome.skipped == []


def test_right_labels_are_not(styles):
    assert check_corpus(open_corpus(styles)).findings == []


def test_the_most_suspicious_comes_first_and_an_artist_never_vouches_for_himself(rng):
    centres = {"dub": -1.0, "folk": 0.0, "polka": 1.0}
    tracks, features = [], []
    for genre, centre in centres.items():
        for i in range(20):
            tracks.append(Track(f"{genre}{i}", genre, artist=f"{genre} artist {i % 10}"))
            features.append(rng.normal(centre, 0.3, 12))
    for i in (0, 10):  # all that one artist of dub made sounds like polka; alike enough to vouch for one another
        features[i] = rng.normal(1.0, 0.3, 12)
    suspects = find_label_errors(tracks, np.array(features))
    assert {s.track.id for s in suspects} == {"dub0", "dub10"}
    assert {s.genre for s in suspects} == {"polka"}
    margins = [s.probability - s.own for s in suspects]
    assert margins == sorted(margins, reverse=True)


def test_small_genres_are_set_aside_and_named(rng):
    tracks = [
        Track(f"{g}{i}", g, spectrogram=None) for g, n in (("dub", 12), ("folk", 12), ("polka", 3)) for i in range(n)
    ]
    features = rng.normal(0, 1, (27, 6))
    assert all(s.genre != "polka" and s.track.genre != "polka" for s in find_label_errors(tracks, features))
    with pytest.raises(CorpusError, match="two genres with 10 tracks of 5 artists each, and 1 of 2 has so many"):
        find_label_errors(tracks[12:], features[12:])


def test_timbre_ignores_loudness_and_piecing(rng):
    frames = rng.normal(-40, 10, (60, 64)).astype(np.float32)
    whole, pieces = Timbre(), Timbre()
    whole.add(frames - 20)
    pieces.add(frames[:30])
    pieces.add(frames[30:])
    assert whole.features().shape == (96,)
    assert whole.features()[:64] == pytest.approx(pieces.features()[:64], abs=1e-4)
    assert Timbre().features() is None


def test_arrays_are_judged_too(rng, tmp_path):
    X = rng.normal(0, 1, (24, 40, 50)) + np.linspace(0, 5, 40)[None, :, None] * np.repeat([1, -1], 12)[:, None, None]
    y = np.repeat([0, 1], 12)
    y[3] = 1
    np.savez(tmp_path / "c.npz", X=X, ids=[f"t{i}" for i in range(24)], y=y, genres=["dub", "folk"])
    said = run("data", "check", tmp_path / "c.npz", "--format", "json")
    (finding,) = map(json.loads, said.stdout.splitlines())
    assert (finding["track"], finding["kind"], finding["grade"]) == ("t3", "suspect", "note")


@pytest.fixture
def released(tmp_path, write_sound):
    """Ten tracks that call themselves GTZAN's, and a stranger."""
    root = tmp_path / "released"
    for i, (genre, name) in enumerate(
        [("Blues", "blues.00000"), ("Blues", "jazz.00001"), ("metal", "metal.00040"), ("metal", "stranger")]
    ):
        (root / genre).mkdir(parents=True, exist_ok=True)
        write_sound(root / genre / f"{name}.wav", song("waltz", seed=i), RATE)
    return root


def test_gtzan_is_held_against_its_list(released, monkeypatch):
    facts = dict(release.load_index())
    true = hashlib.md5((released / "metal" / "metal.00040.wav").read_bytes()).hexdigest()
    facts["metal.00040"] = type(facts["metal.00040"])(**{**vars(facts["metal.00040"]), "md5": true})
    monkeypatch.setattr(release, "load_index", lambda: facts)
    findings = check_corpus(open_corpus(released), label_errors=False).findings
    missing = {f.track: f.detail for f in findings if f.kind == "missing"}
    assert len(missing) == 10
    assert (missing["jazz"], missing["pop"]) == ("1 of 100 tracks", "0 of 100 tracks")
    assert set(kinds(findings)) - {(genre, "missing") for genre in missing} == {
        ("blues.00000", "altered"), ("jazz.00001", "altered"), ("jazz.00001", "misfiled"),
        ("stranger", "extra"), ("metal.00040", "known-fault"),
    }  # fmt: skip
    assert next(f.detail for f in findings if f.kind == "known-fault").endswith(": byte for byte metal.00061")


def test_a_full_gtzan_lacks_nothing():
    tracks = tuple(Track(t, fact.genre) for t, fact in release.load_index().items())
    found = kinds(check_corpus(Corpus("GTZAN", tracks), label_errors=False).findings)
    assert {kind for _, kind in found} == {"known-fault"}
    assert len(found) == 70


def test_a_few_names_do_not_make_it_gtzan(pair):
    pair("waltz/blues.00000.flac", song("march"))
    assert check_corpus(open_corpus(pair.root), label_errors=False).findings == []


def test_notes_leave_the_exit_status_alone_and_faults_do_not(mislabelled, tmp_path):
    said = run("data", "check", mislabelled)
    assert said.stdout.splitlines()[0].split()[0] == "suspect"
    assert "notes: suspect" in said.stderr
    assert run("data", "check", mislabelled, "--no-suspects").stderr.endswith("nothing wrong\n")
    shutil.copytree(mislabelled, tmp_path / "c")
    (tmp_path / "c" / "waltz" / "waltz.00000.wav").write_bytes(b"")
    found = run("data", "check", tmp_path / "c", "--format", "json", "--jobs", 2, expect=1)
    grades = [(line["kind"], line["grade"]) for line in map(json.loads, found.stdout.splitlines())]
    assert grades[0] == ("unreadable", "fault")
    assert set(grades[1:]) == {("suspect", "note")}


def test_without_scikit_learn_the_rest_is_checked(pair):
    code = "import sys; sys.modules['sklearn'] = None; from earmark.cli.main import main; main()"
    write_corpus(pair.root, tracks=10, seconds=1, styles=["march", "techno"])
    said = run("data", "check", pair.root, "--format", "json", code=code, expect=1)
    assert {json.loads(line)["kind"] for line in said.stdout.splitlines()} == {"short"}
    assert "judging labels needs packages that are not installed: pip install '.[learn]'" in said.stderr


def test_every_kind_has_a_grade():
    grades = [Finding("t", kind, "").grade for kind in KINDS]
    assert grades == sorted(grades)  # faults are shown before notes
    assert set(grades) == {"fault", "note"}


def test_real_excerpts(gtzan, tmp_path, write_sound):
    root = tmp_path / "real"
    for genre in ("blues", "metal"):
        (root / genre).mkdir(parents=True)
        for path in sorted((gtzan / "audio" / genre).iterdir())[:2]:
            (root / genre / path.name).symlink_to(path)
    findings = check_corpus(open_corpus(root)).findings
    assert {f.kind for f in findings} == {"missing"}
    loud = decode(next((root / "metal").iterdir()), RATE)
    driven = write_sound(root / "blues" / "blues.00099.flac", np.clip(4 * loud, -1, 1), RATE)
    assert {f.kind for f in inspect(Track("driven", "blues", driven)).findings} == {"clipped"}
    faults = [f for f in check_corpus(open_corpus(root)).findings if f.grade == "fault"]
    assert {f.kind for f in faults} == {"clipped", "conflict"}  # driven hard, and still the same recording
