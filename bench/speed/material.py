"""Sound to measure with: MP3s of made-up music, composed by ``earmark.data.synth``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from earmark.data.synth import STYLES, compose


def tracks(folder: Path, count: int) -> list[Path]:
    """Write MP3s of 30 s as they lie in most collections: 44.1 kHz, stereo, 192 kb/s.

    Parameters
    ----------
    folder : Path
        Made when missing.
    count : int

    Returns
    -------
    list of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(_track, folder), range(count)))


def low_rate_track(path: Path) -> Path:
    """Write five minutes as speech archives keep them: 8 kHz, mono, 16 kb/s."""
    rate = 8000
    _encode(path, compose("waltz", _rng(0), seconds=300, sample_rate=rate)[None], rate, 16_000)
    return path


def repeated(track: Path, path: Path, times: int) -> Path:
    """Write an MP3 again and again into one file, without encoding or holding it.

    Parameters
    ----------
    track : Path
        An MP3 from this module: its packets can be decoded each by itself.
    path : Path
        File to write.
    times : int

    Returns
    -------
    Path
    """
    with av.open(track) as source, av.open(path, "w") as file:
        stream = file.add_stream_from_template(source.streams.audio[0])
        packets = [(bytes(p), p.duration, p.time_base) for p in source.demux(audio=0) if p.size]
        time = 0
        for content, duration, base in packets * times:
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, base
            packet.pts = packet.dts = time
            packet.duration = duration
            time += duration
            file.mux(packet)
    return path


def _rng(number: int) -> np.random.Generator:
    return np.random.default_rng(number)


def _track(folder: Path, number: int) -> Path:
    rate, style = 44100, STYLES[number % len(STYLES)]
    mono = compose(style, _rng(number), seconds=30, sample_rate=rate)
    echo = np.roll(mono, rate // 100)  # 10 ms later on one side: a plain, wide stereo picture
    path = folder / f"{number:02} {style}.mp3"
    _encode(path, np.stack([mono, 0.7 * mono + 0.3 * echo]), rate, 192_000)
    return path


def _encode(path: Path, sound: NDArray[np.float32], rate: int, bit_rate: int) -> None:
    # Level 9 only searches less for the best bits. No reservoir: no packet leans on the one before.
    options = {"compression_level": "9", "reservoir": "0"}
    with av.open(path, "w") as file:
        stream = file.add_stream("libmp3lame", rate=rate, options=options)
        stream.layout = "stereo" if len(sound) == 2 else "mono"
        stream.format, stream.bit_rate = "fltp", bit_rate
        for frame in _frames(sound, rate, stream.layout.name, stream.codec_context.frame_size or 1152):
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def _frames(sound: NDArray[np.float32], rate: int, layout: str, size: int) -> Iterator[av.AudioFrame]:
    for start in range(0, sound.shape[1], size):
        samples = np.ascontiguousarray(sound[:, start : start + size], np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, start
        yield frame
