"""Listening to what is playing: pipes, radio, microphone; running verdicts, segments, memory."""

import io
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command import COMMAND, run
from hypothesis import given, settings
from hypothesis import strategies as st
from station import Station

import earmark
from earmark.errors import AudioError, MissingExtra, SettingError
from earmark.listen.audio import decode
from earmark.listen.icy import Answer, entries, title_of
from earmark.listen.microphone import Microphone, devices
from earmark.listen.radio import Radio
from earmark.listen.relay import Relay
from earmark.listen.sources import open_stream
from earmark.listen.stream import SAMPLE_FORMATS, Block, File, Pcm, Pipe, Stream
from earmark.tell.running import Listener, Memory, RunningVerdict, Window
from earmark.tell.segments import DOUBT, HOLD, Segmenter, segments
from earmark.tell.tagger import pooled

RATE = 22050
BITS = 64_000
SECONDS = 30


@pytest.fixture(scope="module")
def tagger():
    return earmark.load()


def noise(seconds, rate=RATE, seed=0):
    n = round(seconds * rate)
    swell = 1 + np.sin(2 * np.pi * 2 * np.arange(n) / rate)
    return (0.1 * swell * np.random.default_rng(seed).standard_normal(n)).clip(-0.99, 0.99).astype(np.float32)


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


def heard(stream, rate=RATE):
    return np.concatenate([b.samples for b in stream.blocks(rate)])


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
    answer = Answer(station.url, 2.0, seen.append)
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
        verdicts.extend(_collected(tagger.follow(tuned(station, notes=notes)), verdicts))
    assert station.connections >= 3
    assert sum("trying again" in note for note in notes) >= 2
    assert next(v.time for v in verdicts if v.genres) == 2.5
    assert verdicts[-1].time >= SECONDS - 1
    assert np.diff([v.time for v in verdicts]).max() == pytest.approx(0.5)
    assert [t for t in dict.fromkeys(v.title for v in verdicts) if t] == ["One", "It's two; really"]
    change = next(v.time for v in verdicts if v.title == "It's two; really")
    assert change == pytest.approx(SECONDS / 2, abs=1.5)
    assert max(v.behind for v in verdicts if v.genres) < 0.5


def _collected(verdicts, into):
    for verdict in verdicts:
        into.append(verdict)
    return []


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
    assert title_of(metadata) == title


@given(st.binary(max_size=300))
def test_any_metadata_and_any_list_is_borne(data):
    title = title_of(data)
    assert title is None or title.isprintable()
    assert all(address.startswith(("http://", "https://")) for address in entries(data, "http://a.example/"))


# Relay


class Made(Stream):
    """Blocks that were made before."""

    def __init__(self, blocks, live=False):
        super().__init__("made")
        self.live, self._blocks = live, blocks

    def blocks(self, sample_rate):
        yield from self._blocks


def numbered(count, size=100):
    return [Block(np.full(size, i, np.float32), 0.0) for i in range(count)]


def test_who_can_wait_is_made_to_wait():
    with Relay(Made(numbered(50)), 100, seconds=3) as relay:
        time.sleep(0.1)
        assert relay.waiting <= 300
        assert [b.samples[0] for b in relay] == list(range(50))


def test_who_cannot_wait_loses_the_oldest_and_it_is_said():
    with Relay(Made(numbered(50), live=True), 100, seconds=3) as relay:
        relay._thread.join(2)
        assert relay.waiting <= 300
        blocks = list(relay)
    assert [b.samples[0] for b in blocks] == [47, 48, 49]
    assert [b.lost for b in blocks] == [4700, 0, 0]


def test_what_a_stream_raises_is_raised_to_its_listener():
    def broken():
        yield from numbered(1)
        raise AudioError("gone")

    with Relay(Made(broken()), 100) as relay, pytest.raises(AudioError, match="gone"):
        list(relay)


# Running verdicts


def running(tagger, blocks, **options):
    return list(tagger.follow(Made([Block(b, time.monotonic()) for b in blocks]), **options))


