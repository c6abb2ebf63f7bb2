"""The files that an explanation can be written to."""

import json
from pathlib import Path

import numpy as np
import pytest

from earmark.errors import SettingError
from earmark.explanation.explainer import Explainer
from earmark.explanation.formats import find_format


@pytest.fixture(scope="module")
def explanation():
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * 22050)
    return Explainer("paper-attention-2x60").explain((noise, 22050), relevance=False, sound=False)


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.html", b"<!doctype html>"), ("a.HTM", b"<!doctype html>"), ("a.png", b"\x89PNG"), ("a.svg", b"<?xml")],
)
def test_the_suffix_says_what_is_written(explanation, name, begins):
    assert find_format(Path(name))(explanation, []).lower().startswith(begins.lower())


def test_numbers_are_one_line_of_json(explanation):
    content = find_format(Path("a.json"))(explanation, [])
    assert content.endswith(b"\n")
    assert json.loads(content) == explanation.to_dict()


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path):
    with pytest.raises(SettingError, match=r"need a name that ends in \.html, \.png, \.svg or \.json"):
        find_format(tmp_path / "a.txt")
    with pytest.raises(SettingError, match="is a folder"):
        find_format(tmp_path)
