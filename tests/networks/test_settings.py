"""Settings are frozen, checked when they are made, and say what is wrong."""

import pickle
import subprocess
import sys

import pytest
from pydantic import ValidationError

from earmark.errors import SettingError
from earmark.networks.settings import MlpSettings, NetworkSettings


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"cell": "gru"}, "cell is 'gru': must be one of rnn, lstm"),
        ({"attention": "location"}, "attention is 'location': must be one of dot"),
        ({"cell": "rnn", "attention": "dot"}, "^attention 'dot' asks the LSTM's memory"),
        ({"units": 0}, "units is 0: must be greater than or equal to 1"),
        ({"units": "60"}, "units is '60': must be a valid integer"),
        ({"unit": 3}, "unknown setting 'unit'; did you mean 'units'?"),
        ({"xyz": 3}, "unknown setting 'xyz'; known are: cell, layers"),
    ],
)
def test_networks_that_do_not_exist(settings, says):
    with pytest.raises(SettingError, match=says):
        NetworkSettings(**settings)


def test_settings_are_values():
    settings = NetworkSettings(units=3)
    assert settings == pickle.loads(pickle.dumps(settings)) == NetworkSettings(units=3)
    assert repr(settings) == "NetworkSettings(units=3)"
    assert repr(MlpSettings()) == "MlpSettings()"
    with pytest.raises(ValidationError, match="frozen"):
        settings.units = 4


def test_settings_and_recipes_need_no_torch():
    program = "import sys, earmark.training.registry as r; r.open_recipe('rnn-2x60'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
