"""What Earmark is held against: decoding alone, and the script that everyone writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import librosa
import numpy as np
import torch

from earmark.inference.model import Model
from earmark.networks.onnx.differentiable import DifferentiableModel


def mono_22050(path: Path) -> int:
    """Decode to mono floats at 22050 Hz with PyAV's resampler, and count the samples."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=22050)
    with av.open(path) as file:
        samples = 0
        for frame in file.decode(audio=0):
            samples += sum(out.to_ndarray().size for out in resampler.resample(frame))
        return samples + sum(out.to_ndarray().size for out in resampler.resample(None))


def own_rate(path: Path) -> int:
    """Decode to arrays as they are in the file, and count the samples."""
    with av.open(path) as file:
        return sum(frame.to_ndarray().size for frame in file.decode(audio=0))


def packets(path: Path) -> int:
    """Decode packet by packet without looking at a sample, and count the frames."""
    with av.open(path) as file:
        return sum(len(packet.decode()) for packet in file.demux(audio=0))


def every(work: Callable[[Path], object], paths: Sequence[Path], jobs: int) -> None:
    """Do the work on every file, in as many threads as `Tagger.classify_many` would."""
    if jobs == 1:
        for path in paths:
            work(path)
        return
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, paths))


class UsualScript:
    """librosa.load, librosa's melspectrogram, clips, and the same network in torch; one process, no tricks.

    Parameters
    ----------
    model : Model
        Whose network is run, by torch.
    hop_length : int
        Samples from frame to frame; librosa's default when left out.
    """

    def __init__(self, model: Model, hop_length: int = 512) -> None:
        card = model.card
        self.network = DifferentiableModel(model)
        self.mels, self.hop = card.n_bins, hop_length
        self.clip_frames = round(card.clip_seconds * 22050 / hop_length)

    def __call__(self, path: Path) -> int:
        """Classify one file; returns the index of the class."""
        samples, rate = librosa.load(path, sr=22050)
        power = librosa.feature.melspectrogram(y=samples, sr=rate, n_fft=2048, hop_length=self.hop, n_mels=self.mels)
        level = librosa.power_to_db(power, ref=np.max).T  # (frames, mels)
        clips = len(level) // self.clip_frames
        batch = level[: clips * self.clip_frames].reshape(clips, self.clip_frames, self.mels)
        with torch.no_grad():
            answer = self.network(torch.from_numpy(batch))
        return int(answer.log_probabilities.mean(dim=0).argmax())
