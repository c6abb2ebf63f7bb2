"""The report of a reproduction, as files on a disk: whole, self-contained, the same each time."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from earmark.data.corpus import Corpus, Track
from earmark.networks.settings import NetworkSettings
from earmark.paper import report
from earmark.paper.report import write_report
from earmark.training.recipe import Recipe
from earmark.training.registry import parse_recipe

VOID = {"meta", "link", "img", "br", "hr", "input", "wbr", "col"}
ALWAYS = {"figure-4", "figure-5", "figure-1-network", "figure-6-confusion", "learning-curves"}


class Page(HTMLParser):
    """A strict reader: every element closed in order, every id once."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.targets, self.loads, self.text = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self._note(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def _note(self, tag, attrs):
        assert tag not in ("script", "link", "iframe")
        for name, value in attrs:
            if name == "id":
                assert value not in self.ids, f"id {value} twice"
                self.ids.append(value)
            if name == "href" and value.startswith("#"):
                self.targets.append(value[1:])
            elif name in ("src", "href", "data", "xlink:href", "srcset"):
                self.loads.append(value)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture
def arrays():
    """A corpus without sound."""
    tracks = [Track(f"{g}.{i}", g, spectrogram=np.zeros((3, 4), np.float32)) for g in ("a", "b") for i in range(3)]
    return Corpus("arrays", tuple(tracks))


@pytest.fixture
def sounds(write_sound, tone, tmp_path):
    silence = write_sound(tmp_path / "jazz.00000.wav", np.zeros(8000 * 6), 8000)
    jazz = write_sound(tmp_path / "jazz.00001.wav", tone(1000, 12, 8000), 8000)
    gone = tmp_path / "jazz.00002.wav"
    blues = write_sound(tmp_path / "blues.00000.wav", tone(300, 12, 8000), 8000)
    tracks = [("blues.00000", "blues", blues), ("jazz.00000", "jazz", gone), ("jazz.00001", "jazz", silence)]
    tracks.append(("jazz.00002", "jazz", jazz))
    return Corpus("sounds", tuple(Track(i, genre, path) for i, genre, path in tracks))


@pytest.fixture
def run(tmp_path, arrays):
    """Write a report; its folder."""

    def write(records, corpus=arrays, **settings):
        settings = {"source": "my music", "command": "earmark reproduce 'my music' -o out", **settings}
        page = write_report(tmp_path / "out", records, corpus, **settings)
        assert page == tmp_path / "out" / "report.html"
        return page.parent

    return write