def pieces(x, sizes):
    while len(x):
        size = next(sizes)
        yield x[:size]
        x = x[size:]


def test_sliding_verdicts_equal_a_slow_rewrite(tagger, rng):
    x, hop, memory = noise(12), round(0.7 * RATE), 4.0
    verdicts = running(tagger, pieces(x, iter(lambda: int(rng.integers(1, 9000)), None)), every=0.7, memory=memory)
    ends = range(hop, len(x) + 1, hop)
    assert [v.time for v in verdicts] == pytest.approx([e / RATE for e in ends])
    log_p, times = [], []
    clip, temperature = tagger.card.clip_length, tagger.card.calibration.track_temperature
    for end, verdict in zip(ends, verdicts, strict=True):
        samples = x[max(0, end - clip) : end]
        if len(samples) < 2.5 * RATE:
            assert (verdict.reason, verdict.genres) == ("too short", {})
            continue
        log_p.append(np.log(tagger._session.run(None, {"spectrogram": tagger.card.front_end(samples[None])})[0][0]))
        times.append(end / RATE)
        weights = np.exp((np.array(times) - times[-1]) / memory)
        mean = (weights[:, None] * log_p).sum(axis=0) / weights.sum()
        expected = np.exp(mean / temperature)
        expected /= expected.sum()
        assert [verdict.genres[g] for g in tagger.labels] == pytest.approx(expected, abs=1e-4)
        assert (verdict.genre is None) == (expected.max() < tagger.card.calibration.threshold)


def test_the_first_answer_comes_within_three_seconds(tagger):
    verdicts = running(tagger, pieces(noise(4), iter(lambda: 512, None)))
    assert next(v.time for v in verdicts if v.genres) == 2.5
    assert np.diff([v.time for v in verdicts]) == pytest.approx(0.5)


def test_silence_is_noticed_and_forgets(tagger):
    x = np.concatenate([noise(6), np.zeros(4 * RATE, np.float32), noise(6, seed=1)])
    verdicts = {v.time: v for v in running(tagger, [x])}
    assert {t for t, v in verdicts.items() if v.reason == "silence"} == {8.0, 8.5, 9.0, 9.5, 10.0}
    short = {0.5, 1.0, 1.5, 2.0, 10.5, 11.0, 11.5, 12.0}
    assert {t for t, v in verdicts.items() if v.reason == "too short"} == short
    alone = {v.time: v for v in running(tagger, [noise(6, seed=1)])}
    assert verdicts[16.0].genres == pytest.approx(alone[6.0].genres)
    assert verdicts[9.0].level == -120
    assert verdicts[5.0].level == pytest.approx(20 * np.log10(0.1 * np.sqrt(1.5)), abs=0.5)


def test_of_late_live_sound_verdicts_are_left_out(tagger):
    listener = Listener(tagger, 0.5, 5.0)
    long_ago = time.monotonic() - 9
    late = list(listener.take(Block(noise(4), long_ago), waiting=RATE))
    assert late == []
    (now,) = listener.take(Block(noise(0.5), time.monotonic()), waiting=RATE)
    assert (now.time, now.skipped, now.behind < 0.3) == (4.5, 8, True)
    (last,) = listener.take(Block(noise(0.5), long_ago), waiting=0)  # late, but there is no newer one
    assert (last.skipped, last.behind > 8) == (0, True)


def test_of_sound_that_waits_for_us_nothing_is_left_out(tagger):
    long_ago = time.monotonic() - 9
    verdicts = list(tagger.follow(Made([Block(noise(4), long_ago), Block(noise(4), long_ago)])))
    assert [v.time for v in verdicts] == [i / 2 for i in range(1, 17)]
    assert not any(v.skipped for v in verdicts)


