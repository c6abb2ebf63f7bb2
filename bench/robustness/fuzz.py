"""Damaged files, from bytes to verdict and tags: ``python bench/robustness/fuzz.py [--count N] [--replay FILE...]``.

Each damaged file is heard by `Tagger.classify`, whole and as a preview, and its tags are read, in a process of a
`Pool`. What kills the process, takes longer than ten seconds, raises anything but an AudioError, gives a verdict that
is none, or takes a gigabyte, is a finding: it is kept, and can be replayed. Memory and open files of each process are
watched over thousands of inputs. The exit status is 1 if anything was found.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile

from damage import Named, damaged
from rich.console import Console
from rich.progress import track

from earmark.errors import AudioError
from earmark.inference.tagger import Tagger
from earmark.inference.verdict import Verdict
from earmark.library.tags.file_tags import read_file_tags
from earmark.parallel import Pool

SLOWEST = 10.0
"""Seconds."""

GREATEST = 1000
"""MB that one file may take beyond what is taken before."""

SOUND = {"verdict", "verdict, damaged", "refused"}
"""What may become of a damaged file; all else is a finding."""

Input = int | Path
"""A number, of which the damaged file is made; or a file that was kept."""


@dataclass(frozen=True)
class Outcome:
    """What became of one input.

    Attributes
    ----------
    kind : str
        One of `SOUND`, or what was found.
    words : str
        What was said of it; the traceback of a finding.
    seconds : float
    peak, memory : float
        MB: how far memory rose meanwhile, and what was taken afterwards.
    files : int
        Open afterwards.
    process : int
        Its number.
    """

    source: Input
    kind: str
    words: str = ""
    seconds: float = 0.0
    peak: float = 0.0
    memory: float = 0.0
    files: int = 0
    process: int = 0

    @property
    def finding(self) -> bool:
        """Whether it ought not to be."""
        return self.kind not in SOUND

    @property
    def cost(self) -> str:
        """Time and memory, in words."""
        return f"({self.seconds:.2f} s, {self.peak:.0f} MB)"


class Listener:
    """Takes one input after the other, in a process of its own."""

    def __init__(self, seed: int) -> None:
        self.seed, self.tagger = seed, Tagger()
        logging.getLogger("mediafile").addHandler(logging.NullHandler())  # it would write of each damaged file

    def __call__(self, source: Input) -> Outcome:
        """Take one, and measure."""
        suffix, content = content_of(source, self.seed)
        before = _memory("VmRSS")
        _forget_peak()
        begin = time.perf_counter()
        try:
            kind, words = self.take(suffix, content)
        except Exception:
            kind, words = "traceback", traceback.format_exc()
        seconds = time.perf_counter() - begin
        peak = _memory("VmHWM") - before
        if peak > GREATEST and kind != "traceback":
            kind, words = "memory", f"{peak:.0f} MB"
        _give_back()
        return Outcome(source, kind, words, seconds, peak, _memory("VmRSS"), _open_files(), os.getpid())

    def take(self, suffix: str, content: bytes) -> tuple[str, str]:
        """Read its tags and hear it, as a preview and whole: what became of it, and in words."""
        with NamedTemporaryFile(suffix=f".{suffix}") as file:
            file.write(content)
            file.flush()
            read_file_tags(Path(file.name))
        kinds = []
        for preview in (True, False):
            try:
                verdict = self.tagger.classify(Named(suffix, content), preview=preview)
            except AudioError as error:
                kinds.append(("refused", str(error)))
            else:
                _check(verdict)
                kinds.append(("verdict, damaged" if verdict.error else "verdict", verdict.error or ""))
        return kinds[-1]


def content_of(source: Input, seed: int) -> tuple[str, bytes]:
    """Suffix and bytes of an input."""
    if isinstance(source, int):
        return damaged(source, seed)
    return source.suffix[1:], source.read_bytes()


def _check(verdict: Verdict) -> None:
    json.dumps(verdict.to_dict(timeline=True), allow_nan=False)
    assert verdict.duration is not None
    assert verdict.duration >= 0
    for genres in (verdict.genres, *(clip.genres for clip in verdict.clips)):
        assert not genres or abs(sum(genres.values()) - 1) < 1e-6, genres
    assert verdict.genre or verdict.reason


@dataclass
class Tally:
    """What is known of all inputs."""

    kinds: Counter[str] = field(default_factory=Counter)
    slowest: Outcome = field(default_factory=lambda: Outcome(-1, "none"))
    greatest: Outcome = field(default_factory=lambda: Outcome(-1, "none"))
    memory: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    files: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, outcome: Outcome) -> None:
        """Count it in."""
        self.kinds[outcome.kind] += 1
        self.slowest = max(self.slowest, outcome, key=lambda o: o.seconds)
        self.greatest = max(self.greatest, outcome, key=lambda o: o.peak)
        if outcome.process:
            self.memory[outcome.process].append(outcome.memory)
            self.files[outcome.process].append(outcome.files)

    def growth(self) -> Iterator[str]:
        """Memory and open files of each process, early and late."""
        for process, memory in self.memory.items():
            tenth = max(1, len(memory) // 10)
            early, late = memory[tenth : 2 * tenth], memory[-tenth:]
            files = self.files[process]
            yield (
                f"process {process}, {len(memory)} inputs: {median(early or memory):.0f} MB early, "
                f"{median(late):.0f} MB late; open files {files[0]} … {files[-1]}"
            )


def main() -> None:
    """Run, and exit with 1 if anything was found."""
    options = _options()
    inputs: list[Input] = options.replay or list(range(options.first, options.first + options.count))
    prepare: Callable[[], Callable[[Input], Outcome]] = partial(Listener, options.seed)
    pool = Pool(prepare, options.jobs, _lost, limit=lambda _: SLOWEST)
    console, tally, begin = Console(soft_wrap=True), Tally(), time.perf_counter()
    progress = Console(stderr=True)
    for outcome in track(pool.map(iter(inputs)), total=len(inputs), console=progress, disable=not progress.is_terminal):
        tally.add(outcome)
        if outcome.finding or options.replay:
            kept = outcome.source if options.replay else _keep(outcome, options)
            console.print(f"{outcome.kind}: {kept} {outcome.cost} {outcome.words}", markup=False)
    seconds = time.perf_counter() - begin
    console.print(f"{len(inputs)} inputs of seed {options.seed} in {seconds:.0f} s: {dict(tally.kinds)}", markup=False)
    for name, most in (("slowest", tally.slowest), ("most memory", tally.greatest)):
        console.print(f"{name}: {most.source} {most.cost} {most.kind}", markup=False)
    for line in tally.growth():
        console.print(line)
    sys.exit(not tally.kinds.keys() <= SOUND)


def _lost(source: Input, why: str) -> Outcome:
    return Outcome(source, "hang" if "longer than" in why else "crash", why)


def _keep(outcome: Outcome, options: argparse.Namespace) -> Path:
    suffix, content = content_of(outcome.source, options.seed)
    options.keep.mkdir(parents=True, exist_ok=True)
    path: Path = options.keep / f"{outcome.kind}-{options.seed}-{outcome.source}.{suffix}"
    path.write_bytes(content)
    return path


def _memory(name: str) -> float:
    """MB, as Linux counts them; 0 elsewhere."""
    try:
        words = Path("/proc/self/status").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    return int(words[words.index(f"{name}:") + 1]) / 1024


def _give_back() -> None:
    """Have the C library return what is free, so that only what is held counts: holes between are no leak."""
    with suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _open_files() -> int:
    try:
        return len(list(Path("/proc/self/fd").iterdir()))
    except OSError:
        return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000, metavar="N", help="damaged files (default: 20000)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--keep", type=Path, default=Path("fuzz"), metavar="DIR", help="for findings (default: fuzz)")
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="take these files instead")
    return parser.parse_args()


if __name__ == "__main__":
    # under its own name, by which worker processes import what they are to do
    from fuzz import main as run

    run()
