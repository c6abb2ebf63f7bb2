"""An explanation as one HTML file: pictures, player and sound, and nothing that is fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.explanation.explanation import Explanation

RANGE_DB = 80.0
"""Shown below the loudest point of the spectrogram."""

_SILENT_SHARE, _SILENT_CELL = 65535, -128

_METHODS = {
    "occlusion": "occlusion: each is replaced by steady noise of the clip's loudness and slope, and the network asked "
    "again (Zeiler and Fergus 2014)",
    "integrated-gradients": "integrated gradients, from steady noise of the clip's loudness and slope (Sundararajan, "
    "Taly and Yan 2017)",
}


def make_page(explanation: Explanation, genres: Sequence[str] = (), title: str | None = None) -> str:
    """Make the page.

    Parameters
    ----------
    explanation : Explanation
    genres : sequence of str
        Drawn as curves beside the most probable one, the first of them chosen; the three most probable when left out.
    title : str, optional
        Of the sound; the file's name when left out.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    SettingError
        If the model does not know a genre.
    """
    for genre in genres:
        explanation.index(genre)
    title = title or _named(explanation)
    style, script = _part("page.css"), _part("draw.js") + _part("play.js")
    return _filled(
        _part("page.html"),
        policy=f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; media-src blob:; "
        "base-uri 'none'; form-action 'none'",
        version=html.escape(version("earmark")),
        title=html.escape(title),
        verdict=html.escape(_verdict(explanation)),
        ranking=html.escape(_ranking(explanation)),
        notes="".join(f'<p class="note">{html.escape(note)}</p>' for note in _notes(explanation)),
        aid=html.escape(_aid(explanation)),
        clip=html.escape(_clip(explanation)),
        footer=html.escape(_footer(explanation)),
        style=style,
        script=script,
        data=json.dumps(_data(explanation, genres), allow_nan=False).replace("<", "\\u003c"),
        sound=base64.b64encode(explanation.sound or b"").decode(),
    )


def _part(name: str) -> str:
    return (files("earmark.explanation") / "assets" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """How a content security policy names the one script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _filled(template: str, **parts: str) -> str:
    """Put the parts in, in one pass: what looks like a gap inside of one stays what it is."""
    return re.sub(r"\{\{(\w+)\}\}", lambda gap: parts[gap[1]], template)


def _named(explanation: Explanation) -> str:
    path = explanation.verdict.path
    return PurePath(path).name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if path else "sound"


def _verdict(explanation: Explanation) -> str:
    verdict = explanation.verdict
    if verdict.genre:
        return f"{verdict.genre}, {verdict.confidence:.0%}"
    return f"unknown ({verdict.reason})"


def _ranking(explanation: Explanation) -> str:
    ranked = list(explanation.verdict.genres.items())
    shown = ranked[1:4] if explanation.verdict.genre else ranked[:4]
    return " · ".join(f"{genre} {share:.0%}" for genre, share in shown if share >= 0.005)


def _notes(explanation: Explanation) -> list[str]:
    notes = []
    if explanation.start > 0 or (explanation.whole is not None and explanation.end < explanation.whole - 1):
        whole = f" of {_clock(explanation.whole)}" if explanation.whole else ""
        notes.append(
            f"Only a part is explained, and named: {_clock(explanation.start)} to {_clock(explanation.end)}{whole}."
        )
    if explanation.verdict.error:
        notes.append(f"The file is damaged: {explanation.verdict.error}.")
    return notes


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _aid(explanation: Explanation) -> str:
    curves = f"The curves show what the network hears in the {_clip(explanation)} around each moment"
    if explanation.relevance is None:
        return f"{curves}. The whole track's answer stands above, and is made of clips."
    return (
        "Blue regions spoke for the chosen genre and orange ones against it, the deeper the more: without a region of "
        f"+1 bit the genre's odds would be half of what they are. {curves}."
    )


def _clip(explanation: Explanation) -> str:
    return f"{explanation.clip_seconds:g} seconds"


def _footer(explanation: Explanation) -> str:
    method = _METHODS.get(explanation.method or "", explanation.method or "")
    regions = f" Regions by {method}." if method else ""
    attention = (
        " Attention tells where the network looked, not what for: it is no evidence."
        if explanation.attention is not None
        else ""
    )
    return f"{explanation.verdict.model}, explained by Earmark {version('earmark')}.{regions}{attention}"


def _data(explanation: Explanation, genres: Sequence[str]) -> dict[str, Any]:
    """What the script draws: arrays as bytes in Base64, see the top of draw.js."""
    ranked = list(explanation.verdict.genres) or list(explanation.labels)
    levels, relevance = explanation.spectrogram, explanation.relevance
    highest = float(levels.max())
    step = float(explanation.times[1] - explanation.times[0]) if len(explanation.times) > 1 else explanation.duration
    most = _most(relevance)
    return {
        "labels": explanation.labels,
        "ranked": ranked,
        "shown": list(dict.fromkeys([*genres, ranked[0]])) if genres else ranked[:3],
        "track": explanation.verdict.genres,
        "start": explanation.start,
        "duration": explanation.duration,
        "frequencies": [round(float(f), 1) for f in explanation.frequencies],
        "frameStart": float(explanation.times[0]) - step / 2,
        "frameStep": step,
        "momentStep": float(explanation.moments[1]) if len(explanation.moments) > 1 else explanation.duration,
        "envelopeSeconds": explanation.envelope_seconds,
        "cellSeconds": explanation.cell_seconds,
        "clips": [clip.start for clip in explanation.verdict.clips],
        "bands": explanation.bands.tolist(),
        "lowest": highest - RANGE_DB,
        "range": RANGE_DB,
        "mostBits": most,
        "spectrogram": _text(np.clip((levels - highest) / RANGE_DB + 1, 0, 1) * 255, np.uint8),
        "envelope": _text(np.clip(explanation.envelope, -1, 1) * 127, np.int8),
        "probabilities": _text(explanation.probabilities * 10_000, np.uint16, _SILENT_SHARE),
        "attention": None
        if explanation.attention is None
        else _text(np.clip(explanation.attention, 0, 65) * 1000, np.uint16, _SILENT_SHARE),
        "relevance": None
        if relevance is None
        else _text(np.clip(relevance / most, -1, 1) * 127, np.int8, _SILENT_CELL),
    }


def _most(relevance: NDArray[np.float64] | None) -> float:
    """Bits of the deepest colour, alike for all genres: all but a few cells in a thousand lie below."""
    if relevance is None or np.isnan(relevance).all():
        return 1.0
    return max(0.1, float(np.nanquantile(np.abs(relevance), 0.998)))


def _text(values: NDArray[np.floating], kind: type[np.generic], missing: int = 0) -> str:
    whole = np.where(np.isnan(values), missing, np.round(values)).astype(np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(whole.tobytes()).decode()
