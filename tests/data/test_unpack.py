"""Archives that an enemy made, or a bad line: nothing is written outside, and what is wrong is said."""

import io
import os
import tarfile

import pytest

from earmark.data import unpack as module
from earmark.data.transfer import Watch
from earmark.data.unpack import unpack
from earmark.errors import FetchError


@pytest.fixture
def place(tmp_path):
    """A folder to unpack to, in a place where everything that appears is seen."""
    folder = tmp_path / "place" / "inner"
    folder.mkdir(parents=True)
    return folder


def member(name, kind=tarfile.REGTYPE, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def write_tar(path, members, mode="w:gz"):
    """Members are TarInfo, or (name, bytes)."""
    with tarfile.open(path, mode) as tar:
        for item in members:
            info, data = (
                (item, b"") if isinstance(item, tarfile.TarInfo) else (member(item[0], size=len(item[1])), item[1])
            )
            tar.addfile(info, io.BytesIO(data))
    return path


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_files_come_out_as_they_went_in(tmp_path, place, mode):
    files = [("top/a/one", b"1" * 1000), ("top/b/two", b""), ("./three", b"3")]
    unpack(write_tar(tmp_path / "x.tar", files, mode), place, most=2000)
    assert {path: (place / path).read_bytes() for path, _ in files} == dict(files)


@pytest.mark.parametrize(
    "bad",
    [
        member("../x"),
        member("ok/../../x"),
        member(".."),
        member("..\\x"),
        member("C:\\x"),
        member("/tmp/earmark-escaped"),
        member("up", tarfile.SYMTYPE, "../x"),
        member("deep/up", tarfile.SYMTYPE, "../../x"),
        member("root", tarfile.SYMTYPE, "/etc/passwd"),
        member("hard", tarfile.LNKTYPE, "../x"),
        member("deep/hard", tarfile.LNKTYPE, "../x"),
        member("hard", tarfile.LNKTYPE, "/etc/passwd"),
        member("disk", tarfile.BLKTYPE),
        member("tty", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda m: f"{m.name}-{m.linkname}-{m.type.decode()}",
)
@pytest.mark.filterwarnings("ignore:Python 3.14")  # which would rather be given a guard
@pytest.mark.parametrize("guard", [{}, {"filter": "data"}], ids=["alone", "with-pythons-guard"])
def test_what_would_leave_or_is_no_file_is_refused(tmp_path, place, monkeypatch, bad, guard):
    """Our own check suffices where Python has none yet."""
    monkeypatch.setattr(module, "_FILTER", guard)
    archive = write_tar(tmp_path / "x.tar.gz", [("good", b"g"), bad, ("after", b"a")])
    with pytest.raises(FetchError, match="is not safe: .*; not unpacked"):
        unpack(archive, place, most=100)
    assert everything_below(place.parent) == ["inner", "inner/good"]
    assert not os.path.lexists("/tmp/earmark-escaped")


def test_nothing_is_written_through_a_link_of_the_archive(tmp_path, place):
    """Links that stay inside are left out, so none can be a step of a way out."""
    steps = [
        member("a", tarfile.DIRTYPE),
        member("a/b", tarfile.SYMTYPE, ".."),
        member("a/b/c", tarfile.SYMTYPE, "../.."),  # by its name inside, through a/b outside
        ("a/b/c/x", b"x"),
    ]
    unpack(write_tar(tmp_path / "x.tar.gz", steps), place, most=100)
    assert everything_below(place.parent) == [f"inner{tail}" for tail in ("", "/a", "/a/b", "/a/b/c", "/a/b/c/x")]
    assert not any(path.is_symlink() for path in place.rglob("*"))


def test_an_archive_that_swells_is_stopped_before_it_does(tmp_path, place):
    archive = write_tar(tmp_path / "x.tar.gz", [("small", b"s"), ("zeros", bytes(50_000_000))])
    assert archive.stat().st_size < 100_000
    with pytest.raises(FetchError, match="unpacks to more than was announced.*10.0 MB"):
        unpack(archive, place, most=10_000_000)
    assert everything_below(place) == ["small"]


def test_as_much_as_announced_is_taken(tmp_path, place):
    archive = write_tar(tmp_path / "x.tar", [("a", bytes(600)), ("b", bytes(400))], "w")
    unpack(archive, place, most=1000)
    with pytest.raises(FetchError, match="more than was announced"):
        unpack(archive, place, most=999)


def test_too_many_files_are_too_much_too(tmp_path, place, monkeypatch):
    monkeypatch.setattr(module, "_MOST_MEMBERS", 10)
    with pytest.raises(FetchError, match="more than was announced"):
        unpack(write_tar(tmp_path / "x.tar", [(str(i), b"") for i in range(11)], "w"), place, most=1)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0.999, 0.5, 0.01])
def test_a_truncated_archive_is_called_damaged(tmp_path, place, rng, mode, share):
    archive = write_tar(tmp_path / "x.tar", [(str(i), rng.bytes(5000)) for i in range(20)], mode)
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    with pytest.raises(FetchError, match="is damaged"):
        unpack(archive, place, most=1_000_000)


def test_no_damage_does_more_than_raise_fetch_error(tmp_path, place, rng):
    whole = write_tar(tmp_path / "x.tar.gz", [(str(i), rng.bytes(500)) for i in range(5)]).read_bytes()
    refused = 0
    for _ in range(200):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(256)
        (tmp_path / "y").write_bytes(data)
        try:
            unpack(tmp_path / "y", place, most=1_000_000)
        except FetchError:
            refused += 1
    assert refused > 20  # tar has no checksum of contents: that of the whole archive is the download's business
    assert all(path.parent == place for path in place.rglob("*"))


def test_a_full_disk_is_not_the_archives_fault(tmp_path, place, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extract", full)
    with pytest.raises(OSError, match="No space left") as caught:
        unpack(write_tar(tmp_path / "x.tar", [("a", b"a")], "w"), place, most=10)
    assert not isinstance(caught.value, FetchError)


def test_progress_ends_at_the_end(tmp_path, place, rng):
    archive = write_tar(tmp_path / "x.tar.gz", [(str(i), rng.bytes(100_000)) for i in range(5)])
    seen = []
    unpack(archive, place, most=1_000_000, watch=Watch(on_bytes=lambda *said: seen.append(said)))
    assert {(step, total) for step, _, total in seen} == {("unpacking", archive.stat().st_size)}
    done = [n for _, n, _ in seen]
    assert done == sorted(done)
    assert done[-1] == archive.stat().st_size
