"""The input of the networks, and their attention over a clip: the paper's Figure 2, and one more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from earmark.audio import AudioFile, Clip, StftDensity, cut
from earmark.data.corpus import Corpus, Track
from earmark.errors import AudioError
from earmark.paper.summary import Summary
from earmark.plotting import Drawing, make_figure, render_figure

# Shown below the loudest point of a spectrogram.
_RANGE_DB = 80
# Networks in one figure of attention.
_MOST = 4


def draw_spectrogram(corpus: Corpus) -> Drawing | None:
    """Draw the paper's spectrogram of one clip, of a jazz track where there is one; None without any sound."""
    found = next(_clips(corpus), None)
    if found is None:
        return None
    track, clip = found
    front_end = StftDensity(log=True)
    level = front_end(clip.samples)  # (frames, bins), dB
    figure, (axes,) = make_figure(58)
    seconds = len(clip.samples) / front_end.sample_rate
    top = float(level.max())
    picture = axes.imshow(
        level.T, origin="lower", aspect="auto", interpolation="antialiased", cmap="cividis",
        vmin=top - _RANGE_DB, vmax=top, extent=(0, seconds, 0, front_end.sample_rate / 2),
    )  # fmt: skip
    axes.set_xlabel("seconds")
    axes.set_ylabel("Hz")
    figure.colorbar(picture, label="power density, dB", pad=0.02).outline.set_visible(False)
    frames, bins = level.shape
    caption = (
        f"{frames} frames of {bins} bins: the first sounding clip of {track.id}, as the networks read it (here in dB)."
    )
    alt = f"Spectrogram of {seconds:.0f} seconds of {track.genre}, up to {front_end.sample_rate // 2} Hz."
    return render_figure(figure, "figure-2-spectrogram", f"Five seconds of {track.genre}", caption, alt)


def draw_attention(summaries: Sequence[Summary]) -> Drawing:
    """Draw the mean attention of each genre over a clip's frames, one panel for each of the first four networks."""
    summaries = summaries[:_MOST]
    genres = max(len(s.labels) for s in summaries)
    figure, panels = make_figure((8 + 3.6 * genres) * len(summaries) + 12, len(summaries), sharex=True)
    maps = [_draw_attention_map(axes, s) for axes, s in zip(panels, summaries, strict=True)]
    panels[-1].set_xlabel("seconds into the clip")
    ticks = [1 / 4, 1 / 2, 1, 2, 4]
    bar = figure.colorbar(maps[0], ax=panels, location="bottom", ticks=ticks, aspect=40, shrink=0.7, pad=0.01)
    bar.ax.set_xticklabels(["¼", "½", "even share", "2×", "4×"])
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    caption = (
        "Mean attention of the judged clips, by their genre. White is an even share of the clip; orange gets more, "
        "purple less; four times and more look alike."
    )
    return render_figure(
        figure, "attention", "Where attention lies", caption, "Heat maps of attention. " + _describe_peaks(summaries)
    )


def _draw_attention_map(axes: Axes, s: Summary) -> QuadMesh:
    """Draw genres by time; colour is the share of attention, against an even one."""
    names, weights = mean_attention(s)
    n_frames = weights.shape[1]
    front_end = s.settings.front_end
    centres, half = front_end.times(n_frames), front_end.hop_length / front_end.sample_rate / 2
    # a frame's cell reaches half a hop to either side of its centre: (frames + 1,)
    edges = np.append(centres - half, centres[-1] + half)
    # times an even share, 1 / frames: from a quarter to four times, on a logarithmic scale
    picture = axes.pcolormesh(
        edges, np.arange(len(names) + 1), weights * n_frames, norm=LogNorm(1 / 4, 4, clip=True), cmap="PuOr_r",
        edgecolors="face", linewidth=0.2,
    )  # fmt: skip
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names), 0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{s.short} ({s.heading.lower()})")
    return picture


def mean_attention(s: Summary) -> tuple[list[str], NDArray[np.float64]]:
    """Return genres, and the attention of each over frames, averaged over runs: shape (genres, frames)."""
    runs = [record["attention"] for record in s.records if record["attention"]]
    names = sorted({genre for run in runs for genre in run})
    # for each genre the mean over runs, (frames,); a run may hold no whole clip of it
    return names, np.array([np.mean([run[genre] for run in runs if genre in run], axis=0) for genre in names])


def _describe_peaks(summaries: Sequence[Summary]) -> str:
    said = []
    for s in summaries:
        _, weights = mean_attention(s)
        mean = weights.mean(axis=0)
        at = s.settings.front_end.times(len(mean))[int(mean.argmax())]
        share = mean.max() * len(mean)
        said.append(f"{s.short}: highest at {at:.1f} s, {share:.1f} times an even share.")
    return " ".join(said)


def _clips(corpus: Corpus) -> Iterator[tuple[Track, Clip]]:
    """Yield the first sounding clip of each readable track; jazz first."""
    rate = StftDensity().sample_rate
    # jazz first, as in the paper's Figure 2: False sorts before True
    for track in sorted(corpus.tracks, key=lambda track: track.genre.lower() != "jazz"):
        if track.path is None:
            continue
        try:
            with AudioFile(track.path) as recording:
                # 5 seconds, as the paper cuts its songs (its section on data)
                clips = (clip for clip in cut(recording.blocks(rate), 5 * rate) if not clip.silent)
                if clip := next(clips, None):
                    yield track, clip
        except AudioError:
            continue