def test_lost_sound_is_time_gone_by(tagger):
    listener = Listener(tagger, 0.5, 5.0)
    list(listener.take(Block(noise(3), time.monotonic())))
    verdicts = list(listener.take(Block(noise(3), time.monotonic(), lost=10 * RATE)))
    assert [v.time for v in verdicts] == [13.5, 14.0, 14.5, 15.0, 15.5, 16.0]
    assert verdicts[0].reason == "too short"  # clips do not reach over the gap
    assert verdicts[0].skipped == 20


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 7), max_size=60))
def test_a_window_is_the_last_samples(sizes):
    window, everything = Window(7), np.empty(0, np.float32)
    for i, size in enumerate(sizes):
        samples = np.arange(size, dtype=np.float32) + 100 * i
        window.push(samples)
        everything = np.concatenate([everything, samples])
        np.testing.assert_array_equal(window.samples, everything[-7:])


def test_memory_of_nothing_is_the_last_clip():
    memory = Memory(0)
    memory.update(np.array([1.0, 2.0]), 1.0)
    np.testing.assert_array_equal(memory.update(np.array([5.0, 6.0]), 2.0), [5.0, 6.0])
    assert pooled(np.array([[5.0, 6.0]]), 1.0).sum() == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux how much memory a process has")
def test_an_hour_takes_no_more_memory_than_ten_minutes(tagger):
    pcm = (noise(10, 8000) * 32767).astype("<i2").tobytes()
    sizes = {}
    for verdict in tagger.follow(Pipe(io.BufferedReader(_Endless(pcm, 360)), Pcm(8000)), every=5):
        if verdict.time % 600 == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            sizes[verdict.time] = pages * os.sysconf("SC_PAGE_SIZE")
    assert list(sizes) == [600, 1200, 1800, 2400, 3000, 3600]
    assert sizes[3600] - sizes[600] < 5e6


class _Endless(io.RawIOBase):
    def __init__(self, piece, times):
        self.piece, self.left, self.at = piece, times, 0

    def readable(self):
        return True

    def readinto(self, into):
        if not self.left:
            return 0
        n = min(len(into), len(self.piece) - self.at)
        into[:n] = self.piece[self.at : self.at + n]
        self.at += n
        if self.at == len(self.piece):
            self.at, self.left = 0, self.left - 1
        return n


# Segments


def told(letters, titles=None, step=0.5):
    """Verdicts from letters: a genre each, '-' low confidence, ' ' silence, '.' too short."""
    reasons = {"-": "low confidence", " ": "silence", ".": "too short"}
    for i, c in enumerate(letters):
        genre, genres = (None, {}) if c in reasons else (c, {c: 0.8})
        title = titles[i] if titles else None
        yield RunningVerdict((i + 1) * step, genre, reasons.get(c), 0.8, genres, title, 0.0, -20.0, 0)


def spans(letters, **options):
    return [(s.start, s.end, s.genre or s.reason) for s in segments(told(letters, **options))]


def test_a_change_is_dated_to_when_it_was_first_heard():
    assert spans("....aaaaaabbbbbbbb") == [(0, 5, "a"), (5, 9, "b")]


def test_flicker_is_no_change():
    assert spans("aaaaa" + "b" * 5 + "aaaabababababbbbbaaa-a-a---aaa") == [(0, 20, "a")]
    assert HOLD == 3.0


def test_what_is_left_of_a_genre_after_a_new_title_is_no_segment():
    titles = ["x"] * 8 + ["y"] * 12
    ended = list(segments(told("a" * 10 + "b" * 10, titles=titles)))
    assert [(s.start, s.end, s.genre, s.title) for s in ended] == [(0, 4, "a", "x"), (4, 10, "b", "y")]


def test_doubt_is_a_segment_only_when_it_lasts():
    assert spans("aaaa" + "-" * 19 + "aaaa") == [(0, 13.5, "a")]
    assert spans("aaaaaa" + "-" * 20 + "-aaaaaaa") == [(0, 3, "a"), (3, 13.5, "low confidence"), (13.5, 17, "a")]


def test_others_in_turns_end_a_genre_that_is_gone():
    found = spans("aaaa" + "bcd-" * 8)
    assert found[0][0] == 0
    assert found[0][2] == "a"
    assert found[0][1] <= 2 + DOUBT


