"""Fetching from mirrors on this machine that break off, stall and lie, and archives made by an enemy or a bad line."""

import contextlib
import fcntl
import hashlib
import io
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from earmark.data import fetch as module
from earmark.data import gtzan
from earmark.data.download import Archive, Reporter, download
from earmark.data.fetch import GTZAN, fetch, unpack
from earmark.errors import EarmarkError, FetchError, SettingError

COMMAND = Path(sys.executable).with_name("earmark")
TRACKS = [f"{genre}.{number:05}" for genre in ("blues", "jazz") for number in range(3)]


class Mirror(ThreadingHTTPServer):
    """A server of one file, with vices."""

    daemon_threads = True

    def __init__(self, body):
        super().__init__(("127.0.0.1", 0), Answer)
        self.body = body
        self.says_length = True
        self.cuts = []  # bytes after which the next answers break off
        self.reset = False  # whether with a TCP reset
        self.statuses = []  # of the next answers, instead of the file
        self.stall_after = None  # bytes after which to wait for `go`
        self.go = threading.Event()
        self.redirect = None
        self.headers = {"Content-Type": "application/gzip"}
        self.asked = []  # paths
        self.sent = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/genres.tar.gz"

    def handle_error(self, request, client_address):
        pass  # clients are killed here


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        mirror = self.server
        mirror.asked.append(self.path)
        status = mirror.statuses.pop(0) if mirror.statuses else 200
        if status != 200:
            return self.send_error(status)
        if mirror.redirect and self.path != "/moved":
            self.send_response(302)
            self.send_header("Location", mirror.redirect)
            return self.end_headers()
        self.send_response(200)
        for name, value in mirror.headers.items():
            self.send_header(name, value)
        if mirror.says_length:
            self.send_header("Content-Length", str(len(mirror.body)))
        self.end_headers()
        self.send_body(mirror, min(mirror.cuts.pop(0) if mirror.cuts else 1 << 30, len(mirror.body)))

    def send_body(self, mirror, stop):
        for at in range(0, stop, 1 << 14):
            if mirror.stall_after is not None and mirror.sent >= mirror.stall_after:
                mirror.go.wait(20)
            block = mirror.body[at : min(at + (1 << 14), stop)]
            mirror.sent += len(block)  # before: whoever has got it may look at once
            self.wfile.write(block)
        if stop < len(mirror.body) and mirror.reset:
            time.sleep(0.05)  # else the reset overtakes the bytes
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("EARMARK_MIRROR", raising=False)


@pytest.fixture(autouse=True)
def slept(monkeypatch):
    """Seconds between attempts, told instead of waited."""
    seconds = []
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=seconds.append))
    return seconds


@pytest.fixture
def serve():
    running = []

    def start(body):
        mirror = Mirror(body)
        threading.Thread(target=mirror.serve_forever, args=(0.02,), daemon=True).start()
        running.append(mirror)
        return mirror

    yield start
    for mirror in running:
        mirror.go.set()
        mirror.shutdown()
        mirror.server_close()


@pytest.fixture
def body(rng):
    return rng.bytes(300_000)


@pytest.fixture
def mirror(serve, body):
    return serve(body)


@pytest.fixture
def archive(body):
    return Archive("x.tar.gz", hashlib.sha256(body).hexdigest(), len(body), 2 * len(body), ())


class Ear(Reporter):
    """Remembers what is said."""

    def __init__(self):
        self.__dict__.update(notes=[], steps=[])
        super().__init__(on_bytes=lambda *said: self.steps.append(said), on_note=self.notes.append)


