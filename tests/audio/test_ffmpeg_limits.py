"""Files that are small and demand much: memory, time, streams, hours."""

import io
import struct
import subprocess
import sys
import time
import zlib

import av
import numpy as np
import pytest
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3
from mutagen.mp4 import MP4, MP4Cover
from support.sounds import wave_bytes

from earmark.audio import AudioFile, ffmpeg_limits
from earmark.audio.decode import decode

RATE = 22050


def peak_megabytes(file):
    """How far memory rises while a process of its own hears a file."""
    program = """if True:
        import io, resource, sys
        from earmark.audio.decode import AudioFile
        data = sys.stdin.buffer.read()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with AudioFile(io.BytesIO(data)) as recording:
            assert sum(map(len, recording.blocks(22050)))
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> (20 if sys.platform == "darwin" else 10))
    """
    run = subprocess.run([sys.executable, "-c", program], input=file, capture_output=True, check=True, timeout=60)
    return int(run.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="FFmpeg's own limit cannot be reached there")
def test_a_tag_that_claims_gigabytes_costs_none(rng):
    claimed = 0x7FFFFFF0
    tag = b"LIST" + struct.pack("<I", 0x7FFFFFFF) + b"INFOIART" + struct.pack("<I", claimed) + b"Me\0\0"
    assert peak_megabytes(wave_bytes(rng.integers(-999, 999, 44100), riff=0xFFFFFFFF) + tag) < 60


def large_picture():
    """A PNG of 64 megapixels in 200 kB."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    pixels = zlib.compress(bytes((8000 * 3 + 1) * 8000))
    header = struct.pack(">IIBBBBB", 8000, 8000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".m4a"])
def test_pictures_are_never_decoded(tmp_path, write_sound, rng, suffix):
    path = write_sound(tmp_path / f"a{suffix}", rng.normal(size=(1, 44100)) * 0.1, 44100)
    data = large_picture()
    if suffix == ".mp3":
        tags = ID3()
        tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=data))
        tags.save(path)
    elif suffix == ".flac":
        file, picture = FLAC(path), Picture()
        picture.data, picture.mime = data, "image/png"
        file.add_picture(picture)
        file.save()
    else:
        film = MP4(path)
        film["covr"] = [MP4Cover(data, MP4Cover.FORMAT_PNG)]
        film.save()
    assert len(data) < 250_000
    begin = time.perf_counter()
    with av.open(str(path)) as file:  # as anyone would; to show that the picture is real
        assert file.streams.video
    plainly = time.perf_counter() - begin
    begin = time.perf_counter()
    assert len(decode(path, RATE)) == pytest.approx(RATE, abs=1200)
    assert time.perf_counter() - begin < plainly / 2
    assert peak_megabytes(path.read_bytes()) < 60


def test_only_so_many_hours_are_heard(monkeypatch, tmp_path, write_sound):
    assert ffmpeg_limits.MAX_DURATION == 24 * 3600
    monkeypatch.setattr(ffmpeg_limits, "MAX_DURATION", 36.0)
    path = write_sound(tmp_path / "a.flac", np.zeros((1, 100 * 8000)), 8000)
    with AudioFile(path) as recording:
        heard = sum(map(len, recording.blocks(8000))) / 8000
        assert 36 < heard < 36 + 10  # a block more
        assert recording.read_error == "longer than 0.01 hours: what comes after them was not heard"
        assert sum(map(len, recording.blocks(8000, start=90.0))) == 10 * 8000  # the end can be listened to


def test_more_streams_than_any_film_has():
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as film:
        streams = [film.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(300)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.full((1, 8000), 999, np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 8000, 0
            film.mux(stream.encode(frame))
    begin = time.perf_counter()
    try:
        assert len(decode(io.BytesIO(file.getvalue()), 8000)) == 8000
    except ValueError as error:
        assert "not a sound file" in str(error)
    assert time.perf_counter() - begin < 5


def test_a_file_that_breaks_into_packets_of_a_byte_is_given_up(tmp_path, write_sound, rng):
    """A damaged header of CAF says how many bytes a packet has; each would be tried, and fail."""
    path = write_sound(tmp_path / "a.caf", rng.normal(size=(1, 48000)) * 0.1, 48000, codec="alac", container="caf")
    data = bytearray(path.read_bytes())
    at = data.index(b"desc") + 12 + 16  # after type, size, rate, format and flags
    data[at : at + 8] = struct.pack(">II", 1, 4096)  # bytes and frames a packet; 0 bytes stood for "see the table"
    with pytest.raises(ValueError, match="stopped early .10000 damaged packets in a row"):
        decode(io.BytesIO(data), RATE)


def test_a_hole_that_is_long_but_not_that_long_is_passed_over(tmp_path, write_sound, rng):
    file = bytearray(write_sound(tmp_path / "a.mp3", rng.normal(size=(1, 60 * 8000)) * 0.1, 8000).read_bytes())
    third = len(file) // 3
    file[third : 2 * third] = bytes([0xFF, 0xFB, 0, 0] * (third // 4 + 1))[:third]
    with AudioFile(io.BytesIO(file)) as recording:
        assert 35 < sum(map(len, recording.blocks(8000))) / 8000 < 61
