"""Recipes: the paper's defaults, strict keys, and nothing lost on the way to the card."""

import pytest

from earmark.audio import LogMel, StftDensity
from earmark.errors import SettingError
from earmark.paper import rows
from earmark.training import sweeps
from earmark.training.recipe import REMOVED, Recipe
from earmark.training.registry import list_recipes, open_recipe, parse_recipe


def test_defaults_are_the_papers():
    recipe = Recipe()
    assert recipe.front_end == StftDensity(4000, 1024, 896, 0.25, 32768.0)
    assert recipe.clip_seconds == 5
    training = recipe.training
    assert (training.optimizer, training.lr, training.batch_size, training.clip_norm) == ("sgd", 1.0, 128, 5.0)
    assert recipe.network.dropout == 0.2
    assert training.max_epochs == 100


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_survives_being_written_down(name):
    recipe = open_recipe(name)
    assert parse_recipe(recipe.toml(), "copy") == recipe


def test_what_is_switched_off_survives_too():
    training = Recipe().training.model_copy(update={"patience": None})
    recipe = Recipe(training=training, front_end=LogMel(top_db=None))
    assert parse_recipe(recipe.toml(), "copy") == recipe
    assert 'patience = "off"' in recipe.toml()
    assert parse_recipe('[training]\npatience = "off"', "mine").training.patience is None
    assert parse_recipe('[mlp]\nactivation = "none"', "mine").mlp.activation == "none"


