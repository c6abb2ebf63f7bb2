"""The journal: torn, carried on, and not mistaken."""

import json
import os
from dataclasses import replace

import pytest
from support.tags import undone, write

from earmark.errors import SettingError
from earmark.library.tags.journal import Journal, default_journal, find_last_journal, plan_journal, read_journal
from earmark.library.tags.plan import PlanRow
from earmark.library.tags.values import TagValues
from earmark.library.tags.writer import GenreWriter


def test_a_torn_line_is_passed_over_and_the_journal_goes_on(put, journal):
    one, two = put(".mp3", "one"), put(".flac", "two")
    originals = one.read_bytes(), two.read_bytes()
    write(journal, one, "Jazz")
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole.splitlines()[1][:100])
    write(journal, two, "Jazz")
    entries, damaged = read_journal(journal)
    assert (len(entries), damaged) == (2, 1)
    assert undone(journal) == [("restored", None)] * 2
    assert (one.read_bytes(), two.read_bytes()) == originals


def test_a_journal_torn_at_any_byte_can_be_read_and_carried_on(put, journal, tmp_path):
    path = put(".mp3")
    write(journal, path, "Jazz")
    whole = journal.read_bytes()
    for size in [*range(0, 60), *range(60, len(whole), 97)]:
        torn = tmp_path / "torn.jsonl"
        torn.write_bytes(whole[:size])
        read_journal(torn)
        undone(journal)
        write(torn, path, "Jazz")
        assert undone(torn)[0] == ("restored", None)


def test_no_change_leaves_no_journal(put, journal):
    with Journal(journal):
        pass
    assert not journal.exists()


def test_what_is_no_journal_is_not_written_to(put, journal):
    journal.write_text("my notes, which are longer than the first line of a journal, by far\n")
    with pytest.raises(SettingError, match="not a journal"):
        write(journal, put(".mp3"), "Jazz")
    journal.write_text(json.dumps({"journal": "earmark tag", "version": 2}))
    with pytest.raises(SettingError, match="this version"):
        read_journal(journal)
    with pytest.raises(SettingError, match="cannot be read"):
        read_journal(journal.parent)


def test_two_runs_do_not_share_a_journal(put, journal):
    with Journal(journal) as one:
        GenreWriter(one).write(put(".mp3"), TagValues(("Jazz",)))
        with pytest.raises(SettingError, match="another run"):
            write(journal, put(".flac"), "Jazz")


def test_the_default_journal_lies_in_the_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_journal().parent == tmp_path / "earmark" / "journals"


def test_the_last_journal_is_the_one_written_to_last(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(SettingError, match="there is no journal in"):
        find_last_journal()
    journals = [default_journal().with_name(name) for name in ("plan-1.jsonl", "2026.jsonl", "note.txt")]
    journals[0].parent.mkdir(parents=True)
    for journal, seconds in zip(journals, (3, 2, 4), strict=True):
        journal.touch()
        os.utime(journal, (seconds, seconds))
    assert find_last_journal() == journals[0]


def test_the_journal_of_a_plan_is_told_by_its_files_however_it_is_edited():
    rows = [PlanRow(f"/m/{i}\udce9.mp3", genre=("Jazz",), action="write", state="1 bytes at 2 ns") for i in range(3)]
    journal = plan_journal(rows)
    assert plan_journal(replace(row, genre=("Polka",), action="review") for row in reversed(rows)) == journal
    assert plan_journal([replace(rows[0], state="1 bytes at 3 ns"), *rows[1:]]) != journal
