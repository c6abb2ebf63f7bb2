"""The callbacks on hand-written series, and whole runs: seeds, kills, NaN."""

import math
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.history import History

from earmark.errors import TrainingError
from earmark.networks.settings import NetworkSettings
from earmark.training.callbacks import KeepBest, Schedule, best_epoch
from earmark.training.network_classifier import NetworkClassifier
from earmark.training.settings import TrainingSettings

NAN = float("nan")


@pytest.mark.parametrize(
    ("losses", "best"),
    [([3, 2, 1], 2), ([1, 1, 1], 0), ([NAN, 2, NAN, 1], 3), ([NAN, NAN], None), ([math.inf, 5], 1)],
)
def test_best_epoch(losses, best):
    assert best_epoch(losses) == best


class Net:
    """As much of a skorch net as the callback touches; its one weight counts epochs."""

    def __init__(self):
        self.module_ = torch.nn.Linear(1, 1, bias=False)
        self.history = History()

    def epoch(self, keeper, loss):
        self.module_.weight.data.fill_(len(self.history))
        self.history.new_epoch()
        self.history.record("valid_loss", loss)
        keeper.on_epoch_end(self)
        return keeper.exhausted


@pytest.mark.parametrize(
    ("patience", "losses", "stops_after", "keeps"),
    [
        (0, [3, 2, 1, 1], 4, 2),  # patience 0 never stops an improving run, and a tie is no improvement
        (1, [3, 2, 5, 1, 5, 5], 6, 3),
        (2, [3, NAN, 2, NAN, NAN, NAN], 6, 2),  # one NaN is an epoch without improvement, not the end
        (None, [1, 2, 3, 4, 5], None, 0),
        (1, [NAN, NAN], 2, None),
    ],
)
def test_patience(patience, losses, stops_after, keeps):
    net, keeper = Net(), KeepBest(TrainingSettings(patience=patience, choose_by="loss"))
    stopped = [net.epoch(keeper, loss) for loss in losses]
    assert (stopped.index(True) + 1 if any(stopped) else None) == stops_after
    keeper.on_train_end(net)
    assert net.module_.weight.item() == (len(losses) - 1 if keeps is None else keeps)


def test_one_cycle_rises_then_falls():
    schedule = Schedule(TrainingSettings(schedule="one-cycle", lr=2.0), 100, 10)
    rates = [schedule.rate(step) for step in range(100)]
    assert np.argmax(rates) == 9
    assert max(rates) == pytest.approx(2.0)
    assert rates[-1] == pytest.approx(0.002)
    assert all(np.diff(rates[:10]) > 0)
    assert all(np.diff(rates[10:]) < 0)


def blobs(rng, n=90, frames=6, bins=5):
    y = np.arange(n) % 3
    X = rng.standard_normal((n, frames, bins)).astype(np.float32)
    X[np.arange(n), :, y] += 2
    return X, np.array(["rock", "jazz", "pop"])[y]


NETWORK = NetworkSettings(units=8, attention="dot")
TRAINING = TrainingSettings(batch_size=16, max_epochs=6)
SMALL = NetworkClassifier(NETWORK, TRAINING)


def small(**parameters):
    return clone(SMALL).set_params(**parameters)


def test_same_seed_same_network(rng):
    X, y = blobs(rng)
    one, two, other = (small(random_state=s).fit(X, y).predict_proba(X) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)


def test_the_callers_random_state_is_left_alone(rng):
    X, y = blobs(rng)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    small(random_state=1).fit(X, y)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_loss_that_is_no_number_stops_training(rng):
    X, y = blobs(rng)
    with pytest.raises(TrainingError, match=r"the loss became (nan|inf) in epoch \d+: lower the learning rate"):
        NetworkClassifier(NetworkSettings(units=8), TrainingSettings(lr=1e38, clip_norm=1e38), random_state=0).fit(X, y)


KILLED = """
    import json, os, signal, sys
    import numpy as np
    from earmark.networks.settings import NetworkSettings
    from earmark.training.network_classifier import NetworkClassifier
    from earmark.training.settings import TrainingSettings

    data = np.load(sys.argv[1])
    def die(record):
        if record["epoch"] == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    settings = NetworkSettings(**json.loads(sys.argv[3])), TrainingSettings(**json.loads(sys.argv[4]))
    NetworkClassifier(*settings, random_state=4, checkpoint=sys.argv[2], on_epoch=die).fit(data["X"], data["y"])
"""


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path, rng):
    X, y = blobs(rng)
    np.savez(tmp_path / "data.npz", X=X, y=y)
    state = tmp_path / "state.pt"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), tmp_path / "data.npz", state]
    command += [settings.model_dump_json() for settings in (NETWORK, TRAINING)]
    killed = subprocess.run(command, check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    epochs = []
    resumed = small(random_state=4, checkpoint=state, on_epoch=lambda r: epochs.append(r["epoch"]))
    resumed.fit(X, y)
    assert epochs == [4, 5, 6]
    whole = small(random_state=4).fit(X, y)
    weights = resumed.network_.state_dict()
    near = {"rtol": 1e-4, "atol": 1e-5}  # another process may add in another order
    for name, value in whole.network_.state_dict().items():
        torch.testing.assert_close(value, weights[name], **near)
    np.testing.assert_allclose(resumed.predict_proba(X), whole.predict_proba(X), **near)
    np.testing.assert_allclose(resumed.net_.history[:, "train_loss"], whole.net_.history[:, "train_loss"], **near)


def test_a_finished_run_is_not_trained_again(tmp_path, rng):
    X, y = blobs(rng)
    state = tmp_path / "state.pt"
    first = small(random_state=0, checkpoint=state).fit(X, y)
    epochs = []
    again = small(random_state=0, checkpoint=state, on_epoch=epochs.append).fit(X, y)
    assert epochs == []
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))


def test_a_foreign_checkpoint_is_refused(tmp_path, rng):
    X, y = blobs(rng)
    state = tmp_path / "state.pt"
    small(random_state=0, checkpoint=state).fit(X, y)
    for other in (
        {"network__units": 9}, {"network__attention": None}, {"network__dropout": 0.1}, {"training__max_epochs": 7},
        {"training__label_smoothing": 0.1}, {"class_weight": "balanced"}, {"random_state": 1},
    ):  # fmt: skip
        with pytest.raises(TrainingError, match=r"of a run with other settings.*delete it to start afresh"):
            small(**{"random_state": 0, **other}, checkpoint=state).fit(X, y)
    state.write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="delete it to start afresh"):
        small(random_state=0, checkpoint=state).fit(X, y)


def test_a_schedule_that_keeps_its_last_epoch_is_not_cut_short(rng):
    X, y = blobs(rng)
    training = {"batch_size": 16, "max_epochs": 8, "patience": 0, "lr": 1e-9}
    best, last = (small(training=TrainingSettings(**training, keep=keep), random_state=0) for keep in ("best", "last"))
    assert best.fit(X, y).n_iter_ < 8
    assert last.fit(X, y).n_iter_ == 8


@pytest.mark.parametrize("choose_by", ["accuracy", "loss"])
def test_the_best_epoch_is_chosen_as_asked(rng, choose_by):
    X, y = blobs(rng)
    settings = TrainingSettings(batch_size=16, max_epochs=15, choose_by=choose_by)
    fitted = small(training=settings, random_state=3).fit(X, y, X, y)
    history = fitted.net_.history
    keys = {"accuracy": lambda row: -row["valid_acc"], "loss": lambda row: row["valid_loss"]}
    best = min(history, key=keys[choose_by])
    assert fitted.score(X, y) == pytest.approx(best["valid_acc"])
