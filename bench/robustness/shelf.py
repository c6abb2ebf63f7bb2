"""A shelf put in order: ``python bench/robustness/shelf.py [--files N] [--kills K] [--jobs J] [--work DIR]``.

A shelf as people have them (albums, double albums, compilations, loose files; eleven formats; genres missing, wrong,
several, joined in one text; some files read-only) is planned; fifty rows of the plan are edited as a person does in a
spreadsheet; it is applied, killed (SIGKILL) at random moments and begun again. Then each file must have the genres and
moods that its row says, every other file must be what it was, to the byte, and none may have lost another tag or a
sample; and ``--undo`` must give back all of them. Read by mutagen and FFmpeg alone. Exit status 1 if anything is amiss.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mutagen
import numpy as np
from mediafile import MediaFile
from tags import APE, CODECS, COMMAND, count_done, digest, encode, hash_samples, kill_at_progress

from earmark.data.synth import STYLES, compose

EDITS = 50
READ_ONLY = 5
WRONG = (["Podcast"], ["Blues", "Country"], ["Rock; Pop"], ["Other"], ["Hörspiel/Märchen"])
OWN_WORDS = (
    "Hip-Hop; Rap",
    "Rock 'n' Roll",
    'Neue "Deutsche" Härte; Krautrock',
    "Drum & Bass, schnell",
    "=Jazz",
    "久石譲",
)
FAULTS = ("altered though not to be written", "genre wrong", "mood wrong", "other tags altered", "sound altered")
# the fields that a plan writes, by how they end in any kind of tag
GENRE = ("tcon", "genre", "\xa9gen")
MOOD = ("tmoo", "mood")
NOTE = ("earmark",)


@dataclass
class Shelf:
    """Files, and what they are before anything is done."""

    folder: Path
    sounds: dict[Path, str] = field(default_factory=dict)
    digests: dict[Path, str] = field(default_factory=dict)
    times: dict[Path, int] = field(default_factory=dict)
    tags: dict[Path, dict[str, str]] = field(default_factory=dict)
    read_only: set[Path] = field(default_factory=set)


def main() -> None:
    """Make a shelf, put it in order, examine it; print a table of figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder to work in; a temporary one when left out")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="earmark-shelf-", dir=options.work) as work:
        sys.exit(prove(Path(work), options.files, options.kills, options.jobs, random.Random(options.seed)))


def prove(work: Path, files: int, kills: int, jobs: int, rng: random.Random) -> int:
    """Run it all in a folder; 1 if anything is amiss."""
    shelf = make_shelf(work / "originals", work / "shelf", files, rng)
    plan, journal, wrong = work / "plan.csv", work / "journal.jsonl", Counter(dict.fromkeys(FAULTS, 0))
    planning = _time([
        COMMAND, "tag", shelf.folder, "--plan", plan, "--overwrite", "--min-confidence", "0",
        "--styles", "1", "--moods", "1", "--album", "--jobs", str(jobs),
    ])  # fmt: skip
    wrong["altered by planning"] = count_altered(shelf)
    rows = edit_plan(plan, rng)
    applying, killed = apply_plan(plan, journal, kills, rng, sum(row["action"] == "write" for row in rows))
    expected = {Path(row["path"]): row for row in rows if row["action"] == "write"}
    for path in shelf.digests:
        wrong.update(examine(shelf, path, None if path in shelf.read_only else expected.get(path)))
    wrong["strange files"] = sum(path.is_file() for path in shelf.folder.rglob("*")) - len(shelf.digests)
    undoing = _time([COMMAND, "tag", "--undo", journal])
    wrong["not restored byte for byte"] = count_altered(shelf)
    wrong["times not restored"] = sum(path.stat().st_mtime_ns != at for path, at in shelf.times.items())
    formats = Counter(path.suffix for path in shelf.digests)
    actions = Counter(row["action"] for row in rows)
    print(f"files                          {len(shelf.digests)} ({_join(formats)}), read-only {len(shelf.read_only)}")
    print(f"plan                           {len(rows)} rows ({_join(actions)}), {planning:.1f} s, {EDITS} edited")
    print(f"killed after writing           {', '.join(map(str, killed))} files")
    print(f"applying                       {applying:.1f} s, {1e3 * applying / max(1, actions['write']):.1f} ms a file")
    print(f"examined                       {len(shelf.digests)} files, {len(expected)} of them to be written")
    print(f"undo                           {undoing:.1f} s")
    for what, count in wrong.items():
        print(f"{what:30} {count}")
    return int(any(wrong.values()) or len(killed) < kills)


