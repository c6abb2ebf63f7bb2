"""Tables of a reproduction: order, means, intervals and words, against slow rewrites and by hand."""

import csv
import io
import statistics

import numpy as np
import pytest

from earmark.data.corpus import Corpus, Track
from earmark.networks.settings import NetworkSettings
from earmark.paper import summary, tables, text
from earmark.paper.names import full_name, short_name
from earmark.paper.rows import PAPER, Row
from earmark.training.recipe import Recipe
from earmark.training.registry import open_recipe


@pytest.fixture
def three_seeds(make_record):
    return [make_record("lstm-1x250", seed=seed, n=6 + seed) for seed in (2, 0, 1)]


def test_means_and_deviations_are_those_of_the_statistics_module(three_seeds):
    (s,) = summary.summarize(three_seeds)
    for key in ("clip_accuracy", "track_accuracy", "macro_f1", "top3_accuracy", "calibration_error", "seconds"):
        values = [record[key] for record in three_seeds]
        assert s.mean_std(key).mean == pytest.approx(statistics.mean(values))
        assert s.mean_std(key).deviation == pytest.approx(statistics.stdev(values))
    assert s.mean_std("epochs").mean == 8
    assert [record["seed"] for record in s.records] == [0, 1, 2]


def test_one_run_has_no_deviation(make_record):
    (s,) = summary.summarize([make_record("svm-rbf")])
    assert s.clip_accuracy.deviation is None
    assert s.mean_std("epochs") is None


def test_pooled_tracks_are_counted_as_a_slow_rewrite_counts_them(three_seeds):
    right, weights = summary.pool_tracks(three_seeds)
    ids = list(dict.fromkeys(track["id"] for record in three_seeds for track in record["tracks"]))
    for name, share, weight in zip(ids, right, weights, strict=True):
        answers = [t["heard"] == t["genre"] for r in three_seeds for t in r["tracks"] if t["id"] == name]
        assert (share, weight) == (sum(answers) / len(answers), len(answers))
    assert set(weights) == {1, 2, 3}  # some tracks were judged by some of the runs only


def test_the_interval_draws_tracks_not_judgements(make_record):
    """A track that three runs judged alike is one piece of evidence, not three."""
    once = make_record("svm-rbf")
    thrice = [{**once, "seed": seed} for seed in range(3)]
    (one,), (three,) = summary.summarize([once]), summary.summarize(thrice)
    assert three.interval == pytest.approx(one.interval)
    assert list(one.interval) == pytest.approx(once["interval"])  # as the run itself reported it


def test_the_interval_agrees_with_a_slow_bootstrap(three_seeds):
    (s,) = summary.summarize(three_seeds)
    right, weights = summary.pool_tracks(s.records)
    rng = np.random.default_rng(1)
    drawn = [rng.integers(0, len(right), len(right)) for _ in range(4000)]
    means = [np.average(right[some], weights=weights[some]) for some in drawn]
    assert s.interval == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.01)
    assert s.interval[0] < np.average(right, weights=weights) < s.interval[1]


def test_the_order_is_the_papers_then_by_name(make_record):
    names = ["mlp-1000-relu", "lstm-2x250", "mlp-60-relu", "svm-rbf-log", "lstm-2x250-log", "svm-rbf", "svm-linear-l2"]
    records = [make_record(name, protocol) for name in names for protocol in ("artist", "clip")]
    found = [(s.recipe, s.protocol) for s in summary.summarize(records)]
    wanted = ["svm-linear-l2", "svm-rbf", "svm-rbf-log", "lstm-2x250", "lstm-2x250-log", "mlp-60-relu", "mlp-1000-relu"]
    assert found == [(name, protocol) for name in wanted for protocol in ("artist", "clip")]


def test_confusions_and_tracks_add_up_over_runs(three_seeds):
    (s,) = summary.summarize(three_seeds)
    assert s.confusion.sum() == sum(record["n_tracks"] for record in three_seeds)
    assert s.n_tracks == max(record["n_tracks"] for record in three_seeds)
    assert s.majority_baseline == pytest.approx(0.1)


