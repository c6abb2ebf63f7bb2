"""Damaged files of every format, from bytes to verdict: the short form of ``python bench/robustness/fuzz.py``."""

import subprocess
import sys
from pathlib import Path

import pytest
from damage import Named, damage, damaged, originals
from fuzz import SOUND, Listener
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.decode import decode
from earmark.library.tags.file_tags import read_file_tags

FUZZ = Path(__file__).parents[2] / "bench" / "robustness" / "fuzz.py"


@pytest.fixture(scope="module")
def listener():
    return Listener(seed=1)


def test_the_originals_can_be_heard_and_their_tags_read(tmp_path):
    """Else their damage would teach nothing."""
    suffixes, tagged = set(), 0
    for i, (suffix, content) in enumerate(originals()):
        assert len(decode(Named(suffix, content), 22050)) == pytest.approx(1.1 * 22050, abs=4500), suffix
        path = tmp_path / f"{i}.{suffix}"
        path.write_bytes(content)
        suffixes.add(suffix)
        tagged += "Waltz" in " ".join(read_file_tags(path).genres).title()
    assert len(suffixes) > 25
    assert tagged >= 8


def test_a_number_always_stands_for_the_same_damage():
    assert damaged(7, 1) == damaged(7, 1)
    assert len({damaged(n, seed) for n in range(20) for seed in (0, 1)}) > 38
    every = originals()
    assert all((suffix, content) not in every for suffix, content in (damaged(n) for n in range(20)))


@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_no_damage_does_more_than_be_refused(listener, rng):
    suffix, content = damage(rng)
    kind, words = listener.take(suffix, content)
    assert kind in SOUND, words


def test_memory_does_not_grow_with_each_damaged_file(listener):
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc, which only Linux has")
    for number in range(30):  # what is taken once
        listener(number)
    before = listener(30)
    for number in range(31, 150):
        after = listener(number)
    assert after.memory - before.memory < 25  # MB
    assert after.files == before.files


def test_kept_findings_are_replayed(tmp_path):
    for number in range(3):
        suffix, content = damaged(number)
        (tmp_path / f"{number}.{suffix}").write_bytes(content)
    command = [sys.executable, FUZZ, "--jobs", "1", "--replay", *sorted(tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.count(str(tmp_path)) >= 3
    assert "3 inputs" in done.stdout
