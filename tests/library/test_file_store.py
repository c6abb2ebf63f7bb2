"""What a library knows of files: tags, what the encoder heard, corrections; and what is left when files change."""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.tags import genres
from support.verdicts import KEY, verdict_of

from earmark.errors import LibraryError, MissingExtra, SettingError
from earmark.library import file_store
from earmark.library.library import Library
from earmark.library.records import ModelKey
from earmark.library.tags.safe_replace import Stamp

OTHER = ModelKey("0ther", "another", ("jazz", "rock"))


@pytest.fixture
def song(sound, tmp_path):
    path = tmp_path / "song.wav"
    shutil.copy(sound, path)
    genres(path, "Polka", "Jazz")
    return path


def heard(path):
    """A verdict as a model with an encoder gives it; another file, another embedding."""
    rng = np.random.default_rng(len(str(path)))
    embedding = rng.standard_normal(634).astype(np.float16)
    return replace(verdict_of(path), styles={"bebop": 1 / 3, "swing": 1 / 7}, embedding=embedding)


def hear(library, *paths, key=KEY, answer=heard):
    files = [(str(path), path.stat()) for path in paths]
    return list(library.classify(files, key, lambda names: map(answer, names)))


def look(library, key=KEY):
    return {Path(kept.verdict.path).name: kept for kept in library.query(key, embeddings=True)}


def test_tags_and_embedding_come_back_as_they_were(song, tmp_path):
    with Library(tmp_path / "l.db") as library:
        (fresh,) = hear(library, song)
        assert library.n_classified == 1
    with Library(tmp_path / "l.db") as library:
        kept = look(library)["song.wav"]
        assert kept.verdict == fresh
        assert list(kept.verdict.styles) == ["bebop", "swing"]
        assert kept.verdict.embedding.dtype == np.float16
        np.testing.assert_array_equal(kept.verdict.embedding, fresh.embedding)
        assert kept.tags.genres == ("Polka", "Jazz")
        assert (Path(kept.tags.path), kept.tags.readable, kept.correction, kept.file) == (song, True, None, "there")
        (plain,) = library.query(KEY)
        assert plain.verdict.embedding is None


def test_another_model_keeps_what_the_encoder_heard(song, tmp_path):
    with Library(tmp_path / "l.db") as library:
        (fresh,) = hear(library, song)
        hear(library, song, key=OTHER, answer=verdict_of)
        np.testing.assert_array_equal(look(library, OTHER)["song.wav"].verdict.embedding, fresh.embedding)
        # but nothing of it holds for a file that has changed
        song.write_bytes(song.read_bytes() + b"more")
        hear(library, song, key=OTHER, answer=verdict_of)
        assert look(library, OTHER)["song.wav"].verdict.embedding is None
        old = look(library)["song.wav"]
        assert (old.verdict.embedding, old.tags, old.file) == (None, None, "changed")


def test_an_embedding_of_another_encoder_does_not_count(song, tmp_path):
    with Library(tmp_path / "l.db") as library:
        hear(library, song)
        library._database.execute("UPDATE file SET encoder = 'another'")
        assert look(library)["song.wav"].verdict.embedding is None


def test_tags_are_read_later_where_mediafile_was_missing(song, sound, tmp_path, monkeypatch):
    def missing(feature=""):
        raise MissingExtra(feature, "tags")

    changed = tmp_path / "changed.wav"
    shutil.copy(sound, changed)
    with Library(tmp_path / "l.db") as library:
        with monkeypatch.context() as without:
            without.setattr(file_store, "require_mediafile", missing)
            hear(library, song, changed)
            with pytest.raises(MissingExtra):
                library.fill_tags()
        assert [kept.tags for kept in library.query(KEY)] == [None, None]
        genres(changed, "Ska")
        assert library.fill_tags() == 1
        found = look(library)
        assert found["song.wav"].tags.genres == ("Polka", "Jazz")
        assert found["song.wav"].verdict.embedding is not None
        assert found["changed.wav"].tags is None
        assert library.fill_tags() == 0