def packed(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def corpus(rng, n_bytes=2000, top="genres"):
    return {f"{top}/{track.split('.')[0]}/{track}.wav": rng.bytes(n_bytes) for track in TRACKS}


def archive_of(data):
    return Archive("genres.tar.gz", hashlib.sha256(data).hexdigest(), len(data), 10 * len(data), ())


def everything_in(folder):
    return sorted(path.name for path in folder.iterdir())


# Downloading


def test_a_good_mirror_is_asked_once(mirror, archive, body, tmp_path):
    ear = Ear()
    path = download(archive, tmp_path, [mirror.url], reporter=ear)
    assert path == tmp_path / "x.tar.gz"
    assert path.read_bytes() == body
    assert mirror.asked == ["/genres.tar.gz"]
    assert everything_in(tmp_path) == ["x.tar.gz"]
    assert ear.notes == []
    fetching = [n for step, n, total in ear.steps if step == "fetching" and total == len(body)]
    assert fetching == sorted(fetching)
    assert fetching[-1] == len(body)


def test_what_is_there_is_not_downloaded_again(mirror, archive, body, tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(body)
    assert download(archive, tmp_path, [mirror.url]) == tmp_path / "x.tar.gz"
    assert mirror.asked == []


def test_a_wrong_file_of_that_name_gives_way_only_to_the_right_one(mirror, archive, body, tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(b"something else")
    mirror.statuses = [404]
    with pytest.raises(FetchError):
        download(archive, tmp_path, [mirror.url])
    assert (tmp_path / "x.tar.gz").read_bytes() == b"something else"
    ear = Ear()
    download(archive, tmp_path, [mirror.url], reporter=ear)
    assert (tmp_path / "x.tar.gz").read_bytes() == body
    assert "is not the archive that is looked for" in ear.notes[0]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_broken_connection_begins_anew(mirror, archive, body, tmp_path, slept, reset):
    mirror.cuts, mirror.reset = [100_000, 50_000], reset
    ear = Ear()
    path = download(archive, tmp_path, [mirror.url], reporter=ear)
    assert path.read_bytes() == body
    assert len(mirror.asked) == 3
    assert slept == [1, 2]
    said = re.compile(r"the connection broke after [\d.]+ kB of 300.0 kB \(.*\) \(attempt \d of 5\)")
    assert all(said.fullmatch(note) for note in ear.notes)
    assert everything_in(tmp_path) == ["x.tar.gz"]


def test_pauses_grow_and_then_the_next_mirror_is_asked(serve, mirror, archive, body, tmp_path, slept):
    mirror.cuts = [0, 0, 0, 0, 0]
    second = serve(body)
    assert download(archive, tmp_path, [mirror.url, second.url]).read_bytes() == body
    assert slept == [1, 2, 3, 4]
    assert len(mirror.asked) == 5
    assert len(second.asked) == 1


def test_a_server_that_always_breaks_is_given_up(mirror, archive, tmp_path):
    mirror.cuts = [200_000] * 20
    with pytest.raises(FetchError, match=r"broke after 196.6 kB of 300.0 kB \(.*\), after 5 attempts"):
        download(archive, tmp_path, [mirror.url])
    assert everything_in(tmp_path) == []


def test_a_wrong_checksum_is_said_and_the_next_mirror_asked(serve, archive, body, tmp_path):
    wrong, right = serve(body[:-1] + b"?"), serve(body)
    ear = Ear()
    assert download(archive, tmp_path, [wrong.url, right.url], reporter=ear).read_bytes() == body
    assert "wrong checksum" in ear.notes[0]
    assert right.asked == ["/genres.tar.gz"]  # nothing of the wrong one is kept
    assert len(wrong.asked) == 1


def test_at_last_expected_and_got_are_said_and_nothing_is_left(serve, archive, body, tmp_path):
    wrong = body[:-1] + b"?"
    servers = [serve(wrong), serve(wrong)]
    with pytest.raises(FetchError) as caught:
        download(archive, tmp_path, [server.url for server in servers])
    said = str(caught.value)
    assert said.count(f"expected sha256 {archive.sha256}, got {hashlib.sha256(wrong).hexdigest()}") == 2
    assert all(server.url in said for server in servers)
    assert "--mirror" in said
    assert everything_in(tmp_path) == []


def test_another_size_is_seen_before_anything_is_downloaded(serve, archive, body, tmp_path):
    server = serve(body + b"?")
    with pytest.raises(FetchError, match="the file there has 300001 bytes, not 300000"):
        download(archive, tmp_path, [server.url])
    assert everything_in(tmp_path) == []


def test_a_server_that_never_ends_is_stopped(serve, archive, body, tmp_path):
    server = serve(body * 20)
    server.says_length = False
    with pytest.raises(FetchError, match="sends more than 300000 bytes"):
        download(archive, tmp_path, [server.url])
    assert everything_in(tmp_path) == []


def test_a_sign_in_page_is_not_the_file(serve, mirror, archive, body, tmp_path):
    page = serve(b"<html>Welcome to our wireless network")
    page.headers, page.says_length = {"Content-Type": "text/html; charset=utf-8"}, False
    ear = Ear()
    assert download(archive, tmp_path, [page.url, mirror.url], reporter=ear).read_bytes() == body
    assert ear.notes == [f"{page.url}: it sends a web page instead of the file"]


def test_an_archive_that_is_called_an_encoding_stays_packed(serve, rng, tmp_path):
    """As some servers do with names in .gz."""
    data = packed(corpus(rng))
    server = serve(data)
    server.headers = {"Content-Type": "application/x-tar", "Content-Encoding": "gzip"}
    assert download(archive_of(data), tmp_path, [server.url]).read_bytes() == data


def test_the_archive_is_as_readable_as_other_files(mirror, archive, tmp_path):
    (tmp_path / "other").touch()
    assert download(archive, tmp_path, [mirror.url]).stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_server_that_says_no_length_is_believed_at_the_end(mirror, archive, body, tmp_path):
    mirror.says_length, mirror.cuts = False, [100_000]
    assert download(archive, tmp_path, [mirror.url]).read_bytes() == body
    assert len(mirror.asked) == 2


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (410, 1), (500, 5), (503, 5), (429, 5)])
def test_what_may_pass_is_tried_again_what_will_not_is_not(serve, mirror, archive, body, tmp_path, status, asked):
    mirror.statuses = [status] * 10
    second, ear = serve(body), Ear()
    assert download(archive, tmp_path, [mirror.url, second.url], reporter=ear).read_bytes() == body
    assert len(mirror.asked) == asked
    assert f"the server says {status}" in ear.notes[-1]


def test_a_passing_fault_is_survived(mirror, archive, body, tmp_path):
    mirror.statuses = [503, 503]
    assert download(archive, tmp_path, [mirror.url]).read_bytes() == body


def test_a_redirection_is_followed(mirror, archive, body, tmp_path):
    mirror.redirect, mirror.cuts = "/moved", [100_000]
    assert download(archive, tmp_path, [mirror.url]).read_bytes() == body
    assert mirror.asked == ["/genres.tar.gz", "/moved"] * 2


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirection_out_of_the_web_is_not(mirror, archive, tmp_path, target):
    mirror.redirect = target
    with pytest.raises(FetchError, match="no address that can be asked"):
        download(archive, tmp_path, [mirror.url])


def test_redirections_in_a_circle_end(mirror, archive, tmp_path):
    mirror.redirect = mirror.url
    with pytest.raises(FetchError, match="30 redirects"):
        download(archive, tmp_path, [mirror.url])


def test_a_stalled_connection_counts_as_broken(mirror, archive, body, tmp_path, monkeypatch):
    mirror.stall_after = 100_000
    monkeypatch.setattr("pooch.downloaders.DEFAULT_TIMEOUT", 0.3)
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: setattr(mirror, "stall_after", None))
    ear = Ear()
    assert download(archive, tmp_path, [mirror.url], reporter=ear).read_bytes() == body
    assert "timed out" in ear.notes[0]
    assert len(mirror.asked) == 2


