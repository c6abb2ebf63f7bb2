"""A tagged library as a corpus: what people's tags look like, and what `--labels tags` makes of them."""

import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from mediafile import MediaFile
from rich.console import Console
from support.command import run

from earmark.cli.commands.evaluate_view import render_confusion
from earmark.data.splits import split_tracks
from earmark.data.synth import write_corpus
from earmark.data.tag_corpus import open_tag_corpus
from earmark.errors import CorpusError, MissingExtra, SettingError
from earmark.evaluation.calibration import Answers
from earmark.evaluation.report import judge
from earmark.inference.card import Calibration
from earmark.inference.model import open_model

FORMATS = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".wma", ".aiff", ".wav")

RECIPE = """
clip_seconds = 2.0
top_db = 60.0
[front_end]
kind = "log-mel"
n_mels = 32
hop_length = 1707
center = false
[network]
units = 24
attention = "dot"
[training]
optimizer = "adamw"
lr = 0.01
schedule = "one-cycle"
batch_size = 32
max_epochs = 10
"""


@pytest.fixture(scope="session")
def sound(write_sound, tone, tmp_path_factory):
    """A short untagged file of each format."""
    home = tmp_path_factory.mktemp("sounds")
    return {s: write_sound(home / f"sound{s}", [tone(440, 0.3, 48000)] * 2, 48000) for s in FORMATS}


@pytest.fixture
def library(sound, tmp_path):
    """A folder, and a function that puts a tagged file there."""

    def put(name, genres=None, *, like=".flac", **tags):
        path = tmp_path / "Music" / name
        path = path.with_suffix(path.suffix or like)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sound[path.suffix], path)
        return tag(path, genres, **tags)

    put.folder = tmp_path / "Music"
    return put


def tag(path, genres=None, **tags):
    file = MediaFile(os.fspath(path))
    file.update({"genres": genres, **tags})
    file.save()
    return path


def test_a_library_is_filed_by_its_tags(library):
    for i in range(4):
        library(
            f"Album/{i:02} Song.flac", [["Hip-Hop"], ["hip hop"], ["Hip-Hop"], ["HipHop", "Rap"]][i], artist=f"A{i}"
        )
        library(f"Loose/{i}.mp3", [["Jazz; Swing"], ["Swing", "Jazz"], ["jazz"], ["(8)"]][i])
    library("Polka/polka.ogg", ["Polka"])
    corpus = open_tag_corpus(library.folder, min_tracks=3)
    assert corpus.name == "Music, by its tags"
    assert corpus.counts == {"Hip-Hop": 4, "Jazz": 4}
    assert corpus.notes == ("left out 1 of 9 tracks, of genres with fewer than 3 tracks: Polka 1",)
    assert {t.artist for t in corpus.tracks if t.genre == "Hip-Hop"} == {"A0", "A1", "A2", "A3"}
    assert [t.id for t in corpus.tracks][:2] == ["00 Song", "01 Song"]
    assert all(t.path.is_file() for t in corpus.tracks)
    assert open_tag_corpus(library.folder, min_tracks=3, jobs=4).fingerprint == corpus.fingerprint
    known = open_tag_corpus(library.folder, known=["hip hop", "Swing"])
    assert known.counts == {"Jazz": 2, "Polka": 1, "Swing": 2, "hip hop": 4}


def test_the_same_name_in_many_albums(library):
    for album in "abc":
        library(f"{album}/01 Intro.mp3", ["Ska"], artist=album)
    corpus = open_tag_corpus(library.folder, min_tracks=3)
    assert [t.id for t in corpus.tracks] == [str(Path(a, "01 Intro.mp3")) for a in "abc"]


def test_a_file_named_like_anothers_stem(library):
    for name in ("a.mp3", "a.flac", "a.mp3.wav"):
        library(name, ["Ska"])
    assert {t.id for t in open_tag_corpus(library.folder, min_tracks=3).tracks} == {"a.flac", "a.mp3", "a.mp3.wav"}


def test_files_without_a_genre_are_left_out_and_counted(library):
    for i in range(3):
        library(f"good.{i}.mp3", ["Ska"])
    library("untagged.mp3")
    library("nothing.flac", ["Unknown"])
    for name, content in (("junk.mp3", b"junk" * 99), ("empty.flac", b""), ("cut.m4a", b"\0\0\0\x20ftypM4A ")):
        (library.folder / name).write_bytes(content)
    (library.folder / "gone.wav").symlink_to("nowhere")
    os.mkfifo(library.folder / "pipe.ogg")
    (library.folder / "cover.jpg").write_bytes(b"not sound")
    seen = []
    corpus = open_tag_corpus(library.folder, min_tracks=3, on_file=seen.append)
    assert corpus.counts == {"Ska": 3}
    assert corpus.notes == ("left out 7 of 10 files, without a genre tag (5 of them cannot be read)",)
    assert len(seen) == 10


