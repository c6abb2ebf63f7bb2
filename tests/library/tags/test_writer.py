"""Genres in tags: in each format, nothing else altered, and taken back byte for byte."""

import errno
import io
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediafile import MediaFile
from mutagen.apev2 import APEv2
from mutagen.id3 import APIC, ID3, TALB, TCON, TDAT, TIT2, TYER
from support.paths import DATA

from earmark.errors import MissingExtra, SettingError, TagError
from earmark.inference.verdict import Verdict
from earmark.library.tags import safe_replace, writer
from earmark.library.tags.byte_delta import apply_delta, encode_delta
from earmark.library.tags.genre_tags import GenreTags
from earmark.library.tags.journal import Journal, default_journal, read_journal
from earmark.library.tags.safe_replace import Stamp, make_draft, put_in_place, remove_drafts
from earmark.library.tags.undo import undo
from earmark.library.tags.vocabulary import GenreSelector, load_words, spell_label
from earmark.library.tags.writer import GenreWriter, digest

FORMATS = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".alac.m4a", ".wma", ".ape", ".wv", ".aiff", ".wav")
PICTURE = bytes(range(256)) * 300


@pytest.fixture(scope="session")
def sounds(write_sound, tone, tmp_path_factory):
    """A short untagged file of each format."""
    home = tmp_path_factory.mktemp("sounds")
    sound = [tone(440, 0.5, 48000)] * 2
    codecs = {".wv": "wavpack", ".alac.m4a": "alac"}
    made = {
        s: write_sound(home / f"sound{s}", sound, 48000, codec=codecs.get(s), container="ipod" if "m4a" in s else None)
        for s in FORMATS
        if s not in (".ape", ".wma", ".opus")
    }
    made |= {s: write_sound(home / f"sound{s}", sound, 48000) for s in (".wma", ".opus")}
    return made | {".ape": DATA / "march.ape"}


@pytest.fixture
def put(sounds, tmp_path):
    """Puts a file of a format there."""

    def copy(suffix, name="song"):
        path = tmp_path / "music" / f"{name}{suffix}"
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(sounds[suffix], path)
        os.utime(path, ns=(10**18 + 5, 10**18 + 5))
        return path

    return copy


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.jsonl"


def write(journal, path, *genres, seen=None, **options):
    with Journal(journal) as noted:
        return GenreWriter(noted, **options).write(path, genres, seen)


def undone(journal, **options):
    return [(one.outcome, one.error) for one in undo(read_journal(journal)[0], **options)]


def samples(path):
    with av.open(io.BytesIO(path.read_bytes())) as file:
        return b"".join(frame.to_ndarray().tobytes() for frame in file.decode(audio=0))


def dress(path):
    """Tags that must not change; what a foreign reader gives of them."""
    file = MediaFile(path)
    file.update({"title": "Zwölf", "artists": ["Ünique", "B"], "comments": "ein Wort", "track": 3, "year": 1999})
    if path.suffix not in (".wma", ".m4a"):
        file.art = b"\x89PNG\r\n\x1a\n" + PICTURE
    file.save()
    return foreign(path)


def foreign(path):
    file = MediaFile(path)
    return {name: getattr(file, name) for name in file.fields() if name not in ("genre", "genres", "images")} | {
        "pictures": [image.data for image in file.images or ()]
    }


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("dressed", [False, True], ids=["bare", "dressed"])
def test_genres_are_written_and_nothing_else_and_undone_byte_for_byte(put, journal, suffix, dressed):
    path = put(suffix)
    before = dress(path) if dressed else foreign(path)
    original, sound, mtime = path.read_bytes(), samples(path), path.stat().st_mtime_ns
    path.chmod(0o640)
    assert write(journal, path, "Hip-Hop", "Jazz")
    assert MediaFile(path).genres == ["Hip-Hop", "Jazz"]
    assert foreign(path) == before
    assert samples(path) == sound
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.stat().st_mtime_ns > mtime
    assert not write(journal, path, "Rock")  # it has one now
    assert write(journal, path, "Rock", overwrite=True, keep_mtime=True)
    assert MediaFile(path).genres == ["Rock"]
    assert undone(journal, dry_run=True) == [("restored", None)] * 2
    assert MediaFile(path).genres == ["Rock"]
    assert undone(journal) == [("restored", None)] * 2
    assert path.read_bytes() == original
    assert path.stat().st_mtime_ns == mtime
    assert undone(journal)[-1] == ("as it was", None)
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name]


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


