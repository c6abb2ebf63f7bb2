"""`earmark data`, as people read what it says."""

import io

from rich.console import Console
from support.command import run

from earmark.cli.commands.data import format_counts, render_findings
from earmark.data.audit.findings import Finding


def test_the_help_tells_faults_from_notes():
    said = " ".join(run("data", "check", "--help").stdout.split())
    assert "Exit status: 0 no faults, whatever the notes; 1 faults" in said
    assert "--no-suspects" in said


def test_the_table_groups_by_kind():
    console = Console(width=80, record=True, file=io.StringIO())
    found = [Finding("a\x1b[31m", "silent", "all"), Finding("b", "silent", "all"), Finding("c", "suspect", "maybe")]
    console.print(render_findings(found))
    lines = console.export_text().splitlines()
    assert [line.split() for line in lines if line.strip()] == [
        ["silent", "a\\x1b[31m", "all"], ["b", "all"], ["suspect", "c", "maybe"],
    ]  # fmt: skip
    assert format_counts(found) == "2 faults: silent 2; 1 note: suspect 1"
    assert format_counts([]) == "nothing wrong"
