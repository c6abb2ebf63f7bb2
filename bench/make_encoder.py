"""Write the encoder's ONNX file from EfficientAT's weights: ``python bench/make_encoder.py FOLDER [-o FILE]``.

FOLDER holds ``mn04_as.npz``, and what the authors' network says of some samples, ``reference.npz``, with which the
file is compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from earmark.inference import encoder
from earmark.inference.session import start_session
from earmark.networks.mobilenet import encoder_graph, load_mobilenet


def main() -> None:
    """Write and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    default = Path(encoder.__file__).parent / "encoders" / "mn04.onnx"
    parser.add_argument("-o", "--output", type=Path, default=default, metavar="FILE")
    options = parser.parse_args()
    graph = encoder_graph(load_mobilenet(options.folder / "mn04_as.npz"))
    options.output.write_bytes(graph)
    print(f"{options.output}: {len(graph)} bytes")
    with np.load(options.folder / "reference.npz") as reference:
        mel = encoder.Encoder.mel(reference["samples"])
        embedding, logits = start_session(graph, "encoder").run(["embedding", "logits"], {"spectrogram": mel})
        for what, ours, theirs in (
            ("mel", mel.transpose(0, 2, 1), reference["mel"].reshape(len(mel), 128, -1)),
            ("embedding", embedding.mean(axis=1), reference["embedding"]),
            ("probabilities", 1 / (1 + np.exp(-logits)), reference["probabilities"]),
        ):
            print(f"{what}: differs by {np.abs(ours - theirs).max():.1e} at most")


if __name__ == "__main__":
    main()