def page_of(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def check_page(folder):
    """What every report must keep; its page."""
    page = page_of(folder)
    assert set(page.targets) <= set(page.ids), sorted(set(page.targets) - set(page.ids))
    assert all(load.startswith("data:") for load in page.loads)
    assert "url(http" not in (folder / "report.html").read_text(encoding="utf-8")
    assert not list(folder.rglob("*.partial"))
    return page


def test_a_full_report_holds_every_number(run, make_record):
    records = [
        make_record(name, protocol, seed)
        for name in ("svm-rbf", "svm-rbf-log", "mlp-125-relu", "rnn-1x125", "lstm-1x250", "attention-2x60")
        for protocol in ("clip", "artist")
        for seed in (0, 1)
    ]
    folder = run(records, failures={"clip/svm-poly/seed-0": "its process died"})
    page = check_page(folder)
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    for record in records:
        assert f"{100 * record['clip_accuracy']:.1f}" in page.words
        assert f"{100 * record['track_accuracy']:.1f}" in page.words
    for printed in ("40.5", "68.0", "54.0", "74.5", "75.8"):
        assert printed in page.words and printed in markdown
    for name in ("svm-rbf", "svm-rbf-log", "attention-2x60"):
        assert f"row-{name}-artist" in page.ids
    assert "earmark reproduce 'my music' -o again --rows lstm-1x250 --protocol artist --first-seed 1" in page.words
    assert 'kernel = "rbf"' in page.words
    for text in (page.words, markdown):
        assert "its process died" in text
        assert "a sibling" in text
    aggregated = json.loads((folder / "results.json").read_text())
    assert len(aggregated["rows"]) == 12 and len(aggregated["records"]) == 24
    assert len((folder / "results.csv").read_text().splitlines()) == 25


def test_where_it_comes_from_is_recorded(run, make_record, arrays):
    folder = run([make_record("svm-rbf", seed=seed) for seed in (3, 1)], failures={"x": "y"})
    record = json.loads((folder / "run.json").read_text())
    assert record["seeds"] == [1, 3]
    assert record["corpus"]["fingerprint"] == arrays.fingerprint
    assert record["corpus"]["counts"] == {"a": 3, "b": 3}
    assert record["seconds"] == {"total": 24.68, "rows": {"clip/svm-rbf/seed-1": 12.34, "clip/svm-rbf/seed-3": 12.34}}
    assert record["failures"] == {"x": "y"}
    assert record["versions"]["numpy"] == np.__version__


def test_figures_come_as_png_and_svg(run, make_record, sounds):
    names = ["lstm-1x60", "lstm-1x250", "lstm-1x500", "attention-2x60", "svm-rbf"]
    folder = run([make_record(name, p) for name in names for p in ("clip", "track")], sounds)
    found = {path.stem for path in (folder / "figures").glob("*.png")}
    assert found == ALWAYS | {"figure-2-spectrogram", "figure-3", "attention", "width", "leak"}
    assert {path.stem for path in (folder / "figures").glob("*.svg")} == found
    page = check_page(folder)
    for name in found:
        image = Image.open(folder / "figures" / f"{name}.png")
        assert image.width == pytest.approx(85 / 25.4 * 200, abs=2)  # a column of 85 mm at 200 dots an inch
        assert len(np.unique(np.asarray(image.convert("L")))) > 10  # something is drawn
        assert f"{name}-drawn" in page.ids
    spectrogram = (folder / "figures" / "figure-2-spectrogram.svg").read_text(encoding="utf-8")
    assert "image/png" in spectrogram
    assert "the first sounding clip of jazz.00002" in page.words  # past a missing file and a silent one


def test_the_spectrogram_shows_the_tone(sounds):
    from earmark.paper.figures.figure_2_spectrogram import draw_spectrogram
    from earmark.plotting import figure_style

    with figure_style():
        drawing = draw_spectrogram(sounds)
    red, _, blue = np.asarray(Image.open(io.BytesIO(drawing.png)).convert("RGB"))[:, 300].T  # down through the picture
    dark = np.flatnonzero((red < 40) & (blue > 60))  # the quiet end of the colour scale
    top, bottom = dark[[0, -1]]
    loudest = top + red[top:bottom].argmax()
    assert (bottom - loudest) / (bottom - top) == pytest.approx(0.5, abs=0.02)  # 1000 of 2000 Hz


@pytest.mark.parametrize(
    "rows",
    [
        [("svm-rbf", "clip")],
        [("lstm-2x250", "fault-filtered")],
        [("rnn-2x125", "clip"), ("attention-1x500", "artist")],
        [("mlp-125-sigmoid", "artist")],
        [("biattention-2x60", "track"), ("attention-learned-2x60", "track")],
    ],
    ids=str,
)
def test_any_rows_make_a_report(run, make_record, rows):
    page = check_page(run([make_record(name, protocol) for name, protocol in rows]))
    assert "The leak" in page.words
    assert "figure-2-spectrogram-drawn" not in page.ids  # there is no sound
    assert "Failures" not in page.words


def test_failures_alone_make_a_report(run):
    folder = run([], failures={"clip/<svm>/seed-0": "too few <tracks>"})
    page = check_page(folder)
    assert "clip/<svm>/seed-0 : too few <tracks>" in page.words
    assert "too few &lt;tracks>" in (folder / "report.md").read_text()
    assert (folder / "results.csv").read_text().count("\n") == 1
    assert not (folder / "figures").exists()


def test_names_are_words_not_markup(run, make_record):
    labels = ("<b>ass & drum", "$oul", 'r"n"b', "pop|rock")
    recipe = Recipe(network=NetworkSettings(units=3, attention="dot"))
    records = [make_record("<i>mine$", p, labels=labels, settings=recipe) for p in ("clip", "track")]
    folder = run(records, Corpus("<corpus>", (Track("x", "<b>ass & drum"), Track("y", "$oul"))))
    page = check_page(folder)
    for word in (*labels, "<i>mine$", "<corpus>"):
        assert word in page.words
    assert not re.search(r"<(i>mine|b>ass|corpus)", (folder / "report.md").read_text(encoding="utf-8"))


def test_a_foreign_recipe_is_kept_beside_the_report(run, make_record):
    recipe = Recipe(network=NetworkSettings(layers=2, units=7))
    folder = run([make_record("mine", settings=recipe), make_record("lstm-1x250")])
    kept = folder / "recipes" / "mine.toml"
    assert parse_recipe(kept.read_text(), "mine") == recipe
    assert [path.name for path in kept.parent.iterdir()] == ["mine.toml"]
    assert f"--rows {kept}" in page_of(folder).words


def test_a_known_name_with_other_settings_is_a_foreign_recipe(run, make_record):
    folder = run([make_record("lstm-1x250", settings=Recipe(network=NetworkSettings(units=7)))])
    assert "units = 7" in (folder / "recipes" / "lstm-1x250.toml").read_text()


def test_a_limit_on_epochs_is_part_of_the_command(run, make_record):
    record = make_record("lstm-1x250")
    record["identity"]["recipe"]["training"]["max_epochs"] = 2
    folder = run([record])
    assert "--rows lstm-1x250 --protocol clip --first-seed 0 --epochs 2" in page_of(folder).words
    assert not (folder / "recipes").exists()


def test_folds_are_told_apart(run, make_record):
    page = check_page(run([make_record("rnn-1x125", "track", fold=(i, 3)) for i in range(3)]))
    assert "seed fold" in page.words
    assert page.words.count("--folds 3") == 3


def test_the_same_records_give_the_same_bytes(tmp_path, make_record, sounds, monkeypatch):
    monkeypatch.setattr(report, "provenance", lambda: {
        "date": "today", "commit": "", "python": "3", "system": "s", "cores": 1, "versions": {"earmark": "1"},
    })  # fmt: skip
    records = [make_record(name, p) for name in ("svm-rbf", "attention-2x60") for p in ("clip", "artist")]
    settings = {"source": "s", "command": "c"}
    one = write_report(tmp_path / "one", records, sounds, **settings).parent
    two = write_report(tmp_path / "two", records[::-1], sounds, **settings).parent
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert Path("figures/leak.svg") in files
    for name in files:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    for svg in (one / "figures").glob("*.svg"):
        assert not re.search(r"<metadata|<dc:date|matplotlib\.org", svg.read_text(encoding="utf-8"))


def test_drawing_leaves_matplotlibs_settings_alone(run, make_record):
    with mpl.rc_context({"font.size": 31, "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        run([make_record("lstm-1x250")])
        assert dict(mpl.rcParams) == before


def test_a_second_report_replaces_the_first(run, make_record):
    run([make_record("svm-rbf")])
    folder = run([make_record("lstm-1x250")])
    assert "svm-rbf" not in (folder / "report.html").read_text(encoding="utf-8")
