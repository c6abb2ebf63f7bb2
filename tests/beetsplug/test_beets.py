"""The beets plugin, by the real command, in real libraries on disk."""

import ast
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support.models import listening
from support.paths import REPOSITORY

import earmark
from earmark.inference.model import save_model
from earmark.library.albums import disagrees, pool_album
from earmark.library.tags.file_tags import read_file_tags
from earmark.library.tags.tag_fields import list_fields
from earmark.library.vocabulary import load_vocabulary, spell_label

pytest.importorskip("beets", reason="beets is not installed")

from mediafile import MediaFile

DOCS = REPOSITORY / "docs" / "beets.md"
TITLES = ("swing", "loud", "broken", "dance")
UNHEARD = ("", "", "")
ANY = "min_confidence: 0"  # so that short sounds get a genre too
MODEL = "paper-attention-2x60"  # to which noise is music too


class Beets:
    """A library of its own in a folder, and the command that keeps it."""

    def __init__(self, home):
        self.music = home / "music"
        self.database = home / "library.db"
        self.environment = os.environ | {"BEETSDIR": str(home), "COLUMNS": "200"}
        self.config = home / "config.yaml"
        home.mkdir(exist_ok=True)
        self.settle()

    def settle(self, *options, text=None):
        """Write the configuration, with options of the plugin."""
        text = text or f"plugins: earmark\nearmark: {{{', '.join((f'model: {MODEL}', *options))}}}\n"
        own = f"directory: {self.music}\nlibrary: {self.database}\nui: {{color: no}}\n"
        self.config.write_text(own + text, encoding="utf-8")

    def __call__(self, *arguments, expect=0, answers=None, environment=None):
        done = subprocess.run(
            [sys.executable, "-m", "beets", *map(str, arguments)], input=answers,
            env=self.environment | (environment or {}), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert done.returncode == expect, done.stderr
        return done

    def genres(self, *query):
        """By title: what the library says."""
        heard = (f"%ifdef{{{name},${name}}}" for name in ("earmark_genre", "earmark_confidence"))
        said = self("ls", "-f", "|".join(("$title", "$genres", *heard)), *query).stdout
        return {title: tuple(rest) for title, *rest in (line.split("|") for line in said.splitlines())}

    def tags(self):
        """By title: what the files in the library say."""
        files = [MediaFile(path) for path in sorted(self.music.rglob("*")) if path.is_file()]
        return {file.title: file.genres for file in files}

    def state(self):
        """A hash of every row and every file."""
        with sqlite3.connect(self.database) as database:
            rows = "\n".join(database.iterdump())
        return hashlib.sha256(rows.encode() + str(hashes(self.music)).encode()).hexdigest()


def hashes(folder):
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def album(tmp_path_factory, write_sound):
    """Four tracks: one has a genre, and of one only the tags are whole."""
    from earmark.data.synth import compose

    folder = tmp_path_factory.mktemp("shelf") / "Album"
    folder.mkdir()
    for number, (title, style, suffix) in enumerate(
        zip(TITLES, ("ragtime", "techno", "waltz", "march"), (".mp3", ".flac", ".flac", ".mp3"), strict=True)
    ):
        sound = compose(style, np.random.default_rng(number), seconds=6)
        path = write_sound(folder / f"{number}{suffix}", sound, 22050)
        file = MediaFile(path)
        file.update({"title": title, "artist": "The Band", "album": "The Album", "track": number + 1})
        file.genres = ["Polka"] if title == "dance" else None
        file.save()
        if title == "broken":
            head = path.read_bytes()
            path.write_bytes(head[: head.index(b"\xff\xf8")])  # where the first frame begins
    return folder


@pytest.fixture(scope="module")
def expected(album):
    """By title: verdicts from the Python API."""
    return {MediaFile(v.path).title: v for v in earmark.load(MODEL).classify_many(sorted(album.iterdir()))}


@pytest.fixture
def beets(tmp_path):
    return Beets(tmp_path / "beets")


@pytest.fixture(scope="module")
def imported(tmp_path_factory, album):
    """The album in a library, imported with the plugin resting, and a copy of all that."""
    home = tmp_path_factory.mktemp("home") / "beets"
    beets = Beets(home)
    beets.settle("auto: no")
    beets("import", "-A", "-q", album)
    assert beets.genres() == {t: (UNHEARD if t != "dance" else ("Polka", "", "")) for t in TITLES}
    beets.settle(ANY)
    return home, shutil.copytree(home, home.with_name("copy"))


@pytest.fixture
def library(imported):
    """That library, put back as it was."""
    home, copy = imported
    shutil.rmtree(home)
    shutil.copytree(copy, home)
    beets = Beets(home)
    beets.settle(ANY)
    return beets


def word(verdict):
    return spell_label(verdict.best, "beets")


def heard(verdict):
    return word(verdict), f"{verdict.confidence:.2f}"


def sure(verdict):
    return verdict.confidence >= earmark.load(MODEL).card.calibration.tag_threshold


def test_import_fills_in_what_is_missing(beets, album, expected):
    before = hashes(album)
    beets.settle(ANY)
    said = beets("import", "-A", "-q", album).stderr
    heard = {title: expected[title] for title in ("swing", "loud")}
    assert {t: g for t, g in beets.genres().items() if t in heard} == {
        title: (word(v), word(v), f"{v.confidence:.2f}") for title, v in heard.items()
    }
    assert beets.tags() == {t: [word(v)] for t, v in heard.items()} | {"dance": ["Polka"], "broken": None}
    assert re.search(r"earmark: .*2.flac: no samples could be decoded", said)
    assert hashes(album) == before  # they were copied
    assert beets("update", "--pretend").stdout == ""  # beets does not take the files for changed


def test_the_album_gets_the_mean_of_its_tracks(beets, album, expected):
    beets.settle(ANY, "force: yes")
    beets("import", "-A", "-q", album)
    tracks = [expected[title].genres for title in ("swing", "loud", "dance")]
    mean = {label: sum(track[label] for track in tracks) / 3 for label in tracks[0]}
    best = max(mean, key=mean.get)
    said = beets("ls", "-a", "-f", "$genres|$earmark_genre|$earmark_confidence").stdout.strip()
    assert said == f"{best.title()}|{best.title()}|{mean[best]:.2f}"


def test_an_album_that_is_partly_tagged_or_a_compilation_gets_no_genre_by_itself(library):
    said = library("earmark", expect=1).stdout  # "dance" has a genre
    assert said.splitlines()[-1] == "4 tracks: 2 with a new genre, 1 failed, 1 had a genre"
    show = ("ls", "-a", "-f", "$genres|%ifdef{earmark_genre}")
    assert library(*show).stdout == "|\n"
    library("modify", "-y", "-W", "-a", "comp=1")
    library("earmark", "--force", "--nowrite", expect=1)
    assert library(*show).stdout == "|\n"
    library("modify", "-y", "-W", "-a", "comp=0")
    library("earmark", "--force", "--nowrite", expect=1)
    assert library(*show).stdout != "|\n"


def test_with_nothing_to_write_a_line_says_so(library):
    library.settle("min_confidence: 1")
    library("earmark", "--quiet", "title:swing")
    for more in ("--nowrite", "--pretend"):
        assert library("earmark", more, "title:swing", ",", "title:dance").stdout == (
            "2 tracks: 1 left as they are, 1 had a genre\n"
        )
    for more in ("--pretend", "--review"):
        assert library("earmark", more, "title:nowhere").stdout == "No track is found.\n"
        assert library("earmark", more, "title:dance").stdout == "1 track: 1 had a genre\n"


def test_pretend_changes_nothing(library):
    before = library.state()
    said = library("earmark", "--pretend", "--force", expect=1).stdout
    assert said.count("earmark_confidence: ") == 4  # three tracks and the album
    assert library.state() == before
    library.settle("pretend: yes", "force: yes", ANY)
    assert library("earmark", expect=1).stdout == said
    assert library.state() == before


def test_an_import_that_pretends_leaves_genres_alone(beets, album):
    beets.settle("pretend: yes", "force: yes", ANY)
    said = beets("import", "-A", "-q", album).stdout
    assert said.count("earmark_confidence: ") == 4
    assert beets.genres()["swing"] == UNHEARD
    assert beets.genres()["dance"][0] == "Polka"
    assert sorted(hashes(beets.music).values()) == sorted(hashes(album).values())


def test_a_query_chooses(library, expected):
    before = hashes(library.music)
    said = library("earmark", "title:swing").stdout
    heard = word(expected["swing"])
    assert heard in said
    assert not re.search(r"earmark_\w+: *$", said, re.MULTILINE)
    assert library.genres()["swing"] == (heard, heard, f"{expected['swing'].confidence:.2f}")
    assert library.genres()["loud"] == UNHEARD
    assert library("ls", "-a", "-f", "$genres").stdout == "\n"  # the album's other tracks were not heard
    assert len(before.items() & hashes(library.music).items()) == 3  # all files but one
    assert library("earmark", "title:swing").stdout == "1 track: 1 had a genre\n"


def test_force_and_what_is_kept(library, expected):
    heard = word(expected["dance"])
    library("earmark", "--nowrite", "title:dance")
    assert library.genres()["dance"][0] == "Polka"
    library("earmark", "--force", "--keep-existing", "--nowrite", "title:dance")
    assert library.genres()["dance"][0] == f"Polka; {heard}"
    assert library.tags()["dance"] == ["Polka"]
    assert library("earmark", "--force", "--quiet", "title:dance").stdout == ""
    assert library.genres()["dance"][0] == heard
    assert library.tags()["dance"] == [heard]


def test_what_could_not_be_heard_ends_in_status_1(library):
    said = library("earmark", "--quiet", expect=1)
    assert said.stdout == ""
    assert "03 broken.flac: no samples could be decoded" in said.stderr
    assert "1 file failed, as said above" in said.stderr
    assert [bool(library.genres()[title][0]) for title in TITLES] == [True, True, False, True]


def test_what_is_unsure_gets_no_genre(library, expected):
    library.settle("min_confidence: 1")
    before = hashes(library.music)
    library("earmark", "title:swing")
    library.settle()
    library("earmark", "title:loud")  # by the model's own threshold, which these clips do not reach
    assert expected["loud"].genre is None
    for title in ("swing", "loud"):
        heard = expected[title]
        assert library.genres()[title] == ("", word(heard), f"{heard.confidence:.2f}")
    assert hashes(library.music) == before
    assert set(library.genres("earmark_confidence:0.01..0.9")) == {"swing", "loud"}


def test_words_of_ones_own_add_up(library, expected):
    heard = expected["swing"].genres
    first, second, third = list(heard)[:3]
    shares = {"Two, and Three": heard[second] + heard[third], spell_label(first, "beets"): heard[first]}
    words = sorted(shares, key=lambda name: -shares[name])
    own = f"{{base: beets, words: {{{second}: 'Two, and Three', {third}: 'Two, and Three'}}}}"
    library.settle(ANY, "count: 2", f"vocabulary: {own}")
    library("earmark", "title:swing")
    assert library.genres()["swing"][:2] == ("; ".join(words), words[0])
    assert float(library.genres()["swing"][2]) == pytest.approx(shares[words[0]], abs=0.01)
    assert library.tags()["swing"] == words
    library.config.with_name("words.yaml").write_text(f"words: {{{first}: }}\n", encoding="utf-8")
    library.settle(ANY, "vocabulary: words.yaml")
    library("earmark", "--force", "title:swing")
    assert library.tags()["swing"] == words  # the best has no word: all stays


def test_styles_and_moods_are_kept_with_each_track(library, tmp_path):
    model = listening()
    save_model(tmp_path / "own.onnx", model.graph, model.card)
    library.settle(ANY, f"model: {tmp_path / 'own.onnx'}", "vocabulary: {words: {Salsa: Mambo}}")
    library("earmark", expect=1)
    said = library("ls", "-f", "$title|$genres|$earmark_style|$earmark_mood", "title:swing").stdout.strip()
    assert said == "swing|Electronic|salsa|sad"
    library.settle(ANY)  # a model that tells neither
    library("earmark", "--quiet", "--force", "title:swing")
    assert library("ls", "-f", "$title|$earmark_style|$earmark_mood", "title:swing").stdout == "swing||\n"


def test_an_album_of_one_genre(library, expected):
    card = earmark.load(MODEL).card
    heard = [expected[title] for title in ("swing", "loud", "dance")]
    one = spell_label(pool_album(heard, card).best, "beets")
    library.settle(ANY, "source: album", "force: yes")
    library("earmark", "title:swing", expect=1)  # the album's broken track, too
    assert library("ls", "-a", "-f", "$genres").stdout.strip() == one
    genres = {title: genre for title, (genre, *_) in library.genres().items()}
    assert genres == {"swing": one, "loud": one, "dance": one, "broken": ""}
    assert library.tags() == {"swing": [one], "loud": [one], "dance": [one], "broken": None}
    # dance is of another genre for sure
    assert [disagrees(verdict, heard, card) for verdict in heard] == [False, False, True]
    assert library("ls", "-f", "$title $earmark_genre", "earmark_reason:album").stdout == f"dance {word(heard[2])}\n"


def test_a_compilation_is_left_to_its_tracks(library, expected):
    library("modify", "-y", "-W", "-a", "comp=1")
    library.settle(ANY, "source: album", "force: yes")
    library("earmark", "--nowrite", expect=1)
    genres = {title: genre for title, (genre, *_) in library.genres().items()}
    assert genres == {t: word(expected[t]) for t in ("swing", "loud", "dance")} | {"broken": ""}


def test_styles_moods_and_parents_are_written(library, tmp_path):
    model = listening()
    save_model(tmp_path / "own.onnx", model.graph, model.card)
    own = (ANY, f"model: {tmp_path / 'own.onnx'}", "styles: 1", "moods: 1")
    library.settle(*own)
    library("earmark", "--quiet", "title:swing")
    assert library.tags()["swing"] == ["Electronic", "Techno"]
    path = library("ls", "-p", "title:swing").stdout.strip()
    assert read_file_tags(Path(path)).moods == ("Sad",)
    assert library("ls", "-f", "$title $moods", "moods:sad").stdout == "swing Sad\n"
    tree = "vocabulary: {base: beets, tree: [{dance: [{electronic: [techno]}]}]}"
    for more, genres in (("parents: yes", ["dance", "electronic", "techno"]), ("depth: 1", ["dance"])):
        library.settle(*own, tree, more)
        library("earmark", "--quiet", "--force", "title:swing")
        assert library.tags()["swing"] == genres


def test_without_the_option_moods_stay_as_they_are(library):
    path = Path(library("ls", "-p", "title:swing").stdout.strip())
    file = MediaFile(path)
    list_fields()["moods"].__set__(file, ["calm"])
    file.save()
    library("earmark", "--quiet", "title:swing")
    assert read_file_tags(path).moods == ("calm",)
    assert read_file_tags(path).genres


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """Makes an editor, which runs Python on the rows of the plan."""

    def make(*lines):
        script = tmp_path / "editor.py"
        script.write_text(
            "import csv, sys\n"
            "file = open(sys.argv[1], encoding='utf-8-sig', newline='')\n"
            "table = csv.DictReader(file, delimiter=max(',;', key=file.readline().count))\n"
            "file.seek(0)\n"
            "rows = {row['path'].split()[-1].split('.')[0]: row for row in table}\n"
            + "\n".join(lines)
            + "\nwith open(sys.argv[1], 'w', encoding='utf-8', newline='') as file:\n"
            "    table = csv.DictWriter(file, next(iter(rows.values())), delimiter=';')\n"
            "    table.writeheader()\n    table.writerows(rows.values())\n",
            encoding="utf-8",
        )
        return {"EDITOR": f"{sys.executable} {script}", "VISUAL": ""}

    return make


def test_a_plan_is_edited_and_then_applied(library, expected, edit):
    before = hashes(library.music)
    library.settle()  # of these tracks only some are sure enough
    environment = edit(
        "print({title: (row['action'], row['genre'], row['current']) for title, row in rows.items()})",
        "rows['swing'].update(action='write', genre='Ragtime; Jazz')",
        "rows['loud'].update(action='keep')",
    )
    said = library("earmark", "--review", "--force", expect=1, answers="y\n", environment=environment)
    planned = {title: (row[0], row[1], row[2]) for title, row in ast.literal_eval(said.stdout.splitlines()[0]).items()}
    assert planned == {
        title: (
            "write" if sure(expected[title]) else "review",
            word(expected[title]),
            "Polka" if title == "dance" else "",
        )
        for title in ("swing", "loud", "dance")
    }
    assert "Write the genres of 2 tracks" in said.stdout
    assert said.stdout.splitlines()[-1] == "4 tracks: 2 with a new genre, 1 left as they are, 1 failed"
    assert not library.config.with_name("earmark-plan.csv").exists()
    # of what a person has decided there is no doubt any more
    assert library("ls", "-f", "$title", "earmark_reason::.").stdout == "loud\n"
    assert library.tags() == {
        "swing": ["Ragtime", "Jazz"], "loud": None, "dance": [word(expected["dance"])], "broken": None,
    }  # fmt: skip
    assert library.genres()["swing"] == ("Ragtime; Jazz", *heard(expected["swing"]))
    assert library.genres()["loud"] == ("", *heard(expected["loud"]))
    assert len(before.items() & hashes(library.music).items()) == 2


def test_a_plan_that_is_not_wanted_or_spoiled_changes_no_file(library, edit):
    before = hashes(library.music)
    said = library(
        "earmark", "--review", "title:swing", answers="n\n", environment=edit("rows['swing']['action'] = 'write'")
    )
    plan = library.config.with_name("earmark-plan.csv")
    assert f"Nothing is written. The plan stays until the next --review: {plan}" in said.stdout
    assert "swing" in plan.read_text()
    said = library("earmark", "--review", "title:swing", environment=edit("rows['swing']['action'] = 'keep'"))
    assert "No row has the action 'write'. Nothing is written." in said.stdout
    spoiled = edit("rows['swing'].update(action='perhaps')")
    said = library("earmark", "--review", "title:swing", answers="y\nn\n", environment=spoiled)
    assert said.stdout.count("earmark-plan.csv, line 2: the action 'perhaps' is not one of write, keep, review") == 2
    # as vim's :cq ends
    said = library("earmark", "--review", "title:swing", expect=1, environment={"EDITOR": "false", "VISUAL": ""})
    assert f"the editor 'false' ended with status 1: nothing is written; the plan is {plan}" in said.stderr
    said = library("earmark", "--review", "title:swing", environment={"EDITOR": "rm", "VISUAL": ""})
    assert f"The plan {plan} is deleted: nothing is written." in said.stdout
    said = library("earmark", "--review", "title:swing", expect=1, environment={"EDITOR": "/nowhere", "VISUAL": ""})
    assert re.search("the editor '/nowhere' cannot be run .*; the plan is .*earmark-plan.csv", said.stderr)
    assert hashes(library.music) == before


def test_a_file_that_changes_while_its_plan_is_edited_is_left_alone(library, edit):
    path = library("ls", "-p", "title:swing").stdout.strip()
    environment = edit(f"open({path!r}, 'ab').write(b'more')")
    said = library("earmark", "--review", "title:swing", expect=1, answers="y\n", environment=environment)
    assert "has changed since, and stays as it is" in said.stderr
    assert library.genres()["swing"][0] == ""


PYLAST = """
class WSError(Exception): pass
class MalformedResponseError(Exception): pass
class NetworkError(Exception): pass

class _Anything:
    def __init__(self, name): self.name = name
    def get_name(self): return self.name
    @property
    def item(self): return self
    weight = 100
    def get_top_tags(self): return [_Anything("seen live"), _Anything("favourites")]

class LastFMNetwork:
    def __init__(self, **key): pass
    def get_track(self, *names): return _Anything("")
    get_album = get_artist = get_track
"""
"""What lastgenre asks for genres, without a network: it knows none that is on lastgenre's whitelist."""


@pytest.fixture
def lastgenre(tmp_path):
    """A folder with the module that stands for Last.fm's, and lastgenre's whitelist."""
    found = find_spec("beetsplug.lastgenre")
    assert found
    assert found.origin
    folder = tmp_path / "lastfm"
    folder.mkdir()
    (folder / "pylast.py").write_text(PYLAST, encoding="utf-8")
    return folder, set((Path(found.origin).parent / "genres.txt").read_text(encoding="utf-8").lower().splitlines())


@pytest.fixture(scope="module")
def plain_album(tmp_path_factory, write_sound):
    """An album of three tracks that are alike."""
    from earmark.data.synth import compose

    folder = tmp_path_factory.mktemp("plain") / "Rags"
    folder.mkdir()
    for i in range(3):
        path = write_sound(folder / f"{i}.flac", compose("ragtime", np.random.default_rng(i), seconds=6), 22050)
        file = MediaFile(path)
        file.update({"title": f"t{i}", "artist": "The Band", "albumartist": "The Band", "album": "Rags"})
        file.save()
    return folder


@pytest.mark.parametrize("plugins", ["earmark lastgenre", "lastgenre earmark"])
@pytest.mark.parametrize("more", ["", "cleanup_existing: yes", "force: yes, keep_existing: yes"])
def test_lastgenre_keeps_the_one_genre_of_an_imported_album(beets, plain_album, lastgenre, plugins, more):
    folder, whitelist = lastgenre
    options = ", ".join(filter(None, ("canonical: yes", more)))
    beets.settle(
        text=f"plugins: {plugins}\nearmark: {{model: {MODEL}, {ANY}, source: album}}\nlastgenre: {{{options}}}\n"
    )
    beets.environment["PYTHONPATH"] = str(folder)
    beets("import", "-A", "-q", plain_album)
    (genre,) = {genre for genre, *_ in beets.genres().values()}
    pooled = pool_album(
        list(earmark.load(MODEL).classify_many(sorted(plain_album.iterdir()))), earmark.load(MODEL).card
    )
    assert genre == spell_label(pooled.best, "beets")
    assert genre.lower() in whitelist
    assert beets("ls", "-a", "-f", "$genres").stdout.strip() == genre
    assert beets.tags() == {f"t{i}": [genre] for i in range(3)}


def test_lastgenre_throws_nothing_of_ours_out(lastgenre, monkeypatch):
    from beets import config

    monkeypatch.syspath_prepend(str(lastgenre[0]))
    from beetsplug.lastgenre import LastGenrePlugin

    config.read(user=False)
    config["lastgenre"].set({"canonical": True, "count": 9})
    theirs = LastGenrePlugin()
    names = {name for model in ("earmark", "gtzan", MODEL) for name in earmark.load(model).card.names}
    names -= set(earmark.load().card.moods)
    for given in ({}, {"with_parents": True}, {"depth": 1}, {"with_parents": True, "depth": 2}):
        vocabulary = load_vocabulary("beets", **given)
        for name in names:
            words = [word.lower() for word in vocabulary.translate(name)]
            assert words
            # they may add parents of their own; ours stay, and each alone is what it was
            assert set(words) <= set(theirs._resolve_genres(words))
            assert [theirs._resolve_genres([word])[0] for word in words] == words


@pytest.fixture
def plugin():
    """Make the plugin in this process, with options, and leave beets' configuration as it was."""
    from beets import config

    from beetsplug.earmark import EarmarkPlugin

    def make(options):
        config["earmark"].set(options)
        return EarmarkPlugin()

    config.read(user=False)
    before = list(config.sources)
    yield make
    config.sources[:] = before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"min_confidance": 1}, "no option min_confidance; there are auto, "),
        ({"min_confidence": 30}, "earmark.min_confidence: 30, must be between 0 and 1"),
        ({"min_confidence": "high"}, "earmark.min_confidence: must be numeric"),
        ({"count": 0}, "earmark.count: 0, must be at least 1"),
        ({"count": "several"}, "earmark.count: must be a number"),
        ({"source": "artist"}, "earmark.source: must be one of"),
        ({"auto": "perhaps"}, "earmark.auto: must be a bool"),
        ({"model": "lost.onnx"}, "no model 'lost.onnx'"),
        ({"vocabulary": {"words": {"hip-hopp": "Rap"}}, "model": MODEL}, "no genre 'hip-hopp'; did you mean 'hiphop'?"),
        ({"vocabulary": {"words": {"pop": False}}}, "words: pop = False: a word, or a list of words, is wanted"),
        ({"vocabulary": "lost.yaml"}, "lost.yaml: cannot be read"),
        ({"vocabulary": 3}, "earmark.vocabulary: 3, must be one of common, model"),
    ],
)
def test_wrong_settings_are_the_users_error(plugin, options, says):
    from beets.ui import UserError

    with pytest.raises(UserError, match=re.escape(says)):
        plugin(options).check_settings(None)