def test_nobody_there(archive, tmp_path, slept):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x"
        ear = Ear()
        with pytest.raises(FetchError, match=r"/x: no answer \(Connection refused\)\n"):
            download(archive, tmp_path, [url], ear)
        assert ear.notes == slept == []


def test_a_host_that_nobody_knows_is_not_asked_again(mirror, archive, body, tmp_path, slept):
    ear = Ear()
    download(archive, tmp_path, ["http://nowhere.invalid/x", mirror.url], ear)
    assert len(ear.notes) == 1
    assert re.fullmatch(r"http://nowhere.invalid/x: no answer \([A-Z][a-z ]+\)", ear.notes[0])
    assert slept == []


def test_a_network_that_goes_away_meanwhile_is_waited_for(mirror, archive, body, tmp_path, slept, monkeypatch):
    mirror.cuts = [100_000]
    look_up = socket.getaddrinfo
    answers = iter([look_up, None, None, look_up])

    def sometimes(*arguments, **options):
        if answer := next(answers):
            return answer(*arguments, **options)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", sometimes)
    assert download(archive, tmp_path, [mirror.url]).read_bytes() == body
    assert slept == [1, 2, 3]


def test_each_error_is_said_once(serve, archive, body, tmp_path):
    """What is noted on the way is not in the error at the end."""
    gone, busy, ear = serve(body), serve(body), Ear()
    gone.statuses, busy.statuses = [404], [503] * 5
    with pytest.raises(FetchError) as caught:
        download(archive, tmp_path, [gone.url, busy.url], ear)
    assert str(caught.value).count("404") == str(caught.value).count("503") == 1
    assert ear.notes == [f"the server says 503 Service Unavailable (attempt {i} of 5)" for i in (1, 2, 3, 4)]


