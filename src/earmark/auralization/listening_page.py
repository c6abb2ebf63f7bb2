"""A page to listen through many sounds at once: genres imagined, units, prototypes."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from earmark.audio import LogMel, probe
from earmark.audio.decode import decode
from earmark.audio.spectrogram import Samples
from earmark.errors import SettingError
from earmark.files import replacing

_WIDTH, _HEIGHT, _RANGE_DB = 480, 96, 70.0
"""Pixels; dB below the loudest point."""

_COLOURS = np.array(
    [(0, 0, 4), (59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191)], np.float64
)
"""Six colours of Matplotlib's magma: evenly spaced in lightness, also for who sees no red."""

_PRELOAD_LIMIT = 24
"""Sounds whose lengths are fetched when the page opens; of more sounds, when they are played."""


@dataclass(frozen=True)
class Entry:
    """A sound on the page.

    Attributes
    ----------
    title : str
        Such as the genre.
    sound : Path
        A WAV file in the page's folder, or below.
    genres : dict of str to float
        Its probabilities.
    wanted : str
        The genre that was aimed at; empty where none was.
    facts : dict of str to object
        Seed and settings, shown as they are.
    parts : sequence of dict
        What it was joined from, one row each, all with the same keys: see :meth:`Moment.to_record`.
    highest : float, optional
        Hz up to which the picture shows it; half its sample rate when left out.
    """

    title: str
    sound: Path
    genres: Mapping[str, float] = field(default_factory=dict)
    wanted: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    parts: Sequence[Mapping[str, Any]] = ()
    highest: float | None = None


def write_listening_page(
    entries: Sequence[Entry], path: str | os.PathLike[str], *, title: str, notes: Sequence[str] = (), shown: int = 3
) -> Path:
    """Write a page that plays sounds: one row each, with a picture and what the model says.

    It needs no network and nothing but the sound files beside it.

    Parameters
    ----------
    entries : sequence of Entry
    path : path
        Of the HTML file; it is written whole or not at all.
    title : str
    notes : sequence of str
        Paragraphs below the title: how the sounds were made, from what, under which licence.
    shown : int
        Genres shown for each, the most probable first, and the one that was wanted in any case.

    Raises
    ------
    SettingError
        If a sound lies elsewhere than in the page's folder, or below.
    AudioError
        If a sound cannot be read.
    """
    page = Path(path)
    templates = resources.files("earmark.auralization") / "templates"
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("earmark.auralization", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("listening.html.j2").render(
        title=title,
        notes=notes,
        version=version("earmark"),
        rows=[_make_row(entry, page.parent, shown) for entry in entries],
        preload="metadata" if len(entries) <= _PRELOAD_LIMIT else "none",
        style=Markup(templates.joinpath("listening.css").read_text(encoding="utf-8")),
        script=Markup(templates.joinpath("listening.js").read_text(encoding="utf-8")),
    )
    with replacing(page) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    return page


def draw_spectrogram(samples: Samples, sample_rate: int, highest: float | None = None) -> bytes:
    """Draw a small spectrogram as PNG, 480 × 96: mel bands upwards, the 70 dB below its loudest point.

    The upper edge is `highest` Hz, or half the sample rate.
    """
    n_fft = 2048
    padded = np.pad(samples, (0, max(0, n_fft - len(samples)))).astype(np.float32)
    # about one frame a pixel; what is more than the width is cut off below
    hop = max(1, len(padded) // _WIDTH)
    # Two pixels a band: more bands would lie between the bins of the lowest octaves.
    bands = _HEIGHT // 2
    front_end = LogMel(sample_rate, n_fft, hop, bands, fmin=30.0, fmax=highest, top_db=_RANGE_DB, relative=True)
    # (frames, bands) → (bands, frames), highest above, 0 to 1
    level = front_end(padded)[:_WIDTH].T[::-1] / _RANGE_DB + 1
    level = np.repeat(level, _HEIGHT // bands, axis=0)
    # place among the colours; silence, which is all as loud as its loudest point, gets the darkest
    place = level * (len(_COLOURS) - 1) * (samples.any() if len(samples) else 0)
    # (height, width) → (height, width, 3), each channel interpolated between neighbouring colours
    colours = np.stack([np.interp(place, np.arange(len(_COLOURS)), channel) for channel in _COLOURS.T], axis=2)
    return _png(np.rint(colours).astype(np.uint8))


@dataclass(frozen=True)
class _Row:
    """An entry as the template shows it."""

    entry: Entry
    source: str
    picture: str
    seconds: float
    top_khz: float
    bars: list[tuple[str, float, bool]]


def _make_row(entry: Entry, folder: Path, shown: int) -> _Row:
    try:
        within = entry.sound.resolve().relative_to(folder.resolve())
    except ValueError:
        raise SettingError(f"{entry.sound} is not in {folder}: a page plays what lies in its own folder") from None
    rate = probe(entry.sound).sample_rate
    samples = decode(entry.sound, rate)
    ranked = sorted(entry.genres.items(), key=lambda item: -item[1])
    bars = [
        (genre, p, genre == entry.wanted) for i, (genre, p) in enumerate(ranked) if i < shown or genre == entry.wanted
    ]
    highest = entry.highest or rate / 2
    png = base64.b64encode(draw_spectrogram(samples, rate, entry.highest)).decode()
    return _Row(entry, quote(within.as_posix()), png, len(samples) / rate, highest / 1000, bars)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode pixels, (height, width, 3), as PNG."""
    codec = av.CodecContext.create("png", "w")
    codec.height, codec.width = pixels.shape[:2]
    codec.pix_fmt = "rgb24"
    packets = codec.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24"))
    return b"".join(bytes(packet) for packet in packets)