@pytest.mark.parametrize(
    ("name", "cell", "layers", "units", "attention"),
    [
        ("rnn-1x125", "rnn", 1, 125, None),
        ("rnn-2x125", "rnn", 2, 125, None),
        ("lstm-1x250", "lstm", 1, 250, None),
        ("lstm-2x250", "lstm", 2, 250, None),
        ("attention-1x500", "lstm", 1, 500, "dot"),
        ("attention-2x60", "lstm", 2, 60, "dot"),
    ],
)
def test_the_rows_of_figure_5_differ_in_the_network_only(name, cell, layers, units, attention):
    recipe = open_recipe(name)
    network = recipe.network
    assert (network.cell, network.layers, network.units, network.attention) == (cell, layers, units, attention)
    assert recipe.model_copy(update={"network": Recipe().network}) == Recipe()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clip_second = 3.0", "unknown key 'clip_second'; did you mean 'clip_seconds'?"),
        ("[network]\nunit = 3", "unknown key 'network.unit'; did you mean 'units'?"),
        ("[training]\nlearning = 1", "unknown key 'training.learning'; known are: optimizer"),
        ('[front_end]\nkind = "log-mel"\nn_mel = 3', "unknown key 'front_end.n_mel'; did you mean 'n_mels'?"),
        ("[network]\nunits = '60'", "network.units: Input should be a valid integer, not '60'"),
        ("[network]\nlayers = 0", "network.layers: Input should be greater than or equal to 1, not 0"),
        ("[network]\ndropout = 1.0", "network.dropout: Input should be less than 1, not 1.0"),
        ("[training]\nlabel_smoothing = 20.0", "training.label_smoothing: Input should be less than 1, not 20.0"),
        ("[training]\nweight_decay = -0.1", "training.weight_decay: Input should be greater than or equal to 0"),
        ("[network]\ncell = 'gru'", "network.cell: Input should be 'rnn' or 'lstm', not 'gru'"),
        ("[front_end]\nkind = 'cqt'", "front_end: "),
        ("[network]\nunits = [16]", "network.units: Input should be a valid integer, not [16]"),
        ("[network]\ncell = 'rnn'\nattention = 'dot'", "attention 'dot' asks the LSTM's memory c_T: use cell 'lstm'"),
        ("clip_seconds == 3", "not TOML"),
    ],
)
def test_recipes_that_make_no_sense(text, says):
    with pytest.raises(SettingError) as caught:
        parse_recipe(text, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert says in str(caught.value)


def test_a_misspelt_name_is_set_right():
    with pytest.raises(SettingError, match="did you mean 'lstm-2x250'"):
        open_recipe("lstm-2x25")


def test_a_recipe_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('top_db = 50.0\n[front_end]\nkind = "log-mel"\nn_mels = 40\n')
    recipe = open_recipe(str(path))
    assert recipe.front_end == LogMel(n_mels=40)


@pytest.mark.parametrize("key", REMOVED)
def test_a_key_of_a_removed_feature_is_refused_by_name(key):
    table, _, last = key.rpartition(".")
    for text in (f"{last} = 1", f"{last} = {{noise = 1.0}}"):
        with pytest.raises(SettingError, match=rf"mine: key '{key}' is no more: .* was removed, .*; leave"):
            parse_recipe(f"[{table}]\n{text}" if table else text, "mine")


BASE = """
clip_seconds = 4.0
top_db = 50.0
[front_end]
kind = "log-mel"
n_mels = 40
hop_length = 1707
[network]
units = 20
attention = "dot"
[training]
batch_size = 64
"""


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    write("base.toml", BASE)
    return write


def test_a_recipe_extends_another_from_its_own_folder(write, tmp_path, monkeypatch):
    child = 'extends = "../base.toml"\nclip_seconds = 3.0\n[front_end]\nn_mels = 64\n[network]\nlayers = 2'
    write("deep/child.toml", child)
    monkeypatch.chdir(tmp_path / "deep")
    for path in ("child.toml", str(tmp_path / "deep" / "child.toml")):
        recipe = open_recipe(path)
        expected = BASE.replace("4.0", "3.0").replace("= 40", "= 64").replace("units = 20", "units = 20\nlayers = 2")
        assert recipe == parse_recipe(expected, "whole")
        assert parse_recipe(recipe.toml(), "copy") == recipe
    assert parse_recipe('extends = "../base.toml"', "text") == parse_recipe(BASE, "whole")  # from where one is


def test_a_recipe_leaves_out_what_the_other_sets(write):
    child = 'extends = "base.toml"\nwithout = ["top_db", "network.attention", "training"]\n[network]\nunits = 30'
    recipe = open_recipe(write("child.toml", child))
    assert (recipe.top_db, recipe.network.attention, recipe.network.units) == (None, None, 30)
    assert recipe.training == Recipe().training
    other = open_recipe(write("other.toml", 'extends = "child.toml"\nwithout = ["network"]\n[svm]\nkernel = "rbf"'))
    assert other.kind == "svm"
    assert other.front_end == recipe.front_end


@pytest.mark.parametrize("base", ["svm-rbf", "mlp-250-elu", "lstm-2x250-log", "paper-attention-2x60"])
def test_a_recipe_extends_one_of_ours(base, write):
    known = open_recipe(base)
    recipe = open_recipe(write("child.toml", f'extends = "{base}"\nclip_seconds = 9.0'))
    assert recipe == known.model_copy(update={"clip_seconds": 9.0})


def test_a_front_end_of_another_kind_takes_the_place_of_the_first(write):
    recipe = open_recipe(write("child.toml", 'extends = "base.toml"\nfront_end = {kind = "stft-density", log = true}'))
    assert recipe.front_end == StftDensity(log=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('extends = "bas.toml"', "extends 'bas.toml': no recipe 'bas.toml': neither a readable file nor one of ours"),
        ('extends = "lstm-2x25"', "extends 'lstm-2x25': no recipe 'lstm-2x25': .*; did you mean 'lstm-2x250'"),
        ('extends = ""', "extends '': no recipe ''"),
        ('extends = "."', "extends '.': no recipe '.'"),
        ('extends = "a\\u0000"', "neither a readable file nor one of ours"),
        ('extends = "child.toml"', "child.toml: extends 'child.toml': recipes extend each other in a circle"),
        ('extends = "./loop.toml"', "extends './loop.toml': ./loop.toml: extends 'child.toml': recipes extend each"),
        ('extends = "wrong.toml"', "child.toml: extends 'wrong.toml': wrong.toml: unknown key 'network.unit'"),
        ("extends = 3", "child.toml: extends: Input should be a valid string, not 3"),
        ('extend = "base.toml"', "child.toml: unknown key 'extend'; did you mean 'extends'?"),
        ('without = ["top_db"]', "child.toml: extends is missing"),
        ('extends = "base.toml"\nwithout = "top_db"', "child.toml: without: Input should be a valid array"),
        ('extends = "base.toml"\nwithout = ["per_bin"]', "without 'per_bin': base.toml does not set it"),
        ('extends = "base.toml"\nwithout = ["top_db.x"]', "without 'top_db.x': base.toml does not set it"),
        ('extends = "base.toml"\nwithout = ["network.units.x"]', "without 'network.units.x': base.toml does not"),
        ('extends = "base.toml"\n[svm]', "child.toml: describes svm and network: a recipe makes one of them"),
        ('extends = "base.toml"\nnetwork = 3', "child.toml: network: "),
    ],
)
def test_what_cannot_be_extended(write, text, says):
    write("loop.toml", 'extends = "child.toml"')
    write("wrong.toml", "[network]\nunit = 3")
    with pytest.raises(SettingError, match=says):
        open_recipe(write("child.toml", text))


