"""Proof that a file is what it was: in every byte, or in its sound."""

from __future__ import annotations

import hashlib
from pathlib import Path

from earmark.errors import AudioError, TagError


def digest(path: Path) -> str:
    """SHA-256 of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        Hexadecimal.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same_sound(one: Path, other: Path) -> bool:
    """Say whether two files hold the same sound.

    Every packet that FFmpeg would hand its decoder is compared, which takes a hundredth of decoding. Only where they
    differ are the samples: FFmpeg takes a tag at the end of an APE file for part of its last packet.

    Parameters
    ----------
    one, other : Path

    Returns
    -------
    bool

    Raises
    ------
    TagError
        If the sound cannot be read.
    """
    try:
        return any(hashed(one) == hashed(other) for hashed in (_packets, _samples))
    except AudioError as error:
        raise TagError(f"its sound cannot be read ({error}): left as it was") from error


def _packets(path: Path) -> str:
    from earmark.listen.audio import Recording

    sha = hashlib.sha256()
    with Recording(path) as recording:
        sha.update(repr((recording.info.codec, recording.info.sample_rate, recording.info.channels)).encode())
        for packet in recording.packets():
            sha.update(packet)
    return sha.hexdigest()


def _samples(path: Path) -> str:
    from earmark.listen.audio import Recording

    sha = hashlib.sha256()
    with Recording(path) as recording:
        for block in recording.blocks(recording.info.sample_rate):
            sha.update(block.tobytes())
    return sha.hexdigest()