def test_the_csv_has_one_line_a_run_and_reads_back(make_record):
    records = [make_record("svm-rbf", fold=(i, 3)) for i in range(3)] + [make_record("rnn-1x125", "artist", 4)]
    text = summary.to_csv(summary.tabulate_runs(records, lambda record: f"run {record['recipe']}, again"))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert tuple(lines[0]) == summary.COLUMNS
    assert [(line["recipe"], line["fold"], line["seed"]) for line in lines] == [
        ("svm-rbf", "0", "0"), ("svm-rbf", "1", "0"), ("svm-rbf", "2", "0"), ("rnn-1x125", "", "4"),
    ]  # fmt: skip
    assert lines[0]["notes"] == "a solver stopped at its limit of iterations"
    assert lines[3]["command"] == "run rnn-1x125, again"
    assert float(lines[3]["clip_accuracy"]) == records[3]["clip_accuracy"]
    assert [float(lines[3]["low"]), float(lines[3]["high"])] == records[3]["interval"]
    assert lines[3]["leak_tracks"] == "0.0"
    assert lines[0]["parameters"] == ""


def test_a_recipe_comes_back_from_its_record(make_record):
    recipe = Recipe(network=NetworkSettings(layers=2, units=7, attention="general"))
    assert summary.recipe_of(make_record("mine", settings=recipe)) == recipe


def test_a_row_says_how_to_run_it_again():
    row = Row("lstm-1x250", "artist", 3)
    assert row.command("my music").startswith("earmark reproduce 'my music'")
    assert "--rows lstm-1x250 --protocol artist --first-seed 3" in row.command("m")
    assert "--epochs" not in row.command("m")
    assert "--epochs 2" in row.command("m", 2)


@pytest.mark.parametrize("name", [*PAPER, "lstm-2x500", "mlp-60-elu", "attention-general-2x60", "bilstm-2x250"])
def test_every_row_has_words_of_its_own(name):
    others = [other for other in [*PAPER, "lstm-2x500", "attention-general-2x60", "bilstm-2x250"] if other != name]
    for words in (full_name, short_name):
        assert words(name, open_recipe(name)) not in [words(other, open_recipe(other)) for other in others]
    assert len(short_name(name, open_recipe(name))) <= 27  # fits beside the bars of a column


def test_linear_and_logarithmic_share_a_line(make_record):
    records = [make_record(f"lstm-1x250{log}", p) for log in ("", "-log") for p in ("clip", "artist")]
    records.append(make_record("rnn-1x125", "clip"))
    table = tables.tabulate_accuracy(summary.summarize(records))
    assert table.groups == [("Artist split", ["linear", "dB"]), ("Clip split", ["linear", "dB"])]
    rnn, lstm = table.models
    assert (rnn.paper, lstm.paper) == ("54.0", "74.5")
    assert [cell is None for cell in rnn.cells] == [True, True, False, True]
    assert lstm.cells[1].anchor == "row-lstm-1x250-log-artist"
    assert lstm.cells[2].clips == f"{100 * records[0]['clip_accuracy']:.1f}"


def test_gains_are_differences_of_clip_accuracy(make_record):
    records = [make_record("svm-rbf", "clip", skill=0.8), make_record("svm-rbf", "artist", skill=0.3)]
    records.append(make_record("rnn-1x125", "artist"))  # never ran under the looser protocol
    found = tables.tabulate_gains(summary.summarize(records))
    ((words, _, accuracy, ((after, change),)),) = found.lines
    looser, strict = (100 * record["clip_accuracy"] for record in records[:2])
    assert (found.strict, found.looser) == ("Artist split", ["Clip split"])
    assert (words, accuracy, after) == ("SVM rbf", f"{strict:.1f}", f"{looser:.1f}")
    assert change == f"+{looser - strict:.1f}"
    assert tables.tabulate_gains(summary.summarize(records[1:])) is None


