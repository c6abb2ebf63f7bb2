"""Protocols: dealing, folds, the proof that nothing leaks (and that it would see a leak), and the measure of one."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.data import gtzan
from earmark.data.corpus import Corpus, Track
from earmark.data.groups import count_groups, find_narrow_genres, group_by_origin, group_by_protocol
from earmark.data.splits import PARTS, Fold, Split, check_split, measure_leak, split_clips, split_tracks
from earmark.errors import CorpusError, SettingError

CLIPS = 6
HONEST = ("track", "artist", "album", "fault-filtered")


def paper_corpus():
    return Corpus(
        "gtzan", tuple(Track(f.track, f.genre, artist=gtzan.find_artist(f.track)) for f in gtzan.load_index().values())
    )


CORPUS = paper_corpus()
OF = np.repeat(np.arange(1000), CLIPS)


def sides(split):
    """The part of each clip."""
    side = np.full(len(OF), "", dtype="<U5")
    for part in PARTS:
        side[getattr(split, part)] = part
    return side


def moved(split, clips, to):
    """The same split with some clips moved: the mutation that a proof must see."""
    parts = {part: np.setdiff1d(getattr(split, part), clips) for part in PARTS}
    parts[to] = np.union1d(parts[to], clips)
    return Split(split.protocol, **parts)


@pytest.mark.parametrize("protocol", HONEST)
@pytest.mark.parametrize("fold", [None, Fold(0, 5), Fold(4, 5)], ids=str)
def test_an_honest_split_proves_itself(protocol, fold):
    split = split_clips(CORPUS, OF, protocol, 1, fold)
    check_split(CORPUS, OF, split)
    leak = measure_leak(CORPUS, OF, split)
    assert leak.tracks == 0
    if protocol == "artist" or (protocol == "fault-filtered" and fold):
        assert leak.artists == 0


@pytest.mark.parametrize("protocol", HONEST)
@pytest.mark.parametrize("seed", range(5))
def test_one_clip_on_the_other_side_is_caught(protocol, seed):
    split = split_clips(CORPUS, OF, protocol, 0)
    rng = np.random.default_rng(seed)
    here, there = rng.permutation(PARTS)[:2]
    clip = rng.choice(getattr(split, here))
    name = CORPUS.tracks[OF[clip]].id
    with pytest.raises(CorpusError, match=f"leak: clips of {name} are both in"):
        check_split(CORPUS, OF, moved(split, [clip], there))


@pytest.mark.parametrize("seed", range(5))
def test_one_track_of_an_artist_on_the_other_side_is_caught(seed):
    split = split_clips(CORPUS, OF, "artist", 0)
    groups, side = group_by_origin(CORPUS), sides(split)[::CLIPS]
    rng = np.random.default_rng(seed)
    shared = [i for i in range(1000) if (groups == groups[i]).sum() > 1 and CORPUS.tracks[i].artist]
    track = rng.choice(shared)
    to = rng.choice([part for part in PARTS if part != side[track]])
    with pytest.raises(CorpusError, match=r"leak: .* belong together"):
        check_split(CORPUS, OF, moved(split, np.flatnonzero(track == OF), to))


@pytest.mark.parametrize("protocol", ["artist", "fault-filtered"])
@pytest.mark.parametrize("kind", ["identical_to", "same_recording_as"])
def test_one_copy_on_the_other_side_is_caught(protocol, kind):
    index = {track.id: i for i, track in enumerate(CORPUS.tracks)}
    split = split_clips(CORPUS, OF, protocol, 0)
    side = sides(split)[::CLIPS]
    pairs = [(index[f.track], index[o]) for f in gtzan.load_index().values() for o in getattr(f, kind)]
    pairs = [(i, j) for i, j in pairs if side[i]]
    if protocol == "fault-filtered":  # which left one of each pair out: put it back, on the wrong side
        assert all(side[i] == side[j] or not side[j] for i, j in pairs)
    i, j = pairs[0]
    to = next(part for part in PARTS if part != side[i])
    with pytest.raises(CorpusError, match=r"leak: .* belong together"):
        check_split(CORPUS, OF, moved(split, np.flatnonzero(j == OF), to))


def test_the_papers_protocol_leaks_and_its_leak_is_measured():
    split = split_clips(CORPUS, OF, "clip", 42)
    assert [len(getattr(split, part)) for part in PARTS] == [4200, 600, 1200]
    siblings = np.mean([OF[c] in set(OF[split.train]) for c in split.test])
    assert measure_leak(CORPUS, OF, split).tracks == pytest.approx(siblings)
    assert siblings > 0.99


def test_the_accepted_split_leaks_artists():
    """As its index of artists shows; few speak of it."""
    leak = measure_leak(CORPUS, OF, split_clips(CORPUS, OF, "fault-filtered"))
    assert leak.tracks == 0
    assert 0.05 < leak.artists < 0.5


def test_no_artists_no_measure():
    nameless = Corpus("c", tuple(Track(str(i), "ab"[i % 2]) for i in range(20)))
    of = np.arange(20)
    assert measure_leak(nameless, of, split_clips(nameless, of, "track")).artists is None


@pytest.mark.parametrize("protocol", ["clip", *HONEST])
@pytest.mark.parametrize("count", [3, 5])
def test_over_all_turns_each_track_judges_once_and_chooses_once(protocol, count):
    turns = [split_clips(CORPUS, OF, protocol, 3, Fold(i, count)) for i in range(count)]
    everything = np.concatenate([turns[0].train, turns[0].valid, turns[0].test])
    assert len(everything) == {"fault-filtered": 930 * CLIPS}.get(protocol, 1000 * CLIPS)
    for part in ("test", "valid"):
        np.testing.assert_array_equal(np.sort(np.concatenate([getattr(t, part) for t in turns])), np.sort(everything))
    for turn in turns:
        assert len(np.unique(np.concatenate([turn.train, turn.valid, turn.test]))) == len(everything)
        for part in PARTS:
            assert set(np.array([t.genre for t in CORPUS.tracks])[OF[getattr(turn, part)]]) == set(CORPUS.genres)


@pytest.mark.parametrize(("index", "count", "says"), [(0, 2, "2 folds: need 3 or more"), (5, 5, "must be 0 to 4")])
def test_folds_that_make_no_sense(index, count, says):
    with pytest.raises(SettingError, match=says):
        Fold(index, count)


def test_a_genre_of_two_artists_learns_and_judges():
    tracks = [
        Track(f"{g}{a}.{i}", g, artist=f"{g}{a}") for g, n in (("a", 2), ("b", 9)) for a in range(n) for i in "xy"
    ]
    corpus = Corpus("c", tuple(tracks))
    side = split_tracks(corpus, "artist", 0)
    assert {side[i] for i, t in enumerate(tracks) if t.genre == "a"} == {"train", "test"}
    with pytest.raises(CorpusError, match="genre 'a' has 2 artists: each needs at least 3, one to learn from"):
        split_tracks(corpus, "artist", 0, Fold(0, 3))
    with pytest.raises(CorpusError, match="genre 'a' has 1 artist: each needs at least 2"):
        split_tracks(corpus.subset([i for i, t in enumerate(tracks) if t.artist != "a1"]), "artist")


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_any_corpus_can_be_dealt_into_folds(data):
    count = data.draw(st.integers(3, 5))
    tracks = []
    for genre in "abc":
        sizes = data.draw(st.lists(st.integers(1, 5), min_size=count, max_size=9))
        tracks += [Track(f"{genre}{a}.{i}", genre, artist=f"{genre}{a}") for a, n in enumerate(sizes) for i in range(n)]
    corpus, of = Corpus("c", tuple(tracks)), np.arange(len(tracks))
    turns = [split_clips(corpus, of, "artist", 0, Fold(i, count)) for i in range(count)]
    assert sorted(np.concatenate([t.test for t in turns])) == list(of)
    for turn in turns:
        check_split(corpus, of, turn)
        assert {tracks[i].genre for i in turn.test} == set("abc")


def test_what_is_kept_together_depends_on_the_protocol():
    assert len(np.unique(group_by_protocol(CORPUS, "track"))) == 1000
    copies = len(np.unique(group_by_protocol(CORPUS, "fault-filtered")))
    assert 900 < copies < 1000
    assert len(np.unique(group_by_protocol(CORPUS, "artist"))) < copies
    # of tracks whose artists are unknown, "artist" makes one group a genre
    albums = len(np.unique(group_by_protocol(CORPUS, "album")))
    assert len(np.unique(group_by_protocol(CORPUS, "artist"))) < albums < copies
    with pytest.raises(SettingError, match="protocol is 'label'"):
        group_by_protocol(CORPUS, "label")


def test_albums_are_known_by_artist_title_or_folder():
    at = Path("/music/rock")
    tracks = [
        Track("a", "rock", at / "a.mp3", artist="Ann"),
        Track("b", "rock", at / "b.mp3", artist="ANN", album="One (Ann)"),
        Track("c", "rock", at / "c.mp3", artist="Ben", album="one (ann)"),
        Track("d", "rock", at / "Some Album" / "d.mp3"),
        Track("e", "rock", at / "Some Album" / "e.mp3"),
        # without a name, and in no folder of its own: each for itself
        Track("f", "rock", at / "f.mp3"),
        Track("g", "rock", at / "g.mp3"),
        *(Track(name, "polka", Path(f"/music/polka/{name}.mp3"), artist="Eve") for name in "hij"),
    ]
    corpus = Corpus("shelf", tuple(tracks))
    groups = group_by_protocol(corpus, "album")
    same = [[x.id for x, g in zip(tracks, groups, strict=True) if g == group] for group in dict.fromkeys(groups)]
    assert same == [["a", "b", "c"], ["d", "e"], ["f"], ["g"], ["h"], ["i"], ["j"]]
    # one artist only: kept together, the genre could not be judged
    assert find_narrow_genres(corpus) == ["polka"]
    assert count_groups(corpus, "album") == 3
