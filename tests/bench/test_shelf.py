"""A shelf is planned, edited, applied under a kill and put back: the short form of ``bench/robustness/shelf.py``."""

import os
import subprocess
import sys

import pytest
from support.paths import REPOSITORY

pytest.importorskip("mediafile", reason="the extra 'tags' is not installed")


@pytest.mark.skipif(os.name != "posix", reason="kills as on POSIX")
def test_a_small_shelf_is_put_in_order_and_back(tmp_path):
    bench = REPOSITORY / "bench" / "robustness" / "shelf.py"
    done = subprocess.run(
        [sys.executable, bench, "--files", "66", "--kills", "1", "--work", tmp_path],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "examined                       66 files" in done.stdout
