"""Sounds and files that several test files need."""

import json
import os
import signal
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before anything imports onnxruntime
os.environ["EARMARK_CONFIG"] = ""  # whatever the tester's own settings are

import av
import numpy as np
import pytest
from support.pages import chromium, open_page  # noqa: F401 (fixtures)

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background, and so in what tests start

CODECS = {
    ".wav": "pcm_s16le",
    ".flac": "flac",
    ".mp3": "libmp3lame",
    ".ogg": "vorbis",
    ".opus": "libopus",
    ".m4a": "aac",
    ".mp4": "aac",
    ".mkv": "aac",
    ".wma": "wmav2",
    ".aiff": "pcm_s16be",
    ".ac3": "ac3",
    ".mp2": "mp2",
}
CONTAINERS = {".m4a": "ipod", ".wma": "asf", ".mkv": "matroska", ".opus": "ogg"}


def pytest_collection_modifyitems(items):
    """Mark what needs real music, so that `-m gtzan` and `-m "not gtzan"` tell it apart."""
    for item in items:
        if "gtzan" in getattr(item, "fixturenames", ()):
            item.add_marker("gtzan")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def gtzan():
    """The folder of real music, which not every machine has."""
    folder = Path(os.environ.get("EARMARK_GTZAN") or Path(__file__).parents[2] / "shared" / "gtzan")
    if not folder.is_dir():
        pytest.skip(f"no GTZAN at {folder}: set EARMARK_GTZAN")
    return folder


@pytest.fixture(scope="session")
def encoders():
    """The folder of published weights and reference answers, which not every machine has."""
    folder = Path(__file__).parents[2] / "shared" / "encoders"
    if not folder.is_dir():
        pytest.skip(f"no encoders at {folder}")
    return folder


@pytest.fixture(scope="session")
def tone():
    """A sine of peak 0.5."""

    def make(frequency, seconds, rate):
        return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)

    return make


@pytest.fixture(scope="session")
def write_sound():
    """Encode samples, shape (n,) or (channels, n), in the format that the name's suffix says."""
    return _write_sound


def _write_sound(path, samples, rate, *, codec=None, container=None, bit_rate=None, video=False, picture=None, tags=()):
    samples = np.atleast_2d(np.asarray(samples, np.float32))
    options = {"strict": "-2"}  # FFmpeg's own Vorbis encoder counts as experimental
    with av.open(str(path), "w", format=container or CONTAINERS.get(path.suffix), options=options) as file:
        file.metadata.update(tags)
        stream = file.add_stream(codec or CODECS[path.suffix], rate=rate, layout=f"{len(samples)}c", options=options)
        if bit_rate:
            stream.bit_rate = bit_rate
        elif stream.codec.name == "wmav2":
            stream.bit_rate = 128_000  # it has no default
        if picture is not None:
            _attach(file, picture)
        if video:
            _film(file, samples.shape[1] / rate)
        for start in range(0, samples.shape[1], 65536):
            part = np.ascontiguousarray(samples[:, start : start + 65536].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, "flt", stream.layout.name)
            frame.sample_rate = rate
            frame.pts = start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def _attach(file, picture):
    cover = file.add_stream("png")
    cover.width, cover.height = picture.shape[1::-1]
    cover.pix_fmt = "rgb24"
    cover.disposition = 1024  # attached picture
    file.mux(cover.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
    file.mux(cover.encode(None))


def _film(file, seconds):
    """Grey pictures, five a second."""
    stream = file.add_stream("mpeg4", rate=5)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for i in range(round(5 * seconds)):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * i % 256, np.uint8), "rgb24")
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


@pytest.fixture
def make_record():
    """Make a record as a reproduction leaves it, of invented answers."""
    return _make_record


def _make_record(recipe, protocol="clip", seed=0, *, skill=0.6, fold=None, labels=GENRES, settings=None, n=6):
    from earmark.evaluation.calibration import Answers
    from earmark.evaluation.report import judge
    from earmark.inference.card import Calibration
    from earmark.training.registry import open_recipe

    settings = settings or open_recipe(recipe)
    rng = np.random.default_rng([seed, len(recipe), len(protocol)])
    y = np.repeat(np.arange(len(labels)), 2 * n)
    logits = rng.normal(0, 1, (len(y), len(labels)))
    logits[np.arange(len(y)), y] += np.where(rng.random(len(y)) < skill, 3.0, 0.0)
    ids = [f"{label}.{i:05}" for label in labels for i in range(n)]
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    calibration = Calibration(clip_temperature=1.0, track_temperature=1.0, threshold=0.2, coverage=0.9)
    report = judge(
        Answers(log_p, np.arange(len(y)) // 2, y, tuple(labels)), calibration, ids=ids,
        corpus="made up", protocol=protocol, part="valid" if protocol == "fault-filtered" else "test",
    ).to_dict()  # fmt: skip
    network = settings.kind in ("network", "mlp")
    epochs = range(1, 9) if network else []
    turn = {"index": fold[0], "count": fold[1]} if fold else None
    own = {"recipe": settings.model_dump(mode="json"), "protocol": protocol, "seed": seed, "fold": turn}
    leak = {"clip": (1.0, 1.0), "track": (0.0, 0.3)}.get(protocol, (0.0, 0.0))
    record = {
        "identity": {"corpus": "0" * 64, **own},
        "recipe": recipe,
        "fold": fold and fold[0],
        "folds": fold and fold[1],
        "seed": seed,
        **report,
        "leak": dict(zip(("tracks", "artists"), leak, strict=True)),
        "epochs": len(epochs) or None,
        "seconds": 12.34,
        "parameters": 4321 if network else None,
        "history": [
            {"epoch": e, "train_loss": 2.3 / e, "valid_loss": 2.3 / e + e / 20, "valid_acc": skill * e / 8, "dur": 1.5}
            for e in epochs
        ],
        "attention": {g: [0.02] * 21 + [0.58] for g in labels} if settings.attention else None,
        "notes": ["a solver stopped at its limit of iterations"] if settings.svm else [],
        "failed": {},
        "commit": "abc1234",
    }
    return json.loads(json.dumps(record))
