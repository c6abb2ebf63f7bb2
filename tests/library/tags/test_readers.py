"""What other programs read of several values: mutagen, mediafile, beets, TagLib and ffprobe, in each format."""

import json
import shutil
import subprocess

import mutagen
import pytest
from mediafile import MediaFile
from mutagen.id3 import ID3, TIT2
from support.tags import FORMATS, has_id3, write

GENRES, MOODS, SOURCE = ["Hip-Hop", "Jazz"], ["Calm", "Happy"], "model=mine; checksum=1a2b3c4d; confidence=0.83"
NOTE = f"{SOURCE}; genre=Hip-Hop; genre=Jazz; mood=Calm; mood=Happy"

# of several values FFmpeg joins those of Vorbis comments, and takes the first of all others
JOINED = {".flac", ".ogg", ".opus"}

OLD = (".v23.mp3", ".v23.aiff", ".v23.wav")
"""The same sound with a tag of ID3v2.3."""


@pytest.fixture(params=[*FORMATS, *OLD])
def written(request, put, journal):
    """A file of each format with two genres, two moods and a note."""
    suffix = request.param.removeprefix(".v23")
    path = put(suffix)
    if suffix != request.param:
        file = mutagen.File(path)
        if file.tags is None:
            file.add_tags()
        file.tags.add(TIT2(1, ["Zwölf"]))
        file.save(v2_version=3)
    assert write(journal, path, *GENRES, moods=tuple(MOODS), provenance=SOURCE)
    return path


def test_mediafile_and_mutagen_read_separate_values(written):
    assert MediaFile(written).genres == GENRES
    tags = {key.casefold(): value for key, value in mutagen.File(written).items()}
    for names, values in ((("tmoo", "txxx:mood", "mood", "wm/mood"), MOODS), (("txxx:earmark", "earmark"), [NOTE])):
        names = [*names, f"----:com.apple.itunes:{names[-1].removeprefix('wm/')}"]
        (found,) = [tags[name] for name in names if name in tags]
        texts = [one.decode() if isinstance(one, bytes) else str(one) for one in getattr(found, "text", found)]
        assert texts == values


def test_a_mood_is_in_the_frame_of_its_version(written):
    tags = mutagen.File(written).tags
    if isinstance(tags, ID3):
        old = tags.version == (2, 3, 0)
        assert ("TXXX:MOOD" in tags, "TMOO" in tags) == (old, not old)


def test_taglib_reads_separate_values(written):
    taglib = pytest.importorskip("taglib")
    with taglib.File(written) as file:
        found = {name: file.tags.get(name) for name in ("GENRE", "MOOD", "EARMARK")}
        if written.suffix == ".wma":
            # mutagen keeps further values of ASF where TagLib reads first; names unknown to TagLib are only listed
            assert (found["GENRE"], found["MOOD"]) == (GENRES[::-1], MOODS[::-1])
            assert file.unsupported == ["EARMARK"]
        else:
            assert found == {"GENRE": GENRES, "MOOD": MOODS, "EARMARK": [NOTE]}


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffprobe_reads_the_first_value_or_all_joined(written):
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "format_tags:stream_tags", written]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    parts = [found["format"], *found["streams"]]
    tags = {key.casefold(): value for part in parts for key, value in part.get("tags", {}).items()}
    joined = written.suffix in JOINED
    assert tags["genre"] == (";".join(GENRES) if joined else GENRES[0])
    # of a WAV it reads the INFO list alone, which has no mood
    if written.suffix != ".wav":
        (mood,) = [tags[name] for name in ("mood", "tmoo", "wm/mood") if name in tags]
        assert mood == (";".join(MOODS) if joined else MOODS[0])
        assert tags["earmark"] == NOTE


def test_beets_reads_separate_values(written):
    library = pytest.importorskip("beets.library")
    item = library.Item.from_path(str(written).encode())
    if "genres" not in library.Item._fields:
        pytest.skip("a beets of one genre")
    assert item.genres == GENRES


def test_a_wav_without_id3_has_its_genre_in_the_info_list_too(put, journal):
    path = put(".wav")
    assert not has_id3(path)
    write(journal, path, "Jazz")
    assert b"IGNR\x05\0\0\0Jazz\0" in path.read_bytes()
