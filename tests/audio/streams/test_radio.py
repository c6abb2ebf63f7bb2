"""A radio that drops the connection, lies about itself, or leads elsewhere."""

import socket
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sounds import RATE, collected, heard, noise
from support.station import Station

import earmark
from earmark.audio.streams.icy import StationResponse, parse_playlist, parse_title
from earmark.audio.streams.radio import Radio
from earmark.errors import AudioError

BITS = 64_000
SECONDS = 30


@pytest.fixture(scope="module")
def tagger():
    return earmark.load("paper-attention-2x60")


@pytest.fixture(scope="module")
def mp3(tmp_path_factory, write_sound):
    """Thirty seconds at 64 kb/s: bytes are a clock."""
    path = write_sound(tmp_path_factory.mktemp("radio") / "a.mp3", noise(SECONDS, 44100), 44100, bit_rate=BITS)
    return path.read_bytes()


@pytest.fixture
def stations(mp3):
    """Stations that play these thirty seconds, eight times as fast unless it is said otherwise."""
    running = []

    def begin(**options):
        station = Station(**{"sound": mp3, "rate": BITS / 8, "speed": 8, **options}).__enter__()
        running.append(station)
        return station

    yield begin
    for station in running:
        station.__exit__()


def make_radio(station, path="/", notes=None, **options):
    options = {"retries": 3, "timeout": 2.0, "pauses": (0.05, 0.1), **options}
    return Radio(station.url + path, on_note=(notes if notes is not None else []).append, **options)


def test_not_a_byte_of_metadata_is_taken_for_sound(stations, mp3):
    titles = [(0, b"first"), (9000, "zweites → ü".encode()), (20_000, "drittes ü".encode("cp1252"))]
    station, seen = stations(every=1009, titles=titles, speed=1000), []
    answer = StationResponse(station.url, 2.0, seen.append)
    assert b"".join(iter(lambda: answer.read(733), b"")) == mp3
    assert seen == ["first", "zweites → ü", "drittes ü"]
    answer.close()