def test_a_file_without_permission_is_one_of_many(library, monkeypatch):
    for i in range(3):
        library(f"good.{i}.mp3", ["Ska"])
    bad = library("bad.mp3", ["Ska"])
    monkeypatch.setattr("mediafile.MediaFile.__init__", _refuse(bad, MediaFile.__init__))
    assert open_tag_corpus(library.folder, min_tracks=3).notes == (
        "left out 1 of 4 files, without a genre tag (1 of them cannot be read)",
    )


def _refuse(path, real):
    def init(self, name, *arguments):
        if name == os.fspath(path):
            raise PermissionError(13, "Permission denied", name)
        real(self, name, *arguments)

    return init


def test_names_that_are_no_unicode(library):
    if sys.platform != "linux":
        pytest.skip("only Linux has such names")
    for i in range(3):
        path = library(f"{i}.flac", ["Ska"])
        path.rename(os.fsdecode(os.fsencode(path.parent) + b"/caf\xe9%d.flac" % i))
    assert open_tag_corpus(library.folder, min_tracks=3).counts == {"Ska": 3}


def test_libraries_nobody_can_learn_from(library):
    with pytest.raises(CorpusError, match="no folder /nowhere"):
        open_tag_corpus("/nowhere")
    library.folder.mkdir()
    with pytest.raises(CorpusError, match="no sound files below it; tag some first"):
        open_tag_corpus(library.folder)
    library("a.mp3")
    with pytest.raises(CorpusError, match=r"none of 1 file has a genre tag; tag some first, or sort them into folders"):
        open_tag_corpus(library.folder)
    library("b.mp3", ["Ska"])
    with pytest.raises(CorpusError, match=r"no genre has 10 tracks; the most common, 'Ska', has 1: .*--min-tracks"):
        open_tag_corpus(library.folder)


def test_a_list_is_no_library(tmp_path):
    (tmp_path / "list.csv").write_text("path,genre\n")
    with pytest.raises(SettingError, match=r"list.csv is a file, but genre tags are read from a folder"):
        open_tag_corpus(tmp_path / "list.csv")


def test_without_mediafile_the_extra_is_named(library, monkeypatch):
    library("a.mp3", ["Ska"])
    monkeypatch.setitem(sys.modules, "mediafile", None)
    with pytest.raises(MissingExtra, match=r"labels from tags needs packages .*\.\[tags\]"):
        open_tag_corpus(library.folder)


def test_the_artist_protocol_keeps_tagged_artists_together(library):
    for genre in ("Ska", "Dub"):
        for i in range(8):
            library(f"{genre}.{i}.flac", [genre], albumartist=f"{genre} band {i // 2}", artist=f"guest {i}")
    corpus = open_tag_corpus(library.folder, min_tracks=3)
    sides = split_tracks(corpus, "artist")
    for artist in {t.artist for t in corpus.tracks}:
        assert len({s for t, s in zip(corpus.tracks, sides, strict=True) if t.artist == artist}) == 1
    assert set(sides) == {"train", "valid", "test"}


# The installed command


@pytest.fixture(scope="module")
def music(tmp_path_factory, sound):
    """Ten tracks of each of three styles, all in one folder, as people tag; and what else lies about."""
    home = tmp_path_factory.mktemp("home")
    music = home / "Music"
    music.mkdir()
    genres = {"ambient": ["Ambient"], "march": ["Brass; March", "march"], "techno": ["Techno", "techno / House"]}
    for path in write_corpus(home / "styles", tracks=10, seconds=6, seed=3, styles=list(genres)):
        style, number = path.parent.name, int(path.stem.rsplit(".", 1)[1])
        moved = Path(shutil.move(path, music / path.name))
        names = genres[style]
        tag(moved, [names[number % len(names)]], artist=f"{style} {number // 2}")
    for path in write_corpus(home / "styles", tracks=2, seconds=6, seed=9, styles=["waltz"]):
        tag(shutil.move(path, music / path.name), ["Waltz"])
    shutil.copy(next(music.glob("waltz*")), music / "untagged.wav")
    tag(music / "untagged.wav")
    (music / "broken.wav").write_bytes(b"RIFF")
    ogg = bytearray(sound[".ogg"].read_bytes())
    ogg[ogg.index(b"OggS", 4) + 26] = 0  # the page of the tags has no segments, which mutagen does not foresee
    (music / "broken.ogg").write_bytes(ogg)
    return music


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE)
    return path


