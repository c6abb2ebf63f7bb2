"""A sound."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def sound(write_sound, tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "noise.wav"
    return write_sound(path, 0.1 * np.random.default_rng(0).standard_normal(22050 * 3), 22050)
