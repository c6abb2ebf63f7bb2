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
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.explanation.data import RANGE_DB, ExplanationData
from earmark.inference.verdict import Verdict

_SILENT_SHARE, _SILENT_CELL = 65535, -128
"""What stands for NaN among 16-bit shares and 8-bit cells; draw.js knows both."""

_OFFERED = 5
"""Styles, and moods, to ask about besides all genres."""

_METHODS = {
    "occlusion": "occlusion: each is replaced by steady noise of the clip's loudness and slope, and the network asked "
    "again (Zeiler and Fergus 2014)",
    "integrated-gradients": "integrated gradients, from steady noise of the clip's loudness and slope (Sundararajan, "
    "Taly and Yan 2017)",
}


def make_page(explanation: ExplanationData, genres: Sequence[str] = (), title: str | None = None) -> str:
    """Make the page of an explanation.

    Parameters
    ----------
    explanation : ExplanationData
    genres : sequence of str
        Genres, styles or moods drawn as curves beside the most probable genre, the first of them chosen. When left
        out, the three most probable genres, and what speaks for the first over the second is chosen.
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
    genres = [explanation.labels[explanation.index(genre)] for genre in genres]
    title = title or explanation.file_name or "sound"
    style, script = _load_asset("page.css"), _load_asset("draw.js") + _load_asset("play.js")
    return _fill(
        _load_asset("page.html"),
        policy=f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; media-src blob:; "
        "base-uri 'none'; form-action 'none'",
        version=html.escape(version("earmark")),
        title=html.escape(title),
        verdict=html.escape(explanation.answer),
        rankings="".join(f'<p class="ranking">{html.escape(line)}</p>' for line in _rankings(explanation.verdict)),
        notes="".join(f'<p class="note">{html.escape(note)}</p>' for note in _notes(explanation)),
        aid=html.escape(_aid(explanation)),
        clip=html.escape(f"{explanation.clip_seconds:g} seconds"),
        footer=html.escape(_footer(explanation)),
        style=style,
        script=script,
        # no "</script>" in a name may end the element; JSON reads \u003c as <
        data=json.dumps(_data(explanation, genres), allow_nan=False).replace("<", "\\u003c"),
        sound=base64.b64encode(explanation.sound or b"").decode(),
    )


def _load_asset(name: str) -> str:
    return (files("earmark.explanation") / "assets" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Return how a content security policy names a script or style sheet that may be used."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _fill(template: str, **parts: str) -> str:
    """Put the parts in, in one pass: what looks like a gap inside of a part stays as it is."""
    return re.sub(r"\{\{(\w+)\}\}", lambda gap: parts[gap[1]], template)


def _rankings(verdict: Verdict) -> list[str]:
    """Return what is likely beside the answer, the most probable first: genres, styles and moods, a line each."""
    genres = list(verdict.genres.items())[bool(verdict.genre) :]
    named = (("", genres), ("Styles: ", verdict.styles.items()), ("Moods: ", verdict.moods.items()))
    lines = ((title, [f"{name} {p:.0%}" for name, p in islice(items, 4) if p >= 0.005]) for title, items in named)
    return [title + " · ".join(line) for title, line in lines if line]


def _notes(explanation: ExplanationData) -> list[str]:
    notes = []
    if explanation.start > 0 or (explanation.whole is not None and explanation.end < explanation.whole - 1):
        whole = f" of {_clock(explanation.whole)}" if explanation.whole else ""
        notes.append(
            f"Only a part is explained, and named: {_clock(explanation.start)} to {_clock(explanation.end)}{whole}."
        )
    if explanation.verdict.error:
        notes.append(f"The file is damaged: {explanation.verdict.error}.")
    if explanation.contrast is not None and explanation.pair and np.nansum(explanation.contrast) < 0:
        first, second = explanation.pair
        notes.append(
            f"Hidden one at a time, the regions speak more for {second} than for {first}. No single region makes this "
            f"{first}: the sound as a whole does."
        )
    return notes


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _aid(explanation: ExplanationData) -> str:
    curves = f"The curves show what the network hears in the {explanation.clip_seconds:g} seconds around each moment"
    if explanation.relevance is None:
        return f"{curves}. The whole track's answer stands above, and is made of clips."
    return (
        "Blue regions speak for what is chosen and orange ones against it, the deeper the more: without a region of "
        f"+1 bit its odds would be half of what they are. {curves}."
    )


def _footer(explanation: ExplanationData) -> str:
    method = _METHODS.get(explanation.method or "", explanation.method or "")
    regions = f" Regions by {method}." if method else ""
    footer = f"{explanation.verdict.model}, explained by Earmark {version('earmark')}.{regions}"
    if explanation.attention is None:
        return footer
    return f"{footer} Attention tells where the network looked, not what for: it is no evidence."


def _data(explanation: ExplanationData, genres: Sequence[str]) -> dict[str, Any]:
    """Return what the script draws: numbers, and arrays as bytes in Base64 (see the top of draw.js)."""
    # In silence nothing is ranked: then the model's own order. All genres are offered, of the others the likeliest.
    ranked, verdict = list(explanation.genres), explanation.verdict
    others = [*islice(verdict.styles, _OFFERED), *islice(verdict.moods, _OFFERED)]
    step = explanation.frame_seconds
    return {
        "labels": explanation.labels,
        "genres": len(ranked),
        "ranked": [*ranked, *(name for name in others if name in explanation.labels and name not in ranked)],
        "shown": list(dict.fromkeys([*genres, ranked[0]])) if genres else ranked[:3],
        "pair": explanation.pair,
        "chosen": genres[0] if genres else None,
        "track": explanation.shares,
        "start": explanation.start,
        "duration": explanation.duration,
        "frequencies": [round(float(f), 1) for f in explanation.frequencies],
        "frameStart": float(explanation.times[0]) - step / 2,
        "frameStep": step,
        # moments begin at 0: the second is the step
        "momentStep": float(explanation.moments[1]) if len(explanation.moments) > 1 else explanation.duration,
        "envelopeSeconds": explanation.envelope_seconds,
        "cellSeconds": explanation.cell_seconds,
        "clips": [clip.start for clip in explanation.verdict.clips],
        "bands": explanation.bands.tolist(),
        "lowest": float(explanation.spectrogram.max()) - RANGE_DB,
        "range": RANGE_DB,
        "mostBits": explanation.relevance_limit,
        **_encode_arrays(explanation),
    }


def _encode_arrays(explanation: ExplanationData) -> dict[str, str | None]:
    levels, attention, relevance = explanation.spectrogram, explanation.attention, explanation.relevance
    texts: dict[str, str | None] = {
        # 0 to 255 from RANGE_DB below the loudest point up to it
        "spectrogram": _encode(np.clip((levels - float(levels.max())) / RANGE_DB + 1, 0, 1) * 255, np.uint8),
        "envelope": _encode(np.clip(explanation.envelope, -1, 1) * 127, np.int8),
        "probabilities": _encode(explanation.probabilities * 10_000, np.uint16, _SILENT_SHARE),
        "attention": None,
        "relevance": None,
    }
    if attention is not None:
        # more than 65 even shares would not fit into 16 bits
        texts["attention"] = _encode(np.clip(attention, 0, 65) * 1000, np.uint16, _SILENT_SHARE)
    if relevance is not None:
        if explanation.contrast is not None:
            # the pair's is the last: (columns, bands, labels + 1)
            relevance = np.concatenate([relevance, explanation.contrast[..., None]], axis=-1)
        cells = np.clip(relevance / explanation.relevance_limit, -1, 1)
        texts["relevance"] = _encode(cells * 127, np.int8, _SILENT_CELL)
    return texts


def _encode(values: NDArray[np.floating], kind: type[np.generic], missing: int = 0) -> str:
    """Round to little-endian integers, with `missing` for NaN, as Base64."""
    whole = np.where(np.isnan(values), missing, np.round(values)).astype(np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(whole.tobytes()).decode()
