"""Sounds → the encoder's embeddings, a step every 0.32 s; and files of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.audio.decode import AudioFile
from earmark.audio.mixdown import resample_array
from earmark.audio.source import Source, is_path
from earmark.errors import AudioError, SettingError
from earmark.files import replacing
from earmark.inference.encoder import Encoder
from earmark.parallel import Pool, is_small, limit_for_file

_ENCODER = Encoder()

_STEPS = 31
"""Steps that are encoded together, 9.92 s: the encoder learned from 10 s, and whole steps keep the distance even."""


@dataclass(frozen=True)
class Embedding:
    """What the encoder hears in one sound.

    Attributes
    ----------
    times : ndarray of float32, shape (steps,)
        Centre of each step, in seconds from the beginning; 0.32 s apart.
    vectors : ndarray of float32, shape (steps, 384)
    duration : float or None
        Seconds; None where nothing could be decoded.
    path : str or None
        Where the sound came from.
    error : str or None
        What went wrong, if anything; a damaged file may have both vectors and an error.
    """

    times: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, _ENCODER.n_dimensions), np.float32))
    duration: float | None = None
    path: str | None = None
    error: str | None = None


def embed(source: Source | ArrayLike, sample_rate: float | None = None) -> Embedding:
    """Embed one sound, all of it.

    Parameters
    ----------
    source : path, binary file object, or array
        An array holds floats of full scale ±1, shape (samples,), (channels, samples) or (samples, channels).
    sample_rate : float, optional
        Hz; required for an array, and only for an array.

    Raises
    ------
    AudioError
        If the source cannot be decoded, or is shorter than one step.
    SettingError
        If an array comes without its sample rate, or a file with one.
    """
    rate = _ENCODER.sample_rate
    if not (is_path(source) or hasattr(source, "read")):
        return _embed_blocks([resample_array(source, sample_rate, rate)])  # type: ignore[arg-type]
    if sample_rate is not None:
        raise SettingError("sample_rate is for arrays; a file states its own")
    with AudioFile(source) as recording:  # type: ignore[arg-type]
        embedding = _embed_blocks(recording.blocks(rate))
        path = os.fsdecode(source) if is_path(source) else None
        return Embedding(embedding.times, embedding.vectors, embedding.duration, path, recording.read_error)


def embed_files(paths: Sequence[str], jobs: int = 1) -> Iterator[Embedding]:
    """Embed files in order, several at once; what cannot be decoded, or kills its process, has an error instead."""
    if jobs == 1 or is_small(paths):
        return map(_embed_file, paths)
    return Pool(_get_worker, jobs, _fail, limit=limit_for_file).map(iter(paths))


def _embed_file(path: str) -> Embedding:
    try:
        return embed(path)
    except AudioError as error:
        return _fail(path, str(error))


def _get_worker() -> Callable[[str], Embedding]:
    return _embed_file


def _fail(path: str, error: str) -> Embedding:
    return Embedding(path=path, error=error)


def _embed_blocks(blocks: Iterable[NDArray[np.float32]]) -> Embedding:
    """Embed mono samples at the encoder's rate, 9.92 s after 9.92 s; less than a step at the end is left out."""
    length, n_samples = _STEPS * _ENCODER.hop_length, 0
    buffer = np.empty(0, np.float32)
    parts: list[NDArray[np.float32]] = []
    for block in blocks:
        n_samples += len(block)
        buffer = np.concatenate([buffer, block])
        while len(buffer) >= length:
            parts.append(_ENCODER.embed(buffer[:length]))
            buffer = buffer[length:]
    if len(buffer) >= _ENCODER.hop_length:
        parts.append(_ENCODER.embed(buffer))
    duration = n_samples / _ENCODER.sample_rate
    if not parts:
        shortest = _ENCODER.hop_length / _ENCODER.sample_rate
        raise AudioError(f"too short: {duration:.2f} s of sound, need {shortest:g} s")
    vectors = np.concatenate(parts)  # (steps, 384)
    return Embedding(_ENCODER.times(len(vectors)).astype(np.float32), vectors, duration)


def check_embeddings_path(path: Path) -> None:
    """Refuse a name that :func:`write_embeddings` cannot write to; raises ModuleNotFoundError without pyarrow."""
    if path.suffix not in _WRITERS:
        raise SettingError(f"{path}: embeddings are written as {' or '.join(_WRITERS)}")
    if path.suffix == ".parquet":
        import pyarrow  # noqa: F401


def write_embeddings(path: Path, embeddings: Iterable[Embedding]) -> None:
    """Write embeddings as they come into one file, whole or not at all; those without vectors are left out.

    ``.npz`` holds ``vectors`` (all steps, 384) and ``times`` (all steps,), float32, one sound after the other, with
    ``paths`` and ``durations`` (sounds,) and ``offsets`` (sounds + 1,): sound i has the rows from ``offsets[i]`` to
    ``offsets[i + 1]``. ``.parquet`` has a row a step: ``path``, ``time`` and ``vector``.
    """
    check_embeddings_path(path)
    with replacing(path) as partial:
        _WRITERS[path.suffix](partial, (embedding for embedding in embeddings if len(embedding.vectors)))


def _write_npz(path: Path, embeddings: Iterator[Embedding]) -> None:
    paths, durations, times = [], [], []
    # vectors wait on disk: those of a large collection fill no memory
    with TemporaryFile(dir=path.parent) as spool:
        for embedding in embeddings:
            paths.append(embedding.path or "")
            durations.append(embedding.duration or 0.0)
            times.append(embedding.times)
            spool.write(embedding.vectors.tobytes())
        spool.flush()
        offsets = np.cumsum([0, *map(len, times)])
        shape = (int(offsets[-1]), _ENCODER.n_dimensions)
        vectors = np.memmap(spool, np.float32, "r", shape=shape) if paths else np.empty(shape, np.float32)
        every = np.concatenate([np.empty(0, np.float32), *times])
        with path.open("wb") as file:
            np.savez(
                file, paths=np.array(paths, str), durations=durations, offsets=offsets, times=every, vectors=vectors
            )


def _write_parquet(path: Path, embeddings: Iterator[Embedding]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    vector = pa.list_(pa.float32(), _ENCODER.n_dimensions)
    schema = pa.schema([("path", pa.string()), ("time", pa.float32()), ("vector", vector)])
    with parquet.ParquetWriter(path, schema) as file:
        for embedding in embeddings:
            # Parquet's text is UTF-8, names of files may hold any bytes
            name = os.fsencode(embedding.path or "").decode("utf-8", "replace")
            rows = pa.FixedSizeListArray.from_arrays(embedding.vectors.ravel(), type=vector)
            file.write_table(pa.table([[name] * len(rows), embedding.times, rows], schema))


_WRITERS = {".npz": _write_npz, ".parquet": _write_parquet}
