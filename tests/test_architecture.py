"""What importing costs, and what only the command line may do; which package may import which is in pyproject.toml."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import earmark

ROOT = Path(earmark.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))


def imports(module):
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m.relative_to(ROOT).parts[0] != "cli"], ids=lambda m: str(m.relative_to(ROOT))
)
def test_only_the_command_line_prints_or_exits(module):
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
        ("import earmark.inference.tagger", {"torch", "skorch", "sklearn", "onnx", "scipy", "typer"}),
        ("import earmark.cli.main", {"torch", "onnxruntime", "numpy", "av", "pydantic", "sklearn"}),
        ("import earmark.evaluation.evaluate", {"torch", "skorch", "sklearn", "onnx"}),
        ("import earmark.training.train, earmark.networks.onnx.front_end", {"torch", "skorch", "matplotlib"}),
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
