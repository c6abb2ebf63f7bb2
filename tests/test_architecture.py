"""The house rules, checked: which room may import which, what importing costs, what a door may do."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import earmark

ROOT = Path(earmark.__file__).parent
MAY_IMPORT = {
    "errors": set(),
    "listen": {"errors"},
    "tell": {"errors", "listen"},
    "learn": {"errors", "listen", "tell"},
    "doors": {"errors", "listen", "tell", "learn"},
    "__init__": {"errors", "listen", "tell"},
}
TORCH = {"torch", "skorch", "sklearn", "onnx"}
MODULES = sorted(ROOT.rglob("*.py"))


def room(module):
    return module.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(module, *, top_level_only=False):
    tree = ast.parse(module.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_no_import_points_up(module):
    rooms = {name.split(".")[1] for name in imports(module) if name.startswith("earmark.")}
    rooms &= set(MAY_IMPORT)
    assert rooms - {room(module)} <= MAY_IMPORT[room(module)]
    if room(module) in ("listen", "tell", "errors"):
        assert not {name.split(".")[0] for name in imports(module)} & TORCH


def test_the_parser_sees_an_upward_import(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from earmark.doors import cli\n")
    assert "earmark.doors" in set(imports(bad))


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) != "doors"], ids=lambda m: str(m.relative_to(ROOT)))
def test_only_doors_print_or_exit(module):
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not called & {"print", "exit", "sys.exit", "input"}


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import earmark", {"torch", "onnxruntime", "numpy", "av", "sklearn", "rich", "typer"}),
        ("import earmark.tell.tagger", {"torch", "skorch", "sklearn", "onnx", "scipy", "typer"}),
        ("import earmark.doors.cli", {"torch", "onnxruntime", "numpy", "av", "pydantic", "sklearn"}),
        ("import earmark.learn.evaluation", {"torch", "skorch", "sklearn", "onnx"}),
    ],
)
def test_imports_stay_light(statement, forbidden):
    code = f"import sys; {statement}; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert not forbidden & set(out.split())


def test_no_pickle_anywhere():
    for module in MODULES:
        assert not {"pickle", "dill", "cloudpickle"} & {n.split(".")[0] for n in imports(module)}
        text = module.read_text(encoding="utf-8")
        for door in ("allow_pickle=True", "joblib.load", "joblib.dump", "weights_only=False"):
            assert door not in text
