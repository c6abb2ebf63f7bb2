"""All errors that Earmark raises on purpose.

::

    EarmarkError
    ├── AudioError      (ValueError)   a file or signal that cannot be decoded
    ├── ModelError      (ValueError)   a model file that must not be trusted
    ├── CorpusError     (ValueError)   a corpus that cannot be learned from or judged by
    ├── SettingError    (ValueError)   an option, recipe or front-end setting that makes no sense
    ├── TrainingError   (RuntimeError) training that cannot go on
    ├── FetchError      (OSError)      a corpus that cannot be fetched whole and unaltered
    ├── LibraryError    (OSError)      a result database that cannot be read or written
    ├── TagError        (OSError)      a genre tag that cannot be written or undone
    └── MissingExtra    (ImportError)  a feature whose optional packages are not installed

Every message says what came, what is allowed and what to do. ``except EarmarkError`` catches all of them;
the built-in parent in brackets lets code that does not know Earmark catch them too.
"""


class EarmarkError(Exception):
    """Root of all errors that Earmark raises on purpose."""


class AudioError(EarmarkError, ValueError):
    """A file or signal that cannot be decoded: missing, damaged, without sound, not numbers."""


class ModelError(EarmarkError, ValueError):
    """A model file that must not be trusted: not ONNX, no card, altered, or from the future."""


class CorpusError(EarmarkError, ValueError):
    """A corpus that cannot be learned from or judged by: one class, no tracks, a broken manifest."""


class SettingError(EarmarkError, ValueError):
    """An option, a recipe key or a front-end setting that makes no sense."""


class TrainingError(EarmarkError, RuntimeError):
    """Training that cannot go on, such as a loss that is not a number."""


class WorkerError(EarmarkError, RuntimeError):
    """A worker process that cannot start (no Python interpreter runs it), or dies of no file's fault."""


class FetchError(EarmarkError, OSError):
    """A corpus that cannot be fetched: no mirror has it, its checksum is wrong, its archive unsafe, the disk full."""


class LibraryError(EarmarkError, OSError):
    """A result database that cannot be used: not one, too new, held by another run, on a full disk."""


class TagError(EarmarkError, OSError):
    """A genre tag that cannot be written or undone: another format, read-only, changed meanwhile, the disk full."""


class MissingExtra(EarmarkError, ImportError):
    """A feature (as a phrase: "training") whose optional packages, those of an extra, are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed: pip install '.[{extra}]' in Earmark's folder"
        )


def reason_of(error: BaseException) -> str:
    """Return the cause of an error in a few words, without the name that its stream has here."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def format_count(n: int, what: str) -> str:
    """Return a number of things in words, as messages have it.

    Examples
    --------
    >>> format_count(1, "track"), format_count(3, "track"), format_count(0, "file")
    ('1 track', '3 tracks', '0 files')
    """
    return f"{n} {what}{'s' * (n != 1)}"
