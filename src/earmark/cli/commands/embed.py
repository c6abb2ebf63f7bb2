"""``earmark embed``: embeddings of the pretrained encoder, for one's own search, clustering or training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, terminal
from earmark.cli.errors import exit_after, extra, handle_errors
from earmark.cli.progress import show_progress

if TYPE_CHECKING:
    from earmark.inference.embedding import Embedding


@handle_errors
def embed(
    paths: Annotated[
        list[str],
        typer.Argument(
            help=options.PATHS_HELP,
            metavar="PATH",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, .npz or .parquet.", metavar="FILE")],
    exclude: options.ExcludeOption = None,
    null: options.NullOption = False,
    jobs: options.JobsOption = 0,
) -> None:
    r"""Write the encoder's embeddings of audio files: 384 numbers every 0.32 s.

    [bold]Examples[/bold]

      earmark embed ~/Music -o music.npz
      earmark embed song.mp3 -o song.parquet    (needs pyarrow)

    The .npz file holds the arrays vectors (steps of all files, 384), times
    (steps of all files), paths, durations and offsets: file i has the rows
    from offsets\[i] to offsets\[i + 1]. A Parquet file has a row for each
    step: path, time, vector.

    [dim]Exit status: 0 all embedded, 1 some file failed and was left out, 2 wrong usage, 130 interrupted.[/dim]
    """
    from earmark.inference.embedding import check_embeddings_path, embed_files, write_embeddings
    from earmark.library.search import Search

    # Before hours of work, not after.
    with extra("embed to a Parquet file", "parquet"):
        check_embeddings_path(output)
    search = Search(paths, exclude=exclude or (), null=null)
    files = [path for path, _ in search]
    failed = dict(search.problems)
    with show_progress("embedding", len(files)) as advance, terminal.check_writable(output):

        def count(embeddings: Iterator[Embedding]) -> Iterator[Embedding]:
            for embedding in embeddings:
                advance(1)
                if embedding.error:
                    failed[embedding.path or ""] = embedding.error
                yield embedding

        write_embeddings(output, count(embed_files(files, jobs)))
    exit_after(failed)
