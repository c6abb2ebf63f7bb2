"""Playlists: names of any bytes, on any file system."""

import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from support.verdicts import KEY, verdict_of

from earmark.library.playlists import format_entry, write_playlists
from earmark.library.vocabulary import load_vocabulary


def test_odd_names_survive_in_playlists(tmp_path):
    folder = tmp_path / "lists"
    names = ["So What.flac", "b\n.mp3", "#1.mp3", " end.mp3 ", "caf\u00e9 \U0001f3b7.ogg", "x%20y.mp3", "a/b/c.wav"]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"\xff.mp3"))
    paths = [str(tmp_path / "m" / name) for name in names]
    (written, *_) = [p for p in write_playlists(folder, map(verdict_of, paths), KEY.labels) if p.tracks]
    assert (written.path.name, written.tracks, written.seconds) == ("jazz.m3u8", len(names), 12.0 * len(names))
    lines = [line for line in written.path.read_text(encoding="utf-8").split("\n") if line and line[0] != "#"]
    back = [
        os.fsdecode(unquote(urlsplit(line).path, errors="surrogateescape"))
        if line.startswith("file:")
        else os.path.normpath(folder / line)
        for line in lines
    ]
    assert back == paths
    assert format_entry(paths[0], folder) == str(Path("..", "m", "So What.flac"))


def test_names_of_lists_fit_any_file_system_and_old_lists_are_emptied(tmp_path):
    labels = ["R&B/Soul", "R&B-soul", "Rock", "\x00", "..", "x" * 500]
    list(write_playlists(tmp_path, [verdict_of("/m/old.mp3", "Rock")], labels))
    some = [verdict_of("/m/a.mp3", label) for label in labels if label != "Rock"]
    written = list(write_playlists(tmp_path, some, labels))
    assert [p.tracks for p in written] == [1, 1, 0, 1, 1, 1]
    assert len({p.path.name.casefold() for p in written}) == len(labels)
    assert {p.path.parent for p in written} == {tmp_path}
    assert "old" not in (tmp_path / "Rock.m3u8").read_text()


def test_what_stands_where_a_list_would_be_is_left_alone_and_the_rest_is_written(tmp_path):
    own = tmp_path / "jazz.m3u8"
    (tmp_path / "rock.m3u8").mkdir()
    some = [verdict_of("/m/a.mp3"), verdict_of("/m/b.mp3", "rock"), verdict_of("/m/c.mp3", "R&B/Soul")]
    for text in ("", "#EXTM3U\n", "#EXTM3U\n#PLAYLIST:jazz\na.mp3\n"):
        own.write_text(text)
        written = {p.path.name: p.written for p in write_playlists(tmp_path, some, KEY.labels)}
        assert written == {"jazz.m3u8": False, "rock.m3u8": False, "R&B-Soul.m3u8": True}
        # Without tracks there is nothing to write, and nothing to say.
        assert not list(write_playlists(tmp_path, [], ["jazz"]))
        assert own.read_text() == text
    (p,) = write_playlists(tmp_path, some[:1], ["jazz"], overwrite=True)
    assert p.written
    assert "/m/a.mp3" in own.read_text()


def test_a_genre_of_several_words_is_in_the_list_of_each(tmp_path):
    own = load_vocabulary({"words": {"jazz": ["Jazz", "Swing"], "metal": "Rock"}})
    some = [verdict_of("/m/a.mp3", "jazz"), verdict_of("/m/b.mp3", "metal"), verdict_of("/m/c.mp3", "rock")]
    written = write_playlists(tmp_path, some, ["Jazz", "Swing", "Rock"], own)
    assert {p.path.name: p.tracks for p in written} == {"Jazz.m3u8": 1, "Swing.m3u8": 1, "Rock.m3u8": 2}
    # a list that was not asked for stays as it is
    assert [p.path.name for p in write_playlists(tmp_path, some[:1], ["Swing"], own)] == ["Swing.m3u8"]
    assert "/m/c.mp3" in (tmp_path / "Rock.m3u8").read_text()
