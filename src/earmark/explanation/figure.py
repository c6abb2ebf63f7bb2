"""An explanation as one figure: waveform, spectrogram, regions by genre, probabilities, attention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from earmark.explanation.data import RANGE_DB, ExplanationData
from earmark.plotting import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    QUIET,
    SKY,
    VERMILION,
    Drawing,
    figure_style,
    make_figure,
    render_figure,
)

WIDTH = 180.0
"""Of a printed page, mm."""

MOST = 6
"""Genres in one figure."""

_HZ = (8000, 4000, 2000, 1000, 500, 200, 100)
_FOR, _AGAINST = "#005ab5", "#dc5a00"
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
_HEIGHTS = {"wave": 10.0, "spectrogram": 26.0, "regions": 20.0, "probability": 24.0, "attention": 11.0}


def draw_explanation(explanation: ExplanationData, genres: Sequence[str] = ()) -> Drawing:
    """Draw everything over one axis of time.

    Parameters
    ----------
    explanation : ExplanationData
    genres : sequence of str
        Genres, styles or moods with a map and a curve beside the most probable genre, six at most. When left out, one
        map of what speaks for the most probable genre over the second, and curves of the three most probable.

    Raises
    ------
    SettingError
        If the model does not know a genre.
    """
    genres = [explanation.labels[explanation.index(genre)] for genre in genres]
    ranked = list(explanation.verdict.genres)
    shown = (list(dict.fromkeys([*genres, *ranked[:1]])) if genres else ranked[:3])[:MOST]
    maps = _list_maps(explanation, shown if genres or not explanation.pair else ())
    rows = ["wave", "spectrogram"] + ["regions"] * len(maps)
    rows += ["probability"] + ["attention"] * (explanation.attention is not None)
    with figure_style():
        heights = [_HEIGHTS[row] for row in rows]
        figure, panels = make_figure(
            sum(heights) + 7 * len(rows), len(rows), width=WIDTH, sharex=True, height_ratios=heights
        )
        _waveform(panels[0], explanation)
        _spectrogram(panels[1], explanation)
        _regions(figure, panels[2 : 2 + len(maps)], explanation, maps)
        _probabilities(panels[2 + len(maps)], explanation, shown)
        if explanation.attention is not None:
            _attention(panels[-1], explanation)
        panels[-1].set_xlabel("seconds")
        panels[-1].set_xlim(explanation.start, explanation.end)
        return render_figure(figure, "explanation", explanation.answer, _CAPTION, _alt(explanation, maps))


_CAPTION = (
    "Blue regions speak for the name, orange ones against it; without a region of +1 bit its odds would be half of "
    "what they are. The curves show what is heard in the clip around each moment."
)


def _alt(explanation: ExplanationData, titles: Iterable[str]) -> str:
    rows = f"waveform, spectrogram and probabilities over {explanation.duration:.0f} seconds"
    return " ".join([f"{explanation.answer}: {rows}.", *titles])


def _list_maps(explanation: ExplanationData, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the bits to draw, (columns, bands), by the question that they answer; of no names, the pair's."""
    if explanation.relevance is None:
        return {}
    if not names and explanation.pair and explanation.contrast is not None:
        first, second = explanation.pair
        return {f"Why {first}, and not {second}? Blue speaks for {first}, orange for {second}": explanation.contrast}
    maps = {}
    for name in names:
        share = explanation.shares.get(name, 0.0)
        why = "Why" if name == explanation.verdict.best or share >= 0.5 else "Why not"
        maps[f"{why} {name} ({share:.0%})?"] = explanation.of(name)
    return maps


