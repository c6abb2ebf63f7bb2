"""``make demo`` on its own: what it shows is what it says it shows."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import REPOSITORY

pytest.importorskip("sklearn", reason="the extra 'train' is not installed")
pytest.importorskip("onnx", reason="the extra 'train' is not installed")


def test_the_demo_learns_what_it_was_wrong_about(tmp_path):
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    environment = os.environ | {"BIN": str(Path(sys.executable).parent), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        ["sh", REPOSITORY / "demo.sh"], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    first, second, third = re.split(r"earmark train examples/.*", done.stdout)
    assert re.search(r"sugar-plum-fairy\.opus +jazz", first)
    assert re.search(r"vibe-ace\.opus +reggae", first)
    assert re.search(r"sugar-plum-fairy\.opus +ballet", second)
    assert re.search(r"vibe-ace\.opus +lounge", second)
    assert not re.search(r"lets-go-fishin\.opus +campfire", second)
    assert re.search(r"lets-go-fishin\.opus +campfire", third)
    segments = [json.loads(line)["segment"] for line in third.splitlines() if line.startswith('{"segment"')]
    heard = [segment["genre"] or segment["reason"] for segment in segments]
    assert [word for word in heard if word in ("ballet", "campfire", "speech", "no music")] == [
        "speech", "ballet", "no music", "ballet", "campfire", "speech",
    ]  # fmt: skip
    page = tmp_path / "demo" / "why.html"
    assert page.as_uri() in done.stdout
    assert page.stat().st_size > 300_000
