"""Broken, odd and hostile files: one clear error each, the rest goes on; nothing crashes, hangs or reaches out."""

import csv
import errno
import io
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.command import json_lines
from support.sounds import wave_bytes

from earmark.audio.decode import AudioFile, decode
from earmark.errors import AudioError, SettingError
from earmark.inference.tagger import Tagger
from earmark.inference.verdict import DOUBTS

RATE = 22050
EARMARK = Path(sys.executable).with_name("earmark")
FIELDS = ["path", "genre", "reason", "confidence", "genres", "styles", "moods", "duration", "error", "model"]


def heard(source):
    """Seconds that come out, and what was wrong."""
    with AudioFile(source) as recording:
        return sum(map(len, recording.blocks(RATE))) / RATE, recording.read_error


@pytest.fixture
def music(rng):
    """Four seconds of something that is no silence, in stereo, at 44.1 kHz."""
    return rng.normal(size=(2, 4 * 44100)) * 0.1


# Not a sound file


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".aac", ".ac3", ".flac", ".ogg", ".m4a", ".m3u8", ".txt", ""])
def test_what_is_no_sound_is_refused(tmp_path, rng, suffix):
    for content in (b"Not music, but words.\n" * 500, rng.bytes(50_000), bytes(50_000)):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(content)
        with pytest.raises(AudioError, match=r"not a sound file|no audio stream|no samples|cannot be decoded"):
            decode(path, RATE)


@pytest.mark.parametrize("whole_of_ten", [1, 5])
def test_what_is_nearly_all_damaged_is_no_sound(tmp_path, rng, music, write_sound, whole_of_ten):
    """As is a program that is called .mp3, in which FFmpeg finds a few frames by chance."""
    path = write_sound(tmp_path / "a.aac", music, 44100, codec="aac", container="adts")
    data, at, number = bytearray(path.read_bytes()), 0, 0
    while at < len(data):
        # ADTS: a header of seven bytes, which holds the frame's length in 13 bits
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if number % 10 >= whole_of_ten:
            data[at + 7 : at + length] = rng.bytes(length - 7)
        at, number = at + length, number + 1
    path.write_bytes(data)
    if whole_of_ten == 1:
        with pytest.raises(AudioError, match=r"^not a sound file, or too damaged: \d+ of \d+ packets make no sense$"):
            decode(path, RATE)
    else:
        seconds, damage = heard(path)
        assert seconds > 1.5
        assert "damaged packets passed over" in damage