def test_the_leak_is_told_with_this_runs_numbers(make_record):
    records = [make_record("svm-rbf", p, skill=k) for p, k in (("clip", 0.8), ("track", 0.6), ("artist", 0.3))]
    said = text.describe_leak(summary.summarize(records))
    assert "100 % of the test clips have a sibling" in said
    assert "and 30 % share an artist" in said
    assert said.index("Under the artist split") < said.index("Under the clip split")
    lost = 100 * (records[0]["clip_accuracy"] - records[2]["clip_accuracy"])
    assert f"From the artist split to the clip split, clip accuracy rises by {lost:.1f} points" in said


def test_the_model_that_is_named_changes_as_the_mean_does(make_record):
    skills = {"svm-rbf": {"artist": 0.9, "clip": 0.1}, "rnn-1x125": {"artist": 0.4, "clip": 0.5}}
    records = [make_record(name, p, skill=skill) for name, own in skills.items() for p, skill in own.items()]
    said = text.describe_leak(summary.summarize(records))
    assert "falls by" in said
    assert "most for SVM rbf" in said


@pytest.mark.parametrize(
    ("leak", "says"),
    [
        (24 / 290, "artists are not: 8.3 % of the test clips share one"),
        (0.0, "artists are not: none of the test clips share one"),
        (None, "artists are not."),
    ],
)
def test_the_accepted_split_does_not_keep_artists_on_one_side(make_record, leak, says):
    """Thirteen artists of GTZAN's accepted split stand on several sides: say what was measured of that."""
    record = make_record("svm-rbf", "fault-filtered")
    record["leak"]["artists"] = leak
    (fact,) = text.gather_protocol_facts(summary.summarize([record]))
    assert "443/197/290 tracks" in fact.explanation
    assert says in fact.explanation


def test_folds_of_the_accepted_split_are_dealt_by_artist(make_record):
    records = [make_record("svm-rbf", "fault-filtered", fold=(i, 3)) for i in range(3)]
    (fact,) = text.gather_protocol_facts(summary.summarize(records))
    assert "dealt into folds: all tracks of an artist" in fact.explanation
    assert "443" not in fact.explanation
    # one run of the split itself among them, and the claim is no longer true
    (fact,) = text.gather_protocol_facts(summary.summarize([*records, make_record("svm-rbf", "fault-filtered")]))
    assert "artists are not" in fact.explanation


@pytest.mark.parametrize(("protocol", "other"), [("clip", "artist"), ("artist", "clip")])
def test_one_protocol_alone_says_what_to_run(make_record, protocol, other):
    said = text.describe_leak(summary.summarize([make_record("svm-rbf", protocol)]))
    assert f"--protocol {other}" in said
    assert "rises" not in said


def test_nothing_leaks_where_nothing_ran():
    assert text.describe_leak([]) == ""


def corpus(name, **counts):
    return Corpus(name, tuple(Track(f"{g}.{i:05}", g) for g, n in counts.items() for i in range(n)))


def test_warnings_name_what_is_wrong(make_record):
    guessing = make_record("attention-2x60", skill=0.0)
    for track in guessing["tracks"]:
        track["heard"] = "blues"
    guessing |= {"confusion": [[6] + [0] * 9] * 10, "track_accuracy": 0.1}
    records = [guessing, make_record("svm-rbf", "fault-filtered"), make_record("lstm-1x250", n=20)]
    said = "\n".join(text.list_warnings(summary.summarize(records), corpus("GTZAN (5 of 1000 tracks)", a=1, b=4)))
    assert "5 of GTZAN's 1000 tracks" in said
    assert "uneven" in said
    assert "the valid part, which also chose" in said
    assert "most common genre: Attention 2\N{MULTIPLICATION SIGN}60 (clip split)" in said
    assert "fewer than 10 tracks of blues (6)" in said
    assert "A solver stopped" in said
    assert "run once" in said


def test_a_whole_even_run_needs_no_warning(make_record):
    records = [make_record("lstm-1x250", seed=seed, n=12) for seed in (0, 1)]
    assert text.list_warnings(summary.summarize(records), corpus("GTZAN", a=500, b=500)) == []
