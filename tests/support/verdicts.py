"""Made-up verdicts, of a made-up model."""

from earmark.inference.verdict import Verdict
from earmark.library.records import ModelKey

KEY = ModelKey("c0ffee", "made-up", ("jazz", "R&B/Soul", "rock"))


def verdict_of(path, genre="jazz", error=None, clips=()):
    genres = {} if error else {"jazz": 0.7, "rock": 0.3}
    return Verdict(genre, None, 0.7 if genres else 0.0, genres, 12.0, tuple(clips), "made-up", str(path), error)
