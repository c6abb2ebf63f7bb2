"""Genres in each kind of tag, and nothing else altered."""

import struct
import sys

import av
import pytest
from mediafile import MediaFile
from mutagen.apev2 import APEv2
from mutagen.id3 import APIC, ID3, TALB, TCON, TDAT, TIT2, TYER
from support.tags import PICTURE, has_id3, refused, undone, with_id3v1, write

from earmark.errors import MissingExtra, TagError
from earmark.library.tags.genre_tags import GenreTags


def test_an_old_tag_keeps_its_version_and_its_frames(put, journal):
    path = put(".mp3")
    tags = ID3()
    for frame in (TIT2(1, ["Zwölf"]), TYER(0, ["1999"]), TDAT(0, ["0312"]), APIC(0, "image/png", 3, "", PICTURE)):
        tags.add(frame)
    tags.save(path, v2_version=3)
    before = ID3(path, translate=False)
    write(journal, path, "Jazz", "Soul")
    after = ID3(path, translate=False)
    assert after.version == before.version == (2, 3, 0)
    assert set(after) - set(before) == {"TCON"}
    assert all(vars(after[key]) == vars(before[key]) for key in before)
    assert after["TCON"].text == ["Jazz", "Soul"]


def test_the_oldest_tag_loses_nothing(put, journal):
    path = put(".mp3")
    frame = b"TT2" + (7).to_bytes(3, "big") + b"\0Twelve"
    head = b"ID3\x02\0\0\0\0\0" + bytes([len(frame)]) + frame
    path.write_bytes(head + path.read_bytes()[ID3(path).size if has_id3(path) else 0 :])
    original = path.read_bytes()
    write(journal, path, "Jazz")
    assert ID3(path)["TIT2"] == "Twelve"
    assert undone(journal) == [("restored", None)]
    assert path.read_bytes() == original


@pytest.mark.parametrize(("word", "number"), [("Jazz", 8), ("Zydeco", 255)])
def test_an_id3v1_block_keeps_its_words(put, journal, word, number):
    path = put(".mp3")
    ID3().save(path) if has_id3(path) else None
    tags = ID3(path)
    tags.add(TIT2(3, ["The title"]))
    tags.save(path)
    block = with_id3v1(path, 17)
    original = path.read_bytes()
    assert GenreTags(path).genres == ("Rock",)
    assert not write(journal, path, word, existing="keep")
    assert write(journal, path, word)
    assert path.read_bytes()[-128:] == block[:-1] + bytes([number])
    assert ID3(path, load_v1=False)["TIT2"] == "The title"
    assert undone(journal) == [("restored", None)]
    assert path.read_bytes() == original


def test_a_file_with_nothing_but_id3v1_takes_it_along(put, journal):
    path = put(".mp3")
    data = path.read_bytes()
    path.write_bytes(data[ID3(path).size :] if has_id3(path) else data)
    block = with_id3v1(path, 255)
    original = path.read_bytes()
    assert write(journal, path, "Jazz")
    assert ID3(path, load_v1=False)["TIT2"] == "Another title"
    assert path.read_bytes()[-128:] == block[:-1] + b"\x08"
    undone(journal)
    assert path.read_bytes() == original


def test_an_ape_tag_in_an_mp3_is_kept_in_step(put, journal):
    path = put(".mp3")
    ape = APEv2()
    ape["Genre"], ape["MP3Gain_Undo"] = "Ska", "+3,+3,N"
    ape.save(path)
    block = with_id3v1(path, 255)
    original = path.read_bytes()
    assert GenreTags(path).genres == ("Ska",)
    assert write(journal, path, "Jazz", "Soul")
    after = APEv2(path)
    assert list(after["Genre"]) == ["Jazz", "Soul"]
    assert str(after["MP3Gain_Undo"]) == "+3,+3,N"
    assert path.read_bytes()[-128:] == block[:-1] + b"\x08"
    undone(journal)
    assert path.read_bytes() == original


@pytest.mark.parametrize("new", ["Jazz", "Drum & Bass"])
def test_the_info_list_of_a_wav_is_kept_in_step(put, journal, new):
    path = put(".wav")
    listed = b"INFOIGNR" + struct.pack("<I", 6) + b"Disco\0" + b"INAM" + struct.pack("<I", 4) + b"Two\0"
    data = path.read_bytes() + b"LIST" + struct.pack("<I", len(listed)) + listed
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    original = path.read_bytes()
    assert GenreTags(path).genres == ("Disco",)
    assert not write(journal, path, new, existing="keep")
    assert write(journal, path, new)
    assert GenreTags(path).genres == (new,)
    assert GenreTags(path).raw["info"] == [new]
    with av.open(str(path)) as file:
        assert (file.metadata["title"], file.metadata["genre"]) == ("Two", new)
    undone(journal)
    assert path.read_bytes() == original


@pytest.mark.parametrize("nothing", ["Unknown", "Other", " ", "(255)"])
def test_what_says_nothing_is_no_genre(put, journal, nothing):
    path = put(".flac")
    file = MediaFile(path)
    file.genres = [nothing]
    file.save()
    assert write(journal, path, "Jazz")
    undone(journal)
    assert MediaFile(path).genres == [nothing]


def test_numbers_of_old_tags_are_put_back_as_they_were(put, journal):
    path = put(".mp3")
    tags = ID3(path) if has_id3(path) else ID3()
    tags.add(TCON(0, ["(17)(8)Fusion"]))
    tags.save(path, v2_version=3)
    write(journal, path, "Jazz")
    touched = ID3(path)
    touched.add(TALB(3, ["Changed since"]))
    touched.save(path, v2_version=3)
    assert undone(journal) == [("genre restored", None)]
    assert ID3(path, translate=False)["TCON"].text == ["(17)(8)Fusion"]
    assert ID3(path)["TALB"] == "Changed since"


def test_genres_come_after_numbers_by_their_names(put, journal):
    path = put(".mp3")
    tags = ID3()
    tags.add(TCON(0, ["(17)(8)Fusion"]))
    tags.save(path, v2_version=3)
    write(journal, path, "Rock", "Soul", existing="append")
    assert ID3(path, translate=False)["TCON"].text == ["Rock", "Jazz", "Fusion", "Soul"]


def test_a_damaged_tag_is_one_files_misfortune(put, journal):
    path = put(".flac")
    path.write_bytes(path.read_bytes()[:60])
    refused(journal, path, "cannot be read")
    path.write_bytes(b"no sound at all")
    refused(journal, path, "cannot be read|not a file whose genre tag")


def test_without_mediafile_the_extra_is_named(put, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediafile", None)
    with pytest.raises(MissingExtra, match=r"genre tags needs packages .*\.\[tags\]"):
        GenreTags(put(".mp3"))


def test_what_is_wrong_with_tags_is_told_without_the_path(tmp_path):
    (tmp_path / "noise.flac").write_bytes(b"noise" * 99)
    with pytest.raises(TagError) as error:
        GenreTags(tmp_path / "noise.flac")
    assert str(error.value) == "its tags cannot be read (it is not a valid FLAC file)"


@pytest.mark.parametrize("suffix", [".mkv", ".ac3"])
def test_other_formats_are_named(write_sound, tone, tmp_path, suffix):
    with pytest.raises(TagError, match=r"genre tag.*MP3, FLAC"):
        GenreTags(write_sound(tmp_path / f"song{suffix}", tone(440, 0.5, 48000), 48000))
