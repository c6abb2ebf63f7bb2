"""What a library's answers are known by, and what it gives of each file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from earmark.inference.verdict import Verdict
from earmark.library.file_store import file_state

if TYPE_CHECKING:
    from earmark.inference.model import Model
    from earmark.library.tags.file_tags import FileTags


class ModelKey(NamedTuple):
    """What a verdict depends on beside the file: the model, with the genres it names, and whether it saw a preview.

    Attributes
    ----------
    checksum, name : str
    labels : tuple of str
    preview : bool
    model_file : str or None
        The model's file, where it was last used: absolute where a library gives it; None of a bundled model.
    """

    checksum: str
    name: str
    labels: tuple[str, ...]
    preview: bool = False
    model_file: str | None = None

    @classmethod
    def of(cls, model: Model, *, preview: bool = False) -> ModelKey:
        """Return the key of a model's answers."""
        card = model.card
        return cls(card.checksum, card.name, card.labels, preview, str(model.path) if model.path else None)


class StoredVerdict(NamedTuple):
    """A verdict in the database, and what is known of its file.

    Attributes
    ----------
    verdict : Verdict
        With its `embedding` only where it was asked for.
    size, mtime_ns : int
        Of the file as it was heard.
    tags : FileTags or None
        As the file had them then; None where they were not read: ``Library.fill_tags`` does.
    correction : str or None
        The genre that somebody said it has in truth, in their words.
    """

    verdict: Verdict
    size: int
    mtime_ns: int
    tags: FileTags | None = None
    correction: str | None = None

    @property
    def file(self) -> Literal["there", "changed", "gone"]:
        """What has become of the file, asked each time: as it was, changed since, or gone."""
        return file_state(self.verdict.path or "", self.size, self.mtime_ns)