def test_wrong_settings_end_a_command_before_it_begins(beets, album):
    beets.settle("min_confidance: 1")
    for command in (("import", "-A", "-q", album), ("earmark",)):
        said = beets(*command, expect=1)
        assert said.stderr.splitlines()[-1].startswith("error: earmark: no option min_confidance")
    assert beets.genres() == {}


def test_links_and_nowrite_leave_files_alone(beets, album, expected):
    for options, own in ((["-q"], "import: {copy: no, link: yes}"), (["-q", "-W"], "")):
        beets.settle(text=f"plugins: earmark\nearmark: {{{ANY}, model: {MODEL}}}\n{own}\n")
        before = hashes(album)
        beets("import", "-A", *options, album)
        assert beets.genres()["swing"][0] == word(expected["swing"])
        assert hashes(album) == before
        assert beets.tags()["swing"] is None
        beets("remove", "-d", "-f")


def test_many_tracks_by_processes(beets, write_sound, tmp_path, rng):
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(20):
        path = write_sound(folder / f"{i:02}.flac", 0.1 * rng.standard_normal(22050 * 4), 22050)
        file = MediaFile(path)
        file.update({"title": f"t{i}", "album": f"album {i % 3}"})
        file.save()
    heard = {f"t{i}": word(v) for i, v in enumerate(earmark.load(MODEL).classify_many(sorted(folder.iterdir())))}
    beets.settle("auto: no")
    beets("import", "-A", "-q", "-g", folder)
    beets.settle(ANY, "jobs: 2")
    beets("earmark")
    assert {title: genre for title, (genre, *_) in beets.genres().items()} == heard
    assert all(beets("ls", "-a", "-f", "$genres").stdout.splitlines())


