"""The model file: an ONNX graph that carries its card, sealed with a checksum.

The card is JSON under the key ``earmark`` in ONNX's own ``metadata_props``, so any ONNX tool opens the file
and shows it. Two attachments may lie beside it, which the seal covers too: ``earmark-head``, which answers from
features alone (:mod:`earmark.inference.head`), and ``earmark-examples``, what the model learned from
(:mod:`earmark.data.examples`). A protobuf message is a plain sequence of fields, which lets us read the card, and seal
or check the rest byte for byte, without a protobuf library. Nothing here is slow to import: who only needs to know
which model it is pays neither for its network nor for checking every field of its card.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.errors import ModelError

FORMAT_VERSION = 2
"""Version of the model file format that this Earmark writes, and the newest it reads."""

DEFAULT = "earmark"
"""Name of the bundled model that is used when none is asked for."""

_KEY = b"earmark"
_ATTACHMENTS = {"head": b"earmark-head", "examples": b"earmark-examples"}
_METADATA_FIELD, _GRAPH_FIELD = 14, 7  # of ONNX's ModelProto
_DELIMITED = 2  # protobuf's wire type of messages


def list_models() -> dict[str, Path]:
    """Models that come with the package: name → file."""
    found = {path.stem: path for path in sorted((Path(__file__).parent / "models").glob("*.onnx"))}
    return dict(sorted(found.items(), key=lambda item: item[0] != DEFAULT))  # the default first


def read_model(which: str | os.PathLike[str] | None = None) -> tuple[bytes, str, Path | None]:
    """Read a model's bytes, unchecked: see :func:`earmark.inference.model.open_model`.

    Returns
    -------
    data : bytes
    name : str
        How to speak of it in errors.
    path : Path or None
        None for a bundled model.
    """
    name = os.fspath(which) if which is not None else DEFAULT
    known = list_models()
    if name in known:
        return known[name].read_bytes(), name, None
    path = Path(name)
    try:
        return path.read_bytes(), name, path
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(
            f"no model {name!r}: not a readable file ({reason}), nor one of the bundled ({', '.join(known)})"
        ) from error


def split_card(data: bytes, name: str) -> tuple[dict[str, Any], bytes, dict[str, bytes]]:
    """Take a model file apart, and check its seal.

    Parameters
    ----------
    data : bytes
    name : str
        Used in errors.

    Returns
    -------
    card : dict
        As it was written; its fields are not checked.
    graph : bytes
        The ONNX model without card and attachments.
    attachments : dict of str to bytes
        ``head`` and ``examples``, as text; empty where there is none.

    Raises
    ------
    ModelError
        If the file is not ONNX, has no card, was altered after it was sealed, or has a newer format than
        this version reads.
    """
    try:
        # for each field: its number, all its bytes and, of a metadata entry, the contents of its own fields by number
        fields = [
            (number, whole, {n: c for n, _, c in _decode_fields(content)} if number == _METADATA_FIELD else {})
            for number, whole, content in _decode_fields(data)
        ]
    except (ValueError, IndexError):
        fields = []
    if not any(number == _GRAPH_FIELD and whole[0] & 7 == _DELIMITED for number, whole, _ in fields):
        raise ModelError(f"{name}: not an ONNX model, or cut short; give a file written by 'earmark train'")
    # a metadata entry is ONNX's StringStringEntryProto: field 1 the key, 2 the value
    entries = {entry[1]: entry.get(2, b"") for _, _, entry in fields if entry.get(1) in (_KEY, *_ATTACHMENTS.values())}
    text = entries.get(_KEY)
    attachments = {name: entries.get(key, b"") for name, key in _ATTACHMENTS.items()}
    graph = b"".join(whole for _, whole, entry in fields if entry.get(1) not in entries)
    if text is None:
        raise ModelError(f"{name}: an ONNX model, but without an Earmark card; give one written by 'earmark train'")
    return _check(text, join_attachments(graph, attachments), name), graph, attachments


def join_card(graph: bytes, card: bytes, key: bytes = _KEY) -> bytes:
    """Put a model file together from a graph and a card that holds its :func:`compute_checksum`."""
    # protobuf reads fields in any order, so the card can follow the graph
    return graph + _encode_field(_METADATA_FIELD, _encode_field(1, key) + _encode_field(2, card))


def join_attachments(graph: bytes, attachments: Mapping[str, bytes]) -> bytes:
    """Return a graph with its attachments, those that are not empty: what a model file's checksum is of."""
    for name, key in _ATTACHMENTS.items():
        graph = join_card(graph, attachments[name], key) if attachments[name] else graph
    return graph


def compute_checksum(graph: bytes, card: bytes) -> str:
    """Checksum over a graph and a card whose own checksum is empty."""
    # the graph is hashed first by itself, so that no byte can pass from graph to card unseen
    return hashlib.sha256(hashlib.sha256(graph).digest() + card).hexdigest()


def _check(text: bytes, graph: bytes, name: str) -> dict[str, Any]:
    try:
        raw: dict[str, Any] = json.loads(text)
        version = raw["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name}: the card cannot be read; the file is damaged") from error
    # before the checksum: a newer format may compute it otherwise
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ModelError(
            f"{name}: model format {version}, this Earmark reads up to {FORMAT_VERSION}: install a newer Earmark"
        )
    # Sealed as it was written, so that fields a later minor version adds do not break the seal.
    sealed = json.dumps({**raw, "checksum": ""}, ensure_ascii=False).encode()
    # the text too, since 1E-5 reads as 1e-5 does
    as_written = text == json.dumps(raw, ensure_ascii=False).encode()
    if not as_written or raw.get("checksum") != compute_checksum(graph, sealed):
        raise ModelError(f"{name}: the checksum does not match: the file was altered or damaged after training")
    return raw


def _decode_fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Top-level fields of a protobuf message: number, the field's whole bytes, its content."""
    at = 0
    while at < len(message):
        # a key holds the field number and, in its last three bits, how the value is written
        begin = at
        key, at = _decode_varint(message, at)
        wire = key & 7
        # 0: one varint, 1: eight bytes, 2: a length and so many bytes, 5: four bytes
        if wire == 0:
            _, end = _decode_varint(message, at)
        elif wire == 2:
            size, at = _decode_varint(message, at)
            end = at + size
        elif wire in (1, 5):
            end = at + (8 if wire == 1 else 4)
        else:
            raise ValueError("not a protobuf message")
        if end > len(message):
            raise ValueError("cut short")
        yield key >> 3, message[begin:end], message[at:end]
        at = end


def _decode_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        # seven bits a byte, the lowest first; the eighth says that more follow
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _encode_field(number: int, content: bytes) -> bytes:
    # the key, then the length as a varint, then the content
    # one byte holds the key, as every field number here is below 16
    size, digits = len(content), bytearray([number << 3 | 2])
    while size >= 0x80:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    digits.append(size)
    return bytes(digits) + content
