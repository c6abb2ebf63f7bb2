"""A library named again from embeddings alone, held against hearing the same files."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.command import run
from support.paths import REPOSITORY
from support.verdicts import KEY, verdict_of

from earmark.cli.commands.rename_view import print_renaming
from earmark.errors import LibraryError, SettingError
from earmark.inference.head import Head
from earmark.inference.model import open_model, save_model
from earmark.inference.tagger import Tagger
from earmark.library.answers import classify_new
from earmark.library.library import Library
from earmark.library.rename import Renaming, rename
from earmark.library.search import Search
from earmark.training.export import write_adapted


@pytest.fixture(scope="module")
def heard(tmp_path_factory, sound):
    """A library of real music, heard by the default model, whose files are gone since; and what `gtzan` hears."""
    root = tmp_path_factory.mktemp("renamed")
    music = root / "music"
    music.mkdir()
    for path in sorted((REPOSITORY / "examples").glob("*.opus")):
        shutil.copy(path, music)
    shutil.copy(sound, music / "noise.wav")
    (music / "letter.mp3").write_text("no sound")
    with Library(root / "heard.db") as library:
        before = list(classify_new(library, Search([str(music)])).verdicts)
    expected = {verdict.path: verdict for verdict in Tagger("gtzan").classify_many(map(str, sorted(music.iterdir())))}
    shutil.rmtree(music)
    return root / "heard.db", before, expected


@pytest.fixture
def library(heard, tmp_path):
    shutil.copy(heard[0], tmp_path / "music.db")
    with Library(tmp_path / "music.db") as library:
        yield library


def test_names_are_those_that_the_model_would_hear(library, heard):
    _, before, expected = heard
    model = open_model("gtzan")
    done = rename(library, model)
    assert (done.source.name, done.key.checksum) == ("earmark", model.card.checksum)
    assert (done.n_named, done.n_unheard) == (len(before), 0)
    assert library.models()[0] == (done.key, len(before))
    old = {verdict.path: verdict for verdict in before}
    kinds = set()
    for row in library.query(done.key):
        said = row.verdict
        as_heard = expected[said.path]
        assert (said.model, said.genre, said.reason, said.duration) == (
            "gtzan", as_heard.genre, as_heard.reason, pytest.approx(as_heard.duration)
        )  # fmt: skip
        assert said.genres == pytest.approx(as_heard.genres, abs=2e-3)
        assert said.error == as_heard.error
        assert (said.styles, said.moods) == (old[said.path].styles, old[said.path].moods)
        kinds.add(said.reason if not said.genres else "named" if said.genre else "unknown")
    assert {"named", "no music", None} <= kinds


def test_changes_are_counted_whatever_the_spelling(library, heard):
    _, before, expected = heard
    done = rename(library, open_model("gtzan"))
    # the two models spell hip hop differently
    pairs = [(v.genre, expected[v.path].genre) for v in before]
    assert done.changes.total() == sum(a != b for a, b in pairs if {a, b} != {"hip hop", "hiphop"})
    assert None in {genre for pair in done.changes for genre in pair}
    # once more from gtzan's own answers, of the same embeddings
    assert rename(library, open_model("gtzan")).n_named == done.n_named


def test_an_adapted_model_goes_on_from_the_answers_of_its_base(library, heard, tmp_path):
    base = open_model()
    labels = (*base.card.labels, "tango nuevo")
    evidence = np.column_stack([np.eye(25), np.full(25, 1 / 25)])
    graph, head = write_adapted(base, evidence, np.zeros((26, 634)), np.r_[np.zeros(25), 99.0])
    card = base.card.model_copy(update={"name": "mine", "labels": labels, "base": base.card.checksum})
    mine = save_model(tmp_path / "mine.onnx", graph, card, head=head)
    rename(library, open_model("gtzan"))
    # although the answers last used are gtzan's
    done = rename(library, mine)
    assert done.source.name == "earmark"
    genres = {row.verdict.genre for row in library.query(done.key) if row.verdict.genres}
    assert genres == {"tango nuevo"}
    assert done.changes.total() == sum(bool(verdict.genres) for verdict in heard[1])


def test_the_command_says_what_changed_and_answers_for_the_model_from_then_on(heard, tmp_path):
    database = shutil.copy(heard[0], tmp_path / "music.db")
    said = run("library", database, "--rename", "gtzan")
    assert said.stdout == ""
    assert re.search(r"music.db: 9 files named by gtzan \([0-9a-f]{8}\), from what was heard by earmark", said.stderr)
    assert re.search(
        r"\n\d changed; 1 was unknown and is named now, \d the other way round\n  .* → .* +1\n", said.stderr
    )
    table = run("library", database, "--rename", "gtzan", "--all", "--format", "csv").stdout.splitlines()
    assert len(table) == 1 + 9
    assert ",gtzan," in table[1]
    said = run("library", database, "--rename", "earmark", expect=2)
    assert "earmark cannot answer from embeddings alone" in said.stderr


def put(library, verdicts):
    status = Path(__file__).stat()
    answers = iter(verdicts)
    files = [(verdict.path, status) for verdict in verdicts]
    assert list(library.classify(files, KEY, lambda paths: (next(answers) for _ in paths))) == verdicts


def test_what_was_never_embedded_is_counted_and_left(tmp_path, rng):
    # what cannot be read is not kept at all
    (tmp_path / "c").write_text("broken")
    with Library(tmp_path / "old.db") as library:
        embedded = replace(verdict_of(tmp_path / "a"), embedding=rng.normal(0, 1, 634).astype(np.float16))
        put(library, [embedded, verdict_of(tmp_path / "b"), verdict_of(tmp_path / "c", error="is broken", genre=None)])
        done = rename(library, open_model("gtzan"))
        assert (done.n_named, done.n_unheard) == (2, 1)
        assert [row.verdict.path for row in library.query(done.key)] == [str(tmp_path / "a"), str(tmp_path / "c")]


def test_a_library_without_embeddings_says_what_to_do(tmp_path):
    with Library(tmp_path / "old.db") as library:
        put(library, [verdict_of(tmp_path / "a")])
        with pytest.raises(LibraryError, match=r"old.db: .*without embeddings.*heard once more"):
            rename(library, open_model("gtzan"))


def test_models_that_cannot_name_it(library, tmp_path):
    with pytest.raises(SettingError, match="earmark cannot answer from embeddings alone"):
        rename(library, open_model("earmark"))
    model = open_model("gtzan")
    foreign = save_model(
        tmp_path / "f.onnx", model.graph, model.card.model_copy(update={"base": "0badbeef" * 8}), head=model.head
    )
    with pytest.raises(SettingError, match="no answers of the model 0badbeef, which it goes on from"):
        rename(library, foreign)
    with Library(tmp_path / "new.db") as empty, pytest.raises(SettingError, match="no answers of another model"):
        rename(empty, model)


def test_many_blocks_are_as_one(tmp_path, rng):
    features = rng.normal(0, 1, (501, 634)).astype(np.float16)
    verdicts = [replace(verdict_of(tmp_path / f"{i:03}"), embedding=row) for i, row in enumerate(features)]
    model = open_model("gtzan")
    expected = Head(model).predict(features)
    with Library(tmp_path / "m.db") as library:
        put(library, verdicts)
        done = rename(library, model)
        rows = [row.verdict for row in library.query(done.key)]
    assert done.n_named == 501
    best = [model.card.labels[i] for i in expected.log_probabilities.argmax(axis=1)]
    assert [verdict.best for verdict in rows] == best
    novel = expected.novelty > model.card.calibration.novelty
    assert [verdict.reason == "unlike what it learned" for verdict in rows] == novel.tolist()


@pytest.mark.parametrize(
    ("n", "says"),
    [
        (1, ("1 was unknown and is named now", "and 1 other change, of 1 file")),
        (2, ("2 were unknown and are named now", "and 1 other change, of 2 files")),
    ],
)
def test_counts_are_in_words(n, says, capsys):
    done = Renaming(KEY, KEY._replace(name="mine"), n_named=30)
    done.changes.update({("rock", f"genre {i}"): 3 for i in range(10)} | {(None, "jazz"): n})
    print_renaming(Path("music.db"), done)
    said = capsys.readouterr().err
    for line in says:
        assert line in said
