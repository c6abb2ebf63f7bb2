"""The model file: an ONNX graph that carries its card, sealed with a checksum.

The card is JSON under the key ``earmark`` in ONNX's own ``metadata_props``, so any ONNX tool opens the file
and shows it. A protobuf message is a plain sequence of fields, which lets us read the card, and seal or check
the rest byte for byte, without a protobuf library.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from earmark.errors import ModelError
from earmark.listen.files import replacing
from earmark.tell.card import FORMAT_VERSION, Card

if TYPE_CHECKING:
    import onnxruntime

_KEY = b"earmark"
_METADATA_FIELD, _GRAPH_FIELD = 14, 7  # of ONNX's ModelProto
_DELIMITED = 2  # protobuf's wire type of messages

DEFAULT = "gtzan-attention"
"""Name of the bundled model that is used when none is asked for."""


@dataclass(frozen=True)
class Model:
    """A checked model: its card, and the bytes of its graph.

    Attributes
    ----------
    card : Card
    graph : bytes
        The ONNX model without the card.
    path : Path or None
        Where it was read from.
    """

    card: Card
    graph: bytes
    path: Path | None = None

    def session(self, threads: int = 1) -> onnxruntime.InferenceSession:
        """Start onnxruntime on the graph.

        Parameters
        ----------
        threads : int
            Threads within one call.

        Returns
        -------
        onnxruntime.InferenceSession
            Input ``spectrogram`` (clips, frames, bins); outputs ``probabilities`` (clips, labels) and, where
            the network attends, ``attention`` (clips, frames).

        Raises
        ------
        ModelError
            If the runtime refuses the graph, or the graph does not fit the card.
        """
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it would write to the user's cache folder, and call home
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors share no public parent
            raise ModelError(f"{self.name}: onnxruntime refuses the graph ({str(error).splitlines()[0]})") from error
        shapes = {value.name: value.shape for value in [*session.get_inputs(), *session.get_outputs()]}
        labels, bins = shapes.get("probabilities", [None])[-1], shapes.get("spectrogram", [None])[-1]
        if (labels, bins) != (len(self.card.labels), self.card.n_bins):
            raise ModelError(
                f"{self.name}: the card names {len(self.card.labels)} labels and {self.card.n_bins} bins, "
                f"but the graph has {labels} and {bins}"
            )
        if self.card.attention != ("attention" in shapes):
            raise ModelError(f"{self.name}: card and graph do not agree on whether the network attends")
        return session

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
    name = os.fspath(which) if which is not None else DEFAULT
    known = bundled()
    if name in known:
        return parse(known[name].read_bytes(), name)
    path = Path(name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"no model {name!r}: not a readable file ({error.strerror}), nor one of the bundled ({', '.join(known)})"
        ) from error
    model = parse(data, name)
    return Model(model.card, model.graph, path)


def bundled() -> dict[str, Path]:
    """Models that come with the package: name → file."""
    folder = Path(str(resources.files("earmark.tell") / "models"))
    found = {path.stem: path for path in sorted(folder.glob("*.onnx"))}
    return dict(sorted(found.items(), key=lambda item: item[0] != DEFAULT))  # the default first


def save_model(path: str | os.PathLike[str], graph: bytes, card: Card) -> Model:
    """Seal a card into a graph and write the model file, whole or not at all.

    Parameters
    ----------
    path : path
    graph : bytes
        A serialised ONNX model without a card.
    card : Card
        Its checksum is filled in.

    Returns
    -------
    Model
        As :func:`open_model` would give it.
    """
    bare = card.model_copy(update={"checksum": ""})  # of another file, perhaps
    sealed = bare.model_copy(update={"checksum": _seal(graph, _card_json(bare))})
    target = Path(path)
    with replacing(target) as partial:
        partial.write_bytes(graph + _metadata(_card_json(sealed)))
    return Model(sealed, graph, target)


def parse(data: bytes, name: str) -> Model:
    """Read a model from bytes; `name` is used in errors. See :func:`open_model`."""
    try:
        fields = [
            (number, whole, {n: c for n, _, c in _fields(content)} if number == _METADATA_FIELD else {})
            for number, whole, content in _fields(data)
        ]
    except (ValueError, IndexError):
        fields = []
    if not any(number == _GRAPH_FIELD and whole[0] & 7 == _DELIMITED for number, whole, _ in fields):
        raise ModelError(f"{name}: not an ONNX model, or cut short; give a file written by 'earmark train'")
    text, graph = None, bytearray()
    for _, whole, entry in fields:
        if entry.get(1) == _KEY:
            text = entry.get(2, b"")
        else:
            graph += whole
    if text is None:
        raise ModelError(f"{name}: an ONNX model, but without an Earmark card; give one written by 'earmark train'")
    return Model(_checked_card(text, bytes(graph), name), bytes(graph))


def _checked_card(text: bytes, graph: bytes, name: str) -> Card:
    try:
        raw = json.loads(text)
        version = raw["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name}: the card cannot be read; the file is damaged") from error
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ModelError(
            f"{name}: model format {version}, this Earmark reads up to {FORMAT_VERSION}: upgrade with "
            "'pip install -U earmark'"
        )
    # Sealed as it was written, so that fields a later minor version adds do not break the seal.
    if raw.get("checksum") != _seal(graph, json.dumps({**raw, "checksum": ""}, ensure_ascii=False).encode()):
        raise ModelError(f"{name}: the checksum does not match: the file was altered or damaged after training")
    try:
        return Card.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "card"
        raise ModelError(f"{name}: the card is not valid: {where}: {first['msg']}") from error


def _card_json(card: Card) -> bytes:
    return json.dumps(card.model_dump(mode="json"), ensure_ascii=False).encode()


def _seal(graph: bytes, card: bytes) -> str:
    return hashlib.sha256(hashlib.sha256(graph).digest() + card).hexdigest()


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Top-level fields of a protobuf message: number, the field's whole bytes, its content."""
    at = 0
    while at < len(message):
        begin = at
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            _, end = _varint(message, at)
        elif wire == 2:
            size, at = _varint(message, at)
            end = at + size
        elif wire in (1, 5):
            end = at + (8 if wire == 1 else 4)
        else:
            raise ValueError("not a protobuf message")
        if end > len(message):
            raise ValueError("cut short")
        yield key >> 3, message[begin:end], message[at:end]
        at = end


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _metadata(card: bytes) -> bytes:
    """One ``metadata_props`` entry, key and value, as protobuf."""
    entry = _delimited(1, _KEY) + _delimited(2, card)
    return _delimited(_METADATA_FIELD, entry)


def _delimited(number: int, content: bytes) -> bytes:
    size, digits = len(content), bytearray([number << 3 | 2])
    while size >= 0x80:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    digits.append(size)
    return bytes(digits) + content
