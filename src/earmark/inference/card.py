"""The card inside a model file: everything needed to use the network, and to know how far to trust it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from earmark.audio.clips import Clip
from earmark.audio.spectrogram import FrontEnd
from earmark.inference.genre_names import find_label
from earmark.inference.model_file import FORMAT_VERSION

SHORTEST = 1.0
"""Seconds below which nothing is said, whatever the model: a beat or two is no music yet."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Calibration(_Strict):
    """What turns the network's outputs into probabilities one may rely on, fitted on validation tracks.

    Attributes
    ----------
    clip_temperature, track_temperature : float
        Logits are divided by these, for one clip and for a whole track.
    threshold : float
        Confidence below which a track is "unknown".
    novelty : float, optional
        Novelty above which a track is "unknown" too, as unlike what the model learned; None where the model gives none.
    coverage : float
        Share of validation tracks that these two keep.
    tag_threshold : float
        Confidence from which an answer is right at least three times in four: what ``earmark tag`` writes. As
        `threshold` in files of format 1, which have none.
    tag_thresholds : tuple of float
        The same for each label, where corrections have told them apart; else empty.
    thresholds : tuple of float
        Of a model that gives several genres: the probability from which each label is one of the answers.
    """

    clip_temperature: float = Field(1.0, gt=0)
    track_temperature: float = Field(1.0, gt=0)
    threshold: float = Field(0.0, ge=0, le=1)
    novelty: float | None = None
    coverage: float = Field(1.0, ge=0, le=1)
    tag_threshold: float = Field(default_factory=lambda fields: fields["threshold"], ge=0, le=1)
    tag_thresholds: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()


class Metric(_Strict):
    """One measured figure, with all that is needed to repeat it.

    Attributes
    ----------
    name : str
        Such as "track_accuracy".
    value : float
    n : int
        Number of clips or tracks counted.
    corpus, protocol, part : str
        What was judged: corpus, split protocol, and the part of the split.
    route : str
        "audio", or "spectrogram" where the corpus holds arrays.
    """

    name: str
    value: float
    n: int
    corpus: str
    protocol: str
    part: str
    route: Literal["audio", "spectrogram"]


class Training(_Strict):
    """Where the network comes from.

    Attributes
    ----------
    corpus : str
        Name of the corpus.
    fingerprint : str
        SHA-256 over the corpus' tracks and labels.
    protocol : str
        The split that was trained on.
    n_tracks, n_clips : int
        Size of the training part.
    recipe : str
        The recipe, as TOML.
    seed : int
    epochs : int
        Epochs run.
    """

    corpus: str
    fingerprint: str
    protocol: str
    n_tracks: int
    n_clips: int
    recipe: str
    seed: int
    epochs: int


class Card(_Strict):
    """The whole card.

    Attributes
    ----------
    format_version : int
    name : str
    labels : tuple of str
        In the order of the network's outputs.
    styles, moods : tuple of str
        What else it tells of music, in the order of the outputs of these names; empty where it tells nothing.
    clip_seconds : float
        Length of the clips the network was trained on.
    hop_seconds : float, optional
        From one clip to the next of a whole track; `clip_seconds` (no overlap) where None.
    front_end : StftDensity, LogMel or KaldiMel
        How samples become the frames that the network reads; it holds the sample rate.
    n_bins : int
        Numbers a frame.
    min_frames : int
        Fewest frames that the network can say anything about.
    attention : bool
        Whether the network gives attention weights.
    calibration : Calibration
    training : Training
    metrics : tuple of Metric
    licence : str
    credits : tuple of str
        Whose work it holds, and under which licence.
    created : str
        ISO 8601 date, UTC.
    commit : str
        Of the Earmark that made it; empty where unknown.
    earmark : str
        Version of the Earmark that made it.
    base : str
        Checksum of the model whose answers its head reads beside the encoder's features; empty where it reads none.
    checksum : str
        SHA-256 over the graph, what is attached to it and the rest of this card; set when the file is written.
    """

    format_version: int = FORMAT_VERSION
    name: str = Field(min_length=1)
    labels: tuple[str, ...] = Field(min_length=2)
    styles: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    clip_seconds: float = Field(gt=0)
    hop_seconds: float | None = Field(None, gt=0)
    front_end: Annotated[FrontEnd, Field(discriminator="kind")]
    n_bins: int = Field(gt=0)
    min_frames: int = Field(1, gt=0)
    attention: bool
    calibration: Calibration = Calibration()
    training: Training
    metrics: tuple[Metric, ...] = ()
    licence: str = ""
    credits: tuple[str, ...] = ()
    created: str
    commit: str = ""
    earmark: str
    base: str = ""
    checksum: str = ""

    @model_validator(mode="after")
    def _check_consistency(self) -> Card:
        for what in ("labels", "styles", "moods"):
            if len(set(names := getattr(self, what))) < len(names):
                raise ValueError(f"{what} occur twice: {', '.join(names)}")
        for what in ("thresholds", "tag_thresholds"):
            if (own := getattr(self.calibration, what)) and len(own) != len(self.labels):
                raise ValueError(f"{len(self.labels)} labels, but {what} of {len(own)}")
        # a longer hop would leave sound between the clips unheard
        if self.hop_seconds and self.hop_seconds > self.clip_seconds:
            raise ValueError(f"hop_seconds is {self.hop_seconds}, longer than a clip: {self.clip_seconds}")
        if self.n_bins != self.front_end.n_bins:
            raise ValueError(f"the network reads {self.n_bins} bins, the front end gives {self.front_end.n_bins}")
        return self

    @property
    def multilabel(self) -> bool:
        """Whether each label has a probability of its own, and several may be the answer."""
        return bool(self.calibration.thresholds)

    @property
    def thresholds(self) -> dict[str, float]:
        """The probability from which each label is one of the answers."""
        return self._by_label(self.calibration.thresholds, self.calibration.threshold)

    @property
    def tag_thresholds(self) -> dict[str, float]:
        """The confidence from which an answer is written as a tag, by the label that is the answer."""
        return self._by_label(self.calibration.tag_thresholds, self.calibration.tag_threshold)

    def _by_label(self, own: tuple[float, ...], same: float) -> dict[str, float]:
        return dict(zip(self.labels, own or [same] * len(self.labels), strict=True))

    @property
    def clip_length(self) -> int:
        """Samples a clip, at the front end's sample rate."""
        return round(self.clip_seconds * self.front_end.sample_rate)

    @property
    def names(self) -> tuple[str, ...]:
        """All that it tells of a sound: labels, styles and moods, each name once."""
        return tuple(dict.fromkeys((*self.labels, *self.styles, *self.moods)))

    def index_of(self, label: str) -> int:
        """Return where a label, in any spelling, stands among the network's outputs; see :func:`find_label`."""
        return self.labels.index(find_label(label, self.labels, self.name))

    @property
    def hop_length(self) -> int:
        """Samples from one clip to the next."""
        return round((self.hop_seconds or self.clip_seconds) * self.front_end.sample_rate)

    def is_long_enough(self, n_samples: int) -> bool:
        """Return whether anything can be said of so many samples, at the front end's sample rate."""
        rate, n_frames = self.front_end.sample_rate, self.front_end.n_frames(n_samples)
        return n_samples >= rate * SHORTEST and n_frames >= self.min_frames

    def reason_to_skip(self, clip: Clip) -> Literal["too short", "silence"] | None:
        """Return why nothing can be said of a clip; None where the network is to be asked."""
        # length first: of a few samples it makes no sense to ask for their level
        if not self.is_long_enough(clip.length):
            return "too short"
        return "silence" if clip.silent else None