def has_id3(path):
    return path.read_bytes().startswith(b"ID3")


def with_id3v1(path, genre):
    block = b"TAG" + b"Another title".ljust(30, b"\0") + b"Somebody".ljust(94, b"\0") + bytes([genre])
    with path.open("ab") as file:
        file.write(block)
    return block


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
    assert not write(journal, path, word)
    assert write(journal, path, word, overwrite=True)
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
    assert write(journal, path, "Jazz", "Soul", overwrite=True)
    after = APEv2(path)
    assert list(after["Genre"]) == ["Jazz", "Soul"]
    assert str(after["MP3Gain_Undo"]) == "+3,+3,N"
    assert path.read_bytes()[-128:] == block[:-1] + b"\x08"
    undone(journal)
    assert path.read_bytes() == original


@pytest.mark.parametrize(("new", "info"), [("Jazz", "Jazz"), ("Drum & Bass", None)])
def test_the_info_list_of_a_wav_is_kept_in_step(put, journal, new, info):
    path = put(".wav")
    listed = b"INFOIGNR" + struct.pack("<I", 6) + b"Disco\0" + b"INAM" + struct.pack("<I", 4) + b"Two\0"
    data = path.read_bytes() + b"LIST" + struct.pack("<I", len(listed)) + listed
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    original = path.read_bytes()
    assert GenreTags(path).genres == ("Disco",)
    assert not write(journal, path, new)
    assert write(journal, path, new, overwrite=True)
    assert GenreTags(path).genres == (new,)
    assert GenreTags(path).raw.get("info") == (info and [info])
    with av.open(str(path)) as file:
        assert file.metadata["title"] == "Two"
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
    write(journal, path, "Jazz", overwrite=True)
    touched = ID3(path)
    touched.add(TALB(3, ["Changed since"]))
    touched.save(path, v2_version=3)
    assert undone(journal) == [("genre restored", None)]
    assert ID3(path, translate=False)["TCON"].text == ["(17)(8)Fusion"]
    assert ID3(path)["TALB"] == "Changed since"


@pytest.mark.parametrize("suffix", FORMATS)
def test_undo_takes_back_the_genre_alone_where_others_changed_the_file(put, journal, suffix):
    path = put(suffix)
    write(journal, path, "Jazz")
    file = MediaFile(path)
    file.title = "Changed since"
    file.save()
    assert undone(journal, dry_run=True) == [("genre restored", None)]
    assert MediaFile(path).genres == ["Jazz"]
    assert undone(journal) == [("genre restored", None)]
    assert not MediaFile(path).genres
    assert MediaFile(path).title == "Changed since"
    assert undone(journal) == [("as it was", None)]


def test_undo_leaves_a_genre_that_others_have_written(put, journal):
    path = put(".flac")
    write(journal, path, "Jazz")
    file = MediaFile(path)
    file.genres = ["Mine"]
    file.save()
    ((outcome, error),) = undone(journal)
    assert outcome == "failed"
    assert "changed by another program" in error
    assert MediaFile(path).genres == ["Mine"]


# What must not be lost


def refused(journal, path, match, **options):
    before = digest(path)
    with pytest.raises(TagError, match=match):
        write(journal, path, "Jazz", **options)
    assert digest(path) == before
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".earmark")]


def test_hard_links_are_refused_or_broken_on_demand(put, journal):
    path = put(".mp3")
    other = path.with_name("other.mp3")
    other.hardlink_to(path)
    original = path.read_bytes()
    refused(journal, path, r"2 names \(hard links\).*--break-links")
    assert path.samefile(other)
    assert write(journal, path, "Jazz", break_links=True)
    assert other.read_bytes() == original
    (path.parent / "third.mp3").hardlink_to(path)
    assert undone(journal)[0][0] == "failed"
    assert undone(journal, break_links=True) == [("restored", None)]
    assert path.read_bytes() == original