def test_a_tag_that_was_written_does_not_make_a_file_new(song, tmp_path):
    with Library(tmp_path / "l.db") as library:
        for key in (KEY, OTHER):
            hear(library, song, key=key)
        before = Stamp.of(song)
        genres(song, "Ska")
        library.note_change(song, before, Stamp.of(song))
        for key in (KEY, OTHER):
            kept = look(library, key)["song.wav"]
            assert (kept.file, kept.tags.genres) == ("there", ("Ska",))
            assert kept.verdict.embedding is not None
        library.n_known = 0
        hear(library, song)
        assert library.n_known == 1
        # noted of a file that was something else, or of one that nobody has heard, it changes nothing
        library.note_change(song, before, before)
        assert look(library)["song.wav"].file == "there"
        library.note_change(tmp_path / "none.wav", before, before)
        assert library._select("SELECT count(*) FROM file") == [(1,)]


def test_a_change_is_noted_before_the_verdict_is_written(song, tmp_path):
    with Library(tmp_path / "l.db") as library:
        answers = library.classify([(str(song), before := song.stat())], KEY, lambda names: map(heard, names))
        next(answers)
        old = Stamp.of(song)
        assert before.st_size == old.size
        genres(song, "Ska")
        library.note_change(song, old, Stamp.of(song))
        list(answers)
        assert look(library)["song.wav"].file == "there"


def test_an_answer_on_a_file_as_it_was_does_not_replace_that_of_a_run_that_has_tagged_it(song, tmp_path):
    with Library(tmp_path / "l.db") as first, Library(tmp_path / "l.db") as second:
        late = second.classify([(str(song), song.stat())], KEY, lambda names: map(heard, names))
        next(late)
        hear(first, song)
        before = Stamp.of(song)
        genres(song, "Ska")
        first.note_change(song, before, Stamp.of(song))
        list(late)
        kept = look(first)["song.wav"]
        assert (kept.file, kept.tags.genres) == ("there", ("Ska",))
        assert kept.verdict.embedding is not None


def test_a_file_that_moved_keeps_all(song, tmp_path):
    (tmp_path / "album").mkdir()
    moved = tmp_path / "album" / "01 new name.wav"
    with Library(tmp_path / "l.db") as library:
        (fresh,) = hear(library, song)
        library.correct([(str(song), "Ska")], "person")
        song.rename(moved)
        (again,) = hear(library, moved)
        assert library.n_known == 1
        assert again == replace(fresh, path=str(moved))
        kept = look(library)
        assert list(kept) == [moved.name]
        assert kept[moved.name].correction == "Ska"
        assert kept[moved.name].tags.genres == ("Polka", "Jazz")
        np.testing.assert_array_equal(kept[moved.name].verdict.embedding, fresh.embedding)


@pytest.mark.parametrize("case", ["copy", "two alike", "full seconds", "other size"])
def test_a_file_that_may_be_another_is_heard(song, tmp_path, case):
    moved = tmp_path / "moved.wav"
    files = [song]
    if case == "full seconds":
        os.utime(song, ns=(10**18, 10**18))
    if case == "two alike":
        files.append(Path(shutil.copy2(song, tmp_path / "twin.wav")))
        os.utime(files[1], ns=(song.stat().st_mtime_ns,) * 2)
        os.utime(song, ns=(song.stat().st_mtime_ns,) * 2)
    with Library(tmp_path / "l.db") as library:
        hear(library, *files)
        shutil.copy2(song, moved)
        os.utime(moved, ns=(song.stat().st_mtime_ns,) * 2)
        if case != "copy":
            for path in files:
                path.unlink()
        if case == "other size":
            moved.write_bytes(moved.read_bytes()[:-1])
        hear(library, moved)
        assert (library.n_known, library.n_classified) == (0, len(files) + 1)


def test_moved_with_its_time_of_full_seconds_but_the_same_name(song, tmp_path):
    os.utime(song, ns=(10**18, 10**18))
    (tmp_path / "album").mkdir()
    with Library(tmp_path / "l.db") as library:
        hear(library, song)
        hear(library, song.rename(tmp_path / "album" / song.name))
        assert library.n_known == 1


