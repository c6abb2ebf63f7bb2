"""Fetch GTZAN: download its archive, unpack it to a folder of genre folders, compare each file."""

from __future__ import annotations

import hashlib
import lzma
import os
import sys
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from earmark.data import gtzan
from earmark.data.download import SILENT, Archive, Reporter, download, require_room, scratch
from earmark.errors import FetchError, SettingError

# How many times the announced size an archive may unpack to, and to how many files and folders.
_MAX_GROWTH, _MAX_MEMBERS = 1.2, 100_000
# What Python's readers raise where an archive is damaged (and OSError without a number).
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError)


# The archive as released.
GTZAN = Archive(
    name="genres.tar.gz",
    # As recorded in TensorFlow Datasets (audio/gtzan/checksums.tsv), and in torchaudio (datasets/gtzan.py).
    sha256="24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6",
    size=1_225_571_541,
    unpacked=1_330_000_000,  # a thousand files of 30 s, 22 050 Hz, 16 bits; a little more to be sure
    mirrors=(
        "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
        "http://opihi.cs.uvic.ca/sound/genres.tar.gz",  # where it was first; often out of reach
    ),
)


@dataclass(frozen=True)
class FetchResult:
    """A fetched corpus: ids of the tracks whose files match their release, differ from it, and are missing.

    `archive` is what it was unpacked from, where that is still there; `new` says whether anything had to be done.
    """

    folder: Path
    matching: tuple[str, ...]
    differing: tuple[str, ...]
    missing: tuple[str, ...]
    archive: Path | None = None
    new: bool = False


def fetch(
    folder: str | os.PathLike[str],
    archive: Archive = GTZAN,
    *,
    mirrors: Sequence[str] = (),
    keep: bool | None = None,
    reporter: Reporter = SILENT,
) -> FetchResult:
    """Make a folder of GTZAN's genre folders; it appears when it is whole.

    Parameters
    ----------
    folder : path
        To be made; the archive and all that is temporary lie beside it.
    archive : Archive
    mirrors : sequence of str
        Tried before the archive's own: see :func:`download`.
    keep : bool, optional
        Whether the archive stays beside `folder`; by default, if it was there before. A copy elsewhere always stays.
    reporter : Reporter, optional

    Raises
    ------
    SettingError
        If the folder holds something else, or cannot be put in place as a whole.
    FetchError
        If the archive cannot be had, or not be trusted, or there is no room.
    """
    target = Path(folder).resolve()
    try:
        if _is_complete(target):
            return FetchResult(target, *verify(target, reporter))
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(target.parent):
            own = target.parent / archive.name
            before = own.is_file()
            packed = download(archive, target.parent, mirrors, reporter)
            _place(packed, target, archive.unpacked, reporter)
            if packed == own and not (before if keep is None else keep):
                own.unlink()
            return FetchResult(target, *verify(target, reporter), packed if packed.is_file() else None, new=True)
    except FetchError:
        raise
    except OSError as error:
        raise FetchError(f"cannot write to {error.filename or target.parent}: {error.strerror}") from error


def verify(folder: Path, reporter: Reporter = SILENT) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the ids of GTZAN's tracks whose files match their release's checksum, differ from it, and are missing."""
    files = {track: _locate(folder, fact) for track, fact in gtzan.load_index().items()}
    total, done = sum(path.stat().st_size for path in files.values() if path.is_file()), 0
    outcome: dict[str, list[str]] = {"matching": [], "differing": [], "missing": []}
    for track, path in files.items():
        if not path.is_file():
            outcome["missing"].append(track)
            continue
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "md5").hexdigest() == gtzan.load_index()[track].md5
            done += file.tell()
        outcome["matching" if same else "differing"].append(track)
        reporter.on_bytes("verifying", done, total)
    return tuple(outcome["matching"]), tuple(outcome["differing"]), tuple(outcome["missing"])


def unpack(archive: Path, folder: Path, *, most: int, reporter: Reporter = SILENT) -> None:
    """Unpack a tar archive of at most so many bytes; FetchError for what is damaged or not safe.

    Each member is checked before it is written: what was written before a refusal stays, but is harmless.
    """
    total, n_bytes, n_members = archive.stat().st_size, 0, 0
    try:
        with archive.open("rb") as raw, tarfile.open(fileobj=raw) as tar:
            for member in tar:
                n_bytes, n_members = n_bytes + member.size, n_members + 1
                if n_bytes > most or n_members > _MAX_MEMBERS:
                    announced = f"{decimal(most)}, {_MAX_MEMBERS} files"
                    raise FetchError(f"{archive} unpacks to more than was announced ({announced}): not unpacked")
                # our own check refuses what leads outside on any system, tarfile's also links and devices
                _require_inside(member.name, archive)
                tarfile.data_filter(member, str(folder))
                # Links that stay inside are left out, so none can be a step of a way out; sound needs none.
                if member.isreg() or member.isdir():
                    tar.extract(member, folder, filter="data")
                reporter.on_bytes("unpacking", raw.tell(), total)
    except tarfile.FilterError as error:
        raise FetchError(f"{archive} is not safe: {error}; not unpacked") from error
    except _DAMAGE as error:
        raise FetchError(f"{archive} is damaged, or no tar archive ({error})") from error
    except OSError as error:
        if isinstance(error, FetchError) or error.errno is not None:
            raise
        raise FetchError(f"{archive} is damaged ({error})") from error


def _require_inside(name: str, archive: Path) -> None:
    """Refuse a member's name that leads out of its folder on any system; tarfile would tame some of them."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        raise FetchError(f"{archive} is not safe: it would write to {name!r}, outside its folder; not unpacked")


def _is_complete(target: Path) -> bool:
    """Return whether the corpus is there already; raise SettingError if something else is in its place."""
    if not target.exists():
        return False
    if not target.is_dir():
        raise SettingError(f"{target} is a file: name a folder to make")
    if not any(target.iterdir()):
        if target == Path.cwd() or target.is_mount():
            raise SettingError(f"{target} cannot be replaced by the finished corpus: name a folder in it to make")
        return False
    facts = gtzan.load_index().values()
    here = sum(_locate(target, fact).is_file() for fact in facts)
    if here < len(facts):
        raise SettingError(
            f"{target} is not empty, and holds {here} of GTZAN's {len(facts)} tracks: name a folder to make"
        )
    return True


def _place(packed: Path, target: Path, unpacked: int, reporter: Reporter) -> None:
    """Unpack beside the target, and put the folder that holds the genre folders, however deep, in its place."""
    require_room(target.parent, 0, unpacked)
    facts = gtzan.load_index()
    with scratch(target) as folder:
        unpack(packed, folder, most=round(_MAX_GROWTH * unpacked), reporter=reporter)
        # the folder of the genre folders, wherever the archive has it
        found = Counter(
            path.parent.parent
            for path in folder.rglob("*.wav")
            if path.stem in facts and path.parent.name == facts[path.stem].genre
        )
        if not found:
            raise FetchError(f"{packed} holds none of GTZAN's tracks, such as blues/blues.00000.wav")
        if target.exists():
            target.rmdir()
        found.most_common(1)[0][0].replace(target)


def _locate(folder: Path, fact: gtzan.Excerpt) -> Path:
    return folder / fact.genre / f"{fact.track}.wav"


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep a second fetch out of a folder, where the system has locks; they end with the process, however it ends."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchError(f"another process is fetching to {folder}: wait for it, or end it") from error
        except OSError:
            # a file system without locks
            pass
        yield
    finally:
        os.close(handle)
