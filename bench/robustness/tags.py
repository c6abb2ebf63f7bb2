"""``earmark tag`` under fire: ``python bench/robustness/tags.py [--files N] [--kills K] [--jobs J] [--work DIR]``.

A library of small files in eleven formats, with tags, pictures and comments of their own, is tagged; the process is
killed (SIGKILL) at random moments and begun again. Then each file must decode to the samples it had, name exactly the
right genre, with a note of it, and keep every other tag; and ``--undo`` must give back every file, byte for byte. Exit
status 1 if not.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import mutagen
import numpy as np
from mutagen.id3 import APIC, COMM, TIT2, TPE1, TXXX

from earmark.data.synth import STYLES, compose
from earmark.library.tags.genre_tags import GenreTags
from earmark.library.tags.values import TagValues

CODECS = {
    ".mp3": "libmp3lame", ".flac": "flac", ".ogg": "vorbis", ".opus": "libopus", ".m4a": "aac", ".alac.m4a": "alac",
    ".wma": "wmav2", ".wv": "wavpack", ".aiff": "pcm_s16be", ".wav": "pcm_s16le",
}  # fmt: skip
CONTAINERS = {".m4a": "ipod", ".alac.m4a": "ipod", ".wma": "asf", ".opus": "ogg"}
APE = Path(__file__).parents[2] / "tests" / "data" / "march.ape"
VARIANTS = 4
_IMAGE = bytes(range(256)) * 80
COMMAND = Path(sys.executable).with_name("earmark")


def main() -> None:
    """Make the library, tag it between kills, examine it, undo, examine again; print a table of figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder to work in; a temporary one when left out")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="earmark-tags-", dir=options.work) as work:
        sys.exit(prove(Path(work), options.files, options.kills, options.jobs, random.Random(options.seed)))


def prove(work: Path, n: int, kills: int, jobs: int, rng: random.Random) -> int:
    """Run it all in a folder; 1 if anything is amiss."""
    library, journal = work / "library", work / "journal.jsonl"
    made = make_library(work / "originals", library, n)
    originals = {path: digest(path) for path in made}
    kept = {path: GenreTags(path).genres for path in made}
    sound = {source: hash_samples(source) for source in set(made.values())}
    others = {source: GenreTags(source).other_tags for source in set(made.values())}
    formats = Counter("".join(path.suffixes[-2:]) for path in made)
    right = _verdicts([next(path for path, source in made.items() if source == one) for one in sorted(sound)], jobs)
    right = {made[Path(path)]: genres for path, genres in right.items()}
    begin = time.monotonic()
    killed = _tag_between_kills(library, journal, n, kills, jobs, rng)
    seconds = time.monotonic() - begin
    wrong: Counter[str] = Counter()
    for path, source in made.items():
        there = GenreTags(path)
        wrong["sound altered"] += hash_samples(path) != sound[source]
        wrong["genre wrong"] += there.genres != (kept[path] or right[source])
        wrong["note wrong"] += there.values.is_own != (not kept[path] and bool(right[source]))
        wrong["other tags altered"] += _lost(others[source], there.other_tags)
        wrong["altered though it had a genre"] += bool(kept[path]) and digest(path) != originals[path]
    wrong["strange files"] = sum(1 for _ in library.rglob("*") if _.is_file()) - len(made)
    begin = time.monotonic()
    undone = subprocess.run([COMMAND, "tag", "--undo", journal], stdout=subprocess.DEVNULL, check=False).returncode
    undo_seconds = time.monotonic() - begin
    wrong["undo's exit status"] = undone
    wrong["not restored byte for byte"] = sum(digest(path) != sha for path, sha in originals.items())
    wrong["times not restored"] = sum(path.stat().st_mtime_ns != _mtime(i) for i, path in enumerate(made))
    wrong["strange files after undo"] = sum(1 for _ in library.rglob("*") if _.is_file()) - len(made)
    print(f"files                          {len(made)} ({', '.join(f'{k} {v}' for k, v in sorted(formats.items()))})")
    print(f"had a genre                    {sum(bool(genres) for genres in kept.values())}")
    print(f"killed after writing           {', '.join(map(str, killed))} files")
    print(f"tagging                        {seconds:.1f} s, {1e3 * seconds / len(made):.1f} ms a file (--jobs {jobs})")
    print(f"journal                        {journal.stat().st_size / 1e6:.2f} MB")
    print(f"undo                           {undo_seconds:.1f} s")
    for what, count in wrong.items():
        print(f"{what:30} {count}")
    return int(any(wrong.values()) or len(killed) < kills)


def make_library(folder: Path, library: Path, n: int) -> dict[Path, Path]:
    """Write `n` copies of some tens of tagged originals; each copy with its original."""
    folder.mkdir(parents=True)
    originals = sorted(_original(folder, suffix, i) for suffix in [*CODECS, ".ape"] for i in range(VARIANTS))
    made = {}
    for i in range(n):
        source = originals[i % len(originals)]
        path = library / f"{i // 500:03}" / f"{i:05} {source.name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        os.utime(path, ns=(_mtime(i), _mtime(i)))
        made[path] = source
    return made


def _mtime(number: int) -> int:
    return 1_500_000_000_123_456_789 + number * 1_000_000_007


