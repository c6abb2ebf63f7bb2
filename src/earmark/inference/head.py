"""A model's head: the encoder's mean features of tracks → genres, without the sound.

Where the head is one softmax of a linear layer, its answer to the mean of the clips' features is the geometric mean of
its answers to the clips, which :func:`earmark.inference.aggregate.pool_clips` takes: up to a constant, the mean of
log softmax(W x + b) is W mean(x) + b. So the embedding in a :class:`~earmark.inference.verdict.Verdict` gives what
hearing the track would, but for rounding to 16 bits. Of a model of several genres, probabilities are a little higher;
novelty, whichever the model, is a little lower.
"""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingError
from earmark.inference.aggregate import LEAST_PROBABILITY, FramePrediction
from earmark.inference.model import Model
from earmark.inference.session import start_session


class Head:
    """Features → what a model says of them.

    Parameters
    ----------
    model : Model
        Of a recipe with a linear head, or what ``earmark train --library`` made.

    Attributes
    ----------
    card : Card

    Raises
    ------
    SettingError
        If the model has no head.
    """

    def __init__(self, model: Model) -> None:
        if not model.head:
            raise SettingError(
                f"{model.name} cannot answer from embeddings alone, as gtzan and models of 'earmark train' can: "
                "'earmark classify --library' with this model hears the files"
            )
        self.card = model.card
        self._session = start_session(base64.b64decode(model.head), model.name)
        self._outputs = [output.name for output in self._session.get_outputs()]

    def predict(self, features: NDArray[np.floating], base: NDArray[np.floating] | None = None) -> FramePrediction:
        """Answer for the mean features of tracks.

        Parameters
        ----------
        features : ndarray, shape (tracks, 634)
        base : ndarray, shape (tracks, base labels), optional
            Calibrated probabilities of the tracks by the model whose checksum is ``card.base``, in the order of its
            labels; needed where there is such a model, else left out.

        Returns
        -------
        FramePrediction
            A row a track: log-probabilities and, where the model measures it, novelty.
        """
        inputs = {"features": features.astype(np.float32)}
        if base is not None:
            inputs["base"] = base.astype(np.float32)
        outputs = dict(zip(self._outputs, self._session.run(None, inputs), strict=True))
        return FramePrediction(np.log(np.maximum(outputs.pop("probabilities"), LEAST_PROBABILITY)), **outputs)
