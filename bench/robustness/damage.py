"""Real files of many formats, and ways to damage them; the same seed and number always give the same bytes."""

from __future__ import annotations

import io
import random
import re
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import mutagen
import numpy as np
from mutagen.apev2 import APEv2File
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, COMM, ID3, TCON, TIT2, USLT
from mutagen.mp4 import MP4, MP4Cover

_WRITERS = """
wav:wav:pcm_s16le wav:wav:pcm_f32le wav:wav:adpcm_ms wav:wav:adpcm_ima_wav w64:w64:pcm_s24le flac:flac:flac
mp3:mp3:libmp3lame mp2:mp2:mp2 ogg:ogg:vorbis opus:ogg:libopus oga:ogg:flac m4a:ipod:aac m4a:ipod:alac mp4:mp4:aac
wma:asf:wmav2 wma:asf:wmav1 aiff:aiff:pcm_s16be mkv:matroska:aac mka:matroska:flac webm:webm:libopus ac3:ac3:ac3
eac3:eac3:eac3 caf:caf:pcm_s16le caf:caf:alac wv:wv:wavpack tta:tta:tta aac:adts:aac au:au:pcm_s16be mpg:mpeg:mp2
ts:mpegts:mp2 avi:avi:libmp3lame rm:rm:ac3 flv:flv:libmp3lame mov:mov:pcm_s24le
"""
"""suffix:container:codec, of all that PyAV can write and people have."""

_FILMS = ("mp4", "mkv", "avi")

_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)

_PICTURE = bytes.fromhex(  # a PNG of one grey pixel
    "89504e470d0a1a0a0000000d494844520000000100000001080000000 03a7e9b550000000a49444154789c6368000000820081"
    "771ed3b30000000049454e44ae426082".replace(" ", "")
)


@cache
def originals() -> list[tuple[str, bytes]]:
    """Files as (suffix, content): each writer's, with tags and a picture where the format has them."""
    noise = np.random.default_rng(0).normal(size=(2, round(1.1 * 48000))) * 0.1
    files = []
    with TemporaryDirectory(prefix="earmark-fuzz-") as folder:
        for i, (suffix, container, codec) in enumerate(writer.split(":") for writer in _WRITERS.split()):
            path = Path(folder, f"{i}.{suffix}")
            _write(path, noise, container, codec, film=suffix in _FILMS)
            files.append((suffix, path.read_bytes()))
            if _tag(path, suffix):
                files.append((suffix, path.read_bytes()))
    return files


def damaged(number: int, seed: int = 0) -> tuple[str, bytes]:
    """Return the damaged file of this number: its suffix, and its content."""
    rng = random.Random(f"{seed} {number}")
    return damage(rng)


def damage(rng: random.Random) -> tuple[str, bytes]:
    """One of the files, damaged in one to four ways."""
    suffix, content = rng.choice(originals())
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        rng.choice(_WAYS)(data, rng)
    if data[:4] == b"OggS" and rng.random() < 0.7:
        _repair_ogg(data)  # else all that is damaged is dropped before any decoder sees it
    return suffix, bytes(data)


# Ways to damage


def _flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 3, 10, 100))):
        if data:
            data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random) -> None:
    at, length = _place(data, rng), rng.choice((1, 4, 16, 300, 5000))
    fill = rng.choice((b"\0" * length, b"\xff" * length, rng.randbytes(length)))
    data[at : at + length] = fill[: max(0, len(data) - at)]


def _truncate(data: bytearray, rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _insert(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 100, 3000)))


def _cut_out(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 2, 4, 100, 3000))]


def _repeat(data: bytearray, rng: random.Random) -> None:
    at, length = _place(data, rng), rng.choice((4, 64, 1000))
    data[at:at] = data[at : at + length] * rng.choice((1, 2, 50))


def _splice(data: bytearray, rng: random.Random) -> None:
    """Begin as one file and go on as another, or hold another within."""
    other = rng.choice(originals())[1]
    at, start = _place(data, rng), rng.choice((0, rng.randrange(len(other))))
    if rng.random() < 0.5:
        del data[at:]
    data[at:at] = other[start : start + 100_000]


def _extreme_field(data: bytearray, rng: random.Random) -> None:
    """Set a number near the beginning or the end, of any width and either byte order, to an extreme."""
    at = rng.randrange(min(600, len(data)) or 1)
    if rng.random() < 0.15:
        at = max(0, len(data) - 1 - at)
    _set_number(data, at, rng.choice((1, 2, 4, 4, 8)), rng)


def _chunk_size(data: bytearray, rng: random.Random) -> None:
    """Set the size of a chunk, atom, frame or page: the number before or after a name of four letters."""
    names = [match.start() for match in re.finditer(rb"[A-Za-z0-9 ]{4}", data[:4000] + data[-4000:])]
    if not names:
        return
    at = rng.choice(names)
    at += len(data) - len(data[:4000] + data[-4000:]) if at >= 4000 else 0
    _set_number(data, max(0, at + rng.choice((-4, 4, 4, 8))), 4, rng)


_WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip_bits, _overwrite, _truncate, _insert, _cut_out, _repeat, _splice, _extreme_field, _extreme_field, _chunk_size,
)  # fmt: skip


def _place(data: bytearray, rng: random.Random) -> int:
    """Where: as often among the first bytes, which say what is what, as anywhere."""
    return rng.randrange(max(1, min(len(data), rng.choice((64, 600, len(data), len(data))))))


def _set_number(data: bytearray, at: int, width: int, rng: random.Random) -> None:
    value = rng.choice((*_EXTREMES, len(data), len(data) * 2, rng.getrandbits(64))) % 2 ** (8 * width)
    data[at : at + width] = value.to_bytes(width, rng.choice(("big", "little")))


def _repair_ogg(data: bytearray) -> None:
    """Make the checksums of Ogg's pages right again."""
    for match in list(re.finditer(b"OggS", data)):
        at = match.start()
        if at + 27 > len(data):
            return
        segments = data[at + 27 : at + 27 + data[at + 26]]
        page = data[at : at + 27 + len(segments) + sum(segments)]
        page[22:26] = bytes(4)
        data[at + 22 : at + 26] = struct.pack("<I", _ogg_checksum(page))


def _ogg_checksum(page: bytes | bytearray) -> int:
    checksum, table = 0, _ogg_table()
    for byte in page:
        checksum = (checksum << 8 & 0xFFFFFFFF) ^ table[checksum >> 24 ^ byte]
    return checksum


@cache
def _ogg_table() -> list[int]:
    table = []
    for value in range(256):
        value <<= 24
        for _ in range(8):
            value = (value << 1) ^ (0x104C11DB7 if value & 0x80000000 else 0)
        table.append(value)
    return table


# Writing what is to be damaged


def _write(path: Path, samples: np.ndarray, container: str, codec: str, *, film: bool) -> None:
    experimental = {"strict": "-2"}
    with av.open(str(path), "w", format=container, options=experimental) as file:
        file.metadata.update({"title": "A title", "artist": "Nobody", "genre": "Waltz"})
        stream = file.add_stream(codec, rate=48000, layout="stereo", options=experimental)
        if codec.startswith("wma"):
            stream.bit_rate = 128_000
        pictures = file.add_stream("mpeg4", rate=5) if film else None
        if pictures is not None:
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
            for level in range(5):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level * 40, np.uint8), "rgb24")
                file.mux(pictures.encode(frame))
            file.mux(pictures.encode(None))
        interleaved = np.ascontiguousarray(samples.T, np.float32).reshape(1, -1)
        sound = av.AudioFrame.from_ndarray(interleaved, "flt", "stereo")
        sound.sample_rate, sound.pts = 48000, 0
        file.mux(stream.encode(sound))
        file.mux(stream.encode(None))


def _tag(path: Path, suffix: str) -> bool:
    """Add tags as people's programs write them, with a picture; False where the format has none."""
    if suffix in ("mp3", "aiff", "wav", "tta", "aac"):
        _tag_id3(path, suffix)
    elif suffix == "flac":
        flac, picture = FLAC(path), Picture()
        picture.data, picture.mime = _PICTURE, "image/png"
        flac.add_picture(picture)
        flac["genre"] = ["Waltz", "Polka"]
        flac.save()
    elif suffix in ("m4a", "mp4"):
        film = MP4(path)
        film["covr"], film["\xa9gen"] = [MP4Cover(_PICTURE, MP4Cover.FORMAT_PNG)], ["Waltz"]
        film.save()
    elif suffix in ("ac3", "mp2", "wv"):
        ape = APEv2File(path)
        if ape.tags is None:
            ape.add_tags()
        ape.tags["Genre"], ape.tags["Title"] = ["Waltz", "Polka"], "A title"
        ape.save()
    else:
        return False
    return True


def _tag_id3(path: Path, suffix: str) -> None:
    frames = [
        TIT2(encoding=3, text="A title"),
        TCON(encoding=1, text=["Waltz", "(17)"]),
        COMM(encoding=0, lang="eng", desc="", text="words " * 20),
        USLT(encoding=1, lang="eng", desc="", text="la " * 50),
        APIC(encoding=3, mime="image/png", type=3, desc="cover", data=_PICTURE),
    ]
    if suffix in ("aiff", "wav"):
        file = mutagen.File(path)
        if file.tags is None:
            file.add_tags()
        for frame in frames:
            file.tags.add(frame)
        file.save()
        return
    tags = ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(path, v1=2, v2_version=3 if suffix == "tta" else 4)


class Named(io.BytesIO):
    """Bytes with a name, whose suffix helps to guess the format."""

    def __init__(self, suffix: str, content: bytes) -> None:
        super().__init__(content)
        self.name = f"damaged.{suffix}"
