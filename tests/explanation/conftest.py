"""What tests of explanations share."""

import numpy as np
import pytest

from earmark.data.synth import compose
from earmark.inference.tagger import Tagger

RATE = 22050


@pytest.fixture(scope="module")
def tagger():
    return Tagger("paper-attention-2x60")  # a quarter of the default model's time


@pytest.fixture(scope="module")
def sound():
    """12.5 s: carillon, two and a half clips, of which the middle one is silent."""
    samples = compose("carillon", np.random.default_rng(1), seconds=13)[: int(12.5 * RATE)].astype(np.float32)
    samples[5 * RATE : 10 * RATE] = 0
    return samples
