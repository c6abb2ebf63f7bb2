"""What a sound file says of itself, before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer

from earmark.audio.mixdown import check_rate
from earmark.audio.wav_header import measure_shortage
from earmark.errors import AudioError


@dataclass(frozen=True)
class AudioInfo:
    """A file's duration (s), sample rate (Hz), channels, and FFmpeg's short names of codec and container.

    The duration is an estimate for some formats, None where the file does not tell.
    """

    duration: float | None
    sample_rate: int
    channels: int
    codec: str
    container: str


def describe_stream(container: InputContainer, stream: av.AudioStream, file: BinaryIO) -> AudioInfo:
    """Return what an opened stream of `file` says of itself; AudioError if it cannot be decoded."""
    codec: AudioCodecContext | None = stream.codec_context
    if codec is None:
        raise AudioError("the audio stream cannot be decoded (FFmpeg has no decoder for it)")
    duration = None
    if stream.duration is not None:
        duration = stream.duration * float(stream.time_base or 1 / stream.rate)
    elif container.duration is not None:
        duration = container.duration / 1e6  # AV_TIME_BASE: microseconds
    if duration and container.format.name == "wav":
        duration *= measure_shortage(file)
    # PyAV 18.1 frees a layout of odd channel order (right before left, say) twice, which kills the process:
    # once after this question, and once at the end. The order does not matter here, so the decoder is given,
    # before anything else happens, a layout that is only a number.
    channels = codec.channels
    if channels:
        codec.layout = f"{channels} channels"
    if not codec.sample_rate or not channels:
        raise AudioError("the audio stream has no sample rate or no channels: the file is damaged")
    check_rate(codec.sample_rate)
    return AudioInfo(duration, codec.sample_rate, channels, codec.name, container.format.name)
