"""Many sounds: their order, bad ones, processes, and tables of them."""

import dataclasses
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.sounds import noise, wav

import earmark
from earmark.errors import AudioError, SettingError
from earmark.inference import batch


@pytest.fixture(scope="module")
def tagger():
    return earmark.load("paper-attention-2x60")


@pytest.fixture
def folder(tmp_path):
    """Twenty short files, one of them bad."""
    for i in range(20):
        sound = noise(1.5 + i % 4, seed=i).clip(-1, 1)
        (tmp_path / f"{i:02}.wav").write_bytes(b"noise" if i == 3 else wav(sound, 22050).read())
    return sorted(tmp_path.iterdir())


def test_many_keep_their_order_and_bad_ones_do_not_stop_them(tagger, folder):
    one, two = (list(tagger.classify_many(folder, jobs=jobs)) for jobs in (1, 2))
    assert one == two
    assert [v.path for v in one] == [str(p) for p in folder]
    assert [bool(v.error) for v in one] == [i == 3 for i in range(20)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_paths_are_read_as_the_work_goes_on(tagger, folder, jobs):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield folder[0]

    verdicts = tagger.classify_many(endless(), jobs=jobs)
    assert next(verdicts).error is None
    verdicts.close()
    assert len(taken) < 25


@pytest.fixture
def mixed(folder):
    """Paths, file objects, arrays, and what is none of them; a file is closed once the next sound is asked for."""

    def sounds():
        for path in folder:
            yield path
            with path.open("rb") as file:
                yield file
            yield wav(noise(2), 22050)
            yield noise(7, seed=len(path.name)), 22050
            yield np.zeros((2, 9)), 44100
        yield noise(7)
        yield 22050, noise(7)
        yield (noise(7),)
        yield lambda: "a sound", 22050  # cannot be sent to another process
        yield folder[-1]

    return sounds


def test_sounds_of_all_kinds_keep_their_order(tagger, mixed, folder):
    one, two = (list(tagger.classify_many(mixed(), jobs=jobs)) for jobs in (1, 2))
    assert one == two
    assert len(one) == 5 * len(folder) + 5
    assert one[:-5:5] == list(tagger.classify_many(folder))
    for from_path, from_file in zip(one[:-5:5], one[1:-5:5], strict=True):
        assert from_file == dataclasses.replace(from_path, path=None)
    assert one[3].genres == tagger.classify(noise(7, seed=len(folder[0].name)), 22050).genres
    assert [v.error and v.error[:30] for v in one[-5:]] == [
        "an array needs its sample rate",
        "an array needs its sample rate",
        "a tuple of 1: need a pair (sam",
        "an array of object of shape ()",
        None,
    ]


def test_what_is_too_large_to_send_is_heard_here(tagger, folder, monkeypatch):
    monkeypatch.setattr(batch, "LARGEST", 100_000)
    rng = np.random.default_rng(0)
    sounds = [(rng.uniform(-0.1, 0.1, n), 22050) for n in (30_000, 9000, 40_000)] * 6
    files = [path.open("rb") for path in folder]
    assert list(tagger.classify_many(sounds + files, jobs=2)) == list(tagger.classify_many(sounds + rewound(files)))
    for file in files:
        file.close()


def rewound(files):
    for file in files:
        file.seek(0)
    return files


def test_threads_share_a_tagger(tagger, folder):
    alone = list(tagger.classify_many(folder))
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda path: next(tagger.classify_many([path])), folder * 2)) == alone * 2


def test_records_are_flat_and_have_the_same_columns(tagger, folder):
    records = [verdict.to_record(tagger.labels) for verdict in tagger.classify_many(folder)]
    columns = ["path", "genre", "reason", "confidence", "style", "mood", "duration", "error", "model"]
    assert {tuple(record) for record in records} == {(*columns, *(f"p_{label}" for label in tagger.labels))}
    assert records[3]["error"]
    assert {records[3][f"p_{label}"] for label in tagger.labels} == {None}
    heard = next(record for record in records if record["confidence"])
    assert sum(heard[f"p_{label}"] for label in tagger.labels) == pytest.approx(1)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_records_make_a_table(library, tagger, folder):
    frames = pytest.importorskip(library)
    table = frames.DataFrame([verdict.to_record(tagger.labels) for verdict in tagger.classify_many(folder)])
    assert table.shape == (20, 19)
    assert 0 < table["p_jazz"].mean() < 1


def test_one_path_is_no_list_and_a_pair_is_a_sound(tagger, folder):
    with pytest.raises(SettingError, match="is one sound: give a list of sounds"):
        list(tagger.classify_many("song.opus"))
    with pytest.raises(SettingError, match="jobs is -1"):
        list(tagger.classify_many([], jobs=-1))
    silence = np.zeros(5 * 22050), 22050
    assert tagger.classify(silence).reason == tagger.classify(*silence).reason == "silence"


def test_errors_name_the_file_and_what_a_text_file_gives(tagger, tmp_path):
    with pytest.raises(AudioError) as caught:
        tagger.classify(tmp_path / "none.mp3")
    assert caught.value.__notes__ == [str(tmp_path / "none.mp3")]
    with pytest.raises(AudioError, match="reading gives str, not bytes: open it in mode 'rb'"):
        tagger.classify(io.StringIO("no sound"))
