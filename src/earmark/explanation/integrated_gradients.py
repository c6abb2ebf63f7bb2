"""Integrated gradients: the difference between the answers to two clips, shared out among their bins and frames.

M. Sundararajan, A. Taly, Q. Yan, *Axiomatic Attribution for Deep Networks*, 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.explanation.occlusion import BATCH_FRAMES, Cells, Pair, make_neutral
from earmark.inference.model import Model
from earmark.networks.onnx.differentiable import DifferentiableModel

STEPS = 32
"""Points on the way from the neutral clip to the real one."""


class IntegratedGradients:
    """Walks from a neutral clip to the real one, and adds up what each bin of each frame does to every genre.

    The way is straight, and begins at the clip that occlusion replaces regions by
    (:func:`earmark.explanation.occlusion.make_neutral`). The shares of all bins add up to the difference of the
    log-odds between its ends.

    Parameters
    ----------
    model : Model
    steps : int
        Points at which the slope is taken, in the middles of as many pieces of the way.
    others : sequence of str
        Styles and moods to explain beside the genres, each of which takes as long as a genre.
    """

    name = "integrated-gradients"

    def __init__(self, model: Model, steps: int = STEPS, others: Sequence[str] = ()) -> None:
        self.network = DifferentiableModel(model)
        self.card, self.n_steps = model.card, steps
        self.names = tuple(dict.fromkeys((*self.card.labels, *others)))

    def steps(self, n_frames: int) -> int:
        """Return how many steps a clip takes: one for each point."""
        return self.n_steps

    def __call__(
        self, frames: NDArray[np.float32], advance: Callable[[int], None], pair: Pair | None = None
    ) -> NDArray[np.float64]:
        """Return the bits that each cell of a clip, (frames, bins), speaks for each name, (columns, bands, names).

        With a pair, one more at the end: the bits for its first genre over its second. A cell's bits are the sum over
        its frames and bins. `advance` is told of points that are done.
        """
        return Cells.of(self.card, len(frames)).sum_cells(self.shares(frames, advance, pair))

    def shares(
        self,
        frames: NDArray[np.float32],
        advance: Callable[[int], None] = lambda done: None,
        pair: Pair | None = None,
    ) -> NDArray[np.float64]:
        """Return the bits that each bin of each frame speaks for each name, and the pair: (frames, bins, names)."""
        base = make_neutral(frames, self.card.front_end)
        # Midpoint rule: the slope is taken in the middle of each of n_steps pieces of the way.
        way = torch.from_numpy((np.arange(self.n_steps, dtype=np.float32) + 0.5) / self.n_steps)
        # x' + α (x - x'), (steps, frames, bins); a copy, for torch warns of read-only arrays such as `base`
        clips = torch.from_numpy(base.copy()) + way[:, None, None] * torch.from_numpy(frames - base)
        total = torch.zeros(len(self.names) + (pair is not None), *frames.shape)
        # Equation 1 of the paper: (x - x') times the mean slope on the way, for each name.
        with _one_thread():
            for some in clips.split(max(1, BATCH_FRAMES // len(frames))):
                some.requires_grad_()
                # summed over the steps: no clip has a part in another's answer, so one backward pass gives every slope
                bits = self._compute_evidence(some, pair).sum(dim=0)  # (names,)
                for name in range(len(bits)):
                    (slope,) = torch.autograd.grad(bits[name], some, retain_graph=name + 1 < len(bits))
                    # (steps, frames, bins) → (frames, bins)
                    total[name] += slope.sum(dim=0)
                advance(len(some))
        mean = total.permute(1, 2, 0).numpy().astype(np.float64) / self.n_steps
        return mean * (frames - base)[..., None]

    def _compute_evidence(self, clips: Tensor, pair: Pair | None) -> Tensor:
        """As :func:`earmark.explanation.occlusion.compute_evidence`: (steps, frames, bins) → (steps, names)."""
        answer, card = self.network(clips), self.card
        scores = answer.log_probabilities / card.calibration.clip_temperature
        parts = [scores.exp().logit(eps=1e-7) / np.log(2) if card.multilabel else _log_odds(scores)]
        for name in self.names[len(card.labels) :]:
            # a name is a style or, as in Card.names, else a mood
            told, names = (answer.styles, card.styles) if name in card.styles else (answer.moods, card.moods)
            parts.append(told[:, [names.index(name)]].logit(eps=1e-7) / np.log(2))
        if pair is not None:
            first, second = pair
            parts.append((scores[:, [first]] - scores[:, [second]]) / np.log(2))
        return torch.cat(parts, dim=1)


def _log_odds(scores: Tensor) -> Tensor:
    """As :func:`earmark.explanation.occlusion.log_odds`, of tempered log-probabilities."""
    own = torch.eye(scores.shape[-1], dtype=torch.bool)
    # (steps, labels, labels), row k without label k → (steps, labels)
    others = scores[..., None, :].masked_fill(own, -torch.inf).logsumexp(dim=-1)
    bits: Tensor = (scores - others) / np.log(2)
    return bits


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: networks this small gain nothing by more, and lose a lot where cores are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
