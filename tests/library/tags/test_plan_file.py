"""Plans as people send them back: from spreadsheets of several countries, edited, sorted, damaged."""

import csv
import io
import os
from dataclasses import replace

import pytest

from earmark.errors import SettingError
from earmark.library.tags.plan import COLUMNS, PlanRow, format_state, parse_state
from earmark.library.tags.plan_file import read_plan, write_plan

STATE = format_state(1234, 1_500_000_000_123_456_789)
ROWS = [
    PlanRow("/music/a, b; c/Ünï \"x\".mp3", "An album, with; all", ("Polka", "Ska"), ("Jazz",), ("Swing", "Bebop"),
            ("calm",), 0.83, "", "write", STATE, "model=earmark; genre=Jazz"),
    PlanRow("/music/two\nlines.mp3", "", (), ("Rock",), (), (), 0.5, "not sure enough", "review", STATE),
    PlanRow("/music/c.mp3", "=SUM(A1)", ("-",), (), (), (), None, "+ no such file", "keep"),
]  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_plan_reads_back_as_it_was_written(tmp_path, suffix):
    plan = tmp_path / f"plan{suffix}"
    assert write_plan(plan, iter(ROWS)) == []
    assert list(read_plan(plan)) == ROWS


@pytest.mark.parametrize("name", ["=1+1.mp3", "-x.mp3", "@a.mp3", "+b.mp3", "'=c.mp3", "''@d.mp3", "'e.mp3"])
def test_no_cell_is_a_formula_and_every_path_comes_back(tmp_path, name, monkeypatch):
    monkeypatch.setattr("os.path.abspath", lambda path: path)
    plan = tmp_path / "plan.csv"
    write_plan(plan, [PlanRow(name, album="\t=x", genre=("@rock", "-"))])
    *_, cells = csv.reader(io.StringIO(plan.read_bytes().decode("utf-8-sig"), newline=""))
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    (row,) = read_plan(plan)
    assert (row.path, row.album, row.genre) == (name, "\t=x", ("@rock", "-"))


def test_excel_knows_the_encoding_by_its_mark(tmp_path):
    write_plan(tmp_path / "plan.csv", ROWS)
    data = (tmp_path / "plan.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfpath,")
    assert data.count(b"\r\n") == 1 + len(ROWS)


def resave(plan, columns=COLUMNS, order=slice(None), *, mark="\ufeff", confidence=str, **dialect):
    """Write the table again as a spreadsheet would."""
    with plan.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))[order]
    text = io.StringIO()
    table = csv.DictWriter(text, columns, extrasaction="ignore", **dialect)
    table.writeheader()
    table.writerows(row | {"confidence": row["confidence"] and confidence(row["confidence"])} for row in rows)
    plan.write_bytes((mark + text.getvalue()).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"delimiter": ";", "confidence": lambda p: p.replace(".", ",")},
        {"delimiter": "\t", "mark": "", "lineterminator": "\n"},
        {"quoting": csv.QUOTE_ALL, "confidence": lambda p: f"{100 * float(p):.2f} %".replace(".", ",")},
        {"confidence": lambda p: f"{100 * float(p):g}%", "columns": sorted(COLUMNS)},
    ],
)
def test_what_spreadsheets_make_of_a_plan_is_the_same_plan(tmp_path, changes):
    plan = tmp_path / "plan.csv"
    write_plan(plan, ROWS)
    resave(plan, **changes)
    assert list(read_plan(plan)) == ROWS


def test_rows_may_be_sorted_deleted_and_empty_and_columns_too(tmp_path):
    plan = tmp_path / "plan.csv"
    write_plan(plan, ROWS)
    resave(plan, ["state", "action", "genre", "path"], slice(None, None, -2))
    with plan.open("ab") as file:
        file.write(b",,,\r\n\r\n , ,,,,\r\n")
    header, rest = plan.read_bytes().split(b"\r\n", 1)
    plan.write_bytes(header.upper() + b",,\r\n,,\r\n" + rest)
    assert list(read_plan(plan)) == [
        PlanRow(row.path, genre=row.genre, action=row.action, state=row.state) for row in (ROWS[2], ROWS[0])
    ]