def _waveform(axes: Axes, explanation: ExplanationData) -> None:
    low, high = explanation.envelope.T
    times = explanation.start + (np.arange(len(low)) + 0.5) * explanation.envelope_seconds
    axes.fill_between(times, low, high, color=QUIET, linewidth=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    name = f"{explanation.file_name}: " if explanation.file_name else ""
    axes.set_title(f"{name}{explanation.answer}  ({explanation.verdict.model})", fontsize=8)


def _spectrogram(axes: Axes, explanation: ExplanationData) -> None:
    top = float(explanation.spectrogram.max())
    _picture(axes, explanation, cmap="magma", vmin=top - RANGE_DB, vmax=top)
    axes.set_title("What the network reads (Hz)")


def _picture(axes: Axes, explanation: ExplanationData, **settings: object) -> None:
    # the vertical axis counts bins, each equally high, so mel bands stay evenly spaced
    bins = explanation.spectrogram.shape[1]
    half = explanation.frame_seconds / 2
    ends = explanation.start + explanation.times[0] - half, explanation.start + explanation.times[-1] + half
    axes.imshow(
        explanation.spectrogram.T, origin="lower", aspect="auto", interpolation="bilinear", extent=(*ends, 0, bins),
        **settings,  # type: ignore[arg-type]
    )  # fmt: skip
    _frequency_axis(axes, explanation)


def _frequency_axis(axes: Axes, explanation: ExplanationData) -> None:
    """Mark frequencies in Hz, from the top down, no closer than their letters are high."""
    known = explanation.frequencies
    marks: list[tuple[float, str]] = []
    for hz in _HZ:
        # row i reaches from i to i + 1: its centre is at + 0.5
        at = float(np.interp(hz, known, np.arange(len(known)))) + 0.5
        if known[0] < hz < known[-1] and (not marks or marks[-1][0] - at > len(known) / 7):
            marks.append((at, f"{hz // 1000}k" if hz >= 1000 else str(hz)))
    axes.set_yticks([at for at, _ in marks], [text for _, text in marks])


def _regions(
    figure: Figure, panels: Sequence[Axes], explanation: ExplanationData, maps: Mapping[str, NDArray[np.float64]]
) -> None:
    if not maps:
        return
    most = explanation.relevance_limit
    top = float(explanation.spectrogram.max())
    bins = explanation.spectrogram.shape[1]
    for axes, (title, bits) in zip(panels, maps.items(), strict=True):
        _picture(axes, explanation, cmap="Greys", vmin=top - RANGE_DB, vmax=top + RANGE_DB)
        worth = np.nan_to_num(bits.T)  # (bands, columns)
        strength = np.clip(np.abs(worth) / most, 0, 1) ** 0.8
        end = explanation.start + worth.shape[1] * explanation.cell_seconds
        # blue or orange by the sign; how opaque by the bits, small ones raised a little
        colours = np.where(worth[..., None] < 0, to_rgb(_AGAINST), to_rgb(_FOR))
        # (bands, columns, 4): red, green, blue, opacity
        axes.imshow(
            np.concatenate([colours, strength[..., None]], axis=-1), origin="lower", aspect="auto",
            interpolation="bilinear", extent=(explanation.start, end, 0, bins),
        )  # fmt: skip
        axes.set_title(title)
    scale = ScalarMappable(Normalize(-most, most), LinearSegmentedColormap.from_list("", [_AGAINST, "white", _FOR]))
    # one bar for all panels, as thin beside one as beside six
    bar = figure.colorbar(scale, ax=list(panels), pad=0.01, aspect=12 * len(panels), label="bits of evidence")
    bar.outline.set_visible(False)


def _probabilities(axes: Axes, explanation: ExplanationData, shown: Sequence[str]) -> None:
    times = explanation.start + explanation.moments
    for i, genre in enumerate(shown):
        style = ("-", "--", ":", "-.")[i % 4]
        values = explanation.probabilities[:, explanation.index(genre)]
        axes.plot(times, values, style, color=_COLOURS[i % len(_COLOURS)], label=genre, linewidth=1.3)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "50%", "100%"])
    axes.grid(axis="y")
    axes.set_title(f"Probability in the {explanation.clip_seconds:g} seconds around each moment")
    if shown:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=MOST, borderpad=0, borderaxespad=0.2)


def _attention(axes: Axes, explanation: ExplanationData) -> None:
    weights = explanation.attention
    assert weights is not None
    times = explanation.start + explanation.times
    # silence, which is NaN, stays empty
    axes.fill_between(times, 0, weights, step="mid", color=GREEN, linewidth=0)
    axes.axhline(1, color=INK, linewidth=0.6, linestyle=":")
    axes.set_ylim(0, max(2.0, float(np.nanmax(weights, initial=0))))
    axes.set_title("Attention: 1 is an even share")
