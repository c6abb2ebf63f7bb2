"""Run the commands that README and docs show, and compare what they print: ``python bench/documents.py [--write]``.

In a block marked ``console``, "$ " begins a command, and the lines below it are what it prints (results and messages).
A command of Earmark that shows output is run, with those before it in the same document, in a folder of their own
with the examples. A picture whose description is a command, ``![$ earmark …](screen.svg)``, is the terminal after it.
``--write`` puts what they print into the documents, and draws the pictures anew.
"""

from __future__ import annotations

import argparse
import html
import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
PICTURE = ROOT / "docs" / "why-jazz.png"

COLUMNS = 112
"""Width of the terminal that the documents show."""

TOLERANCE = 2
"""How far a number may be off: encoders and processors differ in the last per cent."""


@dataclass
class Shown:
    """A command that a document shows: its line there, counted from 0, and the lines that it is said to print.

    Of one that is shown as a picture, `screen` is its file, and the lines are those in it.
    """

    line: int
    command: str
    output: list[str] = field(default_factory=list)
    screen: Path | None = None

    @property
    def runs(self) -> bool:
        """Whether the command is for Earmark or prepares files for it; it needs no network and installs nothing."""
        return self.command.startswith(("earmark ", "cp ", "sed "))


def read_commands(document: Path) -> list[Shown]:
    """Return the commands of a document's console blocks and screens, in order."""
    commands: list[Shown] = []
    inside = False
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines()):
        if line.startswith("```"):
            inside = line == "```console"
        elif picture := re.fullmatch(r"!\[\$ (.+)\]\((.+\.svg)\)", line):
            path = document.parent / picture[2]
            commands.append(Shown(number, picture[1], read_screen(path) or [""], path))
        elif inside and line.startswith("$ "):
            commands.append(Shown(number, line[2:].strip()))
        elif inside and commands:
            commands[-1].output.append(line)
    return commands


def run_commands(commands: Sequence[Shown]) -> dict[int, list[str]]:
    """Run commands up to the last that shows output; return, by line, what each of those that show some prints."""
    last = max((shown.line for shown in commands if shown.output), default=-1)
    printed = {}
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(ROOT / "examples", Path(name, "examples"))
        for shown in commands:
            if shown.runs and shown.line <= last:
                text = _run(shown.command, Path(name))
                if shown.output:
                    printed[shown.line] = [line.rstrip() for line in text.strip("\n").splitlines()]
    return printed


def strip_styles(line: str) -> str:
    """Return a line that a terminal would show, without its colours."""
    return Text.from_ansi(line).plain.rstrip()


def draw_screen(shown: Shown, lines: Sequence[str]) -> None:
    """Draw the terminal after a command, as SVG."""
    assert shown.screen
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)
    # without fonts from the network: the reader's own monospace one will do
    plain = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    shown.screen.write_text(console.export_svg(title=f"$ {shown.command}", code_format=plain), encoding="utf-8")


def read_screen(path: Path) -> list[str]:
    """Return the lines in a picture of :func:`draw_screen`; none where there is no such picture yet."""
    if not path.exists():
        return []
    _, _, text = path.read_text(encoding="utf-8").partition('-matrix">')
    lines: dict[float, str] = {}
    for y, part in re.findall(r'<text [^>]*y="([\d.]+)"[^>]*>(.*?)</text>', text):
        lines[float(y)] = lines.get(float(y), "") + html.unescape(part)
    return [line.replace("\xa0", " ").rstrip() for _, line in sorted(lines.items())]


def _run(command: str, folder: Path) -> str:
    """Return what a command prints on a terminal: results and messages, in order."""
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm",  # rich gives others 80 columns, whatever COLUMNS says
        "TTY_INTERACTIVE": "0",  # no progress bars
        "XDG_CACHE_HOME": str(folder / ".cache"),
        "EARMARK_CONFIG": "",
        "PYTHONUTF8": "1",
    }
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["sh", "-c", command], cwd=folder, env=os.environ | own, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        text = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    if process.returncode:
        raise RuntimeError(f"{command}: exit status {process.returncode}\n{text}")
    # without what moves the cursor; colours stay
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-ln-z]|\r", "", text)


def _read(terminal: int) -> bytes:
    """Read some bytes; none where the other side of a terminal is closed, which Linux calls an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def agree(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """Return whether two outputs say the same: but for looks, times, checksums, and numbers within the tolerance."""

    def parse(lines: Sequence[str]) -> tuple[list[str], list[float]]:
        text = re.sub(r"[█▉▊▋▌▍▎▏ ]+", " ", "\n".join(strip_styles(line).strip() for line in lines))
        # a model's checksum holds the day on which it was made
        text = re.sub(r"took \d.*|\([0-9a-f]{8}\)", "", text)
        return re.split(r"\d+(?:\.\d+)?", text), [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]

    (words, numbers), (other_words, other_numbers) = parse(shown), parse(printed)
    return words == other_words and all(abs(a - b) <= TOLERANCE for a, b in zip(numbers, other_numbers, strict=True))


def write_outputs(document: Path, commands: Sequence[Shown], printed: dict[int, list[str]]) -> None:
    """Replace what a document shows by what the commands print."""
    lines = document.read_text(encoding="utf-8").splitlines()
    for shown in reversed(commands):  # from the end, so that earlier lines keep their numbers
        if shown.line in printed and shown.screen:
            draw_screen(shown, printed[shown.line])
        elif shown.line in printed:
            lines[shown.line + 1 : shown.line + 1 + len(shown.output)] = map(strip_styles, printed[shown.line])
    document.write_text("\n".join(lines) + "\n", encoding="utf-8")


def draw_picture() -> None:
    """Draw README's picture by the command beside it, in fewer pixels and colours: it is loaded with every visit."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "why.png")
        _run(f"earmark explain {ROOT}/examples/sugar-plum-fairy.opus -o {path}", Path(name))
        image = Image.open(path).convert("RGB")
    image.thumbnail((1000, 2000))
    image.quantize(128, dither=Image.Dither.NONE).save(PICTURE, optimize=True)


def main() -> int:
    """Compare, or write; return 1 where a document does not show what its commands print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put what is printed into the documents")
    write, status = parser.parse_args().write, 0
    for document in DOCUMENTS:
        commands = read_commands(document)
        printed = run_commands(commands)
        wrong = [each for each in commands if each.line in printed and not agree(each.output, printed[each.line])]
        for shown in wrong:
            print(f"{document.relative_to(ROOT)}:{shown.line + 1}: {shown.command}")
        if write:
            write_outputs(document, commands, printed)
        elif wrong:
            status = 1
    if write:
        draw_picture()
    return status


if __name__ == "__main__":
    sys.exit(main())
