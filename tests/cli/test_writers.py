"""Pieces that several commands print."""

from earmark.cli.writers import sparkline


def test_sparklines_show_where_attention_lies():
    assert sparkline([0, 0, 1, 0.5], 4) == "▁▁█▅"
    assert len(sparkline([0.1] * 100, 24)) == 24
