"""Sound that goes on: pipes, a radio that drops the connection, and who listens too slowly."""

import io
import socket
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sounds import RATE, Made, collected, heard, noise
from support.station import Station

import earmark
from earmark.audio.decode import decode
from earmark.audio.streams.buffer import StreamBuffer
from earmark.audio.streams.icy import StationResponse, parse_playlist, parse_title
from earmark.audio.streams.open import open_stream
from earmark.audio.streams.radio import Radio
from earmark.audio.streams.stream import SAMPLE_FORMATS, Block, File, Pcm, Pipe
from earmark.errors import AudioError, SettingError
from earmark.inference.live import Listener

BITS = 64_000
SECONDS = 30


@pytest.fixture(scope="module")
def tagger():
    return earmark.load()


@pytest.fixture(scope="module")
def mp3(tmp_path_factory, write_sound):
    """Thirty seconds at 64 kb/s: bytes are a clock."""
    path = write_sound(tmp_path_factory.mktemp("radio") / "a.mp3", noise(SECONDS, 44100), 44100, bit_rate=BITS)
    return path.read_bytes()


@pytest.fixture
def stations(mp3):
    """Stations that play these thirty seconds, eight times as fast unless it is said otherwise."""
    begun = []

    def begin(**options):
        station = Station(**{"sound": mp3, "rate": BITS / 8, "speed": 8, **options}).__enter__()
        begun.append(station)
        return station

    yield begin
    for station in begun:
        station.__exit__()


def tuned(station, path="/", notes=None, **options):
    options = {"retries": 3, "timeout": 2.0, "pauses": (0.05, 0.1), **options}
    return Radio(station.url + path, on_note=(notes if notes is not None else []).append, **options)


# Pipes


class Dribble(io.RawIOBase):
    """Bytes in pieces of odd sizes."""

    def __init__(self, data, sizes=(1, 7, 333, 5, 4096)):
        self.data, self.sizes, self.turn = data, sizes, 0

    def read(self, size=-1):
        size = min(size, self.sizes[self.turn % len(self.sizes)])
        self.turn += 1
        piece, self.data = self.data[:size], self.data[size:]
        return piece


def mu_law(x):
    """G.711, from its definition."""
    x = np.clip(np.round(x * 32768), -32635, 32635).astype(int)
    magnitude = np.abs(x) + 132
    exponent = np.floor(np.log2(magnitude)).astype(int) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    return (~(np.where(x < 0, 128, 0) | exponent << 4 | mantissa) & 255).astype(np.uint8).tobytes()


