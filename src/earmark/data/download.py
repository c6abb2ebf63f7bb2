"""GTZAN from the network to a folder of genre folders: download, unpack, put in place, compare each file."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from earmark.data import gtzan
from earmark.data.fetch_download import Archive, download, room
from earmark.data.transfer import Patience, Watch, length
from earmark.data.unpack import unpack
from earmark.errors import FetchError, SettingError

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
"""The archive as released."""

_SWELLING = 1.2
"""How many times the announced size an archive may unpack to."""


@dataclass(frozen=True)
class Fetched:
    """A corpus that is here, and how far it is the released one.

    Attributes
    ----------
    folder : Path
        Holds the genre folders.
    matching, differing, missing : tuple of str
        Ids of the tracks whose files are as released, are not, and are not there.
    archive : Path or None
        What it was unpacked from, where that is still there.
    new : bool
        Whether anything had to be done.
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
    patience: Patience | None = None,
    watch: Watch | None = None,
) -> Fetched:
    """Make a folder of GTZAN's genre folders; it appears when it is whole.

    Parameters
    ----------
    folder : path
        To be made; the archive and all that is temporary lie beside it.
    archive : Archive
    mirrors : sequence of str
        Tried before the archive's own, see :func:`earmark.data.fetch_download.download`.
    keep : bool, optional
        Whether the archive stays beside `folder`. By default one that was there before does, and a downloaded
        one does not. A copy that lies elsewhere stays always.
    patience : Patience, optional
    watch : Watch, optional

    Returns
    -------
    Fetched

    Raises
    ------
    SettingError
        If the folder holds something else, or cannot be put in place as a whole.
    FetchError
        If the archive cannot be had, or not be trusted, or there is no room.
    """
    watch = watch or Watch()
    target = Path(folder).resolve()
    try:
        if _occupied(target):
            return Fetched(target, *verify(target, watch))
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.parent):
            own = target.parent / archive.name
            before = own.is_file()
            packed = download(archive, target.parent, mirrors, patience=patience, watch=watch)
            _place(packed, target, archive.unpacked, watch)
            if packed == own and not (before if keep is None else keep):
                own.unlink()
            return Fetched(target, *verify(target, watch), packed if packed.is_file() else None, new=True)
    except FetchError:
        raise
    except OSError as error:
        raise FetchError(f"cannot write to {error.filename or target.parent}: {error.strerror}") from error


def verify(folder: Path, watch: Watch | None = None) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Compare each of GTZAN's files with the checksum of its release.

    Parameters
    ----------
    folder : Path
        Of genre folders.
    watch : Watch, optional

    Returns
    -------
    matching, differing, missing : tuple of str
        Track ids.
    """
    watch = watch or Watch()
    files = {track: _wav(folder, fact) for track, fact in gtzan.facts().items()}
    total, done = sum(map(length, files.values())), 0
    outcome: dict[str, list[str]] = {"matching": [], "differing": [], "missing": []}
    for track, path in files.items():
        if not path.is_file():
            outcome["missing"].append(track)
            continue
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "md5").hexdigest() == gtzan.facts()[track].md5
        outcome["matching" if same else "differing"].append(track)
        done += length(path)
        watch.on_bytes("verifying", done, total)
    return tuple(outcome["matching"]), tuple(outcome["differing"]), tuple(outcome["missing"])


def _occupied(target: Path) -> bool:
    """Whether the corpus is there already; an error if something else is in its place."""
    if not target.exists():
        return False
    if not target.is_dir():
        raise SettingError(f"{target} is a file: name a folder to make")
    if not any(target.iterdir()):
        if target == Path.cwd() or target.is_mount():
            raise SettingError(f"{target} cannot be replaced by the finished corpus: name a folder in it to make")
        return False
    here = sum(_wav(target, fact).is_file() for fact in gtzan.facts().values())
    if here == len(gtzan.facts()):
        return True
    raise SettingError(
        f"{target} is not empty, and holds {here} of GTZAN's {len(gtzan.facts())} tracks: name a folder to make"
    )


def _place(packed: Path, target: Path, unpacked: int, watch: Watch) -> None:
    """Unpack beside the target, and put the folder of genre folders in its place."""
    aside = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(aside, ignore_errors=True)  # of a run that was killed
    room(target.parent, 0, unpacked)
    aside.mkdir()
    try:
        unpack(packed, aside, most=round(_SWELLING * unpacked), watch=watch)
        found = _genres(aside, packed)
        if target.exists():
            target.rmdir()
        found.replace(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _genres(folder: Path, packed: Path) -> Path:
    """The folder that holds the genre folders, whatever it is called and however deep it lies."""
    facts = gtzan.facts()
    found = Counter(
        path.parent.parent
        for path in folder.rglob("*.wav")
        if path.stem in facts and path.parent.name == facts[path.stem].genre
    )
    if not found:
        raise FetchError(f"{packed} holds none of GTZAN's tracks, such as blues/blues.00000.wav")
    return found.most_common(1)[0][0]


def _wav(folder: Path, fact: gtzan.Fact) -> Path:
    return folder / fact.genre / f"{fact.track}.wav"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
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
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)
