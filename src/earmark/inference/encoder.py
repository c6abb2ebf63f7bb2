"""The pretrained encoder: samples → a sequence of features. Needs onnxruntime; see THIRD_PARTY.md for its origin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.audio.kaldi_mel import KaldiMel
from earmark.inference.session import start_session

if TYPE_CHECKING:
    import onnxruntime

FRAMES_A_STEP = 32
"""The network halves time five times."""


@dataclass(frozen=True)
class Encoder:
    """Samples → features, with the same attributes as a front end, so that corpora are encoded as they are framed.

    A step's 634 features are the embedding that mn04 gives of it, 384 numbers, and 250 that musicnn says of the clip.

    Attributes
    ----------
    name : str
        Which encoder.

    Examples
    --------
    >>> Encoder()(np.zeros(320000, np.float32)).shape
    (32, 634)
    """

    name: Literal["mn04-musicnn"] = "mn04-musicnn"
    kind: Literal["encoder"] = "encoder"
    mel: ClassVar[KaldiMel] = KaldiMel(rms_db=-18.0)
    sample_rate: ClassVar[int] = mel.sample_rate
    hop_length: ClassVar[int] = FRAMES_A_STEP * mel.hop_length
    n_bins: ClassVar[int] = 634
    n_dimensions: ClassVar[int] = 384
    credits: ClassVar[tuple[str, ...]] = (
        "encoder: EfficientAT mn04_as, (c) 2022 Florian Schmid, MIT licence (THIRD_PARTY.md)",
        "and musicnn's MSD_musicnn, (c) 2019 Music Technology Group, Universitat Pompeu Fabra, ISC licence",
        "its classes: AudioSet, Gemmeke et al. 2017, CC BY 4.0",
    )

    def n_frames(self, n_samples: int) -> int:
        """Return the number of steps of `n_samples` samples; the last may be a part of one."""
        frames = self.mel.n_frames(n_samples)
        # of one frame alone musicnn makes none of its own
        return -(-frames // FRAMES_A_STEP) if frames > 1 else 0

    def times(self, n_frames: int) -> NDArray[np.float64]:
        """Return the centre of each step, in seconds from the clip's start, shape (steps,)."""
        return np.arange(n_frames) * self.hop_length / self.sample_rate

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the features of one clip or a batch, (..., samples) → (..., steps, 634), float32."""
        return self._run("features", samples, self.n_bins)

    def embed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed one clip or a batch by mn04 alone, (..., samples) → (..., steps, 384), float32."""
        return self._run("embedding", samples, self.n_dimensions)

    def _run(self, output: str, samples: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        shape = (*samples.shape[:-1], self.n_frames(samples.shape[-1]), size)
        if 0 in shape:
            return np.empty(shape, np.float32)
        mel = self.mel(samples.reshape(-1, samples.shape[-1]))  # (clips, frames, bands)
        answer: NDArray[np.float32] = _session(self.name).run([output], {"spectrogram": mel})[0]
        return answer.reshape(shape)

    def graph(self) -> bytes:
        """Return the network as a serialised ONNX model.

        Input ``spectrogram`` (clips, frames, 128), of :attr:`mel`; outputs ``features`` (clips, steps, 634),
        ``embedding`` (clips, steps, 384) and ``logits`` (clips, 527) of AudioSet's classes.
        """
        return _read_graph(self.name)


def _read_graph(name: str) -> bytes:
    return (Path(__file__).parent / "encoders" / f"{name}.onnx").read_bytes()


@cache
def _session(name: str) -> onnxruntime.InferenceSession:
    return start_session(_read_graph(name), name)
