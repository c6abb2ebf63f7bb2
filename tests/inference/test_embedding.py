"""Embeddings of whole sounds, through Python and through the command."""

import io
from importlib.util import find_spec

import numpy as np
import pytest
from support.command import run
from support.sounds import noise_and_tone

from earmark.errors import AudioError, SettingError
from earmark.inference.embedding import _embed_blocks, embed, embed_files
from earmark.inference.encoder import Encoder
from earmark.inference.tagger import Tagger


@pytest.fixture
def music(tmp_path, rng, write_sound):
    """Two files that can be heard, one of them in a folder of its own, one too short and one that is no sound."""
    folder = tmp_path / "music"
    (folder / "more").mkdir(parents=True)
    write_sound(folder / "a.wav", noise_and_tone(rng, 22050 * 12), 22050)
    write_sound(folder / "more" / "bé.flac", noise_and_tone(rng, 32000 * 2), 32000)
    write_sound(folder / "short.wav", noise_and_tone(rng, 3200), 32000)
    (folder / "text.mp3").write_text("no sound")
    return folder


def test_steps_are_evenly_spaced_over_all_of_a_sound(rng):
    samples = noise_and_tone(rng, 32000 * 25)
    embedding = embed(samples, 32000)
    assert embedding.vectors.shape == (79, 384)  # 25 s / 0.32 s, the last a part
    assert embedding.duration == 25
    np.testing.assert_allclose(np.diff(embedding.times), 0.32, atol=1e-5)
    # each 9.92 s as the encoder alone embeds them
    np.testing.assert_array_equal(embedding.vectors[31:62], Encoder().embed(samples[317440 : 2 * 317440]))


def test_blocks_of_any_size_give_the_same(rng):
    samples = noise_and_tone(rng, 32000 * 11)
    whole = _embed_blocks([samples])
    pieces = _embed_blocks(np.array_split(samples, 97))
    np.testing.assert_array_equal(whole.vectors, pieces.vectors)


def test_a_tagger_embeds_files_and_arrays_alike(music):
    tagger = Tagger("paper-lstm-2x250")
    by_path = tagger.embed(music / "more" / "bé.flac")
    by_file = tagger.embed(io.BytesIO((music / "more" / "bé.flac").read_bytes()))
    assert by_path.path.endswith("bé.flac")
    assert by_file.path is None
    assert by_path.vectors.shape == (7, 384)
    np.testing.assert_array_equal(by_path.vectors, by_file.vectors)


@pytest.mark.parametrize("seconds", [0.01, 0.31])
def test_less_than_a_step_is_too_short(seconds, rng):
    with pytest.raises(AudioError, match="too short: 0.[03]1 s of sound, need 0.32 s"):
        embed(noise_and_tone(rng, round(32000 * seconds)), 32000)


def test_what_cannot_be_embedded_is_refused(music):
    with pytest.raises(SettingError, match="an array needs its sample rate"):
        embed(np.zeros(32000))
    with pytest.raises(SettingError, match="a file states its own"):
        embed(music / "a.wav", 32000)
    with pytest.raises(AudioError, match="not finite"):
        embed(np.full(32000, np.nan), 32000)


def test_processes_give_the_same(music):
    paths = [str(music / name) for name in ("a.wav", "text.mp3")] * 8  # more than one process does alone
    for here, there in zip(embed_files(paths), embed_files(paths, jobs=2), strict=True):
        assert (here.path, here.error) == (there.path, there.error)
        np.testing.assert_array_equal(here.vectors, there.vectors)


def test_the_command_writes_arrays_and_names_what_failed(music, tmp_path):
    done = run("embed", music, "-o", tmp_path / "x.npz", "--jobs", 1, expect=1)
    assert "short.wav: too short: 0.10 s" in done.stderr
    assert "text.mp3: not a sound file" in done.stderr
    with np.load(tmp_path / "x.npz") as file:
        assert [path.rsplit("/", 1)[1] for path in file["paths"]] == ["a.wav", "bé.flac"]
        assert file["durations"].tolist() == [12, 2]
        assert file["offsets"].tolist() == [0, 38, 45]
        assert file["vectors"].dtype == file["times"].dtype == np.float32
        for i, path in enumerate(file["paths"]):
            rows = slice(*file["offsets"][i : i + 2])
            alone = embed(path)
            np.testing.assert_array_equal(file["vectors"][rows], alone.vectors)
            np.testing.assert_array_equal(file["times"][rows], alone.times)


def test_the_command_writes_parquet(music, tmp_path):
    if not find_spec("pyarrow"):
        done = run("embed", music / "a.wav", "-o", tmp_path / "x.parquet", expect=2)
        assert "pip install '.[parquet]'" in done.stderr
        return
    import polars

    run("embed", music / "a.wav", music / "more", "-o", tmp_path / "x.parquet")
    table = polars.read_parquet(tmp_path / "x.parquet")
    assert table.columns == ["path", "time", "vector"]
    np.testing.assert_array_equal(
        table["vector"].to_numpy(),
        np.concatenate([embed(path).vectors for path in table["path"].unique(maintain_order=True)]),
    )


def test_the_command_refuses_what_it_cannot_write(music, tmp_path):
    done = run("embed", music / "a.wav", "-o", tmp_path / "x.csv", expect=2)
    assert "embeddings are written as .npz or .parquet" in done.stderr
    run("embed", music / "text.mp3", "-o", tmp_path / "none.npz", expect=1)
    with np.load(tmp_path / "none.npz") as file:
        assert file["vectors"].shape == (0, 384)
