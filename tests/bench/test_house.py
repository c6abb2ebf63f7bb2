"""The report on the source sees what it should see, in a small package made for it."""

import json
import os
import subprocess
import sys

import house
import pytest
from source_code import definitions, read_module

PYPROJECT = """
[[tool.importlinter.contracts]]
type = "layers"
layers = ["cli | web", "(scale)", "engine"]
containers = ["made_up"]
"""

ONE = """import made_up.engine.two


def run(x, *, y=0, **rest):
    '''Return x.

    Parameters
    ----------
    x : int

    >>> run(1)
    1
    '''

    # why
    def pooled():
        return x  # not a line of its own

    text = '''
    # no comment
    '''
    return pooled(), text


def threshold(a):
    return a
"""

TWO = (
    """import made_up.engine.one
from made_up.web import serve


class Kept:
    def kept_together(self, a, b, c, d, e, f, g, h, i):
        return serve

    def _embed(self):
        pass


def long():
    '''Count.

    Long.
    '''
"""
    + 30 * "    _ = 1\n\n"
)

ESTIMATOR = (
    """class Classifier(BaseEstimator):
    def __init__(self, a, b, c, d, e, f, g, h, i, j, k):
        pass
"""
    + 298 * "\n"
)

FILES = {
    "__init__.py": "",
    "cli/__init__.py": "",
    "cli/main.py": "from ..engine import run\n\n\ndef command(a, b, c, d, e, f, g, h, i, j):\n    return run(a)\n",
    "web.py": "def serve():\n    from made_up import cli\n\n    return cli\n",
    "engine/__init__.py": "from made_up.engine.one import run\n",
    "engine/one.py": ONE,
    "engine/two.py": TWO,
    "model.py": ESTIMATOR,
}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The folder of a package `made_up`, below a pyproject.toml with a layers contract."""
    root = tmp_path_factory.mktemp("house")
    (root / "pyproject.toml").write_text(PYPROJECT)
    for name, text in FILES.items():
        path = root / "src" / "made_up" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "src" / "made_up"


@pytest.fixture(scope="module")
def figures(package):
    return house.measure(package)


def test_circles_and_upward_arrows_are_found(figures):
    assert figures["circles"] == [["made_up.engine.one", "made_up.engine.two"]]
    assert figures["upward"] == ["made_up.engine.two -> made_up.web", "made_up.web -> made_up.cli"]  # up, and sideways


def test_siblings_may_import_one_another_where_the_contract_says_so(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.replace("|", ":"))
    layers = house.read_layers(tmp_path / "made_up")
    assert layers["made_up.cli"] == layers["made_up.web"]
    assert [layers[f"made_up.{name}"][0] for name in ("cli", "web", "scale", "engine")] == [0, 0, 1, 2]


def test_without_a_contract_nothing_is_said_of_arrows(package):
    assert house.read_layers(package.parents[2]) is None


def test_lines_are_code_comment_or_neither(figures):
    sizes = {name: len(text.splitlines()) for name, text in FILES.items()}
    assert figures["lines"] == sum(sizes.values())
    assert figures["packages"]["engine"] == sum(n for name, n in sizes.items() if name.startswith("engine"))
    assert figures["packages"]["(top level)"] == sizes["__init__.py"] + sizes["web.py"] + sizes["model.py"]
    assert figures["comment_lines"] == 1
    code = {"cli": 3, "web": 3, "engine": 1, "one": 10, "two": 7 + 31, "model": 3}
    assert figures["code_lines"] == sum(code.values())


def test_long_modules_and_functions_are_named(figures):
    assert figures["long_modules"] == {"made_up.model": 301}
    assert figures["long_functions"] == {"made_up.engine.two.long": 31}
    assert figures["functions"] == 9
    assert figures["function_lines"][0] == 2


def test_signatures_count_what_a_caller_sees(figures):
    assert figures["longest_signature"] == {"made_up.model.Classifier.__init__": 11}
    assert figures["longest_public_signature"] == {"made_up.engine.two.Kept.kept_together": 9}
    assert figures["wide_signatures"] == {"made_up.engine.two.Kept.kept_together": 9}


def test_docstrings_of_public_definitions(figures):
    assert figures["public"] == 8  # command, serve, run, threshold, Kept, kept_together, long, Classifier
    assert figures["public_with_parameters"] == figures["public_with_example"] == figures["taking_with_parameters"] == 1
    assert figures["public_taking"] == 4


def test_participles_are_found(figures):
    assert figures["participles"] == ["made_up.engine.one.run.pooled", "made_up.engine.two.Kept.kept_together"]


@pytest.mark.parametrize(("name", "is_participle"), [
    ("begun", True), ("_walked_back", True), ("known_groups", True), ("_shown", True), ("chosen", True),
    ("embed_clips", False), ("_seed", False), ("read_needed", False), ("threshold_for", False), ("is_known", False),
    ("__init__", False), ("_", False), ("built", True),
])  # fmt: skip
def test_a_participle_is_told_from_verbs_and_nouns(tmp_path, name, is_participle):
    path = tmp_path / "module.py"
    path.write_text(f"def {name}():\n    pass\n\n\nclass Unpooled:\n    pass\n")
    function, a_class = definitions(read_module(path, tmp_path))
    assert (function.is_participle, a_class.is_participle) == (is_participle, False)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_report_fits_and_names_what_it_counts(package, figures, columns):
    command = [sys.executable, house.__file__, package]
    environment = {**os.environ, "COLUMNS": str(columns)}
    said = subprocess.run([*command, "--names"], capture_output=True, text=True, check=True, env=environment).stdout
    table = said[: said.index("circles\n")]
    assert max(map(len, table.splitlines())) <= columns
    assert "engine.two -> made_up.web" in said and " 301 made_up.model\n" in said and "run.pooled\n" in said
    report = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout
    assert json.loads(report) == figures