def test_one_text_as_beets_kept_it_before_2_7(monkeypatch, plugin):
    from beets.library import Item

    monkeypatch.setattr("beetsplug.earmark.GENRE", "genre")
    ours = plugin({"keep_existing": True})
    item = Item(genre="Polka, Jazz")
    assert ours._genres(item) == ["Polka", "Jazz"]
    assert not ours._lacks_genre(item)
    assert ours._merge_existing(item, ("jazz", "Rock")) == ("Polka", "Jazz", "Rock")


def test_a_folder_of_real_music(beets, gtzan):
    folder = gtzan / "audio" / "pop"
    before = hashes(folder)
    beets.settle()
    beets("import", "-A", "-q", folder)
    genres = beets("ls", "-f", "$genres").stdout.splitlines()
    assert len(genres) == len(before)
    assert sum(map(bool, genres)) >= len(genres) / 2  # few are unknown
    assert set(genres) <= {"", *(spell_label(label, "beets") for label in earmark.load(MODEL).labels)}
    assert [file.genres for file in map(MediaFile, hashes(beets.music))].count(None) == genres.count("")
    assert beets("ls", "-a", "-f", "$genres").stdout.strip() == "Pop"
    assert hashes(folder) == before


BLOCKS = re.findall(r"```(\w+)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def test_documented_settings_are_accepted_and_all_there_are(plugin):
    import yaml

    from beetsplug.earmark import DEFAULTS

    documented = [yaml.safe_load(text) for language, text in BLOCKS if language == "yaml"]
    assert documented[0] == {"plugins": "earmark"}
    assert documented[1] == {"earmark": DEFAULTS}
    for block in documented:
        assert plugin(block.get("earmark", {})).namer.selector.vocabulary.translate("hip hop") in (
            ("Hip Hop",),
            ("Rap",),
        )


def test_documented_commands_run(library):
    commands = [line for language, text in BLOCKS if language == "console" for line in text.splitlines()]
    commands = [line.removeprefix("$ beet ") for line in commands if line.startswith("$ beet ")]
    assert len(commands) == 6
    for command in commands:
        arguments = [part.strip("'") for part in re.findall(r"'[^']*'|\S+", command.split("  #")[0])]
        hears_the_broken_one = arguments[0] == "earmark" and "artist:coltrane" not in arguments
        said = library(*arguments, expect=int(hears_the_broken_one))
        if "earmark_confidence:0.01..0.5" in arguments:
            assert re.fullmatch(r"(\w+: [\w-]+ 0\.\d\d\n){3}", said.stdout)
