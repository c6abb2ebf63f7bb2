"""Python source, read without running it: the lines of a module, what it defines, and which names are participles."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PARTICIPLE = re.compile(
    r"[a-z]+(ed|oken|ought|own|orn|eld|aid|old|ound|ept|egun|osen|ardened)"
    r"|built|done|given|heard|lost|made|met|seen|sent|spent|taken|written"
)
"""Matched against the first word of a function's name: a verb belongs there."""

NO_PARTICIPLES = {
    *("embed", "exceed", "feed", "need", "proceed", "seed", "shed", "speed", "succeed"),
    *("bound", "fold", "ground", "hold", "round", "scaffold", "sound", "surround", "threshold", "unfold"),
    *("accept", "except", "field", "intercept", "own", "yield"),
    "brown",  # a colour of noise
    "closed",  # what io calls a file's state
}
"""Words of that look which are verbs or nouns, or names that Python and the field have given."""

_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


@dataclass(frozen=True)
class Module:
    """A source file; `package` is the folder of the package that holds it, `code` the numbers of its lines of code."""

    name: str
    package: str
    tree: ast.Module
    lines: int
    code: frozenset[int]
    comment_lines: int


@dataclass(frozen=True)
class Definition:
    """A function, method or class; public where no part of its dotted name begins with ``_``."""

    name: str
    package: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    owner: ast.ClassDef | None
    public: bool
    code_lines: int

    @property
    def docstring(self) -> str:
        """Its docstring, without indentation; empty where there is none."""
        return ast.get_docstring(self.node) or ""

    @property
    def parameters(self) -> int:
        """Number of parameters that a caller sees: without ``self`` and ``cls``; none of a class."""
        if isinstance(self.node, ast.ClassDef):
            return 0
        a = self.node.args
        names = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if p]
        return len(names) - (self.owner is not None and names[:1] in (["self"], ["cls"]))

    @property
    def free(self) -> bool:
        """Whether neither a command line nor scikit-learn's contract asks for every setting as a parameter."""
        bases = " ".join(map(ast.unparse, self.owner.bases)) if self.owner else ""
        estimator = self.node.name == "__init__" and re.search(r"(Estimator|Classifier|Mixin|Net)\b", bases)
        return self.package not in ("cli", "doors") and not estimator

    @property
    def is_participle(self) -> bool:
        """Whether a participle leads the name of a function, as in `pooled` or `kept_together`."""
        word = self.node.name.lstrip("_").split("_")[0]
        return (
            not isinstance(self.node, ast.ClassDef) and word not in NO_PARTICIPLES and bool(PARTICIPLE.fullmatch(word))
        )


def read_module(path: Path, src: Path) -> Module:
    """Parse a file, and sort its lines into code, comment and the rest."""
    text = path.read_text(encoding="utf-8")
    tree, code, comments = ast.parse(text), set[int](), set[int]()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
        elif token.type == tokenize.COMMENT:
            comments.add(token.start[0])
    for node in ast.walk(tree):  # a string that stands alone documents what holds it or precedes it
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            code.difference_update(range(node.lineno, (node.end_lineno or 0) + 1))
    inside = path.relative_to(src).with_suffix("").parts
    name = ".".join((src.name, *inside)).removesuffix(".__init__")
    package = inside[0] if len(inside) > 1 else "(top level)"
    return Module(name, package, tree, len(text.splitlines()), frozenset(code), len(comments - code))


def definitions(module: Module) -> Iterator[Definition]:
    """Yield all that a module defines, nested functions included."""

    def visit(node: ast.AST, name: str, owner: ast.ClassDef | None, public: bool) -> Iterator[Definition]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from visit(child, name, owner, public)
                continue
            shown = public and (child.name == "__init__" or not child.name.startswith("_"))
            own = module.code.intersection(range(child.lineno, (child.end_lineno or 0) + 1))
            yield Definition(f"{name}.{child.name}", module.package, child, owner, shown, len(own))
            inside = child if isinstance(child, ast.ClassDef) else None  # what stands in a function is not public
            yield from visit(child, f"{name}.{child.name}", inside, shown and inside is not None)

    return visit(module.tree, module.name, None, "._" not in module.name)
