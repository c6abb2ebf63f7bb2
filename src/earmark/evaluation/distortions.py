"""Distortions of music that do not change its genre: other levels, rates and codecs, clipping, a late start.

Each takes mono samples and their rate, and gives samples and theirs; nothing in it is random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import av
import av.codec.codec
import av.error
import numpy as np
import soxr
from numpy.typing import NDArray

from earmark.audio.decode import decode
from earmark.errors import AudioError, reason_of

Samples = NDArray[np.float32]
Signal = tuple[Samples, int]
"""Mono samples, full scale ±1, and their rate in Hz."""


@dataclass(frozen=True)
class Codec:
    """A way to write samples into a file.

    Attributes
    ----------
    encoder, container : str
        FFmpeg's names.
    bit_rate : int or None
        Bits a second; None where the encoder has no choice.
    """

    encoder: str
    container: str
    bit_rate: int | None = None

    @property
    def available(self) -> bool:
        """Whether this build of FFmpeg can encode it."""
        try:
            return bool(av.codec.Codec(self.encoder, "w").is_encoder)
        except av.codec.codec.UnknownCodecError:
            return False

    def rate_for(self, rate: int) -> int:
        """Return the lowest rate in Hz that it knows and that loses nothing, or else its highest."""
        # an encoder without a list takes any rate
        rates = av.codec.Codec(self.encoder, "w").audio_rates or [rate]
        return min((known for known in rates if known >= rate), default=max(rates))


MP3 = Codec("libmp3lame", "mp3", 64_000)
# FFmpeg's "ipod" writes .m4a files
AAC = Codec("aac", "ipod", 64_000)
OPUS = Codec("libopus", "ogg", 32_000)
WAVE = Codec("pcm_f32le", "wav")


@dataclass(frozen=True)
class Distortion:
    """One thing that happens to a track.

    Attributes
    ----------
    name : str
    what : str
        In words.
    apply : callable
        Takes samples and rate, and gives samples and rate.
    codec : Codec
        That it needs.
    """

    name: str
    what: str
    apply: Callable[[Samples, int], Signal]
    codec: Codec = WAVE


def gain(samples: Samples, rate: int, db: float) -> Signal:
    """Amplify by so many dB, as floats: nothing is clipped."""
    return samples * np.float32(10 ** (db / 20)), rate


def clip(samples: Samples, rate: int, db: float) -> Signal:
    """Cut off all that is higher than so many dB below the peak."""
    # dB to amplitude: 10^(dB / 20)
    limit = np.abs(samples).max() * 10 ** (-db / 20)
    return np.clip(samples, -limit, limit).astype(np.float32), rate


def skip_start(samples: Samples, rate: int, seconds: float) -> Signal:
    """Begin so many seconds later; of a track that is not so long, one sample stays."""
    return samples[min(round(seconds * rate), len(samples) - 1) :], rate


def resample(samples: Samples, rate: int, to: int) -> Signal:
    """Convert to another rate, in Hz; a lower one keeps nothing above its half."""
    converted: Samples = soxr.resample(samples, rate, to, quality="HQ")
    return converted, to


def transcode(samples: Samples, rate: int, codec: Codec, channels: int = 1) -> Signal:
    """Encode into a file of so many equal channels, in memory, and decode it as every file is decoded.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
    rate : int
        Hz; the file has the codec's nearest rate that loses nothing.
    codec : Codec
    channels : int
        1 or 2.

    Returns
    -------
    samples, rate
        Mono, at the rate of the input; some codecs add a little silence at the end.

    Raises
    ------
    AudioError
        If it cannot be encoded, or not decoded again.
    """
    # codecs know a few rates only; decoding brings back the first one
    known = codec.rate_for(rate)
    source = samples if known == rate else resample(samples, rate, known)[0]
    try:
        # (samples,) → (channels, samples)
        file = _encode(np.tile(source, (channels, 1)), known, codec)
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError(f"cannot be encoded by {codec.encoder} at {known} Hz ({reason_of(error)})") from error
    return decode(file, rate), rate


def _encode(samples: Samples, rate: int, codec: Codec) -> BytesIO:
    """Encode samples, shape (channels, samples); return a file, to be read from its beginning."""
    layout = "mono" if len(samples) == 1 else "stereo"
    file = BytesIO()
    with av.open(file, "w", format=codec.container) as container:
        stream: Any = container.add_stream(codec.encoder, rate=rate, layout=layout)
        if codec.bit_rate:
            stream.bit_rate = codec.bit_rate
        # (channels, samples) → (1, samples · channels), as FFmpeg's packed format "flt" has them
        interleaved = np.ascontiguousarray(samples.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, "flt", layout)
        frame.sample_rate, frame.pts = rate, 0
        # one frame for the whole track: PyAV converts it to the encoder's format and frame size
        container.mux(stream.encode(frame))
        # None: flush what the encoder still holds
        container.mux(stream.encode(None))
    file.seek(0)
    return file


DISTORTIONS = (
    Distortion("gain-20", "20 dB quieter", partial(gain, db=-20)),
    Distortion("gain+20", "20 dB louder, not clipped", partial(gain, db=20)),
    Distortion("clipped", "clipped 1 dB below the peak", partial(clip, db=1)),
    Distortion("mp3-64", "MP3 at 64 kb/s", partial(transcode, codec=MP3), MP3),
    Distortion("aac-64", "AAC at 64 kb/s", partial(transcode, codec=AAC), AAC),
    Distortion("opus-32", "Opus at 32 kb/s", partial(transcode, codec=OPUS), OPUS),
    Distortion("48-khz", "sampled at 48 kHz", partial(resample, to=48_000)),
    Distortion("16-khz", "sampled at 16 kHz", partial(resample, to=16_000)),
    Distortion("11-khz", "sampled at 11.025 kHz", partial(resample, to=11_025)),
    Distortion("stereo", "a file of two equal channels", partial(transcode, codec=WAVE, channels=2)),
    Distortion("late", "started 1.7 s later", partial(skip_start, seconds=1.7)),
)
"""In the order of reports."""