@pytest.mark.parametrize("form", ["path", "uri"])
def test_a_local_copy_is_used_where_it_lies(archive, body, tmp_path, form):
    copy = tmp_path / "my copy.tgz"
    copy.write_bytes(body)
    (tmp_path / "here").mkdir()
    found = download(archive, tmp_path / "here", [str(copy) if form == "path" else copy.as_uri()])
    assert found == copy
    assert everything_in(tmp_path / "here") == []


def test_a_wrong_local_copy_is_left_alone(mirror, archive, body, tmp_path):
    copy = tmp_path / "copy.tgz"
    copy.write_bytes(b"wrong")
    ear = Ear()
    found = download(archive, tmp_path, [str(tmp_path / "none"), str(copy), mirror.url], reporter=ear)
    assert found == tmp_path / "x.tar.gz"
    assert [note.split(": ")[1] for note in ear.notes] == ["no such file", "wrong checksum"]
    assert copy.read_bytes() == b"wrong"


@pytest.mark.parametrize(
    "mirror", ["ftp://x/y", "http://", "https:///x", "file://elsewhere/x", "s3://b/k", "", "http://[x"]
)
def test_what_is_no_mirror_is_refused_before_anything_is_asked(archive, tmp_path, mirror):
    with pytest.raises(SettingError, match="is no mirror"):
        download(archive, tmp_path, ["http://127.0.0.1:9/never-asked", mirror])


# Fetching


def test_a_corpus_appears_whole_and_nothing_beside_it(serve, rng, tmp_path):
    files = corpus(rng)
    data = packed({**files, "genres/readme.mf": b"x"})
    fetched = fetch(tmp_path / "deep" / "down" / "gtzan", archive_of(data), mirrors=[serve(data).url])
    assert fetched.new
    assert fetched.folder == tmp_path / "deep" / "down" / "gtzan"
    assert {f"genres/{p.relative_to(fetched.folder)}": p.read_bytes() for p in fetched.folder.rglob("*.wav")} == files
    assert everything_in(tmp_path / "deep" / "down") == ["gtzan"]
    assert list(fetched.differing) == TRACKS
    assert len(fetched.missing) == 1000 - len(TRACKS)
    assert fetched.archive is None


@pytest.mark.parametrize("top", ["genres", "Data/genres_original", "."])
def test_the_top_folder_may_have_any_name(serve, rng, tmp_path, top):
    data = packed({**corpus(rng, top=top), "Data/pictures/blues/blues.00000.png": b"x"})
    fetch(tmp_path / "gtzan", archive_of(data), mirrors=[serve(data).url])
    assert (tmp_path / "gtzan" / "jazz" / "jazz.00002.wav").is_file()