def test_an_empty_file_is_called_empty(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()
    with pytest.raises(AudioError, match=r"^is empty$"):
        AudioFile(path)
    with pytest.raises(AudioError, match="not a sound file"):
        AudioFile(io.BytesIO())


def test_what_is_no_regular_file_is_never_opened(tmp_path):
    with pytest.raises(AudioError, match="folder"):
        AudioFile(tmp_path)
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(AudioError, match="not a regular file"):
        AudioFile(tmp_path / "a.wav")
    with pytest.raises(AudioError, match="not a regular file"):
        AudioFile("/dev/zero")


def test_names_that_lead_nowhere(tmp_path):
    (tmp_path / "link.wav").symlink_to(tmp_path / "gone.wav")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    with pytest.raises(AudioError, match="broken link"):
        AudioFile(tmp_path / "link.wav")
    for name, reason in {
        "gone.wav": "No such file",
        "a\nb.wav": "No such file",
        "loop.wav": os.strerror(errno.ELOOP),
        "a" * 300: "name too long",
        "a\0b": "null byte",
    }.items():
        with pytest.raises(AudioError, match=f"cannot be opened.*{reason}"):
            AudioFile(f"{tmp_path}/{name}")


def test_a_file_without_permission(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user (root?) may read everything")
    with pytest.raises(AudioError, match="Permission denied"):
        AudioFile(path)


def test_a_link_to_a_sound_is_followed(tmp_path, write_sound, music):
    (tmp_path / "link.wav").symlink_to(write_sound(tmp_path / "a.wav", music, 44100))
    assert heard(tmp_path / "link.wav") == (4.0, None)


def test_a_film_without_sound(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")))
        file.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no audio stream"):
        AudioFile(tmp_path / "a.mp4")


def test_a_codec_that_ffmpeg_does_not_know(tmp_path, write_sound, music):
    file = write_sound(tmp_path / "a.wav", music, 44100).read_bytes()
    with pytest.raises(AudioError, match="no decoder"):
        AudioFile(io.BytesIO(file[:20] + b"\x99\x99" + file[22:]))


# Headers that lie


@pytest.mark.parametrize("claimed", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_size_that_says_unknown_is_no_damage(claimed):
    """Programs that write to a pipe leave these."""
    file = wave_bytes(np.ones(44100) * 999, claimed=claimed, riff=0xFFFFFFFF)
    assert heard(io.BytesIO(file)) == (1.0, None)


def test_a_size_beyond_the_end_is_damage():
    seconds, damage = heard(io.BytesIO(wave_bytes(np.ones(44100) * 999, claimed=2 * 44100 * 60)))
    assert seconds == 1.0
    assert damage == "only 1.0 of 60.0 s could be read: the file is truncated or damaged"


def test_a_size_that_lies_costs_no_memory():
    program = """if True:
        import io, resource, sys
        from earmark.audio.decode import AudioFile
        data = sys.stdin.buffer.read()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with AudioFile(io.BytesIO(data)) as recording:
            print(sum(map(len, recording.blocks(22050))))
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> (20 if sys.platform == "darwin" else 10))
    """
    file = wave_bytes(np.ones(44100) * 999, claimed=0xFFFFFF00)
    run = subprocess.run([sys.executable, "-c", program], input=file, capture_output=True, check=True, timeout=60)
    length, megabytes = map(int, run.stdout.split())
    assert length == RATE
    assert megabytes < 60


@pytest.mark.parametrize("rate", [1, 100, 50_000_000])
def test_a_rate_that_no_sound_has(rate):
    """At 1 Hz, a megabyte would become six days of samples."""
    with pytest.raises(AudioError, match=rf"sample rate of {rate} Hz: need 1000 to 10000000"):
        AudioFile(io.BytesIO(wave_bytes(np.ones(44100), rate=rate)))


@pytest.mark.parametrize("channels", [0, 65, 255, 65535])
def test_channels_that_no_sound_has(channels):
    with pytest.raises(AudioError, match=r"no audio stream|cannot be mixed|no channels|not a sound file|no samples"):
        decode(io.BytesIO(wave_bytes(np.ones(400_000), channels=channels)), RATE)


# Samples that are no numbers


@pytest.mark.parametrize("bad", [[np.nan, 0], [np.inf, 0], [np.inf, -np.inf], [3e38, 3e38]])
def test_samples_that_are_no_numbers(tmp_path, write_sound, music, bad):
    music[:, 100_000] = bad
    path = write_sound(tmp_path / "a.wav", music, 44100, codec="pcm_f32le")
    with pytest.raises(AudioError, match="not finite"):
        decode(path, RATE)


def test_floats_above_full_scale_are_kept(tmp_path, write_sound, music):
    path = write_sound(tmp_path / "a.wav", music * 100, 44100, codec="pcm_f32le")
    np.testing.assert_allclose(decode(path, 44100), (music * 100).mean(axis=0), rtol=1e-4, atol=1e-4)


# Files that end early, or break


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
def test_of_a_truncated_file_the_beginning_is_heard(tmp_path, write_sound, music, suffix):
    file = write_sound(tmp_path / f"a{suffix}", music, 44100).read_bytes()
    seconds, damage = heard(io.BytesIO(file[: len(file) // 2]))
    assert seconds == pytest.approx(2.0, abs=0.2)
    assert damage.startswith(f"only {seconds:.1f} of 4.0 s could be read: ")
    with pytest.raises(AudioError, match=r"not a sound file|no samples"):
        decode(io.BytesIO(file[:40]), RATE)


def test_a_truncated_m4a_needs_its_index(tmp_path, write_sound, music):
    file = write_sound(tmp_path / "a.m4a", music, 44100).read_bytes()
    with pytest.raises(AudioError, match="not a sound file"):  # the index lies at the end
        AudioFile(io.BytesIO(file[: len(file) // 2]))
    seconds, damage = heard(io.BytesIO(index_first(file)[: len(file) * 2 // 3]))
    assert 1 < seconds < 3.5
    assert "of 4.0 s could be read" in damage


def index_first(file):
    """What `ffmpeg -movflags faststart` does: moov before mdat, its chunk offsets moved."""
    boxes, at = {}, 0
    while at < len(file):
        size, name = struct.unpack(">I4s", file[at : at + 8])
        boxes[name] = file[at : at + size]
        at += size
    moov = bytearray(boxes[b"moov"])
    at = moov.index(b"stco") + 8
    (count,) = struct.unpack(">I", moov[at : at + 4])
    for i in range(count):
        (offset,) = struct.unpack(">I", moov[at + 4 * i + 4 : at + 4 * i + 8])
        moov[at + 4 * i + 4 : at + 4 * i + 8] = struct.pack(">I", offset + len(moov))
    rest = b"".join(box for name, box in boxes.items() if name not in (b"ftyp", b"moov"))
    return boxes[b"ftyp"] + bytes(moov) + rest


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".ac3", ".mp2", ".mkv", ".wma"])
def test_of_a_truncated_stream_the_beginning_is_heard(tmp_path, write_sound, music, suffix):
    file = write_sound(tmp_path / f"a{suffix}", music, 44100).read_bytes()
    seconds, _ = heard(io.BytesIO(file[: len(file) // 2]))
    assert 0.9 < seconds < 3  # of Ogg the last page is lost, one second here


def test_a_damaged_packet_is_passed_over(tmp_path, write_sound, music):
    file = write_sound(tmp_path / "a.mp3", music, 44100).read_bytes()
    middle = len(file) // 2
    seconds, damage = heard(io.BytesIO(file[:middle] + bytes(3000) + file[middle + 3000 :] + b"junk" * 200))
    assert 3.5 < seconds < 4.1
    assert damage == "2 damaged packets passed over"


class Failing(io.BytesIO):
    """A disk that breaks down after some reads."""

    def __init__(self, data, good):
        super().__init__(data)
        self.good = good

    def read(self, size=-1):
        self.good -= 1
        if self.good < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size)


def test_a_disk_that_fails(tmp_path, write_sound, music, capfd):
    file = write_sound(tmp_path / "a.wav", music, 44100).read_bytes()
    seconds, damage = heard(Failing(file, 8))
    assert 0.5 < seconds < 3
    assert os.strerror(errno.EIO) in damage
    with pytest.raises(AudioError, match=os.strerror(errno.EIO)):
        AudioFile(Failing(file, 0))
    assert capfd.readouterr().err == ""


# Files that point elsewhere


def playlists(target):
    return {
        "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-VERSION:3\n#EXTINF:4.0,\n{target}\n#EXT-X-ENDLIST\n",
        "a.ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "a.mpd": f"""<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
            mediaPresentationDuration="PT4S" profiles="urn:mpeg:dash:profile:full:2011"><Period><AdaptationSet
            mimeType="audio/mp4"><Representation id="1" bandwidth="128000"><BaseURL>{target}</BaseURL>
            <SegmentBase/></Representation></AdaptationSet></Period></MPD>""",
        "a.m3u": f"#EXTM3U\n{target}\n",
        "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    }


@pytest.fixture
def listener():
    """A server that counts who comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        visitors, stop = [], threading.Event()

        def serve():
            while not stop.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                visitors.append(address)
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], visitors
        stop.set()
        thread.join()


def test_no_playlist_opens_another_file(tmp_path, write_sound, music):
    write_sound(tmp_path / "secret.ts", music, 44100, codec="mp2", container="mpegts")
    opened = 0
    for name, text in playlists("secret.ts").items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(AudioError, match=r"not a sound file|no audio stream|cannot be decoded"):
            decode(path, RATE)
        with pytest.raises(AudioError, match=r"not a sound file|no audio stream|cannot be decoded"):
            decode(io.BytesIO(text.encode()), RATE)
        try:
            with av.open(str(path)) as file:  # as anyone would; to show that the files are real bait
                opened += bool(file.streams.audio)
        except av.error.FFmpegError:
            pass
    assert opened >= 2


def test_no_playlist_calls_a_host(tmp_path, listener):
    port, visitors = listener
    for name, text in playlists(f"http://127.0.0.1:{port}/a.ts").items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(AudioError, match=r"not a sound file|no audio stream|cannot be decoded"):
            decode(path, RATE)
    assert not visitors
    with pytest.raises(av.error.FFmpegError):  # to show that it would be called if it were allowed
        av.open(str(tmp_path / "a.m3u8"), options={"protocol_whitelist": "file,http,tcp"}, timeout=5)
    time.sleep(0.2)
    assert visitors


# Anything at all


@pytest.fixture(scope="module")
def originals(tmp_path_factory, write_sound):
    """One short file of each format."""
    folder = tmp_path_factory.mktemp("originals")
    sound = np.random.default_rng(0).normal(size=(2, 9600)) * 0.1
    suffixes = [".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mkv", ".wma", ".aiff", ".ac3", ".mp2"]
    return [write_sound(folder / f"a{suffix}", sound, 48000).read_bytes() for suffix in suffixes]


def survives(file):
    """Nothing but sound or an AudioError comes out, soon."""
    begin = time.perf_counter()
    try:
        with AudioFile(io.BytesIO(file)) as recording:
            total = sum(map(len, recording.blocks(RATE)))
            assert total <= 1000 * RATE
            list(recording.blocks(RATE, start=0.05, duration=0.05))
    except AudioError as error:
        assert str(error)
    assert time.perf_counter() - begin < 10


@given(data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_no_damage_does_more_than_raise_audio_error(originals, data):
    file = bytearray(data.draw(st.sampled_from(originals)))
    near_start = st.integers(0, min(400, len(file) - 1))
    for at in data.draw(st.lists(near_start | st.integers(0, len(file) - 1), min_size=1, max_size=20)):
        file[at] = data.draw(st.integers(0, 255))
    survives(bytes(file[: data.draw(st.just(len(file)) | st.integers(0, len(file)))]))


@given(st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS\0\2", b"ID3\4\0\0", b"\xff\xfb\x90\0"]), st.binary())
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_no_bytes_do_more_than_raise_audio_error(head, tail):
    survives(head + tail)


# The tagger


@pytest.fixture(autouse=True)
def paper(monkeypatch):
    """Let commands ask the paper's network, to which noise is music too."""
    monkeypatch.setenv("EARMARK_MODEL", "paper-attention-2x60")


@pytest.fixture(scope="module")
def tagger():
    return Tagger("paper-attention-2x60")


def test_one_sample_is_too_short(tmp_path, write_sound, tagger):
    for rate in (8000, 192000):
        verdict = tagger.classify(write_sound(tmp_path / "a.wav", np.ones((1, 1)), rate))
        assert (verdict.genre, verdict.reason, verdict.error) == (None, "too short", None)


def test_a_preview_of_a_truncated_file_hears_what_there_is(tmp_path, write_sound, rng, tagger):
    file = write_sound(tmp_path / "a.wav", rng.normal(size=(1, 60 * 8000)) * 0.1, 8000).read_bytes()
    verdict = tagger.classify(io.BytesIO(file[: len(file) // 2]), preview=True)
    assert verdict.genres
    assert 1 <= len(verdict.clips) <= 4
    assert "of 60.0 s could be read" in verdict.error
    verdict = tagger.classify(
        io.BytesIO(file[:9000]), preview=True
    )  # half a second: less than the first window's start
    assert verdict.reason == "too short"
    assert "of 60.0 s could be read" in verdict.error


def test_bad_files_among_good_ones(tmp_path, write_sound, music, tagger):
    good = write_sound(tmp_path / "a.wav", music, 44100)
    verdicts = list(tagger.classify_many([good, tmp_path, tmp_path / "gone", good], jobs=2))
    assert [v.error is None for v in verdicts] == [True, False, False, True]
    assert [v.path for v in verdicts] == [str(good), str(tmp_path), str(tmp_path / "gone"), str(good)]
    assert verdicts[0].genres == verdicts[3].genres != {}
    with pytest.raises(SettingError, match="sample_rate is for arrays"):
        tagger.classify(good, 44100)


# The command


def earmark(*args, status=0, **options):
    command = [str(EARMARK), "classify", *map(os.fspath, args)]
    run = subprocess.run(command, capture_output=True, timeout=120, check=False, **options)
    error = run.stderr.decode(errors="replace")
    assert "Traceback" not in error
    assert run.returncode == status, error
    return run.stdout, error


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_sound):
    """Good, odd and bad files, as a user's folder may hold them; and which of them must fail."""
    root = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    sound = rng.normal(size=(2, 5 * 44100)) * 0.1
    good = {
        "8bit.wav": write_sound(root / "8bit.wav", sound, 44100, codec="pcm_u8"),
        "8channels.wav": write_sound(root / "8channels.wav", np.repeat(sound, 4, axis=0), 44100),
        "f64.wav": write_sound(root / "f64.wav", sound, 44100, codec="pcm_f64le"),
        "192k.flac": write_sound(root / "192k.flac", rng.normal(size=(1, 5 * 192000)) * 0.1, 192000),
        "8k.wav": write_sound(root / "8k.wav", sound[:1], 8000),
        "film.mp4": write_sound(root / "film.mp4", sound, 44100, video=True),
        "short.wav": write_sound(root / "short.wav", np.ones((1, 1)), 44100),
        "silence.wav": write_sound(root / "silence.wav", np.zeros((1, 5 * 44100)), 44100),
        "song.mp3": write_sound(root / "song.mp3", sound, 44100),
    }
    whole = good["8k.wav"].read_bytes()
    for name in (b"new\nline.wav", b"latin-\xe9.wav", b"escape\x1b[31m.wav", "東京.wav".encode()):
        try:
            Path(os.fsdecode(bytes(root) + b"/" + name)).write_bytes(whole)
        except OSError:  # some file systems allow UTF-8 only
            continue
        good[os.fsdecode(name)] = None
    bad = {"broken.mp3", "cut.wav", "empty.wav", "link.wav", "nan.wav", "pipe.wav", "text.ogg"}
    (root / "broken.mp3").write_bytes(rng.bytes(5000))
    (root / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (root / "empty.wav").touch()
    (root / "link.wav").symlink_to(root / "gone.wav")
    write_sound(root / "nan.wav", np.full((1, 44100), np.nan), 44100, codec="pcm_f32le")
    os.mkfifo(root / "pipe.wav")
    (root / "text.ogg").write_text("These are words.\n" * 100)
    (root / "notes.txt").write_text("not looked at")
    (root / ".hidden.wav").write_bytes(whole)
    return root, set(good), bad


def test_a_folder_of_good_and_bad_files(tmp_path, folder):
    root, good, bad = folder
    out, error = earmark(root, root / "gone.wav", "--format", "json", "--jobs", "2", status=1)
    records = json_lines(out)
    names = [r["path"].removeprefix(f"{root}/") for r in records]
    assert names == [*sorted(good | bad), "gone.wav"]  # the order is that of the names, and names keep their bytes
    assert all(list(r) == FIELDS for r in records)
    by_name = dict(zip(names, records, strict=True))
    assert {name for name in names if by_name[name]["error"]} == bad | {"gone.wav"}
    for name in bad - {"cut.wav"}:
        assert by_name[name]["genre"] is None
        assert by_name[name]["genres"] == {}
        assert by_name[name]["duration"] is None
    assert by_name["cut.wav"]["genres"]  # what could be heard, and what not
    assert "truncated" in by_name["cut.wav"]["error"]
    for name in good - {"short.wav", "silence.wav"}:
        record = by_name[name]
        assert sum(record["genres"].values()) == pytest.approx(1, abs=0.001)
        assert record["confidence"] == next(iter(record["genres"].values())) == max(record["genres"].values())
        assert (record["genre"] is None) == (record["reason"] in DOUBTS)
    assert (by_name["short.wav"]["genre"], by_name["short.wav"]["reason"]) == (None, "too short")
    assert (by_name["silence.wav"]["genre"], by_name["silence.wav"]["reason"]) == (None, "silence")
    assert by_name["192k.flac"]["duration"] == pytest.approx(5, abs=0.01)
    assert by_name["film.mp4"]["duration"] == pytest.approx(5, abs=0.1)
    assert f"{len(bad) + 1} files with errors" in error

    # The same alone, one at a time, into a file
    target = tmp_path / "new" / "out.json"
    out, _ = earmark(root, "--format", "json", "--jobs", "1", "--output", target, status=1)
    assert out == b""
    assert json_lines(target.read_bytes()) == records[:-1]
    assert list(target.parent.iterdir()) == [target]


def test_tables_show_every_file_and_no_control_characters(folder):
    root, good, bad = folder
    out, _ = earmark(root, "--top", "2", status=1)
    header, *lines = out.decode().splitlines()
    assert header.split() == ["file", "genre", "confidence", "other", "genres"]
    assert len(lines) == len(good | bad)
    assert "\x1b" not in out.decode()
    assert sum("✗" in line for line in lines) == len(bad) - 1
    assert sum("too short" in line for line in lines) == 1
    out, _ = earmark(root / "東京.wav", env={**os.environ, "PYTHONIOENCODING": "ascii"})  # a terminal of old
    assert b"/??.wav" in out


def test_csv_has_a_row_for_each_file(folder):
    root, good, bad = folder
    out, _ = earmark(root, "--format", "csv", "--preview", status=1)
    rows = list(csv.DictReader(io.StringIO(os.fsdecode(out), newline="")))
    assert [row["path"].removeprefix(f"{root}/") for row in rows] == sorted(good | bad)
    assert {row["path"].removeprefix(f"{root}/") for row in rows if row["error"]} == bad


def test_timeline_and_top(folder):
    root, _, _ = folder
    files = [root / "film.mp4", root / "song.mp3"]
    out, error = earmark(*files, "--format", "json", "--timeline", "--top", "3")
    assert error.startswith("2 files, 10 s of sound: ")
    for record in json_lines(out):
        assert sorted(record) == sorted([*FIELDS, "clips"])
        assert len(record["genres"]) == 3
        assert record["clips"][0]["start"] == 0
        for clip in record["clips"]:
            assert list(clip) == ["start", "end", "genres", "reason", "attention"]
            assert clip["start"] < clip["end"] <= record["duration"] + 0.001
            assert sum(clip["genres"].values()) == pytest.approx(1, abs=0.001)
            assert clip["attention"] is None or sum(clip["attention"]) == pytest.approx(1, abs=0.001)


def test_wrong_usage_is_status_2(tmp_path, folder):
    root, _, _ = folder
    assert "--format" in earmark(root, "--format", "xml", status=2)[1]
    assert "no-such-model" in earmark(root / "song.mp3", "--model", "no-such-model", status=2)[1]


def test_a_folder_without_sound_and_a_name_too_long(tmp_path):
    out, _ = earmark(tmp_path, "a" * 5000, "--format", "json", status=1)
    assert sorted(r["error"] for r in json_lines(out)) == [
        "cannot be opened (File name too long)",
        "no audio files in this folder",
    ]