@pytest.mark.parametrize("shoutcast", [False, True])
def test_verdicts_go_on_over_two_drops(stations, mp3, tagger, shoutcast):
    n, notes = len(mp3), []
    titles = [(0, b"One"), (n // 2, b"It's two; really")]
    station = stations(every=1009, titles=titles, drops=[n // 3 + 5, 2 * n // 3 + 5], shoutcast=shoutcast)
    verdicts = []
    with pytest.raises(AudioError, match=r"gone|closed|No such|404|Not Found"):
        verdicts.extend(collected(tagger.follow(make_radio(station, notes=notes)), verdicts))
    assert station.connections >= 3
    assert sum("trying again" in note for note in notes) >= 2
    assert next(v.time for v in verdicts if v.genres) == 1.0
    assert verdicts[-1].time >= SECONDS - 1
    assert np.diff([v.time for v in verdicts]).max() == pytest.approx(0.5)
    assert [t for t in dict.fromkeys(v.title for v in verdicts) if t] == ["One", "It's two; really"]
    change = next(v.time for v in verdicts if v.title == "It's two; really")
    assert change == pytest.approx(SECONDS / 2, abs=1.5)
    assert max(v.behind for v in verdicts if v.genres) < 0.5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
def test_an_answer_that_stays_ends_it_at_once(stations, status):
    notes = []
    station = stations(pages={"/": (status, {}, b"")})
    with pytest.raises(AudioError, match=rf"http://127.0.0.1:\d+/: the server says {status} [A-Z][A-Za-z ]+$"):
        heard(make_radio(station, notes=notes))
    assert not notes


def test_a_host_that_does_not_exist_ends_it_at_once(monkeypatch):
    def look_up(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(AudioError, match=r"no answer \(Name or service not known\)$"):
        heard(Radio("http://nowhere.invalid/", on_note=pytest.fail))


@pytest.mark.parametrize("status", [408, 429, 503])
def test_an_answer_that_may_pass_is_waited_for(stations, status):
    notes = []
    station = stations(pages={"/": (status, {}, b"")})
    with pytest.raises(AudioError, match=rf"says {status} .*, after 4 attempts"):
        heard(make_radio(station, notes=notes))
    assert len(notes) == 3


def test_where_nobody_answers(stations):
    station = stations()
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        station.url = f"http://127.0.0.1:{nobody.getsockname()[1]}"  # free again in a moment
    with pytest.raises(AudioError, match=r"no answer \(Connection refused\), after 1 attempt$"):
        heard(make_radio(station, retries=0))


def test_a_station_that_falls_silent_is_asked_again(stations, mp3):
    station, notes = stations(silent_from=len(mp3) // 2, speed=1000), []
    with pytest.raises(AudioError, match="timed out, after 1 attempt|after 1"):
        heard(make_radio(station, notes=notes, retries=0, timeout=0.3))


def test_pauses_grow_to_a_limit_and_begin_anew(monkeypatch):
    radio, pauses = Radio("http://x.example", retries=8, pauses=(0.5, 4.0)), []
    monkeypatch.setattr(radio.stopped, "wait", pauses.append)
    for failures in range(1, 9):
        radio._pause(failures, "gone")
    for pause, most in zip(pauses, [0.5, 1, 2, 4, 4, 4, 4, 4], strict=True):
        assert most / 2 <= pause <= most
    with pytest.raises(AudioError, match="gone, after 9 attempts"):
        radio._pause(9, "gone")


def test_pages_are_no_sound(stations):
    page = (200, {"Content-Type": "text/html"}, b"<html>")
    station = stations(pages={"/page": page, "/denied": (403, {}, b""), "/hop": (302, {"Location": "/page"}, b"")})
    for path in ("/page", "/hop"):
        with pytest.raises(AudioError, match="it sends text/html, no sound"):
            heard(make_radio(station, path))
    with pytest.raises(AudioError, match="403 Forbidden$"):
        heard(make_radio(station, "/denied"))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp3"])
def test_redirections_lead_to_http_only(stations, target):
    station = stations(pages={"/": (302, {"Location": target}, b"")})
    with pytest.raises(AudioError, match="302|not allowed|unknown url type"):
        heard(make_radio(station, retries=0))


def test_lists_and_redirections_lead_to_the_station(stations, mp3):
    length = {"Content-Type": "audio/mpeg", "Content-Length": str(len(mp3))}
    pls = b"[playlist]\nNumberOfEntries=2\nFile1=file:///etc/passwd\nFile2=/song\n"
    pages = {
        "/song": (200, length, mp3),
        "/hop": (302, {"Location": "/song"}, b""),
        "/a.m3u": (200, {"Content-Type": "audio/x-mpegurl"}, b"\xef\xbb\xbf#EXTM3U\r\n#EXTINF:1,x\r\nhop\r\n"),
        "/a.pls": (200, {"Content-Type": "audio/x-scpls"}, pls),
        "/list.m3u": (200, {"Content-Type": "text/plain"}, b"/a.pls"),
        "/empty.pls": (200, {"Content-Type": "audio/x-scpls"}, b"[playlist]\nFile1=file:///etc/passwd"),
        "/round.m3u": (200, {"Content-Type": "audio/x-mpegurl"}, b"round.m3u"),
    }
    station = stations(pages=pages)
    for path in ("/song", "/hop", "/a.m3u", "/a.pls", "/list.m3u"):
        assert len(heard(make_radio(station, path))) == pytest.approx(SECONDS * RATE, rel=0.01)
    with pytest.raises(AudioError, match="names no http"):
        heard(make_radio(station, "/empty.pls"))
    with pytest.raises(AudioError, match="lists that lead to lists"):
        heard(make_radio(station, "/round.m3u"))


def test_an_hls_playlist_is_heard_and_cannot_reach_files(tmp_path, stations, write_sound):
    segment = write_sound(tmp_path / "a.ts", noise(4, 44100), 44100, codec="aac", container="mpegts").read_bytes()
    secret = write_sound(tmp_path / "secret.ts", noise(4, 44100), 44100, codec="aac", container="mpegts")
    head = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:4,\n"
    kind = {"Content-Type": "application/vnd.apple.mpegurl"}
    pages = {
        "/a.ts": (200, {"Content-Type": "video/mp2t"}, segment),
        "/good.m3u8": (200, kind, head + b"a.ts\n#EXT-X-ENDLIST\n"),
        "/evil.m3u8": (200, kind, head + f"file://{secret}\n#EXT-X-ENDLIST\n".encode()),
    }
    station = stations(pages=pages)
    assert len(heard(make_radio(station, "/good.m3u8"))) == pytest.approx(4 * RATE, rel=0.03)
    with pytest.raises(AudioError):
        heard(make_radio(station, "/evil.m3u8", retries=0))


def test_a_file_that_breaks_off_is_not_heard_from_the_beginning(stations, mp3):
    headers = {"Content-Type": "audio/mpeg", "Content-Length": str(2 * len(mp3))}
    station = stations(pages={"/": (200, headers, mp3)})
    with pytest.raises(AudioError, match="broke off"):
        heard(make_radio(station))


def test_a_wrong_content_type_is_found_out(tmp_path, stations, write_sound):
    flac = write_sound(tmp_path / "a.flac", noise(4), RATE).read_bytes()
    headers = {"Content-Type": "audio/mpeg", "Content-Length": str(len(flac))}
    assert len(heard(make_radio(stations(pages={"/": (200, headers, flac)})))) == 4 * RATE


def test_a_station_that_sends_aac_as_mpeg_is_found_out(tmp_path, stations, write_sound):
    path = write_sound(tmp_path / "a.aac", noise(30, 44100), 44100, codec="aac", container="adts", bit_rate=BITS)
    station, notes = stations(sound=path.read_bytes() * 3, speed=100), []
    for block in make_radio(station, notes=notes).blocks(RATE):
        assert len(block.samples)
        break
    assert "it says audio/mpeg, which it is not" in notes[0]


def test_closing_wakes_who_waits_for_bytes(stations, mp3, tagger):
    station = stations(silent_from=len(mp3) // 2, speed=1000)
    verdicts = tagger.follow(make_radio(station, timeout=30.0))
    assert next(verdicts)
    begin = time.monotonic()
    verdicts.close()
    assert time.monotonic() - begin < 1
    assert not [t for t in threading.enumerate() if t.name == "earmark-stream"]


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        (b"StreamTitle='a';\0\0", "a"),
        (b"StreamTitle='a';StreamUrl='http://x';\0", "a"),
        (b"StreamTitle='Guns N' Roses - it's';StreamUrl='';", "Guns N' Roses - it's"),
        (b"StreamTitle='';", None),
        (b"StreamTitle='a\x1b[2Jb\n\tc';", "a [2Jb c"),
        (b"nonsense", None),
        ("StreamTitle='日本';".encode(), "日本"),
        (b"StreamTitle='caf\xe9';", "café"),
    ],
)
def test_titles(metadata, title):
    assert parse_title(metadata) == title


@given(st.binary(max_size=300))
def test_any_metadata_and_any_list_is_borne(data):
    title = parse_title(data)
    assert title is None or title.isprintable()
    assert all(address.startswith(("http://", "https://")) for address in parse_playlist(data, "http://a.example/"))