def test_each_file_is_held_against_its_checksum(serve, rng, tmp_path, monkeypatch):
    files = corpus(rng)
    known = {
        track: gtzan.Excerpt(
            track, track[:-6], hashlib.md5(files[f"genres/{track[:-6]}/{track}.wav"]).hexdigest(), *[""] * 6
        )
        for track in TRACKS
    }
    monkeypatch.setattr(gtzan, "load_index", lambda: known)
    files["genres/jazz/jazz.00001.wav"] = b"corrupt"
    del files["genres/blues/blues.00002.wav"]
    data = packed(files)
    server = serve(data)
    fetched = fetch(tmp_path / "gtzan", archive_of(data), mirrors=[server.url])
    assert fetched.differing == ("jazz.00001",)
    assert fetched.missing == ("blues.00002",)
    assert len(fetched.matching) == 4
    (tmp_path / "gtzan" / "blues" / "blues.00002.wav").write_bytes(b"found elsewhere")
    again = fetch(tmp_path / "gtzan", archive_of(data), mirrors=[server.url])
    assert not again.new
    assert again.differing == ("blues.00002", "jazz.00001")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("there", "keep", "stays"),
    [(False, None, False), (True, None, True), (False, True, True), (True, True, True), (True, False, False)],
)
def test_the_archive_stays_where_it_should(serve, rng, tmp_path, there, keep, stays):
    data = packed(corpus(rng))
    if there:
        (tmp_path / "genres.tar.gz").write_bytes(data)
    fetched = fetch(tmp_path / "gtzan", archive_of(data), mirrors=[serve(data).url], keep=keep)
    assert (tmp_path / "genres.tar.gz").exists() is stays
    assert fetched.archive == (tmp_path / "genres.tar.gz" if stays else None)


def test_the_users_own_copy_always_stays(rng, tmp_path):
    data = packed(corpus(rng))
    (tmp_path / "mine.tgz").write_bytes(data)
    fetch(tmp_path / "gtzan", archive_of(data), mirrors=[str(tmp_path / "mine.tgz")], keep=False)
    assert everything_in(tmp_path) == ["gtzan", "mine.tgz"]


def disk(monkeypatch, *free):
    """Let disks report this much room, one after the other."""
    answers = list(free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, answers.pop(0)))


def test_a_disk_without_room_is_seen_before_the_download(serve, rng, tmp_path, monkeypatch):
    server = serve(b"")
    disk(monkeypatch, 2_000_000_000)
    with pytest.raises(FetchError, match=r"2.6 GB needed \(1.2 GB to download and 1.3 GB unpacked\), 2.0 GB free"):
        fetch(tmp_path / "gtzan", GTZAN, mirrors=[server.url])
    assert server.asked == []


def test_a_disk_that_filled_up_meanwhile_is_seen_before_unpacking(serve, rng, tmp_path, monkeypatch):
    data = packed(corpus(rng))
    disk(monkeypatch, 10**12, 5000)
    with pytest.raises(FetchError, match=r"needed \(to unpack\), 5.0 kB free"):
        fetch(tmp_path / "gtzan", archive_of(data), mirrors=[serve(data).url])
    assert everything_in(tmp_path) == ["genres.tar.gz"]  # the download was not for nothing


def test_a_disk_that_is_full_in_the_midst_ends_it_and_nothing_stays(
    serve, mirror, archive, body, tmp_path, monkeypatch
):
    second = serve(body)

    class Full(io.BufferedWriter):
        def write(self, block):
            if self.tell() + len(block) > 100_000:
                raise OSError(28, "No space left on device")
            return super().write(block)

    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, mode="r", **kw: Full(io.FileIO(self, "w")) if mode == "wb" else opened(self, mode, **kw),
    )
    with pytest.raises(FetchError, match=f"cannot write to {tmp_path}: No space left on device"):
        fetch(tmp_path / "gtzan", archive, mirrors=[mirror.url, second.url])
    assert len(mirror.asked) == 1
    assert second.asked == []
    assert everything_in(tmp_path) == []


def test_a_place_where_one_may_not_write(archive, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FetchError, match="cannot write to"):
        fetch(tmp_path / "file" / "below" / "gtzan", archive)


@pytest.mark.parametrize("bad", ["../escaped.wav", "/tmp/escaped.wav"])
def test_an_unsafe_archive_leaves_nothing(serve, rng, tmp_path, bad):
    data = packed({**corpus(rng), bad: b"x"})
    with pytest.raises(FetchError, match="not safe"):
        fetch(tmp_path / "in" / "gtzan", archive_of(data), mirrors=[serve(data).url])
    assert everything_in(tmp_path) == ["in"]
    assert everything_in(tmp_path / "in") == ["genres.tar.gz"]


def test_a_bomb_leaves_nothing(serve, rng, tmp_path):
    data = packed({**corpus(rng), "genres/zeros": bytes(30_000_000)})
    archive = archive_of(data)
    with pytest.raises(FetchError, match="more than was announced"):
        fetch(tmp_path / "gtzan", archive, mirrors=[serve(data).url])
    assert everything_in(tmp_path) == ["genres.tar.gz"]


