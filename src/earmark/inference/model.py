"""A model: its network and its card, opened, checked and saved."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from earmark.errors import ModelError
from earmark.files import replacing
from earmark.inference.aggregate import SOUND_REASONS
from earmark.inference.card import Card
from earmark.inference.model_file import (
    DEFAULT,
    compute_checksum,
    join_attachments,
    join_card,
    list_models,
    read_model,
    split_card,
)
from earmark.inference.session import start_session

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["DEFAULT", "Model", "list_models", "open_model", "parse", "save_model"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    """A checked model: its card, and the bytes of its graph.

    Attributes
    ----------
    card : Card
    graph : bytes
        The ONNX model without card and attachments.
    path : Path or None
        Where it was read from.
    examples : bytes
        What it learned from, where it can learn more; see :mod:`earmark.data.examples`.
    head : bytes
        What answers from the encoder's features alone, where the model has it; see :mod:`earmark.inference.head`.
    """

    card: Card
    graph: bytes
    path: Path | None = None
    examples: bytes = b""
    head: bytes = b""

    def session(self, threads: int = 1) -> onnxruntime.InferenceSession:
        """Start onnxruntime on the graph, with so many threads within one call.

        Returns
        -------
        onnxruntime.InferenceSession
            Input ``spectrogram`` (clips, frames, bins); outputs ``probabilities`` (clips, labels) and, where
            the model gives them, ``attention`` (clips, steps), ``styles``, ``moods`` and ``sound`` (clips, n), and
            ``embedding`` (clips, steps, n), ``features`` (clips, n), and ``novelty`` (clips,).

        Raises
        ------
        ModelError
            If the runtime refuses the graph, or the graph does not fit the card.
        """
        begin = time.perf_counter()
        session = start_session(self.graph, self.name, threads)
        self._check_shapes(session)
        seconds = time.perf_counter() - begin
        _log.info("model %s, checksum %.8s, ready in %.2f s", self.name, self.card.checksum, seconds)
        return session

    def _check_shapes(self, session: onnxruntime.InferenceSession) -> None:
        """Raise ModelError where graph and card do not agree on what goes in and comes out."""
        card = self.card
        # the last axis of each tensor
        sizes = {value.name: value.shape[-1] for value in [*session.get_inputs(), *session.get_outputs()]}
        for tensor, what, size in (
            ("spectrogram", "bins", card.n_bins),
            ("probabilities", "labels", len(card.labels)),
            ("styles", "styles", len(card.styles)),
            ("moods", "moods", len(card.moods)),
            ("sound", "kinds of sound", len(SOUND_REASONS) if "sound" in sizes else 0),
        ):
            if (found := sizes.get(tensor, 0)) != size:
                raise ModelError(f"{self.name}: {size} {what} are wanted, but the graph has {found}")
        if card.calibration.novelty is not None and "novelty" not in sizes:
            raise ModelError(f"{self.name}: the card has a limit of novelty, but the graph gives none")
        if card.attention != ("attention" in sizes):
            raise ModelError(f"{self.name}: card and graph do not agree on whether the network attends")

    @cached_property
    def name(self) -> str:
        """How to speak of it: the path it came from, or its name."""
        return str(self.path or self.card.name)


def open_model(which: str | os.PathLike[str] | None = None) -> Model:
    """Read and check a model.

    Parameters
    ----------
    which : path or str, optional
        A model file, or the name of a bundled model; the default bundled model when left out.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If there is no such model, or the file is not ONNX, has no card or a broken one, was altered after
        it was sealed, or has a newer format than this version reads.
    """
    data, name, path = read_model(which)
    model = parse(data, name)
    return replace(model, path=path)


def save_model(
    path: str | os.PathLike[str], graph: bytes, card: Card, examples: bytes = b"", head: bytes = b""
) -> Model:
    """Seal a card into a graph and write the model file, whole or not at all.

    Parameters
    ----------
    path : path
    graph : bytes
        A serialised ONNX model without a card.
    card : Card
        Its checksum is filled in.
    examples, head : bytes
        As of :class:`Model`.
    """
    whole = join_attachments(graph, {"examples": examples, "head": head})
    # the checksum covers the card with an empty checksum
    bare = card.model_copy(update={"checksum": ""})  # of another file, perhaps
    checked = bare.model_copy(update={"checksum": compute_checksum(whole, _card_json(bare))})
    target = Path(path)
    with replacing(target) as partial:
        partial.write_bytes(join_card(whole, _card_json(checked)))
    return Model(checked, graph, target, examples, head)


def parse(data: bytes, name: str) -> Model:
    """Read a model from bytes; `name` is used in errors. See :func:`open_model`."""
    raw, graph, attachments = split_card(data, name)
    try:
        return Model(Card.model_validate(raw), graph, None, attachments["examples"], attachments["head"])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "card"
        raise ModelError(f"{name}: the card is not valid: {where}: {first['msg']}") from error


def _card_json(card: Card) -> bytes:
    # must give the bytes that model_file makes of the JSON it reads, or the checksum does not match
    return json.dumps(card.model_dump(mode="json"), ensure_ascii=False).encode()