def test_silence_counts_at_once_and_titles_too():
    assert spans("aaaa  aaaaaaa") == [(0, 2, "a"), (2, 3, "silence"), (3, 6.5, "a")]
    titles = [None, "x", "x", "x", "y", "y", "y", "y"]
    ended = list(segments(told("aaaaaaaa", titles=titles)))
    assert [(s.start, s.end, s.title) for s in ended] == [(0, 2, "x"), (2, 4, "y")]
    assert [s.confidence for s in ended] == pytest.approx([0.8, 0.8])
    ended = list(segments(told("aaaa    ", titles=["x"] * 4 + ["y"] * 4)))
    assert [(s.start, s.end, s.genre, s.title) for s in ended] == [(0, 2, "a", "x"), (2, 4, None, "y")]


@given(st.text("ab- .", max_size=120), st.data())
def test_segments_tile_the_time(letters, data):
    titles = data.draw(st.lists(st.sampled_from([None, "x", "y"]), min_size=len(letters), max_size=len(letters)))
    found = list(segments(told(letters, titles=titles)))
    heard_something = letters.strip(".")
    assert bool(found) == bool(heard_something)
    if found:
        assert (found[0].start, found[-1].end) == (0, len(letters) / 2)
        assert all(a.end == b.start for a, b in pairwise(found))
        assert all(s.start < s.end or len(found) == 1 for s in found)
        assert all(0 <= s.confidence <= 0.8 + 1e-9 for s in found)


def test_before_anything_is_heard_no_segment_is_open():
    segmenter = Segmenter()
    assert [segmenter.update(v) for v in told("...")] == [None] * 3
    assert segmenter.open is None


# Microphone: no machine that tests run on has one, so the library is played


class _InputStream:
    def __init__(self, *, device, samplerate, channels, dtype, callback):
        assert (dtype, samplerate, channels) == ("float32", 48000, 2)
        self.callback, self.active, self.thread = callback, True, threading.Thread(target=self.play)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.active = False
        self.thread.join()

    def play(self):
        x = noise(3.2, 48000)
        for start in range(0, len(x), 480):
            piece = x[start : start + 480]
            self.callback(np.stack([piece, piece], axis=1), len(piece), None, None)
            time.sleep(0.001)
            if not self.active:
                return
        self.active = False


@pytest.fixture
def sounddevice(monkeypatch):
    known = [
        {"name": "Speakers", "max_input_channels": 0, "default_samplerate": 44100.0},
        {"name": "Built-in", "max_input_channels": 4, "default_samplerate": 48000.0},
    ]

    class PortAudioError(Exception):
        pass

    def query(device=None, kind=None):
        if kind is None:
            return known
        if device not in (None, 1):
            raise ValueError(f"No input device matching {device!r}")
        return known[1]

    fake = SimpleNamespace(
        query_devices=query,
        default=SimpleNamespace(device=(1, 0)),
        InputStream=_InputStream,
        PortAudioError=PortAudioError,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_a_microphone_is_heard_until_it_is_gone(sounddevice, tagger):
    assert devices() == [(1, "Built-in", 4, 48000, True)]
    verdicts = []
    with pytest.raises(AudioError, match="Built-in: the device gives no sound any more"):
        _collected(tagger.follow("microphone"), verdicts)
    assert [v.time for v in verdicts] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert verdicts[-1].genres


def test_a_microphone_that_is_not_there(sounddevice):
    with pytest.raises(AudioError, match="No input device matching 'USB'.*--list-devices"):
        heard(Microphone("USB"))


def test_a_microphone_nobody_listens_to_loses_and_counts(sounddevice):
    microphone = Microphone()
    microphone._pieces = queue.Queue(1)
    microphone._came(np.zeros((480, 2), np.float32), 480, None, None)
    microphone._came(np.zeros((480, 2), np.float32), 480, None, None)
    assert microphone._lost == 480


def test_without_sounddevice_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtra, match=r"earmark\[live\]"):
        Microphone()


# The command