def test_the_line_of_excel_that_names_the_separator_is_passed_over(tmp_path):
    plan = tmp_path / "plan.csv"
    write_plan(plan, ROWS)
    resave(plan, delimiter=";")
    plan.write_bytes(b"\xef\xbb\xbfsep=;\r\n" + plan.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    assert list(read_plan(plan)) == ROWS


def test_edited_cells_are_taken_as_they_are(tmp_path):
    plan = tmp_path / "plan.csv"
    write_plan(plan, ROWS[:1])
    plan.write_bytes(
        plan.read_bytes().replace(b",Jazz,", b',"My Jazz ;; my jazz; My  Jazz ",').replace(b"write", b"Write ")
    )
    (row,) = read_plan(plan)
    assert row == replace(ROWS[0], genre=("My Jazz", "my jazz"))
    assert row.genres == ("My Jazz", "my jazz", "Swing", "Bebop")


GOOD = "path,genre,action,state\n/a.mp3,Jazz,write,1 bytes at 2 ns\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "'path' is missing"),
        (GOOD.replace("\n", "\r"), 1, "CR alone"),
        ("path,genre,action\n", 1, "'state' is missing"),
        ("path,genre,action,state,note\n", 1, "unknown column 'note'"),
        ("path,genre,action,state,state\n", 1, "there twice"),
        (GOOD + "/b.mp3,Jazz,wriet,1 bytes at 2 ns\n", 3, "the action 'wriet' is not one of write, keep, review"),
        (GOOD + "/b.mp3, ;,write,1 bytes at 2 ns\n", 3, "nothing to write"),
        (GOOD + "/b.mp3,Jazz,write,1.5E+18\n", 3, "the state '1\\.5E\\+18' is not of the form '1 bytes at 1 ns'"),
        (GOOD + "/b.mp3,,keep,\n\n/a.mp3,,keep,\n", 5, "'/a.mp3' is in line 2 too"),
        (GOOD + ",Jazz,write,1 bytes at 2 ns\n", 3, "no path"),
        (GOOD + "/b,Jazz,write,1 bytes at 2 ns,x\n", 3, "5 cells, but only 4 columns"),
        (GOOD + "/b.mp3,,k\0eep,\n", 3, "the action"),
        (GOOD.replace("path,", "path,confidence,").replace("mp3,", "mp3,high,"), 2, "the confidence 'high'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line_before_any_row_is_given(tmp_path, text, line, message):
    plan = tmp_path / "plan.csv"
    plan.write_text(text, newline="")
    with pytest.raises(SettingError, match=rf"plan\.csv, line {line}: .*({message})"):
        read_plan(plan)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"path": "/a", "genre": [], "action": "keep", "state": ""}\n[1]\n', "line 2: not a JSON object"),
        ('\n{"path": "/a"}\n', "line 2: the column 'genre' is missing"),
        ('{"path": "/a", "genre": [], "action": "keep", "state": "", "x": 1}\n', "line 1: unknown column 'x'"),
        ('{"path"\n', "line 1: Expecting"),
    ],
)
def test_json_lines_are_checked_too(tmp_path, text, message):
    plan = tmp_path / "plan.jsonl"
    plan.write_text(text)
    with pytest.raises(SettingError, match=message):
        read_plan(plan)


def test_another_encoding_is_refused(tmp_path):
    plan = tmp_path / "plan.csv"
    write_plan(plan, ROWS)
    for encoding, line in (("latin-1", 2), ("utf-16", 1)):
        plan.write_bytes(plan.read_text(encoding="utf-8-sig").encode(encoding))
        with pytest.raises(SettingError, match=f"line {line}: not UTF-8: save the plan as 'CSV UTF-8'"):
            read_plan(plan)
        write_plan(plan, ROWS)


def test_names_that_are_no_text_fit_into_json_lines_only(tmp_path):
    odd = replace(ROWS[0], path=os.fsdecode(b"/music/caf\xe9.mp3"))
    write_plan(tmp_path / "plan.jsonl", [odd, ROWS[1]])
    assert list(read_plan(tmp_path / "plan.jsonl")) == [odd, ROWS[1]]
    assert write_plan(tmp_path / "plan.csv", [odd, ROWS[1]]) == [odd.path]
    assert list(read_plan(tmp_path / "plan.csv")) == ROWS[1:2]


def test_a_plan_that_breaks_off_leaves_what_was_there(tmp_path):
    plan = tmp_path / "plan.csv"
    write_plan(plan, ROWS)
    before = plan.read_bytes()

    def rows():
        yield ROWS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_plan(plan, rows())
    assert plan.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["plan.csv"]


def test_paths_become_absolute_and_other_suffixes_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_plan(tmp_path / "plan.csv", [PlanRow("a/../b.mp3")])
    assert next(read_plan(tmp_path / "plan.csv")).path == str(tmp_path / "b.mp3")
    for name in ("plan.xlsx", "plan"):
        with pytest.raises(SettingError, match=r"a plan is a \.csv"):
            write_plan(tmp_path / name, ROWS)


@pytest.mark.parametrize("state", ["", "12 bytes", "x bytes at 1 ns", "1 bytes at 2 ns, more"])
def test_a_state_is_not_guessed(state):
    with pytest.raises(ValueError, match="restore it, or plan anew"):
        parse_state(state)