def raw(x, form):
    """Samples as bytes, written without FFmpeg."""
    if form in ("mulaw",):
        return mu_law(x)
    if form == "alaw":
        pytest.skip("no encoder of our own")
    order = ">" if form.endswith("be") else "<"
    kind, bits = form[0], int("".join(c for c in form if c.isdigit()))
    if kind == "f":
        return x.astype(f"{order}f{bits // 8}").tobytes()
    scaled = np.round(x.astype(np.float64) * 2 ** (bits - 1)).astype(np.int64)
    if kind == "u":
        scaled += 2 ** (bits - 1)
    whole = scaled.astype(f"{order}i8").reshape(-1, 1).view(np.uint8).reshape(-1, 8)
    return (whole[:, 8 - bits // 8 :] if order == ">" else whole[:, : bits // 8]).tobytes()


@pytest.mark.parametrize("form", SAMPLE_FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_raw_samples_in_odd_pieces_are_the_array(form, channels):
    x = noise(0.5)
    interleaved = np.repeat(x, channels) * np.tile([1.0, 0.5][:channels], len(x))
    piped = heard(Pipe(Dribble(raw(interleaved, form)), Pcm(RATE, form, channels)))
    bits = 8 if form in ("s8", "u8") else 6 if "law" in form else 16
    expected = x * np.mean([1.0, 0.5][:channels])
    assert len(piped) == len(x)
    assert np.abs(piped - expected).max() < 2**-bits * (4 if "law" in form else 1.01)


def test_raw_samples_are_resampled_and_answered_as_an_array(tagger):
    x = noise(5, 44100)
    (*_, last) = tagger.follow(Pipe(io.BytesIO(x.tobytes()), Pcm(44100, "f32le")), memory=0)
    assert last.genres == pytest.approx(tagger.classify(x, 44100).genres, abs=0.02)
    assert last.time == 5


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".flac", ".wav", ".mkv", ".aiff"])
def test_containers_come_through_a_pipe(tmp_path, write_sound, suffix):
    path = write_sound(tmp_path / f"a{suffix}", np.stack([noise(4, 44100)] * 2), 44100)
    whole, piped = decode(path, RATE), heard(Pipe(Dribble(path.read_bytes(), (4096, 100))))
    n = min(len(whole), len(piped))
    assert n > 3.9 * RATE
    assert abs(len(whole) - len(piped)) < 0.1 * RATE
    at = min(range(-1, 2), key=lambda k: np.abs(np.roll(piped[:n], k) - whole[:n])[100:-100].max())
    np.testing.assert_allclose(np.roll(piped[:n], at)[RATE:-RATE], whole[:n][RATE:-RATE], atol=0.02)


def test_a_wav_of_unknown_length_comes_through_a_pipe(tmp_path, write_sound):
    data = bytearray(write_sound(tmp_path / "a.wav", noise(3), RATE).read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    notes = []
    assert len(heard(Pipe(Dribble(bytes(data), (1000,)), on_note=notes.append))) == 3 * RATE
    assert notes == []


def test_raw_sound_is_answered_as_soon_as_it_is_there(tagger):
    """On the clock of what the decoder was given."""
    given_out, most = 0, 0.0
    x = noise(6, 44100)

    def read(size):
        nonlocal given_out
        piece = x[given_out : given_out + 441].tobytes()
        given_out += len(piece) // 4
        return piece

    stream = Pipe(SimpleNamespace(read=read), Pcm(44100, "f32le"))
    done, first = 0.0, None
    listener = Listener(tagger, 0.5, 5.0)
    for block in stream.blocks(RATE):
        done += len(block.samples) / RATE
        if given_out < len(x):
            most = max(most, given_out / 44100 - done)
        for verdict in listener.take(block):
            first = first or (verdict.genres and verdict.time)
    assert first == 2.5
    assert most < 0.15


def test_bad_sources_and_settings(tmp_path, tagger):
    with pytest.raises(SettingError, match="raw samples of 'mp3': there are s8"):
        Pcm(form="mp3")
    with pytest.raises(SettingError, match="need 1000"):
        Pcm(rate=0)
    with pytest.raises(SettingError, match="need 1 to 64"):
        Pcm(channels=0)
    with pytest.raises(SettingError, match="begins with file"):
        open_stream("file:///etc/passwd")
    with pytest.raises(SettingError, match="raw samples are for standard input"):
        open_stream("a.wav", pcm=Pcm())
    with pytest.raises(SettingError, match="every 0 s"):
        tagger.follow("a.wav", every=0)
    with pytest.raises(AudioError, match="cannot be opened"):
        next(tagger.follow(tmp_path / "none.wav"))
    with pytest.raises(AudioError, match="not a sound file"):
        heard(Pipe(io.BytesIO(b"no sound " * 9999)))


def test_a_file_plays_at_its_own_speed(tmp_path, write_sound, tagger):
    path = write_sound(tmp_path / "a.wav", noise(1.5), RATE)
    begin = time.monotonic()
    last = [(v.time, v.behind) for v in tagger.follow(File(path, realtime=True))]
    assert time.monotonic() - begin >= 1.4
    assert [t for t, _ in last] == [0.5, 1.0, 1.5]
    assert max(behind for _, behind in last) < 0.5


# Radio


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
        verdicts.extend(collected(tagger.follow(tuned(station, notes=notes)), verdicts))
    assert station.connections >= 3
    assert sum("trying again" in note for note in notes) >= 2
    assert next(v.time for v in verdicts if v.genres) == 2.5
    assert verdicts[-1].time >= SECONDS - 1
    assert np.diff([v.time for v in verdicts]).max() == pytest.approx(0.5)
    assert [t for t in dict.fromkeys(v.title for v in verdicts) if t] == ["One", "It's two; really"]
    change = next(v.time for v in verdicts if v.title == "It's two; really")
    assert change == pytest.approx(SECONDS / 2, abs=1.5)
    assert max(v.behind for v in verdicts if v.genres) < 0.5


def test_a_station_that_is_gone_for_good(stations):
    station = stations()
    station.position = len(station.sound)
    notes = []
    with pytest.raises(AudioError, match=r"127.0.0.1.*404 gone, after 4 attempts"):
        heard(tuned(station, notes=notes))
    assert len(notes) == 3
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        station.url = f"http://127.0.0.1:{nobody.getsockname()[1]}"  # free again in a moment
    with pytest.raises(AudioError, match=r"no answer \(Connection refused\), after 1 attempt$"):
        heard(tuned(station, retries=0))


def test_a_station_that_falls_silent_is_asked_again(stations, mp3):
    station, notes = stations(silent_from=len(mp3) // 2, speed=1000), []
    with pytest.raises(AudioError, match="timed out, after 1 attempt|after 1"):
        heard(tuned(station, notes=notes, retries=0, timeout=0.3))


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
            heard(tuned(station, path))
    with pytest.raises(AudioError, match="403 Forbidden$"):
        heard(tuned(station, "/denied"))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp3"])
def test_redirections_lead_to_http_only(stations, target):
    station = stations(pages={"/": (302, {"Location": target}, b"")})
    with pytest.raises(AudioError, match="302|not allowed|unknown url type"):
        heard(tuned(station, retries=0))


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
        assert len(heard(tuned(station, path))) == pytest.approx(SECONDS * RATE, rel=0.01)
    with pytest.raises(AudioError, match="names no http"):
        heard(tuned(station, "/empty.pls"))
    with pytest.raises(AudioError, match="lists that lead to lists"):
        heard(tuned(station, "/round.m3u"))


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
    assert len(heard(tuned(station, "/good.m3u8"))) == pytest.approx(4 * RATE, rel=0.03)
    with pytest.raises(AudioError):
        heard(tuned(station, "/evil.m3u8", retries=0))


def test_a_file_that_breaks_off_is_not_heard_from_the_beginning(stations, mp3):
    headers = {"Content-Type": "audio/mpeg", "Content-Length": str(2 * len(mp3))}
    station = stations(pages={"/": (200, headers, mp3)})
    with pytest.raises(AudioError, match="broke off"):
        heard(tuned(station))


def test_a_wrong_content_type_is_found_out(tmp_path, stations, write_sound):
    flac = write_sound(tmp_path / "a.flac", noise(4), RATE).read_bytes()
    headers = {"Content-Type": "audio/mpeg", "Content-Length": str(len(flac))}
    assert len(heard(tuned(stations(pages={"/": (200, headers, flac)})))) == 4 * RATE


def test_a_station_that_sends_aac_as_mpeg_is_found_out(tmp_path, stations, write_sound):
    path = write_sound(tmp_path / "a.aac", noise(30, 44100), 44100, codec="aac", container="adts", bit_rate=BITS)
    station, notes = stations(sound=path.read_bytes() * 3, speed=100), []
    for block in tuned(station, notes=notes).blocks(RATE):
        assert len(block.samples)
        break
    assert "it says audio/mpeg, which it is not" in notes[0]


def test_closing_wakes_who_waits_for_bytes(stations, mp3, tagger):
    station = stations(silent_from=len(mp3) // 2, speed=1000)
    verdicts = tagger.follow(tuned(station, timeout=30.0))
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


# StreamBuffer


def numbered(count, size=100):
    return [Block(np.full(size, i, np.float32), 0.0) for i in range(count)]


def test_who_can_wait_is_made_to_wait():
    with StreamBuffer(Made(numbered(50)), 100, seconds=3) as relay:
        time.sleep(0.1)
        assert relay.waiting <= 300
        assert [b.samples[0] for b in relay] == list(range(50))


def test_who_cannot_wait_loses_the_oldest_and_it_is_said():
    with StreamBuffer(Made(numbered(50), live=True), 100, seconds=3) as relay:
        relay._thread.join(2)
        assert relay.waiting <= 300
        blocks = list(relay)
    assert [b.samples[0] for b in blocks] == [47, 48, 49]
    assert [b.lost for b in blocks] == [4700, 0, 0]


def test_what_a_stream_raises_is_raised_to_its_listener():
    def broken():
        yield from numbered(1)
        raise AudioError("gone")

    with StreamBuffer(Made(broken()), 100) as relay, pytest.raises(AudioError, match="gone"):
        list(relay)
