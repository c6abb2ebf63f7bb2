"""The INFO list of a WAV: found wherever it is, grown at the end, sound and other chunks untouched."""

import struct

import av
import pytest

from earmark.library.tags.riff_info import read_info, write_info_genre

SOUND = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16), b"data" + struct.pack("<I", 800) + bytes(800)


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def info(**fields):
    return chunk(b"LIST", b"INFO" + b"".join(chunk(name.encode(), data + b"\0") for name, data in fields.items()))


def wav(path, *chunks):
    body = b"WAVE" + b"".join(chunks)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


PLACES = {
    "none": SOUND,
    "before the sound": (SOUND[0], info(INAM=b"Two", ISFT=b"x"), SOUND[1]),
    "last, with a genre": (*SOUND, info(INAM=b"Two", IGNR=b"Ska")),
    "two lists": (info(IGNR=b"Ska"), *SOUND, info(IGNR=b"Punk", INAM=b"Two"), chunk(b"odd ", b"123")),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_genre_is_written_read_by_ffmpeg_and_taken_out_again(tmp_path, place):
    path = wav(tmp_path / "song.wav", *PLACES[place])
    at = path.read_bytes().index(SOUND[1])
    others = {name: text for name, text in read_info(path).items() if name != "IGNR"}
    for genre in ("Jazz", "Drum & Bass", "Pop", "Ümlaut"):
        write_info_genre(path, genre)
        assert read_info(path) == {**others, "IGNR": genre}
        data = path.read_bytes()
        assert data.index(SOUND[1]) == at  # the sound is where it was
        assert struct.unpack("<I", data[4:8]) == (len(data) - 8,)
        with av.open(str(path)) as file:
            assert {file.metadata.get("title"), file.metadata["genre"]} == {others.get("INAM"), genre}
    write_info_genre(path, None)
    assert read_info(path) == others


@pytest.mark.parametrize("damage", ["size", "cut", "trailing", "not RIFF"])
def test_a_damaged_file_is_left_as_it_is(tmp_path, damage):
    path = wav(tmp_path / "song.wav", *SOUND)
    data = path.read_bytes()
    # such as a stream, whose writer did not know how long it would get
    data = {
        "size": data[:40] + b"\xff\xff\xff\xff" + data[44:], "cut": data[:-10], "trailing": data + b"odd bytes",
        "not RIFF": b"RF64" + data[4:],
    }[damage]  # fmt: skip
    path.write_bytes(data)
    write_info_genre(path, "Jazz")
    assert path.read_bytes() == data
    assert read_info(path) == {}