def test_corrections_are_kept_whatever_happens_to_the_file(song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Library("l.db") as library:
        hear(library, song)
        assert library.correct([("song.wav", " Dub  Techno ")], "person") == 1
        song.write_bytes(b"changed")
    with Library("l.db") as library:
        assert library.corrections() == {str(song): "Dub Techno"}
        assert library.corrections("person") == library.corrections()
        assert library.corrections("tags") == {}
        assert look(library)["song.wav"].correction == "Dub Techno"
        library.correct([(str(song), "Dub")], "tags")
        assert library.corrections("tags") == {str(song): "Dub"}
        assert library.forget_corrections(str(song)) == 1
        assert library.corrections() == {}


def test_a_correction_that_makes_no_sense_changes_nothing(song, tmp_path):
    with Library(tmp_path / "l.db") as library:
        hear(library, song)
        for pairs, error, says in (
            ([(str(song), "Ska"), ("/none.wav", "Ska")], LibraryError, r"/none\.wav: not in .*l\.db"),
            ([(str(song), " ")], SettingError, "needs a genre"),
        ):
            with pytest.raises(error, match=says):
                library.correct(pairs, "person")
            assert library.corrections() == {}


def test_prune_forgets_all_of_a_file(song, sound, tmp_path):
    there = Path(shutil.copy(sound, tmp_path / "there.wav"))
    with Library(tmp_path / "l.db") as library:
        hear(library, song, there)
        library.correct([(str(song), "Ska"), (str(there), "Ska")], "person")
        song.unlink()
        assert library.prune() == (1, 1)
        for table in ("track", "file", "correction"):
            assert library._select(f"SELECT path FROM {table}") == [(os.fsencode(there),)]


def test_answers_of_another_model_are_stored_while_the_first_are_read(song, sound, tmp_path, monkeypatch):
    monkeypatch.setattr(file_store, "BLOCK", 2)
    monkeypatch.setattr("earmark.library.library.BLOCK", 3)
    paths = [Path(shutil.copy(sound, tmp_path / f"{i}.wav")) for i in range(8)]
    with Library(tmp_path / "l.db") as library:
        hear(library, *paths)
        renamed = (kept._replace(verdict=replace(kept.verdict, genre="rock")) for kept in library.query(KEY))
        assert library.store_many(OTHER, renamed) == 8
        assert [key for key, _ in library.models()] == [OTHER, KEY]
        found = look(library, OTHER)
        assert {kept.verdict.genre for kept in found.values()} == {"rock"}
        assert all(kept.file == "there" and kept.verdict.embedding is not None for kept in found.values())
        assert {kept.verdict.genre for kept in library.query(KEY)} == {"jazz"}


def test_a_full_disk_keeps_corrections_or_says_so(song, tmp_path):
    library = Library(tmp_path / "l.db")
    hear(library, song)
    (pages,) = library._database.execute("PRAGMA page_count").fetchone()
    library._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LibraryError, match="the disk is full"):
        library.correct([(str(song), "x" * 5000)], "person")
    library.close()
    with Library(tmp_path / "l.db") as library:
        assert library.corrections() == {}
        assert look(library)["song.wav"].verdict.genre == "jazz"


def test_names_that_another_run_has_added_are_found(song, sound, tmp_path):
    other_song = Path(shutil.copy(sound, tmp_path / "other.wav"))
    with Library(tmp_path / "l.db") as first, Library(tmp_path / "l.db") as second:
        hear(first, song)
        hear(second, other_song, answer=lambda path: replace(verdict_of(path), moods={"odd": 0.25, "new": 0.125}))
        assert look(first)["other.wav"].verdict.moods == {"odd": 0.25, "new": 0.125}


def test_a_track_takes_little_room(sound, tmp_path):
    """In full, with times: bench/speed/library_size.py."""
    labels = [f"a genre of music {i}" for i in range(70)]
    shares = {label: 1 / (i + 3) for i, label in enumerate(labels)}
    folder = tmp_path / "An artist of some name" / "An album of some name"
    folder.mkdir(parents=True)
    paths = [folder / f"{i:03} the title of a track.wav" for i in range(300)]
    for path in paths:
        path.write_bytes(b"x")
    with Library(tmp_path / "l.db") as library:
        hear(library, *paths, answer=lambda path: replace(heard(path), genres=shares, styles=shares))
    assert (tmp_path / "l.db").stat().st_size <= 5000 * len(paths)


def test_the_database_is_one_that_sqlite_finds_sound(song, tmp_path):
    with Library(tmp_path / "l.db") as library:
        hear(library, song)
        library.correct([(str(song), "Ska")], "person")
    with closing(sqlite3.connect(tmp_path / "l.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
