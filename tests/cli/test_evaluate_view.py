"""What is said of a model's genres."""

from types import SimpleNamespace

from earmark.cli.commands.evaluate_view import describe_genres


def test_what_judged_is_told_apart_from_what_was_learned_from():
    judged = {"jazz": {"accuracy": 1.0, "n_tracks": 3}, "rock": {"accuracy": 1 / 3, "n_tracks": 3}}
    report = SimpleNamespace(per_genre=judged, confusions=[("rock", "jazz", 2)])
    assert describe_genres(report, {"jazz": 12, "rock": 4}) == [
        "It recognizes jazz.",
        "Of rock it recognizes 1 of 3; others it takes for jazz (2).",
        "It needs more tracks, at least 10 and better 20, of rock (4).",
    ]
