"""The paper's largest LSTM on a data set of the paper's size: ours against a bare torch loop, epoch by epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from report import Row, at_most
from torch import Tensor, nn

from earmark.networks.recurrent import RecurrentNetwork
from earmark.networks.settings import NetworkSettings
from earmark.training.network_classifier import NetworkClassifier
from earmark.training.settings import TrainingSettings

_CLASSES, _FRAMES, _BINS = 10, 22, 513
_NETWORK = NetworkSettings(layers=2, units=250)


class BareLoop:
    """The same network, optimiser, batches, clipping and validation, written by hand in torch.

    Parameters
    ----------
    train, valid : pair of Tensor
        Clips and their classes.
    """

    def __init__(self, train: tuple[Tensor, Tensor], valid: tuple[Tensor, Tensor]) -> None:
        self.train, self.valid = train, valid
        self.network = RecurrentNetwork(_BINS, _CLASSES, _NETWORK)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=1.0)
        self.loss = nn.CrossEntropyLoss()

    def epoch(self) -> tuple[float, float, float]:
        """Run one epoch; returns training loss, validation loss and validation accuracy."""
        X, y = self.train
        total = 0.0
        self.network.train()
        for batch in torch.randperm(len(X)).split(128):
            self.optimizer.zero_grad()
            loss = self.loss(self.network(X[batch])[0], y[batch])
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            total += loss.item() * len(batch)
        X_valid, y_valid = self.valid
        self.network.eval()
        with torch.no_grad():
            logits = torch.cat([self.network(clips)[0] for clips in X_valid.split(512)])
        accuracy = (logits.argmax(dim=1) == y_valid).float().mean()
        return total / len(X), self.loss(logits, y_valid).item(), accuracy.item()


def run(work: Path, *, quick: bool) -> Iterator[Row]:
    """Measure; between two epochs of ours lies one of the bare loop, so both meet the same machine."""
    rng = np.random.default_rng(0)
    clips, rounds = (1000, 3) if quick else (4200, 4)
    X, X_valid = (rng.standard_normal((n, _FRAMES, _BINS), dtype=np.float32) for n in (clips, 600))
    y, y_valid = np.arange(clips) % _CLASSES, np.arange(600) % _CLASSES
    bare = BareLoop((torch.from_numpy(X), torch.from_numpy(y)), (torch.from_numpy(X_valid), torch.from_numpy(y_valid)))
    ours: list[float] = []
    peer: list[float] = []
    begin = 0.0

    def between(_: dict[str, object]) -> None:  # called when an epoch of ours is wholly done
        nonlocal begin
        end = time.perf_counter()
        bare.epoch()
        ours.append(end - begin)
        begin = time.perf_counter()
        peer.append(begin - end)

    training = TrainingSettings(max_epochs=1 + rounds, patience=None)
    network = NetworkClassifier(_NETWORK, training, random_state=0, on_epoch=between)
    begin = time.perf_counter()
    network.fit(X, y, X_valid, y_valid)
    what = f"2 x 250 LSTM, {clips} clips of {_FRAMES} x {_BINS}: one epoch"
    yield at_most(what, min(ours[1:]), "bare torch loop", min(peer[1:]), 1.2)  # the first only warms up
