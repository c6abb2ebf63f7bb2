"""Write the encoder's ONNX file from the weights of EfficientAT and musicnn.

``python bench/make_encoder.py MN04 MUSICNN SOUND [-o FILE]``

MN04 is a folder with EfficientAT's ``mn04_as.npz``, and what the authors' network says of some samples,
``reference.npz``, with which the file is compared. MUSICNN is the folder ``musicnn/MSD_musicnn`` of the wheel
musicnn 0.1.0. SOUND is a folder of recordings, on which musicnn's mel bands are fitted from ours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from tf_checkpoint import read_checkpoint

from earmark.audio.decode import decode
from earmark.audio.kaldi_mel import KaldiMel
from earmark.inference import encoder
from earmark.inference.session import start_session
from earmark.networks.base import list_layers
from earmark.networks.mobilenet import encoder_graph, load_mobilenet
from earmark.networks.musicnn import Filter, Musicnn

ALIVE = 1e-6
"""Largest weight of a filter that hears something."""


def load_musicnn(folder: Path, bands: NDArray[np.float32]) -> Musicnn:
    """Build the network of a checkpoint's living filters; `bands` has shape (128, 96)."""
    weights = {name: torch.tensor(array) for name, array in read_checkpoint(folder).items()}

    def get(layer: str, number: int, part: str) -> torch.Tensor:
        return weights[f"{layer}{f'_{number}' if number else ''}/{part}"]

    def gain_and_offset(number: int) -> torch.Tensor:
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        gamma, beta, mean, variance = (get("batch_normalization", number, name) for name in names)
        gain = gamma / torch.sqrt(variance + 1e-3)
        return torch.stack([gain, beta - mean * gain])

    # (frames, bands, in, out) → (out, in, frames, bands)
    kernels = [get("conv2d", i, "kernel").permute(3, 2, 0, 1) for i in range(8)]
    # (frames, channels, 1, out) → (out, channels, frames, 1)
    kernels[5:] = [kernel.permute(0, 3, 2, 1) for kernel in kernels[5:]]
    alive = [kernel.abs().amax((1, 2, 3)) > ALIVE for kernel in kernels[:5]]
    network = Musicnn([(int(a.sum()), tuple(k.shape[2:])) for a, k in zip(alive, kernels, strict=False)])
    network.bands.weight = torch.nn.Parameter(torch.from_numpy(bands).T)
    gain, offset = gain_and_offset(0)
    network.scale = torch.nn.Parameter(torch.tensor([gain / np.log(10), offset]))
    constants = []
    for i, (layer, living) in enumerate(zip(list_layers(network.front), alive, strict=True)):
        bias, (gain, offset) = get("conv2d", i, "bias"), gain_and_offset(i + 1)
        _fill(layer, kernels[i][living], bias[living], gain[living], offset[living])
        constants.append((torch.relu(bias) * gain + offset)[~living])
    hears, constant = torch.cat(alive), torch.cat(constants)
    for i, layer in enumerate(list_layers(network.middle), 5):
        bias, kernel = get("conv2d", i, "bias"), kernels[i]
        if i == 5:  # what the dead filters say
            bias, kernel = bias + kernel[:, ~hears].sum((2, 3)) @ constant, kernel[:, hears]
        _fill(layer, kernel, bias, *gain_and_offset(i + 1))
    _fill_hidden(network, get("dense", 0, "kernel"), get("dense", 0, "bias"), gain_and_offset(9), hears, constant)
    network.norm = torch.nn.Parameter(gain_and_offset(10))
    network.output.weight = torch.nn.Parameter(get("dense", 1, "kernel").T)
    network.output.bias = torch.nn.Parameter(get("dense", 1, "bias"))
    return network.eval()


def _fill(layer: Filter, kernel: torch.Tensor, bias: torch.Tensor, gain: torch.Tensor, offset: torch.Tensor) -> None:
    layer.convolution.weight, layer.convolution.bias = (torch.nn.Parameter(part) for part in (kernel, bias))
    layer.gain, layer.offset = (torch.nn.Parameter(part[:, None, None]) for part in (gain, offset))