def test_a_symbolic_link_stays_one(put, journal, tmp_path):
    path = put(".mp3")
    link = tmp_path / "link.mp3"
    link.symlink_to(path)
    assert write(journal, link, "Jazz")
    assert link.is_symlink()
    assert MediaFile(path).genres == ["Jazz"]


def test_a_read_only_file_is_refused(put, journal):
    path = put(".mp3")
    path.chmod(0o444)
    refused(journal, path, "read-only")


def test_a_file_changed_since_it_was_heard_is_refused(put, journal):
    path = put(".mp3")
    seen = Stamp.of(path)
    os.utime(path)
    refused(journal, path, "changed meanwhile", seen=seen)


def test_a_file_changed_while_it_is_written_is_left_as_others_made_it(put, journal, monkeypatch):
    path = put(".mp3")

    def change(draft, target, *rest):
        target.write_bytes(b"new")
        return put_in_place(draft, target, *rest)

    monkeypatch.setattr(writer, "put_in_place", change)
    with pytest.raises(TagError, match="changed meanwhile"):
        write(journal, path, "Jazz")
    assert path.read_bytes() == b"new"
    assert b'{"dropped"' in journal.read_bytes()


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EIO])
def test_where_a_file_cannot_be_renamed_it_stays(put, journal, monkeypatch, number):
    path = put(".mp3")

    def fail(self, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", fail)
    refused(journal, path, os.strerror(number) + ": left as it was")


def test_a_full_disk_costs_nothing(put, journal, monkeypatch):
    path = put(".mp3")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(safe_replace.shutil, "copyfile", fail)
    refused(journal, path, "disk is full")
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", fail)
    refused(journal, path, "disk is full")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting is for root")
def test_a_disk_that_is_really_full(put, journal, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    size = 2 * put(".wav").stat().st_size - 4096
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        path = disk / "song.wav"
        shutil.copyfile(put(".wav"), path)
        refused(journal, path, "disk is full")
        fill(disk)
        refused(disk / "journal.jsonl", put(".flac"), "journal .* cannot be written: the disk is full")
    finally:
        subprocess.run(["umount", disk], check=True)


def fill(disk):
    with pytest.raises(OSError, match="No space"):
        (disk / "rubbish").write_bytes(bytes(1 << 22))


def test_a_copy_that_differs_in_more_than_its_genre_is_thrown_away(put, journal, monkeypatch):
    path = put(".flac")
    dress(path)

    def clumsy(draft, edit):
        edit(GenreTags(draft))
        file = MediaFile(draft)
        file.title = "oops"
        file.save()

    monkeypatch.setattr(writer, "edit_tags", clumsy)
    refused(journal, path, "other tags would have been altered")


def test_a_copy_that_sounds_different_is_thrown_away(put, journal, monkeypatch):
    path = put(".wav")

    def clumsy(draft, edit):
        edit(GenreTags(draft))
        data = bytearray(draft.read_bytes())
        data[5000] ^= 1
        draft.write_bytes(data)

    monkeypatch.setattr(writer, "edit_tags", clumsy)
    refused(journal, path, "sound would have been altered")


def test_a_damaged_tag_is_one_files_misfortune(put, journal):
    path = put(".flac")
    path.write_bytes(path.read_bytes()[:60])
    refused(journal, path, "cannot be read")
    path.write_bytes(b"no sound at all")
    refused(journal, path, "cannot be read|not a file whose genre tag")


def test_attributes_and_owner_stay(put, journal):
    path = put(".mp3")
    try:
        os.setxattr(path, "user.mood", b"blue")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")
    if os.geteuid() == 0:
        os.chown(path, 1234, 1235)
    owner = (path.stat().st_uid, path.stat().st_gid)
    write(journal, path, "Jazz")
    assert os.getxattr(path, "user.mood") == b"blue"
    assert (path.stat().st_uid, path.stat().st_gid) == owner


def test_only_drafts_that_nobody_uses_are_removed(put):
    path = put(".mp3")
    left = path.with_name(".earmark-draft-" + "0" * 32 + ".mp3")
    others = [path.with_name(name) for name in (".earmark-draft-mine.mp3", ".earmark-draft-" + "0" * 31, ".hidden")]
    for file in (left, *others):
        file.write_bytes(b"")
    with make_draft(path) as draft:
        assert remove_drafts(path.parent) == 1
        assert draft.exists()
        assert not left.exists()
    assert all(file.exists() for file in others)
    assert remove_drafts(path.parent / "nowhere") == 0


# The journal


def test_a_torn_line_is_passed_over_and_the_journal_goes_on(put, journal):
    one, two = put(".mp3", "one"), put(".flac", "two")
    originals = one.read_bytes(), two.read_bytes()
    write(journal, one, "Jazz")
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole.splitlines()[1][:100])
    write(journal, two, "Jazz")
    entries, damaged = read_journal(journal)
    assert (len(entries), damaged) == (2, 1)
    assert undone(journal) == [("restored", None)] * 2
    assert (one.read_bytes(), two.read_bytes()) == originals


def test_a_journal_torn_at_any_byte_can_be_read_and_carried_on(put, journal, tmp_path):
    path = put(".mp3")
    write(journal, path, "Jazz")
    whole = journal.read_bytes()
    for size in [*range(0, 60), *range(60, len(whole), 97)]:
        torn = tmp_path / "torn.jsonl"
        torn.write_bytes(whole[:size])
        read_journal(torn)
        undone(journal)
        write(torn, path, "Jazz")
        assert undone(torn)[0] == ("restored", None)


def test_no_change_leaves_no_journal(put, journal):
    with Journal(journal):
        pass
    assert not journal.exists()


def test_what_is_no_journal_is_not_written_to(put, journal):
    journal.write_text("my notes, which are longer than the first line of a journal, by far\n")
    with pytest.raises(SettingError, match="not a journal"):
        write(journal, put(".mp3"), "Jazz")
    journal.write_text(json.dumps({"journal": "earmark tag", "version": 2}))
    with pytest.raises(SettingError, match="this version"):
        read_journal(journal)
    with pytest.raises(SettingError, match="cannot be read"):
        read_journal(journal.parent)


def test_two_runs_do_not_share_a_journal(put, journal):
    with Journal(journal) as one:
        GenreWriter(one).write(put(".mp3"), ("Jazz",))
        with pytest.raises(SettingError, match="another run"):
            write(journal, put(".flac"), "Jazz")


def test_a_damaged_note_restores_nothing(put, journal):
    path = put(".mp3")
    write(journal, path, "Jazz")
    entries, _ = read_journal(journal)
    for note in ("x", entries[0].delta[:-8], ""):
        damaged = type(entries[0])(entries[0].path, entries[0].before, entries[0].after, note)
        assert [one.outcome for one in undo([damaged])] == ["failed"]
    assert MediaFile(path).genres == ["Jazz"]


def test_the_default_journal_lies_in_the_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_journal().parent == tmp_path / "earmark" / "journals"


pieces = st.lists(st.binary(max_size=40) | st.integers(1, 9000).map(bytes), max_size=5).map(b"".join)


@given(old=pieces, new=pieces, common=pieces)
def test_a_delta_gives_back_any_file(tmp_path_factory, old, new, common):
    folder = tmp_path_factory.getbasetemp()
    one, two = folder / "one", folder / "two"
    one.write_bytes(common + old + common)
    two.write_bytes(common + new + common)
    with two.open("rb") as file:
        assert b"".join(apply_delta(encode_delta(one, two), file)) == one.read_bytes()


def test_a_delta_of_a_long_file_is_small(tmp_path, rng):
    one, two = tmp_path / "one", tmp_path / "two"
    data = rng.bytes(3_000_000)
    one.write_bytes(data)
    two.write_bytes(data[:4] + b"size" + data[8:1234] + bytes(2000) + data[1234:2_000_000] + b"x" + data[2_000_001:])
    note = encode_delta(one, two)
    assert len(note) < 300
    with two.open("rb") as file:
        assert b"".join(apply_delta(note, file)) == data


# Words


def verdict(genre="hiphop", **genres):
    genres = genres or {"hiphop": 0.5, "jazz": 0.3, "pop": 0.1}
    best = next(iter(genres.values()))
    return Verdict(genre, None if genre else "low confidence", best, genres, 3.0, (), "m")


@pytest.mark.parametrize(
    ("selector", "written"),
    [
        (GenreSelector(), ("Hip-Hop",)),
        (GenreSelector(load_words(["hiphop", "jazz"], raw=True)), ("hiphop",)),
        (GenreSelector(top=3), ("Hip-Hop", "Jazz")),
        (GenreSelector(min_confidence=0.6), ()),
        (GenreSelector(min_confidence=0.5), ("Hip-Hop",)),
        (GenreSelector({"hiphop": ("Rap", "Urban"), "jazz": ("Rap",)}, top=2), ("Rap", "Urban")),
        (GenreSelector({"hiphop": ()}), ()),
    ],
)
def test_what_is_written_for_a_verdict(selector, written):
    assert selector.select(verdict()) == written


def test_an_unknown_verdict_is_written_only_on_demand():
    unsure = verdict(None, hiphop=0.2)
    assert GenreSelector().select(unsure) == ()
    assert GenreSelector(min_confidence=0.1).select(unsure) == ("Hip-Hop",)
    silent = Verdict(None, "silence", 0.0, {}, 3.0, (), "m")
    assert GenreSelector(min_confidence=0.0).select(silent) == ()


def test_words_of_labels():
    labels = {"blues": "Blues", "r&b": "R&B", "hip-hop": "Hip-Hop", "post_rock": "Post Rock", "Trip-Hop": "Trip-Hop"}
    assert {label: spell_label(label) for label in labels} == labels


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("hiphop = ", "not TOML"),
        ('hipopp = "Hip-Hop"', "no genre hipopp; it has hiphop, jazz"),
        ("hiphop = 3", "a word, or a list of words"),
        ('hiphop = ["a", ""]', "a word, or a list of words"),
        ('hiphop = "a\\u0000b"', "a word, or a list of words"),
    ],
)
def test_a_mapping_with_mistakes_is_refused(tmp_path, text, match):
    (tmp_path / "words.toml").write_text(text)
    with pytest.raises(SettingError, match=match):
        load_words(("hiphop", "jazz"), tmp_path / "words.toml")


