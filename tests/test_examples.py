"""The recordings that are carried along: few bytes, credited, and heard."""

import re
from pathlib import Path

from earmark.audio.decode import AudioFile

FOLDER = Path(__file__).parents[1] / "examples"
RECORDINGS = sorted(FOLDER.glob("*.opus"))


def test_each_is_credited_and_no_other():
    table = re.findall(r"^\| `(.+?)` \|(.+)\|$", (FOLDER / "CREDITS.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(name for name, _ in table) == [path.name for path in RECORDINGS]
    for _, row in table:  # title, author, source, licence, what was cut
        assert [bool(cell.strip()) for cell in row.split("|")] == [True] * 5
        assert row.count("https://") == 2


def test_they_are_small_and_short():
    assert sum(path.stat().st_size for path in RECORDINGS) <= 1.5e6
    for path in RECORDINGS:
        with AudioFile(path) as recording:
            assert 5 < sum(len(block) for block in recording.blocks(16000)) / 16000 < 30.1
            assert recording.read_error is None
