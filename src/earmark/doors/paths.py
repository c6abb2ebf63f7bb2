"""What was named on the command line → sound files → their verdicts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark.tell.tagger import Tagger
    from earmark.tell.verdict import Verdict


def verdicts(tagger: Tagger, paths: Iterable[str], *, jobs: int = 1, preview: bool = False) -> Iterator[Verdict]:
    """Verdicts of files and of all audio in folders; folders without any, or unreadable, come last, as errors."""
    from earmark.listen.files import walk
    from earmark.tell.verdict import Verdict

    paths = list(paths)
    folders = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112 (Path raises where a name is too long)
    faults: list[tuple[str, str]] = []

    def files() -> Iterator[str]:
        for path in paths:
            if path not in folders:
                yield path
                continue
            before, found = len(faults), False
            for file in walk(path, within=folders, on_error=lambda path, words: faults.append((str(path), words))):
                found = True
                yield str(file)
            if not found and len(faults) == before:
                faults.append((path, "no audio files in this folder"))

    yield from tagger.classify_many(files(), jobs=jobs, preview=preview)
    for path, words in faults:
        yield Verdict.failed(tagger.card.name, path, words)
