"""Which tracks are an album, and what is said of them together."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.models import listening

from earmark.inference.verdict import Verdict
from earmark.library.albums import answer_albums, disagrees, find_album_folder, group_by_album, pool_album
from earmark.library.tags.file_tags import FileTags

CARD = listening().card


def tags(path, **known):
    return FileTags(path, **known)


def groups(*tracks):
    """By title and kind: names of the files, in the order in which they come."""
    albums = group_by_album(tracks, key=lambda track: track)
    return [(album.title, album.kind, "".join(Path(t.path).stem for t in album.tracks)) for album in albums]


@pytest.mark.parametrize(
    ("folder", "album"),
    [
        ("X/CD 1", "X"), ("X/Disc 2", "X"), ("X/Disk-02", "X"), ("X/cd1", "X"), ("X/CD 03 - Live", "X"),
        ("X/Disco 3", "X/Disco 3"), ("X/CD 1999", "X/CD 1999"), ("X/Discography", "X/Discography"), ("CD1", "."),
    ],
)  # fmt: skip
def test_discs_have_folders_of_their_own(folder, album):
    assert find_album_folder(Path(folder, "a.mp3")) == Path(album)


def test_albums_are_told_by_title_and_artist_within_a_folder():
    assert groups(
        tags("A/1.mp3", album="Hits", albumartist="Queen"),
        tags("A/2.mp3", album="hits", albumartist="QUEEN"),
        tags("A/3.mp3", album="Hits", albumartist="Abba"),
        tags("A/4.mp3", album="Hits", albumartist="Abba"),
        tags("B/5.mp3", album="Hits", albumartist="Queen"),
        tags("B/6.mp3", album="Hits", albumartist="Queen"),
    ) == [("Hits", "album", "12"), ("Hits", "album", "34"), ("Hits", "album", "56")]


def test_the_order_of_a_search_and_that_of_paths_give_the_same_albums():
    files = ["M/0.mp3", "M/a/1.mp3", "M/a/CD 1/2.mp3", "M/a/CD 2/3.mp3", "M/a/b/4.mp3", "M/a/z.mp3", "M/c/5.mp3"]
    by_path = [tags(path) for path in files]
    # a search gives a folder's files before those of its folders
    by_folder = [by_path[i] for i in (0, 1, 5, 2, 3, 4, 6)]
    found = [{(a.title, frozenset(t.path for t in a.tracks)) for a in group_by_album(order, key=lambda t: t)}
             for order in (by_path, by_folder)]  # fmt: skip
    assert found[0] == found[1]
    assert {title: len(paths) for title, paths in found[0]} == {"M": 1, "a": 4, "b": 1, "c": 1}


def test_files_without_an_album_are_one_only_where_none_has_any():
    assert groups(tags("A/1.mp3"), tags("A/2.mp3")) == [("A", "album", "12")]
    assert groups(tags("A/1.mp3"), tags("A/2.mp3", album="X"), tags("A/3.mp3"), tags("A/4.mp3", album="X")) == [
        ("", "track", "1"), ("X", "album", "24"), ("", "track", "3"),
    ]  # fmt: skip


def test_no_more_than_a_folder_is_held():
    read = []

    def files():
        for i in range(100):
            read.append(i)
            yield tags(f"M/{i // 10}/{i}.mp3")

    for number, album in enumerate(group_by_album(files(), key=lambda t: t)):
        assert len(album.tracks) == 10
        assert len(read) == min(100, 10 * (number + 1) + 1)


def test_folders_inside_each_other_are_done_with_when_the_outermost_is_left():
    read = []

    def files():
        for path in ("A/1.mp3", "A/b/2.mp3", "A/b/c/3.mp3", "D/4.mp3", "D/5.mp3"):
            read.append(path)
            yield tags(path)

    albums = group_by_album(files(), key=lambda t: t)
    assert [(next(albums).title, len(read)) for _ in range(4)] == [("c", 4), ("b", 4), ("A", 4), ("D", 5)]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ([{"albumartist": "Various Artists"}], "compilation"),
        ([{"albumartist": "V.A."}], "compilation"),
        ([{"compilation": True}], "compilation"),
        ([{"artist": name} for name in "ABCD"], "compilation"),
        ([{"artist": name} for name in "ABC"], "album"),
        ([{"artist": name, "albumartist": "DJ"} for name in "ABCD"], "album"),
        ([{"artist": f"Nas (feat. {name})"} for name in "ABCD"], "album"),
        ([{"artist": f"Nas ft. {name}"} for name in "ABCD"], "album"),
        ([{"discs": 3}], "album"),
        ([{"discs": 4}], "box set"),
        ([{"disc": 5}], "box set"),
        ([{}] * 60, "album"),
        ([{}] * 61, "box set"),
    ],
)
def test_compilations_and_box_sets_are_found(more, kind):
    own = [more[i % len(more)] for i in range(max(4, len(more)))]
    (album,) = group_by_album([tags(f"X/{i}.mp3", album="X", **t) for i, t in enumerate(own)], key=lambda t: t)
    assert album.kind == kind


def test_a_box_set_by_its_folders():
    assert groups(*(tags(f"X/CD {i}/{i}.mp3", album="X") for i in range(1, 5))) == [("X", "box set", "1234")]


def answer(path, reason=None, error=None, duration=100.0, styles=None, **genres):
    genres = dict(sorted(genres.items(), key=lambda item: -item[1]))
    best, p = next(iter(genres.items()), (None, 0.0))
    return Verdict(
        None if reason else best, reason, p, genres, duration, (), "tiny", path, error, styles or {}
    )  # fmt: skip


@pytest.fixture
def card():
    """Of a model of three genres, which names one from 0.4 on and is sure enough for tags from 0.6 on."""
    calibration = CARD.calibration.model_copy(update={"threshold": 0.4, "tag_threshold": 0.6, "thresholds": ()})
    return CARD.model_copy(update={"labels": ("a", "b", "c"), "calibration": calibration})


def test_an_album_has_the_mean_of_its_tracks(card):
    tracks = [
        answer("1", a=0.8, b=0.1, c=0.1, styles={"x": 1.0, "y": 0.0}),
        answer("2", b=0.4, c=0.36, a=0.24, styles={"x": 0.1, "y": 0.9}),
    ]
    album = pool_album(tracks, card, "folder")
    assert album.genres == pytest.approx({"a": 0.52, "b": 0.25, "c": 0.23})
    assert album.styles == pytest.approx({"x": 0.55, "y": 0.45})
    assert [list(album.genres), list(album.styles)] == [["a", "b", "c"], ["x", "y"]]
    assert (album.genre, album.path, album.duration) == ("a", "folder", 200.0)
    assert album.confidence == album.genres["a"]


def test_an_unsure_album_is_unknown_for_the_reasons_of_a_track(card):
    assert pool_album([answer("1", a=0.36, b=0.34, c=0.3)] * 2, card).reason == "two genres alike"
    assert pool_album([answer("1", a=0.5, b=0.25, c=0.25)], card).genre == "a"
    quiet = [answer("1", "speech"), answer("2", "silence"), answer("3", "speech")]
    assert (pool_album(quiet, card).genre, pool_album(quiet, card).reason) == (None, "speech")


def test_what_is_no_music_or_unlike_all_has_no_say(card):
    music = answer("1", a=0.7, b=0.2, c=0.1)
    strange = answer("2", "unlike what it learned", b=0.9, a=0.05, c=0.05)
    assert pool_album([music, answer("3", "speech"), strange], card).genres == pytest.approx(music.genres)
    mostly = pool_album([music, strange, replace(strange, path="3")], card)
    assert (mostly.genre, mostly.reason) == (None, "unlike what it learned")


def test_errors_are_counted(card):
    bad = Verdict.from_error("tiny", "X/bad.mp3", "no samples could be decoded")
    album = pool_album([answer("1", a=0.7, b=0.2, c=0.1), bad], card)
    assert (album.genre, album.duration) == ("a", 100.0)
    assert album.error == "1 of 2 tracks with errors, such as bad.mp3: no samples could be decoded"
    nothing = pool_album([bad, bad], card)
    assert (nothing.genre, nothing.reason, nothing.duration, nothing.genres) == (None, None, None, {})


def test_a_track_disagrees_where_it_is_sure_of_what_the_others_hardly_have(card):
    own = [answer(str(i), a=0.6, b=0.35, c=0.05) for i in range(2)]
    odd = answer("odd", c=0.8, a=0.1, b=0.1)
    like = answer("like", b=0.8, a=0.1, c=0.1)  # a fifth of the others is of that genre
    unsure = answer("unsure", c=0.55, a=0.4, b=0.05)
    tracks = [*own, odd, like, unsure]
    assert [track.path for track in tracks if disagrees(track, tracks, card)] == ["odd"]
    twice = [*tracks, replace(odd, path="even")]
    assert not disagrees(odd, twice, card)
    # a short album is mostly the track itself
    assert disagrees(odd, [own[0], odd], card)
    assert not disagrees(odd, [odd, answer("quiet", "silence")], card)


def test_answers_by_album(card):
    def track(path, verdict, **known):
        return replace(verdict, path=path), tags(path, **known)

    pop, jazz = answer("", a=0.9, b=0.05, c=0.05), answer("", b=0.9, a=0.05, c=0.05)
    answers = list(
        answer_albums(
            [
                *(track(f"A/{i}.mp3", pop, album="A", artist="X") for i in range(3)),
                track("A/9.mp3", jazz, album="A", artist="X"),
                *(track(f"B/{i}.mp3", pop, album="B", compilation=True) for i in range(2)),
            ],
            card,
        )
    )
    assert [(a.verdict.path, a.verdict.genre, a.album.kind) for a in answers] == [
        ("A", "a", "album"), ("B/0.mp3", "a", "compilation"), ("B/1.mp3", "a", "compilation"),
    ]  # fmt: skip
    assert [outlier.path for outlier in answers[0].outliers] == ["A/9.mp3"]
    assert (answers[0].album.artist, len(answers[0].album.tracks)) == ("X", 4)