def _original(folder: Path, suffix: str, number: int) -> Path:
    """One sound: bare, with tags, with tags and a picture, or (every fourth) with a genre too."""
    path = folder / f"sound{number}{suffix}"
    if suffix == ".ape":
        shutil.copy(APE, path)
    else:
        encode(path, suffix, compose(STYLES[number], np.random.default_rng(number), seconds=3, sample_rate=48000))
    if number:
        _dress(path, picture=number == 2, genre=number == 3)
    return path


def encode(path: Path, suffix: str, sound: np.ndarray) -> None:
    """Encode mono samples at 48 kHz, on two channels, in the format that :data:`CODECS` has for a suffix."""
    options = {"strict": "-2"}
    with av.open(str(path), "w", format=CONTAINERS.get(suffix), options=options) as file:
        stream = file.add_stream(CODECS[suffix], rate=48000, layout="stereo", options=options)
        if suffix == ".wma":
            stream.bit_rate = 128_000
        both = np.repeat(sound.astype(np.float32), 2)[None]
        frame = av.AudioFrame.from_ndarray(both, "flt", "stereo")
        frame.sample_rate, frame.pts = 48000, 0
        for packed in (frame, None):
            file.mux(stream.encode(packed))


def _dress(path: Path, *, picture: bool, genre: bool) -> None:
    """Put tags into a file that are not ours to alter, in old versions of ID3 too."""
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if type(file).__name__ in ("MP3", "AIFF", "WAVE"):
        _dress_id3(file, picture)
    else:
        names = {"MP4": ("\xa9nam", "\xa9cmt"), "ASF": ("Title", "WM/Own")}.get(type(file).__name__, ("TITLE", "NOTE"))
        for name in names:
            file[name] = ["Zwölf"]
        if picture:
            _paint(file, path.suffix)
        file.save()
    if path.suffix == ".mp3":
        with path.open("ab") as end:
            end.write(b"TAG" + b"Another title".ljust(124, b"\0") + bytes([255]))
    if genre:
        GenreTags(path).write(TagValues(("Polka", "Schlager")))


def _dress_id3(file: mutagen.FileType, picture: bool) -> None:
    frames = [TIT2(1, ["Zwölf"]), TPE1(1, ["Ünique"]), COMM(1, "deu", "note", ["ein Wort"]), TXXX(1, "own", ["x"])]
    for frame in frames + [APIC(0, "image/png", 3, "cover", _IMAGE)] * picture:
        file.tags.add(frame)
    file.save(v2_version=3, v23_sep=None)


def _paint(file: mutagen.FileType, suffix: str) -> None:
    if suffix == ".flac":
        cover = mutagen.flac.Picture()
        cover.data, cover.mime = _IMAGE, "image/png"
        file.add_picture(cover)
    elif suffix == ".m4a":
        file["covr"] = [mutagen.mp4.MP4Cover(_IMAGE, mutagen.mp4.MP4Cover.FORMAT_PNG)]
    elif suffix in (".ogg", ".opus"):
        file["metadata_block_picture"] = ["A" * 90_000]  # several pages


def _verdicts(paths: list[Path], jobs: int) -> dict[str, tuple[str, ...]]:
    """Return what the genre of each should be, asked of a run that writes nothing."""
    asked = [COMMAND, "tag", *paths, "--dry-run", "--overwrite", "--min-confidence", "0", "-f", "json", "-j", str(jobs)]
    out = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    return {row["path"]: tuple(row["genres"]) for row in map(json.loads, out.splitlines())}


def _tag_between_kills(library: Path, journal: Path, n: int, kills: int, jobs: int, rng: random.Random) -> list[int]:
    """Tag, killed at random moments after random progress, until a run ends by itself."""
    killed: list[int] = []
    command = [COMMAND, "tag", library, "--min-confidence", "0", "--moods", "1", "--journal", journal, "-j", str(jobs)]
    for _ in range(kills):
        # three in four files have no genre
        goal = count_done(journal) + rng.uniform(0.3, 1.0) * 0.7 * n / (kills + 1)
        if kill_at_progress(command, journal, goal, rng):
            killed.append(count_done(journal))
    if status := subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        sys.exit(f"the last run ended with status {status}")
    return killed


def kill_at_progress(command: list[object], journal: Path, goal: float, rng: random.Random) -> bool:
    """Run a command that writes tags, and kill it a random moment after its journal has so many changes.

    Returns False where it ended first: of few files, on a busy machine.
    """
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None and count_done(journal) < goal:
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 0.03))  # any moment of a change
    run.send_signal(signal.SIGKILL)
    return run.wait() == -signal.SIGKILL


def count_done(journal: Path) -> int:
    """Count the changes that a journal calls done."""
    return journal.read_bytes().count(b'{"done"') if journal.exists() else 0


def hash_samples(path: Path) -> str:
    """Hash of the decoded sound, by FFmpeg and none of our code."""
    sha = hashlib.sha256()
    with av.open(io.BytesIO(path.read_bytes())) as container:
        for frame in container.decode(audio=0):
            sha.update(frame.to_ndarray().tobytes())
    return sha.hexdigest()


def _lost(before: dict[str, object], after: dict[str, object]) -> bool:
    return any(value and after.get(key) != value for key, value in before.items())


def digest(path: Path) -> str:
    """Hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