def test_a_tagged_library_becomes_a_model(music, recipe, tmp_path):
    model = tmp_path / "mine.onnx"
    said = run("train", music, "-o", model, "--labels", "tags", "--recipe", recipe, "--seed", 1, "-p", "artist")
    assert "left out 3 of 35 files, without a genre tag (2 of them cannot be read)\n" in said.stderr
    assert "utagen" not in said.stderr
    assert "left out 2 of 32 tracks, of genres with fewer than 10 tracks: Waltz 2\n" in said.stderr
    assert "Music, by its tags: 30 tracks — Ambient 10, March 10, Techno 10\n" in said.stderr
    card = open_model(model).card
    assert card.labels == ("Ambient", "March", "Techno")
    figures = {(m.name, m.part): m for m in card.metrics}
    assert figures["track_accuracy", "test"].value >= 0.8
    assert (card.training.corpus, card.training.protocol) == ("Music, by its tags", "artist")
    judged = run("evaluate", model, music, "--labels", "tags", "-p", "artist", "--seed", 1, "--format", "json")
    assert json.loads(judged.stdout)["track_accuracy"] == pytest.approx(
        figures["track_accuracy", "test"].value, abs=1e-3
    )
    assert [(row["kind"], row["n_sounds"]) for row in json.loads(judged.stdout)["foreign"]] == [("Waltz", 2)]
    assert "learned" not in judged.stderr


def test_brackets_in_a_genre_are_shown():
    labels = ("[dub]", "ska")
    log_p = np.log(np.array([[0.9, 0.1], [0.1, 0.9]]))
    both = np.arange(2)
    report = judge(Answers(log_p, both, both, labels), Calibration(), corpus="c", protocol="all", part="all")
    page = io.StringIO()
    Console(file=page, width=80).print(render_confusion(report))
    assert "\n[dub]" in page.getvalue()


def test_rare_genres_are_merged_when_asked(music):
    said = run("data", "check", music, "--labels", "tags", "--min-tracks", 10, "--rare", "merge")
    assert "of genres with fewer than 10 tracks, too few to make up 'other': Waltz 2\n" in said.stderr
    tag(music / "untagged.wav", ["Fado"])
    try:
        arguments = ("--labels", "tags", "--min-tracks", 3, "--rare", "merge")
        said = run("data", "check", music, *arguments, expect=1)  # it is the copy of a waltz, under other tags
        assert "twin" in said.stdout
        assert "merged 3 tracks of genres with fewer than 3 tracks into 'other': Waltz 2, Fado 1\n" in said.stderr
        assert "33 tracks — Ambient 10, Brass 5, March 5, Techno 10, other 3\n" in said.stderr
    finally:
        tag(music / "untagged.wav")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list.csv", "--labels", "tags"], "list.csv is a file, but genre tags are read from a folder of music"),
        ([".", "--labels", "tags"], "no sound files below it"),
        ([".", "--labels", "ears"], "'ears' is not one of 'folders', 'tags'"),
        ([".", "--min-tracks", "2"], "should be greater than or equal to 3"),
    ],
)
def test_wrong_usage_is_said_clearly(arguments, says, tmp_path):
    (tmp_path / "list.csv").write_text("path,genre\n")
    for command in (["train", "-o", "m.onnx"], ["data", "check"]):
        said = run(*command, *arguments, expect=2, cwd=tmp_path)
        assert says in " ".join(said.stderr.replace("│", " ").split())


def test_folders_are_sifted_only_when_asked(tmp_path, write_sound, tone):
    for genre, n in (("rocksteady", 3), ("dub", 3), ("polka", 1)):
        (tmp_path / genre).mkdir()
        for i in range(n):
            write_sound(tmp_path / genre / f"{genre}{i}.wav", tone(200 + 50 * i + len(genre), 6, 8000), 8000)
    plain = run("data", "check", tmp_path)
    assert "7 tracks — dub 3, polka 1, rocksteady 3\n" in plain.stderr
    sifted = run("data", "check", tmp_path, "--min-tracks", 3)
    assert "left out 1 of 7 tracks, of genres with fewer than 3 tracks: polka 1\n" in sifted.stderr
    assert "6 tracks — dub 3, rocksteady 3\n" in sifted.stderr
    refused = run("data", "check", tmp_path, "--rare", "merge", expect=2)
    assert "no genre has 10 tracks; the most common, 'dub', has 3" in refused.stderr
