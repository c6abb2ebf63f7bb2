"""Files made by a fuzzer that watches which code they reach; needs Linux or macOS, and ``pip install atheris``.

``python bench/robustness/fuzz_atheris.py -max_total_time=600 [CORPUS] [OTHER OPTIONS OF LIBFUZZER]``

Coverage is that of Earmark's and mutagen's Python; FFmpeg itself is not instrumented in PyAV's wheels, and is reached
through what these let pass. Inputs begin from the files that `damage.py` writes; what is found is written to the
current folder, and replayed by naming it: ``python bench/robustness/fuzz_atheris.py crash-…``.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["earmark.audio", "earmark.inference", "mutagen"]):
    import mutagen

    from earmark.errors import AudioError
    from earmark.inference.tagger import Tagger

from damage import Named, originals

_SUFFIXES = sorted({suffix for suffix, _ in originals()})


def _take(content: bytes) -> None:
    """Classify what a fuzzer made; its first byte says which suffix the file has, for that helps FFmpeg guess."""
    named = Named(_SUFFIXES[content[0] % len(_SUFFIXES)] if content else "", content[1:])
    with suppress(AudioError):
        _TAGGER.classify(named)
    named.seek(0)
    with suppress(Exception):  # its errors are many, and read_file_tags catches all: only crashes and hangs count
        mutagen.File(named)


def main() -> None:
    """Hand over to libFuzzer, with the undamaged files to begin from."""
    with TemporaryDirectory(prefix="earmark-fuzz-") as folder:
        for i, (suffix, content) in enumerate(originals()):
            Path(folder, str(i)).write_bytes(bytes([_SUFFIXES.index(suffix)]) + content)
        named = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        begin = [] if any(Path(name).is_file() for name in named) else [folder]
        atheris.Setup([*sys.argv, "-timeout=10", "-rss_limit_mb=2000", "-max_len=100000", *begin], _take)
        atheris.Fuzz()


if __name__ == "__main__":
    _TAGGER = Tagger()
    main()
