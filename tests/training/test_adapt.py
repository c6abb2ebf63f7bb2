"""What is learned from the corrections in a library, held against what it is made of."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.command import json_lines, run
from support.paths import REPOSITORY

from earmark.errors import SettingError
from earmark.inference.head import Head
from earmark.inference.model import open_model, save_model
from earmark.inference.tagger import Tagger
from earmark.inference.verdict import Verdict
from earmark.library.answers import classify_new
from earmark.library.library import Library
from earmark.library.records import ModelKey
from earmark.library.rename import rename
from earmark.library.search import Search
from earmark.library.tags.file_tags import FileTags
from earmark.training.adapt import Residual, adapt, cross_validate
from earmark.training.corrections import Corrections, read_corrections
from earmark.training.residual import ShrunkWhitening

BASE = open_model("gtzan").card
KEY = ModelKey(BASE.checksum, BASE.name, BASE.labels)
CENTRES = np.random.default_rng(0).normal(size=(3, 634))
SOUNDS = ("jazz", "blues", "tango")
"""What the shelf holds: jazz, which the model takes for blues, blues, and what it does not know."""


def fill(library, folder, n=60, embeddings=True):
    """Let a library know `n` tracks, of SOUNDS in turn, in folders of four."""
    rng = np.random.default_rng(1)
    verdicts, files = {}, []
    for i in range(n):
        path = folder / f"{i // 12}-{i % 3}" / f"{i:03}.mp3"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        files.append((str(path), path.stat()))
        p = rng.dirichlet(np.full(10, 0.1))
        wrong = ("blues", "blues", "pop")[i % 3]
        p[BASE.labels.index(wrong)] += 2
        genres = dict(sorted(zip(BASE.labels, (p / p.sum()).tolist(), strict=True), key=lambda item: -item[1]))
        embedding = (CENTRES[i % 3] + 0.3 * rng.normal(size=634)).astype(np.float16) if embeddings else None
        verdicts[str(path)] = Verdict(
            wrong, None, genres[wrong], genres, 9.0, (), BASE.name, str(path), embedding=embedding
        )
    list(library.classify(files, KEY, lambda paths: map(verdicts.__getitem__, paths)))
    return [path for path, _ in files]


@pytest.fixture
def shelf(tmp_path):
    """A library, and its paths."""
    with Library(tmp_path / "music.db") as library:
        yield library, fill(library, tmp_path)


def correct(shelf, every=1, names=SOUNDS):
    library, paths = shelf
    library.correct([(path, names[i % 3]) for i, path in enumerate(paths) if i % every == 0], "test")


def test_corrections_of_other_folders_teach(shelf, tmp_path):
    correct(shelf, every=2)
    done = adapt(shelf[0], tmp_path / "mine.onnx")
    # of three genres the base knew one
    assert done.before.accuracy == pytest.approx(1 / 3, abs=0.1)
    assert done.after.accuracy > 0.8
    assert done.after.mean_recall > 0.8
    assert (done.counts, done.new, done.n_folds) == ({"blues": 10, "jazz": 10, "tango": 10}, {"tango": 10}, 5)
    card = open_model(tmp_path / "mine.onnx").card
    assert card.labels == (*BASE.labels, "tango")
    assert (card.base, card.name, card.licence) == (BASE.checksum, "mine", BASE.licence)
    assert {m.name: m.value for m in card.metrics} == pytest.approx(
        {"track_accuracy": done.after.accuracy, "mean_recall": done.after.mean_recall}
    )
    assert len(card.calibration.tag_thresholds) == 11


def test_the_library_is_named_as_it_was_taught(shelf, tmp_path):
    correct(shelf, every=2)
    done = adapt(shelf[0], tmp_path / "mine.onnx")
    renamed = rename(shelf[0], done.model)
    assert renamed.n_named == 60
    best = [track.verdict.best for track in shelf[0].query(renamed.key)]
    truth = [SOUNDS[int(Path(track.verdict.path).stem) % 3] for track in shelf[0].query(renamed.key)]
    assert np.mean(np.array(best) == truth) > 0.8
    # and learns again from the base, with more corrections, though its own answers are the last now
    correct(shelf)
    assert adapt(shelf[0], tmp_path / "mine.onnx").base.card.name == "gtzan"


def test_the_file_says_what_was_learned(shelf, tmp_path):
    correct(shelf, every=3, names=("jazz", "blues", "tango"))
    correct(shelf, every=4)
    done = adapt(shelf[0], tmp_path / "mine.onnx")
    corrections = read_corrections(shelf[0], KEY)
    expected = Residual(corrections, done.model.card.labels).predict_proba(corrections.features, corrections.answers)
    answers = Head(done.model).predict(corrections.features, corrections.answers)
    np.testing.assert_allclose(np.exp(answers.log_probabilities), expected, atol=1e-4)


def test_one_example_of_a_new_genre_is_enough_for_a_label(shelf, tmp_path):
    correct(shelf, every=4, names=("jazz", "blues", "blues"))
    library, paths = shelf
    library.correct([(paths[2], "Musique Concrète")], "test")
    done = adapt(library, tmp_path / "mine.onnx")
    assert done.new == {"Musique Concrète": 1}


def test_spellings_of_a_genre_are_one(shelf):
    library, paths = shelf
    library.correct([(paths[0], "Jazz"), (paths[1], "hip-hop"), (paths[2], "Nu Tango"), (paths[5], "nu-tango")], "test")
    library.correct([(paths[8], "Nu Tango")], "test")
    assert set(read_corrections(library, KEY).genres) == {"jazz", "hiphop", "Nu Tango"}


def test_folds_keep_folders_together():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 3)
    features = (np.eye(20)[groups] * 9 + 0.1 * rng.normal(size=(60, 20))).astype(np.float32)
    genres = tuple(np.array(["a", "b", "c"])[rng.integers(3, size=20)][groups])
    corrections = Corrections(genres, features, np.full((60, 3), 1 / 3), groups, ShrunkWhitening().fit(features))
    held_out, folds = cross_validate(corrections, ("a", "b", "c"))
    truth = corrections.encode(("a", "b", "c"))
    # a folder's sound says all of its genre, and nothing of another folder's
    assert folds == 5
    assert (held_out.argmax(axis=1) == truth).mean() < 0.6
    alone = replace(corrections, groups=np.arange(60))
    assert (cross_validate(alone, ("a", "b", "c"))[0].argmax(axis=1) == truth).mean() > 0.9


def test_corrections_of_one_folder_teach_but_cannot_judge(shelf, tmp_path):
    library, paths = shelf
    first = [path for path in paths if Path(path).parent == Path(paths[0]).parent]
    library.correct(zip(first, ("jazz", "blues", "jazz", "blues"), strict=True), "test")
    # of two genres in one folder, each track stands by itself
    done = adapt(library, tmp_path / "mine.onnx")
    assert done.n_folds == 4
    assert cross_validate(read_corrections(library, KEY).subset(np.array([0])), BASE.labels) == (None, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [((), "has no corrections to learn from"), (("jazz",), r"all corrections in .* are 'jazz'")],
)
def test_nothing_to_learn_is_an_error(shelf, tmp_path, words, message):
    library, paths = shelf
    library.correct(zip(paths, words, strict=False), "test")
    with pytest.raises(SettingError, match=message):
        adapt(library, tmp_path / "mine.onnx")
    assert not (tmp_path / "mine.onnx").exists()


def test_a_library_without_embeddings_is_an_error(tmp_path):
    with Library(tmp_path / "music.db") as library:
        paths = fill(library, tmp_path, embeddings=False)
        library.correct([(paths[0], "jazz"), (paths[1], "pop")], "test")
        with pytest.raises(SettingError, match=r"keeps no embeddings of gtzan.*FOLDER --library \S+music.db'"):
            adapt(library, tmp_path / "mine.onnx")


def test_only_models_of_one_genre_that_have_not_been_here_are_gone_beyond(shelf, tmp_path):
    correct(shelf, every=4)
    library = shelf[0]
    rename(library, adapt(library, tmp_path / "mine.onnx").model)
    with pytest.raises(SettingError, match="has learned from corrections itself"):
        adapt(library, tmp_path / "more.onnx", str(tmp_path / "mine.onnx"))
    with pytest.raises(SettingError, match="no answers of model 'earmark'"):
        adapt(library, tmp_path / "more.onnx", "earmark")
    model = open_model("gtzan")
    several = model.card.model_copy(
        update={"calibration": model.card.calibration.model_copy(update={"thresholds": (0.5,) * 10})}
    )
    saved = save_model(tmp_path / "several.onnx", model.graph, several)
    list(
        library.classify(
            [(__file__, Path(__file__).stat())], ModelKey(saved.card.checksum, "gtzan", BASE.labels), _none
        )
    )
    with pytest.raises(SettingError, match="gives several genres"):
        adapt(library, tmp_path / "more.onnx", str(tmp_path / "several.onnx"))


def _none(paths):
    return (Verdict(None, "silence", 0.0, {}, 1.0, (), "gtzan", path) for path in paths)


def test_answers_of_a_model_that_is_not_bundled_need_its_file(tmp_path):
    with Library(tmp_path / "music.db") as library:
        list(library.classify([(__file__, Path(__file__).stat())], ModelKey("c0ffee", "gone", BASE.labels), _none))
        with pytest.raises(SettingError, match=r"answers of gone .*hears the files once more.* by --model"):
            adapt(library, tmp_path / "mine.onnx")


class Tagged:
    """A library whose tracks have tags, as if read from the files."""

    def __init__(self, library, tags):
        self.library, self.tags, self.path = library, tags, library.path
        self.corrections = library.corrections

    def query(self, *key, **what):
        for i, track in enumerate(self.library.query(*key, **what)):
            yield track._replace(tags=FileTags(track.verdict.path, **self.tags.get(i, {})))


def test_tags_teach_where_they_are_known_and_somebodys_own(shelf):
    library, paths = shelf
    library.correct([(paths[0], "tango")], "test")
    order = [Path(track.verdict.path) for track in library.query(KEY)]
    assert order[0] == Path(paths[0])
    tags = {
        0: {"genres": ("Pop",)}, 1: {"genres": ("Jazz",)}, 2: {"genres": ("Polka", "Tango")},
        3: {"genres": ("Swing music",)}, 4: {"genres": ("Polka",)},
    }  # fmt: skip
    found = read_corrections(Tagged(library, tags), KEY, tags=True)
    assert (found.genres, found.n_tags, found.left_out) == (("tango", "jazz", "tango", "jazz"), 3, {})


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """Real music and a library that has heard it."""
    root = tmp_path_factory.mktemp("taught")
    for path in (REPOSITORY / "examples").glob("*.opus"):
        shutil.copy(path, root)
    with Library(root / "music.db") as library:
        list(classify_new(library, Search([str(root)])).verdicts)
    return root


def test_the_command_learns_and_a_file_sounds_as_its_embedding_says(heard, tmp_path):
    database = tmp_path / "music.db"
    shutil.copy(heard / "music.db", database)
    words = {"vibe-ace": "Lounge", "solo-trumpet": "Brass", "sugar-plum-fairy": "classical", "hungarian-dance": "Brass"}
    with Library(database) as library:
        library.correct([(str(heard / f"{name}.opus"), genre) for name, genre in words.items()], "test")
        library.correct([(str(heard / "reading.opus"), "Talk")], "test")
    done = run("train", "--library", database, "-o", tmp_path / "mine.onnx", cwd=tmp_path)
    said = " ".join((done.stdout + done.stderr).split())
    assert "4 corrections of answers by earmark" in said
    assert "new: Brass 2, Lounge 1; Brass, Lounge: from so few" in said
    assert "1 correction left out: " in said
    assert "reading.opus: speech" in said
    assert "files named by mine" in said
    tagger = Tagger(tmp_path / "mine.onnx")
    with Library(database) as library:
        key = library.models()[0][0]
        assert key.name == "mine"
        kept = {track.verdict.path: track.verdict for track in library.query(key)}
    for name in ("vibe-ace", "sugar-plum-fairy"):
        path = str(heard / f"{name}.opus")
        fresh = tagger.classify(path)
        assert fresh.genre == kept[path].genre
        assert fresh.genres == pytest.approx(kept[path].genres, abs=1e-2)
    assert f"by mine ({key.checksum[:8]}), last used in" in run("tag", "--library", database, "--dry-run").stderr
    album = json_lines(run("library", database, "--album", "--format", "json").stdout)
    assert {row["model"] for row in album} == {"mine"}
    # once more it learns from what the bundled model answered
    again = run("train", "--library", database, "-o", tmp_path / "again.onnx")
    assert "4 corrections of answers by earmark" in " ".join(again.stdout.split())
    run("library", database, "--rename", "gtzan")
    # from anywhere, by its name or checksum
    for name in ("mine", key.checksum[:6]):
        renamed = run("library", database, "--rename", name, "--album")
        assert "files named by mine" in renamed.stderr
        assert "other genres" in renamed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'CORPUS'"),
        (("--library", "music.db"), "Missing option '--output'"),
        (("folder", "--library", "music.db"), "give a corpus or --library"),
        (("--library", "music.db", "-o", "x.onnx", "--folds", "3"), "--folds is for a corpus"),
        (("folder", "-o", "x.onnx", "--tags"), "--tags goes with --library; --labels tags reads tags"),
        (("folder", "-o", "x.onnx", "--model", "gtzan"), "--model goes with --library"),
        (("--library", "nothing.db", "-o", "x.onnx"), "nothing.db"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, arguments, message):
    assert message in run("train", *arguments, cwd=tmp_path, expect=2).stderr