def _join(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {n}" for what, n in sorted(counts.items()))


def _time(command: list[Any], expect: tuple[int, ...] = (0, 1)) -> float:
    begin = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode not in expect:
        sys.exit(f"{' '.join(map(str, command[1:3]))} ended with status {done.returncode}:\n{done.stderr}")
    return time.monotonic() - begin


def make_shelf(originals: Path, folder: Path, files: int, rng: random.Random) -> Shelf:
    """Write a shelf: few sounds, each in many files of its format, every file with tags of its own."""
    sources = make_sources(originals)
    hashes = {source: hash_samples(source) for source in sources}
    shelf = Shelf(folder)
    for i, (name, tags) in zip(range(files), describe_files(rng), strict=False):
        source = sources[i % len(sources)]
        path = folder / f"{name}{source.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        if tags:
            file = MediaFile(path)
            file.update(tags)
            file.save()
        os.utime(path, ns=(1_500_000_000_123_456_789 + i * 1_000_000_007,) * 2)
        shelf.sounds[path], shelf.digests[path] = hashes[source], digest(path)
        shelf.times[path], shelf.tags[path] = path.stat().st_mtime_ns, read_other_tags(path)
    shelf.read_only = set(rng.sample(sorted(shelf.digests), min(READ_ONLY, files // 10)))
    for path in shelf.read_only:
        path.chmod(0o444)
    return shelf


def make_sources(folder: Path) -> list[Path]:
    """Compose a few sounds, and encode each in ten formats; the eleventh, which FFmpeg cannot write, is a file here."""
    folder.mkdir(parents=True)
    sources = []
    for number, style in enumerate(STYLES[:6]):
        sound = compose(style, np.random.default_rng(number), seconds=3, sample_rate=48000)
        for suffix in CODECS:
            sources.append(folder / f"{style}{suffix}")
            encode(sources[-1], suffix, sound)
        sources.append(folder / f"{style}.ape")
        shutil.copy(APE, sources[-1])
    return sources


def describe_files(rng: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield names without suffix, and tags, of one record after the other, without end."""
    number = 0
    while True:
        number += 1
        kind = rng.choice(("album", "album", "double", "compilation", "loose", "bare"))
        artist, title = f"Ärtist {number % 40}", f"Record {number}"
        genres = rng.choice(WRONG) if rng.random() < 0.3 else None
        for track in range(1, rng.randint(6, 14)):
            disc = 1 + (kind == "double" and track > 6)
            various = kind == "compilation"
            names = {"album": f"{artist}/{title} (1999)", "double": f"{artist}/{title}/CD{disc}",
                     "compilation": f"Various/{title}", "loose": "Unsorted", "bare": f"Rips/{number:04}"}  # fmt: skip
            tags: dict[str, Any] = {"title": f"Stück {track}", "artist": f"Guest {track}" if various else artist}
            if kind != "loose":
                tags |= {"album": title, "albumartist": "Various Artists" if various else artist, "comp": various,
                         "disc": disc, "track": track, "comments": "ein Wort"}  # fmt: skip
            # on compilations each track has its own
            own = rng.choice(WRONG) if various and rng.random() < 0.5 else genres
            name = f"{names[kind]}/{number:04}-{track:02} {'Größe' if track % 5 == 0 else 'song'}"
            yield name, {} if kind == "bare" else tags | ({"genres": own} if own else {})


def edit_plan(plan: Path, rng: random.Random) -> list[dict[str, str]]:
    """Edit rows as a person does, in a spreadsheet of a country with a decimal comma; return the rows that are left.

    It saves semicolons between cells, CR LF, columns moved and rows sorted.
    """
    with plan.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    # of what could not be read, as the reason says, nothing can be written
    there = [row for row in rows if row["state"]]
    edited = rng.sample(there, min(EDITS, len(there)))
    for i, row in enumerate(edited):
        if i % 5 == 0:
            row["action"] = "keep"
        elif i % 5 == 4:
            rows.remove(row)
        else:
            row["action"], row["genre"], row["styles"] = "write", OWN_WORDS[i % len(OWN_WORDS)], ""
            row["moods"] = "Calm; Dreamy" if i % 2 else row["moods"]
    rows.sort(key=lambda row: (row["album"], row["path"]))
    columns = ["action", "genre", *(name for name in rows[0] if name not in ("action", "genre"))]
    with plan.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, columns, delimiter=";")
        table.writeheader()
        for row in rows:
            table.writerow(row | {"confidence": row["confidence"].replace(".", ",")})
        file.write(";" * (len(columns) - 1) + "\r\n")
    return rows


def apply_plan(plan: Path, journal: Path, kills: int, rng: random.Random, writes: int) -> tuple[float, list[int]]:
    """Apply a plan, killed at random moments after random progress, until a run ends by itself; return its seconds."""
    command = [COMMAND, "tag", "--apply", plan, "--journal", journal]
    begin = time.monotonic()
    killed: list[int] = []
    while len(killed) < kills:
        goal = count_done(journal) + rng.uniform(0.3, 1.0) * 0.8 * writes / (kills + 1)
        if kill_at_progress(command, journal, goal, rng):
            killed.append(count_done(journal))
        else:
            # of few files, on a busy machine, it ended first: all begins again
            _time([COMMAND, "tag", "--undo", journal])
            journal.unlink()
            killed.clear()
    _time(command)
    return time.monotonic() - begin, killed


def examine(shelf: Shelf, path: Path, row: dict[str, str] | None) -> Iterator[str]:
    """Yield what is wrong with a file that its row, or none, was applied to."""
    if row is None:
        if digest(path) != shelf.digests[path]:
            yield "altered though not to be written"
        return
    if read_values(path, GENRE) != _split(row["genre"]) + _split(row["styles"]):
        yield "genre wrong"
    if read_values(path, MOOD) != _split(row["moods"]):
        yield "mood wrong"
    if read_other_tags(path) != shelf.tags[path]:
        yield "other tags altered"
    if hash_samples(path) != shelf.sounds[path]:
        yield "sound altered"


def _split(cell: str) -> list[str]:
    return [value.strip() for value in cell.split(";") if value.strip()]


def read_values(path: Path, names: tuple[str, ...]) -> list[str]:
    """Read the values of a field, in whatever kind of tag, as separate ones."""
    for key, value in _list_fields(path):
        if key.casefold().rpartition(":")[2].rpartition("/")[2] in names:
            values = getattr(value, "text", value)
            return [_to_text(one) for one in (values if isinstance(values, list) else list(values))]
    return []


def read_other_tags(path: Path) -> dict[str, str]:
    """Read all fields that a plan does not write."""
    written = (*GENRE, *MOOD, *NOTE)
    return {
        key: repr(value)
        for key, value in _list_fields(path)
        if key.casefold().rpartition(":")[2].rpartition("/")[2] not in written
    }


def _list_fields(path: Path) -> list[tuple[str, Any]]:
    tags = mutagen.File(path).tags
    return [] if tags is None else list(dict(tags).items())


def _to_text(value: Any) -> str:
    return bytes(value).decode() if isinstance(value, bytes) else str(value)


def count_altered(shelf: Shelf) -> int:
    """Count files that are not what they were at first."""
    return sum(digest(path) != before for path, before in shelf.digests.items())


if __name__ == "__main__":
    main()