@pytest.fixture(scope="module")
def wave(tmp_path_factory, write_sound):
    return write_sound(tmp_path_factory.mktemp("listen") / "a.wav", noise(5), RATE)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_command_writes_json_lines(wave, tmp_path):
    out = lines(run("listen", wave, "--top", 2).stdout)
    assert [line["time"] for line in out[:-1]] == [i / 2 for i in range(1, 11)]
    fields = ["time", "genre", "reason", "confidence", "genres", "title", "behind", "level", "skipped"]
    assert list(out[0]) == fields
    assert len(out[5]["genres"]) == 2
    assert out[-1]["segment"]["start"] == 0
    assert out[-1]["segment"]["end"] == 5
    log = tmp_path / "log.jsonl"
    for _ in range(2):  # the second run appends
        with wave.open("rb") as file:
            assert run("listen", "-", "--segments", "--duration", "3", "-o", log, stdin=file).stdout == ""
    assert [line["segment"]["end"] for line in lines(log.read_text())] == [3, 3]


def test_raw_samples_on_standard_input(wave):
    done = subprocess.run(
        [COMMAND, "listen", "-", "--pcm", "f32le", "--rate", "22050", "--duration", "3"],
        input=noise(4).tobytes(), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert lines(done.stdout)[5]["time"] == 3


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nowhere.wav"], 1, "cannot be opened"),
        (["http://127.0.0.1:9/x", "--retries", "0"], 1, "no answer"),
        (["ftp://x.example/a"], 2, "there are http and https"),
        (["-", "--pcm", "mp3"], 2, "raw samples of 'mp3'"),
        (["a.wav", "--rate", "8000"], 2, "raw samples are for standard input"),
        (["a.wav", "--format", "live"], 2, "needs a terminal"),
        (["a.wav", "-o", "/nowhere/x"], 2, "cannot be written"),
        (["a.wav", "--every", "0"], 2, "every"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, status, says):
    assert says in run("listen", *arguments, expect=status, stdin=subprocess.DEVNULL).stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_when_it_is_stopped_the_last_segment_is_written(wave, number, status):
    process = subprocess.Popen(
        [COMMAND, "listen", wave, "--realtime"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    seen = [json.loads(process.stdout.readline())["time"] for _ in range(6)][-1]
    asked = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == status, err
    assert "Traceback" not in err
    assert seen <= lines(out)[-1]["segment"]["end"] <= seen + time.monotonic() - asked + 1


def test_a_reader_that_has_seen_enough_ends_it(wave):
    process = subprocess.Popen([COMMAND, "listen", wave], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(20) in (0, 141), err
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_live_view_on_a_terminal(wave):
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "listen", wave],
        stdout=follower,
        stderr=follower,
        env={**os.environ, "COLUMNS": "60", "TERM": "xterm"},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            shown += (piece := os.read(leader, 65536))
        except OSError:  # the other end is closed
            break
        if not piece:
            break
    os.close(leader)
    assert process.wait(20) == 0
    text = shown.decode()
    assert "a.wav" in text
    assert "0:05" in text
    assert "level" in text
    assert max(map(len, text.replace("\x1b", "\n\x1b").splitlines())) < 200
    assert "Traceback" not in text


def test_a_picture_of_every_state(wave):
    from rich.console import Console

    from earmark.doors.liveview import View

    for width in (30, 60, 100):
        console = Console(width=width, height=40, file=io.StringIO(), record=True)
        view = View(console, 5)
        view._stream = Pipe(io.BytesIO(), name="a station \x1b[2J of a very long name " * 5)
        console.print(view._picture())
        segmenter = Segmenter()
        for verdict in told("....aaaaaaaaaabbbbbbbbb    --", titles=["Title " * 30] * 29):
            view.update(verdict, segmenter.open, segmenter.update(verdict))
        view.note("gone; trying again in 3 s")
        console.print(view._picture())
        text = console.export_text()
        assert "\x1b[2J" not in text
        assert "trying again" in text
        assert all(len(line) <= width for line in text.splitlines())
