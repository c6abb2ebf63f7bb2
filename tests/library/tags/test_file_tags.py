"""What the tags of files say, in every format and whatever became of the file."""

import json
import logging
import os

import numpy as np
import pytest
from mediafile import MediaFile
from support.tags import FORMATS, write

from earmark.library.tags.file_tags import FileTags, read_file_tags
from earmark.library.tags.genre_tags import require_mediafile
from earmark.library.tags.tag_fields import list_fields


@pytest.fixture
def tag(put):
    """Puts a file with these tags there."""

    def put_tagged(suffix=".flac", moods=None, **tags):
        path = put(suffix)
        file = MediaFile(os.fspath(path))
        file.update(tags)
        if moods:
            list_fields()["moods"].__set__(file, moods)
        file.save()
        return path

    return put_tagged


@pytest.mark.parametrize("suffix", FORMATS)
def test_tags_of_every_format_are_read(tag, put, suffix):
    path = tag(
        suffix, genres=["Acid Jazz", "R&B/Soul"], artist="Guest", album="Coconut  FM", albumartist="Señor Coconut",
        disc=2, disctotal=3, comp=True, moods=["happy", "calm"],
    )  # fmt: skip
    tags = read_file_tags(path)
    assert tags == FileTags(
        str(path), ("Acid Jazz", "R&B", "Soul"), "Guest", "Coconut FM", "Señor Coconut", 2, 3, True, ("happy", "calm"),
        values=("Acid Jazz", "R&B/Soul"),
    )  # fmt: skip
    assert tags.known_artist == "Señor Coconut"
    assert FileTags.from_dict(str(path), json.loads(json.dumps(tags.to_dict()))) == tags
    assert read_file_tags(put(suffix)) == FileTags(str(path))


@pytest.mark.parametrize("suffix", FORMATS)
def test_genres_that_earmark_wrote_are_known_for_its_own_until_somebody_changes_them(put, journal, suffix):
    path = put(suffix)
    assert not read_file_tags(path).is_own
    write(journal, path, "Hip-Hop/Rap", "Jazz", moods=("Calm",), provenance="model=mine")
    tags = read_file_tags(path)
    assert (tags.genres, tags.moods, tags.is_own) == (("Hip-Hop", "Rap", "Jazz"), ("Calm",), True)
    file = MediaFile(os.fspath(path))
    file.genres = ["Hip-Hop/Rap"]
    file.save()
    assert not read_file_tags(path).is_own


@pytest.mark.parametrize(
    ("albumartist", "artist", "known"),
    [
        ("Miles Davis", "Wayne Shorter", "Miles Davis"),
        ("", "Wayne Shorter", "Wayne Shorter"),
        ("Various Artists", "Wayne Shorter", "Wayne Shorter"),
        ("various", "VA", ""),
        ("", "Unknown Artist", ""),
        ("", "", ""),
    ],
)
def test_the_artist_is_the_albums_else_the_tracks(albumartist, artist, known):
    assert FileTags("a", artist=artist, albumartist=albumartist).known_artist == known


@pytest.mark.parametrize("name", ["Various Artists", "V.A.", "VA", "various-artists", "Verschiedene Interpreten"])
def test_various_artists_in_many_spellings(name):
    assert FileTags("a", albumartist=name).various
    assert not FileTags("a", albumartist=f"{name} Band").various


def test_numbers_and_moods_in_an_mp3_of_id3v2_3(put):
    from mutagen.id3 import ID3, TCON, TXXX

    path = put(".mp3")
    tags = ID3()
    tags.add(TCON(encoding=0, text=["(17)(8)", "Post-Rock"]))
    tags.add(TXXX(encoding=0, desc="MOOD", text=["calm"]))
    tags.save(path, v2_version=3)
    assert read_file_tags(path).genres == ("Rock", "Jazz", "Post-Rock")
    assert read_file_tags(path).moods == ("calm",)


def test_a_record_of_another_version(tmp_path):
    assert FileTags.from_dict("a", {"album": "A", "key": "F#"}) == FileTags("a", album="A")
    assert FileTags("a", readable=False).to_dict() == {"readable": False}


def test_what_is_no_file_is_unreadable(tmp_path):
    os.mkfifo(tmp_path / "pipe.ogg")
    (tmp_path / "gone.wav").symlink_to("nowhere")
    (tmp_path / "junk.mp3").write_bytes(b"junk" * 99)
    for name in ("pipe.ogg", "gone.wav", "junk.mp3", "none.flac"):
        assert not read_file_tags(tmp_path / name).readable


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_damage_to_a_file_is_fatal(tag, suffix, rng):
    path = tag(suffix, genres=["Acid Jazz", "R&B"], artist="Señor Coconut", moods=["calm"])
    whole = path.read_bytes()
    readable = 0
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8)[: rng.integers(1, 2 * len(whole))].copy()
        damaged[rng.integers(0, min(len(damaged), 100), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        readable += read_file_tags(path).readable
    assert readable < 60


def test_asking_for_mediafile_again_and_again_leaves_nothing_behind():
    require_mediafile()
    before = list(logging.getLogger("mediafile").handlers)
    require_mediafile()
    assert logging.getLogger("mediafile").handlers == before