def _fill_hidden(
    network: Musicnn,
    kernel: torch.Tensor,
    bias: torch.Tensor,
    norm: torch.Tensor,
    hears: torch.Tensor,
    constant: torch.Tensor,
) -> None:
    # theirs: maximum and mean of a channel side by side, normalised; (2 · channels, 200)
    bias = bias + norm[1] @ kernel
    pairs = (kernel * norm[0][:, None]).reshape(-1, 2, kernel.shape[1])
    living = torch.cat([hears, torch.ones(len(pairs) - len(hears), dtype=torch.bool)])
    bias = bias + torch.einsum("c,cph->h", constant, pairs[~living])
    network.hidden.weight = torch.nn.Parameter(torch.cat([pairs[living, 0], pairs[living, 1]]).T)
    network.hidden.bias = torch.nn.Parameter(bias)


def fit_bands(sound: Path) -> NDArray[np.float32]:
    """Fit musicnn's 96 mel bands as sums of ours, (128, 96): non-negative least squares of each from those near it."""
    mel, ours, theirs = KaldiMel(), [], []
    for path in sorted(path for path in sound.rglob("*") if path.is_file())[::9]:
        samples = decode(path, mel.sample_rate)[: 10 * mel.sample_rate]
        power = np.maximum(mel.to_power(mel(samples)), 0)
        # 512 and 256 samples at 16 kHz
        full = librosa.feature.melspectrogram(
            y=samples, sr=mel.sample_rate, n_fft=1024, hop_length=512, n_mels=96, fmax=8000
        )
        n = min(full.shape[1], int(len(power) / 1.6) - 1)
        at = np.arange(n) * 1.6
        low, share = at.astype(int), (at % 1)[:, None]
        ours.append((power[low] * (1 - share) + power[low + 1] * share)[::3])
        theirs.append(full.T[:n:3] / 4)  # half the samples: a quarter of the power
    x, y = np.concatenate(ours), np.concatenate(theirs)
    bands = np.zeros((x.shape[1], y.shape[1]), np.float32)
    for b, frequency in enumerate(librosa.mel_frequencies(98, fmin=0, fmax=8000)[1:-1]):
        near = np.argsort(np.abs(mel.frequencies - frequency))[:16]
        # so that quiet frames count too
        weight = 1 / np.sqrt(y[:, b] ** 2 + np.median(y[:, b]) ** 2 + 1e-12)
        bands[near, b], _ = nnls(x[:, near] * weight[:, None], y[:, b] * weight)
    return bands


def main() -> None:
    """Write and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("mn04", "musicnn", "sound"):
        parser.add_argument(name, type=Path)
    default = Path(encoder.__file__).parent / "encoders" / "mn04-musicnn.onnx"
    parser.add_argument("-o", "--output", type=Path, default=default, metavar="FILE")
    options = parser.parse_args()
    musicnn = load_musicnn(options.musicnn, fit_bands(options.sound))
    graph = encoder_graph(load_mobilenet(options.mn04 / "mn04_as.npz"), musicnn)
    options.output.write_bytes(graph)
    print(f"{options.output}: {len(graph)} bytes")
    with np.load(options.mn04 / "reference.npz") as reference:
        mel = KaldiMel()(reference["samples"])
        names = ["embedding", "logits", "features"]
        embedding, logits, features = start_session(graph, "encoder").run(names, {"spectrogram": mel})
        with torch.no_grad():
            in_torch = musicnn(torch.from_numpy(mel)).numpy()
        for what, ours, theirs in (
            ("mel", mel.transpose(0, 2, 1), reference["mel"].reshape(len(mel), 128, -1)),
            ("embedding", embedding.mean(axis=1), reference["embedding"]),
            ("probabilities", 1 / (1 + np.exp(-logits)), reference["probabilities"]),
            ("musicnn in torch", features[:, 0, embedding.shape[2] :], in_torch),
        ):
            print(f"{what}: differs by {np.abs(ours - theirs).max():.1e} at most")


if __name__ == "__main__":
    main()