def test_an_archive_of_something_else(serve, tmp_path):
    data = packed({"blues/song.wav": b"x", "blues.00000.wav": b"x"})
    with pytest.raises(FetchError, match="holds none of GTZAN's tracks"):
        fetch(tmp_path / "gtzan", archive_of(data), mirrors=[serve(data).url])
    assert not (tmp_path / "gtzan").exists()


def test_a_folder_in_use_is_left_alone(archive, tmp_path, monkeypatch):
    (tmp_path / "full" / "blues").mkdir(parents=True)
    (tmp_path / "full" / "blues" / "blues.00000.wav").touch()
    with pytest.raises(SettingError, match="is not empty, and holds 1 of GTZAN's 1000 tracks"):
        fetch(tmp_path / "full", archive)
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="is a file"):
        fetch(tmp_path / "file", archive)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(SettingError, match="name a folder in it"):
        fetch(".", archive)


def test_an_empty_folder_is_filled(serve, rng, tmp_path):
    (tmp_path / "gtzan").mkdir()
    data = packed(corpus(rng))
    fetch(tmp_path / "gtzan", archive_of(data), mirrors=[serve(data).url])
    assert everything_in(tmp_path / "gtzan") == ["blues", "jazz"]


def test_what_a_killed_run_left_is_cleared_away(serve, rng, tmp_path):
    (tmp_path / ".gtzan.partial" / "genres" / "pop").mkdir(parents=True)
    (tmp_path / ".genres.tar.gz.partial").mkdir()
    (tmp_path / ".genres.tar.gz.partial" / "tmpabc").touch()
    data = packed(corpus(rng))
    fetch(tmp_path / "gtzan", archive_of(data), mirrors=[serve(data).url])
    assert everything_in(tmp_path) == ["gtzan"]
    assert everything_in(tmp_path / "gtzan") == ["blues", "jazz"]


def test_two_at_once_do_not_spoil_each_other(mirror, archive, tmp_path):
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(FetchError, match="another process is fetching"):
            fetch(tmp_path / "gtzan", archive, mirrors=[mirror.url])
    finally:
        os.close(handle)
    assert mirror.asked == []


def test_the_error_is_one_of_ours_and_an_os_error():
    assert issubclass(FetchError, EarmarkError)
    assert issubclass(FetchError, OSError)


def test_our_own_facts_are_sound():
    assert re.fullmatch("[0-9a-f]{64}", GTZAN.sha256)
    assert len(GTZAN.sizes) == 1
    assert GTZAN.unpacked > 1000 * 30 * 22050 * 2  # a thousand excerpts of 16 bits
    assert all(re.match(r"https?://[^/]+/.*/genres\.tar\.gz$", url) for url in GTZAN.mirrors)


# Unpacking


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
def test_what_would_leave_or_is_no_file_is_refused(tmp_path, place, bad):
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
    monkeypatch.setattr(module, "_MAX_MEMBERS", 10)
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
    unpack(archive, place, most=1_000_000, reporter=Reporter(on_bytes=lambda *said: seen.append(said)))
    assert {(step, total) for step, _, total in seen} == {("unpacking", archive.stat().st_size)}
    done = [n for _, n, _ in seen]
    assert done == sorted(done)
    assert done[-1] == archive.stat().st_size


# The command


def run(*arguments, **settings):
    command = [COMMAND, "data", "fetch", "gtzan", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **settings)


def test_the_command_fetches_and_says_what_is_there(serve, rng, tmp_path):
    data = packed(corpus(rng))
    sum_of = hashlib.sha256(data).hexdigest()
    done = run(tmp_path / "gtzan", "--mirror", serve(data).url, "--sha256", sum_of.upper(), "--keep-archive")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'gtzan'}: 6 tracks, 0 of them as released\n"
    assert "other than released: blues.00000, blues.00001" in done.stderr
    assert "missing: blues.00003" in done.stderr
    assert f"the archive stays: {tmp_path / 'genres.tar.gz'}" in done.stderr


