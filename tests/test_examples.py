"""The recordings that are carried along: small, credited, heard, and enough to learn from."""

import re
from pathlib import Path

from earmark.audio.decode import AudioFile

FOLDER = Path(__file__).parents[1] / "examples"
RECORDINGS = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".opus", ".ogg"))


def test_each_is_credited_and_no_other():
    table = re.findall(r"^\| `(.+?)` \|(.+)\|$", (FOLDER / "CREDITS.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(path for pattern, _ in table for path in FOLDER.glob(pattern)) == RECORDINGS
    for _, row in table:  # title, author, source, licence, what was cut
        assert [bool(cell.strip()) for cell in row.split("|")] == [True] * 5
        assert row.count("https://") == 2


def test_they_are_small_and_short():
    assert sum(path.stat().st_size for path in RECORDINGS) <= 3e6
    for path in RECORDINGS:
        with AudioFile(path) as recording:
            seconds = sum(len(block) for block in recording.blocks(16000)) / 16000
            assert 5 < seconds < (121 if path.name == "programme.ogg" else 30.1)
            assert recording.read_error is None
