"""Features by several processes, and what is kept of them: nothing stale, nothing damaged, nothing lost."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest

from earmark.audio import StftDensity
from earmark.data.corpus import open_corpus
from earmark.data.features.cache import Index, read_content
from earmark.data.features.extract import extract
from earmark.parallel import MAX_SERIAL_BYTES, MAX_SERIAL_FILES, is_small

FRONT_END = StftDensity(n_fft=512, hop_length=400)
RATE = 8000
HOUR_AGO = time.time_ns() - 3600 * 10**9


@pytest.fixture
def corpus(tmp_path, write_sound, tone):
    """So many tracks of so many lengths that processes are started for them, last changed an hour ago."""
    for i in range(18):
        path = tmp_path / "music" / "ab"[i % 2] / f"{i:02}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sound(path, tone(200 + 50 * i, 3 + i % 4, RATE), RATE)
        os.utime(path, ns=(HOUR_AGO, HOUR_AGO))
    return open_corpus(tmp_path / "music")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def assert_same(one, two):
    np.testing.assert_array_equal(one.X, two.X)
    assert one.X.dtype == two.X.dtype == np.float32
    assert one.y.tolist() == two.y.tolist()
    assert one.track.tolist() == two.track.tolist()
    assert one.failed == two.failed


def swap_sound(track, write_sound, tone):
    """Put other sound of the same size into the same file."""
    before = track.path.stat()
    write_sound(track.path, tone(1700, 3 + int(track.id) % 4, RATE), RATE)
    after = track.path.stat()
    assert (after.st_size, after.st_ino) == (before.st_size, before.st_ino)


def loudest_hz(features, track):
    frames = features.X[features.track == track][:, 0]
    return frames.mean(axis=0).argmax() * FRONT_END.sample_rate / FRONT_END.n_fft


def test_processes_change_nothing(corpus, cache, write_sound):
    write_sound(corpus.tracks[3].path, np.zeros(4 * RATE), RATE)  # silent
    corpus.tracks[5].path.write_bytes(b"RIFF nothing")
    told = []
    plain = extract(corpus, FRONT_END, 2.0)
    assert set(range(18)) - set(plain.track) == {3, 5}
    assert list(plain.failed) == [corpus.tracks[5].id]
    assert np.isnan(plain.X).any()  # padded clips are among them
    assert_same(plain, extract(corpus, FRONT_END, 2.0, jobs=2, on_track=told.append))
    assert told == list(corpus.tracks)
    for jobs in (2, 1, 2):  # into the cache, and out of it
        assert_same(plain, extract(corpus, FRONT_END, 2.0, jobs=jobs, cache=cache))
    assert len(list(cache.rglob("*.clips"))) == 17  # that a track is silent is kept too


@dataclass(frozen=True)
class Deadly(StftDensity):
    """Dies of loud music."""

    def __call__(self, samples):
        if np.abs(samples).max() > 0.8:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(samples)


def test_a_track_that_kills_its_process_fails_alone(corpus, cache, write_sound, tone):
    write_sound(corpus.tracks[4].path, 2 * tone(300, 4, RATE), RATE)
    for _ in range(2):  # the second time, it is the only one that is not kept
        told = []
        features = extract(corpus, Deadly(n_fft=512, hop_length=400), 2.0, jobs=2, cache=cache, on_track=told.append)
        assert list(features.failed) == [corpus.tracks[4].id]
        assert "killed the process that was decoding it" in features.failed[corpus.tracks[4].id]
        assert set(features.track) == set(range(18)) - {4}
        assert told == list(corpus.tracks)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_changed_file_of_the_same_size_is_heard_again(corpus, cache, write_sound, tone, jobs):
    before = extract(corpus, FRONT_END, 2.0, cache=cache, jobs=jobs)
    swap_sound(corpus.tracks[2], write_sound, tone)
    after = extract(corpus, FRONT_END, 2.0, cache=cache, jobs=jobs)
    assert loudest_hz(before, 2) < 1000
    assert loudest_hz(after, 2) == pytest.approx(1700, abs=10)
    others = before.track != 2
    np.testing.assert_array_equal(before.X[others], after.X[after.track != 2])


@pytest.mark.parametrize(("seconds_old", "trusted"), [(3600, True), (-5, False)])
def test_the_clock_of_a_young_file_is_not_trusted(corpus, cache, write_sound, tone, seconds_old, trusted):
    track = corpus.tracks[2]
    changed = time.time_ns() - seconds_old * 10**9
    os.utime(track.path, ns=(changed, changed))
    before = extract(corpus, FRONT_END, 2.0, cache=cache)
    swap_sound(track, write_sound, tone)
    os.utime(track.path, ns=(changed, changed))  # as if both had happened within one tick
    after = extract(corpus, FRONT_END, 2.0, cache=cache)
    assert bool(loudest_hz(before, 2) == loudest_hz(after, 2)) is trusted


@pytest.mark.parametrize("damaged", [
    lambda content: b"",
    lambda content: content[:-1],
    lambda content: content + b"\0",
    lambda content: content[:4],
    lambda content: bytes(len(content)),
    lambda content: content[:-9] + bytes([content[-9] ^ 64]) + content[-8:],  # one bit of one number
    lambda content: content[:10] + bytes([content[10] ^ 1]) + content[11:],
])  # fmt: skip
def test_what_is_kept_and_damaged_is_made_again(corpus, cache, damaged):
    before = extract(corpus, FRONT_END, 2.0, cache=cache)
    kept = {path: path.read_bytes() for path in cache.rglob("*.clips")}
    for path, content in kept.items():
        path.write_bytes(damaged(content))
    assert_same(before, extract(corpus, FRONT_END, 2.0, cache=cache))
    assert {path: path.read_bytes() for path in cache.rglob("*.clips")} == kept


@pytest.mark.parametrize("damage", [
    lambda entries: b"",
    lambda entries: b"{",
    lambda entries: b"\xff\0",
    lambda entries: b"[]",
    lambda entries: b"7",
    lambda entries: json.dumps(dict.fromkeys(entries)).encode(),
    lambda entries: json.dumps({path: entry[:3] for path, entry in entries.items()}).encode(),
    lambda entries: json.dumps({path: [*entry[:3], 5] for path, entry in entries.items()}).encode(),
    lambda entries: json.dumps({path: [*entry[:3], "0" * 64] for path, entry in entries.items()}).encode(),
])  # fmt: skip
def test_without_its_index_the_cache_still_serves(corpus, cache, damage):
    before = extract(corpus, FRONT_END, 2.0, cache=cache)
    (index,) = cache.rglob("index.json")
    entries = json.loads(index.read_text())
    assert len(entries) == 18
    times = {path: path.stat().st_mtime_ns for path in cache.rglob("*.clips")}
    index.write_bytes(damage(entries))
    assert_same(before, extract(corpus, FRONT_END, 2.0, cache=cache, jobs=2))
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.clips")} == times  # read, not made again
    assert json.loads(index.read_text()) == entries


def test_the_index_saves_reading_the_files(corpus, cache, monkeypatch):
    before = extract(corpus, FRONT_END, 2.0, cache=cache)

    def never(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("earmark.data.features.worker.read_content", never)
    assert_same(before, extract(corpus, FRONT_END, 2.0, cache=cache))


def test_indices_written_at_once_are_joined(corpus, cache):
    one, two = Index(cache), Index(cache)
    first, second = (track.path for track in corpus.tracks[:2])
    one.add(first, read_content(first))
    two.add(second, read_content(second))
    one.save()
    two.save()
    assert Index(cache).find(first) == read_content(first).digest
    assert Index(cache).find(second) == read_content(second).digest
    assert Index(cache).find(corpus.tracks[2].path) is None


FILL = """
import sys
from pathlib import Path
import numpy as np
from earmark.data.corpus import open_corpus
from earmark.data.features.extract import extract
from earmark.audio import StftDensity
features = extract(
    open_corpus(sys.argv[1]), StftDensity(n_fft=512, hop_length=400), 2.0, cache=Path(sys.argv[2]), jobs=2
)
np.save(sys.argv[3], features.X)
"""


def test_two_processes_fill_one_cache(corpus, cache, tmp_path):
    script = tmp_path / "fill.py"
    script.write_text(FILL)
    outs = [tmp_path / "0.npy", tmp_path / "1.npy"]
    fillers = [subprocess.Popen([sys.executable, script, tmp_path / "music", cache, out]) for out in outs]
    assert [filler.wait(timeout=120) for filler in fillers] == [0, 0]
    alone = extract(corpus, FRONT_END, 2.0)
    for out in outs:
        np.testing.assert_array_equal(np.load(out), alone.X)
    assert_same(alone, extract(corpus, FRONT_END, 2.0, cache=cache))
    assert len(list(cache.rglob("*.clips"))) == 18
    assert not list(cache.rglob("*.partial"))
    assert all(Index(cache).find(track.path) for track in corpus.tracks)


def test_what_is_little_work(tmp_path):
    small = tmp_path / "small"
    small.write_bytes(b"x")
    assert is_small([small] * MAX_SERIAL_FILES)
    assert not is_small([small] * (MAX_SERIAL_FILES + 1))
    os.truncate(small, MAX_SERIAL_BYTES)
    assert not is_small([small])
    assert is_small([tmp_path / "gone"])