def test_mirrors_from_the_environment(serve, rng, tmp_path):
    data = packed(corpus(rng))
    missing, good = serve(data), serve(data)
    missing.statuses = [404]
    environment = {**os.environ, "EARMARK_MIRROR": f"{missing.url} {good.url}"}
    done = run(tmp_path / "gtzan", "--sha256", hashlib.sha256(data).hexdigest(), env=environment)
    assert done.returncode == 0, done.stderr
    assert len(missing.asked) == len(good.asked) == 1


def test_wrong_usage_is_2(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for arguments in (
        [tmp_path / "full"],
        [tmp_path / "gtzan", "--mirror", "ftp://x/y"],
        [tmp_path / "gtzan", "--sha256", "123"],
        [],
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert done.stderr
        assert "Traceback" not in done.stderr


@contextlib.contextmanager
def halfway(serve, data, tmp_path, *, stderr=subprocess.PIPE):
    """The command, in the middle of its download."""
    server = serve(data)
    server.stall_after = len(data) // 2
    command = [COMMAND, "data", "fetch", "gtzan", tmp_path / "gtzan", "--mirror", server.url]
    process = subprocess.Popen(
        [*command, "--sha256", hashlib.sha256(data).hexdigest()], stdout=subprocess.PIPE, stderr=stderr, text=True
    )
    with process:
        for _ in range(1000):
            with contextlib.suppress(FileNotFoundError):  # between two looks it may be made anew
                here = sum(path.stat().st_size for path in tmp_path.glob(".genres.tar.gz.partial/*"))
                if here > 0.9 * server.stall_after:
                    break
            time.sleep(0.02)
        else:
            process.kill()
            pytest.fail("the download did not begin")
        yield process, server
    server.stall_after = None
    server.go.set()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_after_an_end_in_the_midst_the_same_command_does_it(serve, rng, tmp_path, ending):
    data = packed(corpus(rng, 500_000))
    with halfway(serve, data, tmp_path) as (process, server):
        process.send_signal(ending)
        _, said = process.communicate(timeout=20)
    if ending == signal.SIGINT:
        assert process.returncode == 130
        assert said == "stopped\n"
        assert everything_in(tmp_path) == []
    else:
        assert everything_in(tmp_path) == [".genres.tar.gz.partial"]
    done = run(tmp_path / "gtzan", "--mirror", server.url, "--sha256", hashlib.sha256(data).hexdigest())
    assert done.returncode == 0, done.stderr
    assert everything_in(tmp_path) == ["gtzan"]


def test_a_terminal_sees_bytes_rate_and_time(serve, rng, tmp_path):
    ours, theirs = pty.openpty()
    with halfway(serve, packed(corpus(rng, 500_000)), tmp_path, stderr=theirs) as (process, server):
        os.close(theirs)
        time.sleep(0.3)  # the bar is drawn ten times a second
        server.stall_after = None
        server.go.set()
        seen = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while block := os.read(ours, 65536):
                seen += block
    os.close(ours)
    assert process.returncode == 0
    bars = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())  # without colours and movements
    assert re.search(r"fetching [━╺╸]+ 1\.[45]/3\.0 MB [\d.]+ [kMG]B/s 0:00:\d\d", bars)
    assert "unpacking" in bars


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from earmark.cli.main import app

    monkeypatch.setitem(sys.modules, "pooch", None)
    result = CliRunner().invoke(
        app, ["data", "fetch", "gtzan", str(tmp_path / "g"), "--mirror", "http://127.0.0.1:1/x"]
    )
    assert result.exit_code == 2
    assert "pip install '.[learn]'" in result.output
    assert everything_in(tmp_path) == []


def test_a_mirror_that_fails_is_1(serve, tmp_path, monkeypatch):
    """In this process, without the mirrors on the network."""
    from dataclasses import replace

    from typer.testing import CliRunner

    from earmark.cli.main import app

    server = serve(b"")
    server.statuses = [404]
    monkeypatch.setattr(module, "GTZAN", replace(GTZAN, mirrors=()))
    result = CliRunner().invoke(app, ["data", "fetch", "gtzan", str(tmp_path / "gtzan"), "--mirror", server.url])
    assert result.exit_code == 1
    assert "genres.tar.gz could not be fetched" in result.output
    assert f"{server.url}: the server says 404" in result.output