@pytest.mark.parametrize("name", rows.PAPER)
def test_each_row_of_the_paper_is_a_small_file(name):
    assert name in list_recipes()
    plain, log = open_recipe(name), open_recipe(name + "-log")
    assert log.front_end == StftDensity(log=True)
    assert (log.kind, log.network, log.mlp, log.svm) == (plain.kind, plain.network, plain.mlp, plain.svm)
    assert log.training.lr == (0.1 if log.kind in ("network", "mlp") else 1.0)
    assert parse_recipe(open_recipe(name).toml(), name) == open_recipe(name)


def test_sweeps_and_rows_agree_where_they_meet():
    both = set(sweeps.list_recipes()) & set(list_recipes())
    assert {"rnn-1x125", "lstm-2x250", "attention-2x60", "mlp-125-sigmoid"} <= both
    for name in both:
        assert sweeps.get_recipe(name) == open_recipe(name)
    assert len(sweeps.list_recipes("recurrent")) == 3 * 2 * 5
    assert len(sweeps.list_recipes("mlp")) == 5 * 6
    assert open_recipe("attention-additive-2x60").network.attention == "additive"
    assert open_recipe("bilstm-2x250-log").network.bidirectional == "first"


def test_a_recipe_makes_one_thing():
    with pytest.raises(SettingError, match="mine: describes mlp and svm: a recipe makes one of them"):
        parse_recipe("[mlp]\n[svm]", "mine")
    with pytest.raises(SettingError, match="mine: describes svm and network"):
        parse_recipe("[svm]\n[network]\nunits = 3", "mine")
    with pytest.raises(SettingError, match="penalty 'l1' is for kernel 'linear' only"):
        parse_recipe('[svm]\nkernel = "rbf"\npenalty = "l1"', "mine")
    with pytest.raises(SettingError, match="unknown key 'svm.kernl'; did you mean 'kernel'"):
        parse_recipe('[svm]\nkernl = "rbf"', "mine")
    with pytest.raises(SettingError, match="its front end is logarithmic already"):
        open_recipe("paper-lstm-2x250-log")


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["lstm-*"], ["lstm-1x250", "lstm-2x250"]),
        (["svm-r*", "svm-rbf"], ["svm-rbf"]),
        (["lstm-2x*-log"], ["lstm-2x250-log"]),
        (["figure-5-log"], [f"{name}-log" for name in rows.FIGURE_5]),
        (["attention-*-2x60"], sweeps.list_recipes("scorers")),
        (["paper-lstm-2x250", "rnn-2x500"], ["paper-lstm-2x250", "rnn-2x500"]),
    ],
)
def test_rows_are_chosen_by_name_and_pattern(patterns, chosen):
    assert rows.choose_recipes(patterns) == chosen


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("gru-*", "no rows fit 'gru-\\*'; the paper's are svm-"),
        ("figure-6", "or the rows 'figure-"),
        ("lstm-2x25", "did"),
    ],
)
def test_rows_that_do_not_exist(pattern, says):
    with pytest.raises(SettingError, match=says):
        rows.choose_recipes([pattern])
