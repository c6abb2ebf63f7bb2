"""A model's answers to a search, fresh or kept: by Python, as the command gives them."""

import numpy as np
import pytest

from earmark.errors import LibraryError, SettingError
from earmark.library.answers import choose_model, classify_new, classify_search
from earmark.library.library import Library
from earmark.library.search import Search


@pytest.fixture(scope="module")
def music(write_sound, tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    for i in range(2):
        write_sound(folder / f"{i}.wav", 0.1 * np.random.default_rng(i).standard_normal(22050 * 3), 22050)
    return folder


def test_a_library_gives_what_the_model_gave(music, tmp_path):
    labels, verdicts = classify_search(Search([str(music)]), "paper-attention-2x60")
    fresh = [(v.path, v.genre, v.genres) for v in verdicts]
    assert len(fresh) == 2
    for heard in (2, 0):
        with Library(tmp_path / "music.db") as library:
            kept_labels, verdicts = classify_new(library, Search([str(music)]), "paper-attention-2x60")
            kept = [(v.path, v.genre, v.genres) for v in verdicts]
            assert library.n_classified == heard
        assert tuple(kept_labels) == tuple(labels)
        assert kept == fresh


def test_a_model_is_chosen_by_name_checksum_or_file(music, tmp_path):
    with Library(tmp_path / "music.db") as library:
        with pytest.raises(LibraryError, match="nothing has been heard yet"):
            choose_model(library)
        for model in ("paper-attention-2x60", "gtzan"):
            list(classify_new(library, Search([str(music)]), model).verdicts)
        last, names = choose_model(library)
        assert last.name == "gtzan"
        assert [name.split()[0] for name in names] == ["gtzan", "paper-attention-2x60"]
        other, _ = choose_model(library, "paper-attention-2x60")
        assert choose_model(library, other.checksum[:6])[0] == other
        with pytest.raises(SettingError, match="no answers of model 'paper-lstm-2x250'"):
            choose_model(library, "paper-lstm-2x250")


def test_what_is_not_there_comes_last_as_failed(music, tmp_path):
    (tmp_path / "empty").mkdir()
    _, verdicts = classify_search(Search([str(tmp_path / "empty"), str(music / "0.wav")]), preview=True)
    errors = [verdict.error for verdict in verdicts]
    assert errors == [None, "no audio files in this folder"]