def test_a_mapping(tmp_path):
    (tmp_path / "words.toml").write_text('hiphop = ["Hip-Hop", "Rap"]\njazz = "Jass"\n')
    assert load_words(("hiphop", "jazz"), tmp_path / "words.toml") == {"hiphop": ("Hip-Hop", "Rap"), "jazz": ("Jass",)}
    with pytest.raises(SettingError, match="cannot be read"):
        load_words((), tmp_path / "none.toml")


@pytest.mark.parametrize("nothing", ["", "  ", [], None])
def test_a_genre_kept_out_of_tags(nothing):
    assert load_words(["jazz", "new age"], {"jazz": nothing}) == {"jazz": (), "new age": ("New Age",)}


def test_without_mediafile_the_extra_is_named(put, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediafile", None)
    with pytest.raises(MissingExtra, match=r"genre tags needs packages .*earmark\[tags\]"):
        GenreTags(put(".mp3"))


@pytest.mark.parametrize("suffix", [".mkv", ".ac3"])
def test_other_formats_are_named(write_sound, tone, tmp_path, suffix):
    with pytest.raises(TagError, match=r"genre tag.*MP3, FLAC"):
        GenreTags(write_sound(tmp_path / f"song{suffix}", tone(440, 0.5, 48000), 48000))
