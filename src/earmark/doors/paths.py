"""What was named on the command line → sound files → their verdicts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark.tell.tagger import Tagger
    from earmark.tell.verdict import Verdict


def verdicts(
    tagger: Tagger,
    paths: Iterable[str],
    *,
    jobs: int = 1,
    preview: bool = False,
    wanted: Callable[[str], bool] | None = None,
) -> Iterator[Verdict]:
    """Verdicts of files and of all audio in folders; a folder without any is an error of its own.

    Files that are not `wanted` are passed over before anything is decoded.
    """
    from earmark.listen.files import walk
    from earmark.tell.verdict import Verdict

    empty: list[str] = []

    def files() -> Iterator[str]:
        for path in paths:
            if not os.path.isdir(path):  # noqa: PTH112 (Path raises where a name is too long)
                yield path
                continue
            found = False
            for file in walk(Path(path)):
                found = True
                yield str(file)
            if not found:
                empty.append(path)

    yield from tagger.classify_many(
        (file for file in files() if wanted is None or wanted(file)), jobs=jobs, preview=preview
    )
    for path in empty:
        yield Verdict.failed(tagger.card.name, path, "no audio files in this folder")
