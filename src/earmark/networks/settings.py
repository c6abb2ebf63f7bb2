"""What a network is like: settings that recipes, estimators and networks read alike; without torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from earmark.errors import SettingError

_QUOTED = re.compile("'(.*?)'")


class Settings(BaseModel):
    """Frozen settings whose names, types and bounds are checked when they are made.

    Raises
    ------
    SettingError
        If a name is unknown or a value makes no sense.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingError(self._explain(error)) from error

    # as pydantic marks its own: settings inside others are validated in place, so that errors say where
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        fields = type(self).model_fields
        return [(name, value) for name, value in super().__repr_args__() if value != fields[str(name)].default]

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        first = error.errors()[0]
        where, kind = ".".join(map(str, first["loc"])), first["type"]
        if kind == "extra_forbidden":
            return f"unknown setting {where!r}{suggest(where, cls.model_fields)}"
        message = first["msg"].removeprefix("Value error, ").replace("Input should", "must", 1)
        if kind == "literal_error":  # pydantic says "Input should be 'rnn' or 'lstm'"
            message = f"must be one of {', '.join(_QUOTED.findall(message))}"
        return f"{where} is {first['input']!r}: {message}" if where else message


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown `word`: the nearest of those `known`, or all of them."""
    near = difflib.get_close_matches(word, known := list(known), 1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are: {', '.join(known)}"


class NetworkSettings(Settings):
    """A :class:`~earmark.networks.recurrent.RecurrentNetwork`.

    The paper's three networks are ``cell="rnn"`` (3.2.1), ``cell="lstm"`` (3.2.2), and ``cell="lstm",
    attention="dot"`` (3.2.3).

    Attributes
    ----------
    cell : {"rnn", "lstm"}
        The recurrent cell. The paper's RNN embeds each frame first, ``h_t^1 = W x_t`` (read as layer 0).
    layers, units : int
        Recurrent layers, and the size of each.
    attention : {"dot", "scaled-dot", "general", "additive", "learned"}, optional
        How frames are scored, see :class:`~earmark.networks.attention.Attention`; the paper's is "dot". Without it the
        last frame's output is classified.
    bidirectional : bool or "first"
        Read each layer, or the first one only, in both directions (variants that the authors tried).
    dropout : float
        Share of outputs dropped after each recurrent layer and before the softmax layer, when training.
    """

    cell: Literal["rnn", "lstm"] = "lstm"
    layers: int = Field(1, ge=1)
    units: int = Field(125, ge=1)
    attention: Literal["dot", "scaled-dot", "general", "additive", "learned"] | None = None
    bidirectional: bool | Literal["first"] = False
    dropout: float = Field(0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _check_exclusions(self) -> NetworkSettings:
        if self.cell == "rnn" and self.attention in ("dot", "scaled-dot"):
            raise ValueError(f"attention {self.attention!r} asks the LSTM's memory c_T: use cell 'lstm' or 'general'")
        return self


class MlpSettings(Settings):
    """A network of one hidden layer, see :class:`~earmark.networks.mlp.MlpNetwork`.

    Attributes
    ----------
    units : int
        Size of the hidden layer; the paper tried 60, 125, 250, 500 and 1000.
    activation : {"relu", "leaky-relu", "sigmoid", "tanh", "elu", "none"}
        The leaky one has slope 0.1.
    dropout : float
        Share of hidden units dropped, when training.
    """

    units: int = Field(125, ge=1)
    activation: Literal["relu", "leaky-relu", "sigmoid", "tanh", "elu", "none"] = "relu"
    dropout: float = Field(0.2, ge=0, lt=1)
