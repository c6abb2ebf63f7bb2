"""Which tracks are suggested for a look, in which order, and why."""

from pathlib import Path

import numpy as np
import pytest

from earmark.inference.verdict import Verdict
from earmark.library.records import StoredVerdict
from earmark.library.review import measure_similarity, rank_for_review, select_representatives
from earmark.library.tags.file_tags import FileTags

GENRES = ("blues", "jazz", "metal", "pop")


@pytest.fixture
def shelf(tmp_path):
    """Make tracks of files that are there: name, probabilities of GENRES, embedding, tags and correction."""

    def make(name, shares, embedding=None, correction=None, gone=False, **tags):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if not gone:
            path.touch()
        genres = dict(sorted(zip(GENRES, shares, strict=True), key=lambda item: -item[1]))
        best = next(iter(genres), None)
        verdict = Verdict(
            best, None, max(shares), genres, 30.0, (), "m", str(path),
            embedding=None if embedding is None else np.array(embedding, np.float16),
        )  # fmt: skip
        changed = 0 if gone else path.stat().st_mtime_ns
        return StoredVerdict(verdict, 0, changed, FileTags(str(path), **tags), correction)

    return make


def names(suggestions):
    return [Path(s.track.verdict.path).name for s in suggestions]


def test_the_least_sure_comes_first(shelf):
    tracks = [
        shelf("a/1.mp3", (0.9, 0.1, 0, 0)), shelf("b/2.mp3", (0.4, 0.35, 0.25, 0)), shelf("c/3.mp3", (0, 0.6, 0.4, 0)),
    ]  # fmt: skip
    first, *_ = found = rank_for_review(tracks)
    assert names(found) == ["2.mp3", "3.mp3", "1.mp3"]
    assert first.reason == "not sure: blues 40%, jazz 35%"
    assert first.doubt == pytest.approx(0.6)


def test_a_tag_that_is_at_odds_with_the_sound_is_a_reason(shelf):
    wrong = shelf("a/1.mp3", (0.97, 0, 0.02, 0.01), genres=("Pop",))
    family = shelf("b/2.mp3", (0.9, 0.1, 0, 0), genres=("Swing music", "Bebop"))
    foreign = shelf("c/3.mp3", (0.97, 0.03, 0, 0), genres=("Audiobook",))
    one_fits = shelf("d/4.mp3", (0.97, 0.03, 0, 0), genres=("Metal", "Blues"))
    found = rank_for_review([wrong, family, foreign, one_fits])
    assert names(found)[:2] == ["1.mp3", "2.mp3"]
    assert found[0].reason == "tagged Pop, but sounds like blues"
    assert "not sure" in found[2].reason
    assert "not sure" in found[3].reason


def test_a_track_that_is_at_odds_with_its_album_is_a_reason(shelf):
    album = [shelf(f"a/{n}.mp3", (0.97, 0.01, 0.01, 0.01), album="X") for n in range(3)]
    odd = shelf("a/odd.mp3", (0.001, 0.001, 0.998, 0), album="X")
    found = rank_for_review([*album, odd])
    assert names(found)[0] == "odd.mp3"
    assert found[0].reason == "its album is blues, it sounds like metal"
    assert all("not sure" in s.reason for s in found[1:])


@pytest.mark.parametrize(
    "tags", [{"compilation": True, "album": "X"}, {"album": "X", "albumartist": "Various Artists"}]
)
def test_a_compilation_has_no_genre_to_be_at_odds_with(shelf, tags):
    tracks = [shelf(f"a/{n}.mp3", (0.97, 0.01, 0.01, 0.01), **tags) for n in range(3)]
    found = rank_for_review([*tracks, shelf("a/odd.mp3", (0.001, 0.001, 0.998, 0), **tags)])
    assert all("not sure" in s.reason for s in found)


def test_nor_has_a_folder_of_anything(shelf):
    shares = [(0.9, 0.1, 0, 0), (0, 0.9, 0.1, 0), (0, 0, 0.9, 0.1), (0, 0, 0.1, 0.9)]
    assert all("not sure" in s.reason for s in rank_for_review(shelf(f"a/{n}.mp3", s) for n, s in enumerate(shares)))


def test_what_is_corrected_or_gone_or_silent_is_left_out(shelf):
    silence = StoredVerdict(Verdict(None, "silence", 0.0, {}, 3.0, (), "m", "/none"), 0, 0)
    tracks = [
        silence, shelf("a/1.mp3", (0.5, 0.5, 0, 0), correction="jazz"), shelf("b/2.mp3", (0.5, 0.5, 0, 0), gone=True),
        shelf("c/3.mp3", (0.6, 0.4, 0, 0)),
    ]  # fmt: skip
    assert names(rank_for_review(tracks)) == ["3.mp3"]
    assert rank_for_review([silence]) == []


def test_of_tracks_that_sound_alike_one_is_suggested_first(shelf):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20))
    doubt = (0.4, 0.3, 0.3, 0)
    alike = [shelf(f"a/{n}.mp3", doubt, a + 0.01 * rng.normal(size=20)) for n in range(5)]
    others = [shelf(f"b/{n}.mp3", (0.42, 0.3, 0.28, 0), b + 0.01 * rng.normal(size=20)) for n in range(3)]
    found = [Path(s.track.verdict.path).parent.name for s in rank_for_review([*alike, *others], top=2)]
    # by doubt alone both would be of "a"; the larger group comes first
    assert found == ["a", "b"]


def test_the_selection_is_what_its_definition_says():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(12, 5))
    similarity = measure_similarity(list(X))
    weight = rng.random(12).astype(np.float32)
    chosen = []
    for i in select_representatives(similarity, weight, 5):
        now = (weight * similarity[chosen].max(axis=0, initial=0)).sum()
        then = np.array([(weight * similarity[[*chosen, j]].max(axis=0)).sum() for j in range(12)])
        worth = np.where(np.isin(range(12), chosen), -1, weight * (then - now))
        assert worth[i] == pytest.approx(max(worth), abs=1e-5)
        chosen.append(i)
    assert sorted(select_representatives(similarity, weight, 100)) == list(range(12))


def test_tracks_without_an_embedding_are_like_themselves_only():
    similarity = measure_similarity([None, np.array([1.0, 2.0]), None, np.array([1.0, 2.5])])
    assert similarity[0].tolist() == [1, 0, 0, 0]
    assert measure_similarity([None, None]).tolist() == [[1, 0], [0, 1]]
