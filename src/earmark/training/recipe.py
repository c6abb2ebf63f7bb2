"""A recipe says how to make a model; what it does not say is as in the paper, or in the recipe that it extends.

A recipe makes a recurrent network (``[network]``), unless it has a table ``[mlp]``, ``[svm]`` or ``[logistic]``: the
baselines of the paper's Figure 3.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from earmark.audio.kaldi_mel import KaldiMel
from earmark.audio.spectrogram import FrontEnd, LogMel, StftDensity
from earmark.errors import SettingError
from earmark.inference.encoder import Encoder
from earmark.networks.settings import MlpSettings, NetworkSettings, Settings, suggest
from earmark.training.settings import TrainingSettings

if TYPE_CHECKING:
    from earmark.data.splits import Protocol

REMOVED = (
    "low_bins", "with_std", "augmentation", "network.channels", "network.convolution", "network.heads",
    "network.per_class", "network.texture_window", "network.texture_hop", "network.projection", "network.input_dropout",
    "network.skip", "network.members", "network.doubt", "training.average", "training.min_steps",
)  # fmt: skip
"""Keys that recipes once had; what they asked for lost against something simpler, by docs/model.md."""

OFF = "off"
"""What stands for None in TOML."""

_Model = TypeVar("_Model", bound=Settings)


class Svm(Settings):
    """A support vector machine, one-versus-rest; see :func:`earmark.training.baselines.support_vector_machine`."""

    kernel: Literal["linear", "rbf", "poly", "sigmoid"] = "linear"
    penalty: Literal["l1", "l2"] = "l2"
    C: float = Field(1.0, gt=0)


class Logistic(Settings):
    """Logistic regression; see :func:`earmark.training.baselines.logistic_regression`."""

    multiclass: Literal["ovr", "multinomial", "multilabel"] = "ovr"
    C: float = Field(1.0, gt=0)


class Ancestry(Settings):
    """What a recipe's text is the difference to.

    Attributes
    ----------
    extends : str
        Path of another recipe, from the file that says it, or name of one that
        :func:`~earmark.training.registry.open_recipe` knows. Its settings
        hold where the text has no others, tables key by key.
    without : tuple of str
        Settings of that recipe to leave out, such as "top_db" or "network.attention".
    """

    extends: str
    without: tuple[str, ...] = ()


class Recipe(Settings):
    """Everything that makes one model from a corpus, but for the seed.

    Attributes
    ----------
    front_end : StftDensity, LogMel, KaldiMel or Encoder
        How samples become frames; an encoder's are its steps.
    clip_seconds : float
        Length of a clip.
    hop_seconds : float, optional
        From one clip to the next when a track is judged or classified; without it clips do not overlap. Protocol
        "clip" never lets them.
    train_hop_seconds : float, optional
        From one training clip to the next; shorter than a clip gives more, overlapping ones.
    max_clips : int, optional
        Of longer tracks, learn from and judge by so many clips, spread over the track; all when left out.
    pool : {"mean"}, optional
        Read the mean of a clip's frames, instead of one after another.
    top_db : float, optional
        For dB front ends: floor and centre each clip by itself, see
        :class:`earmark.training.scalers.LevelNormalizer`.
    per_bin : bool
        See :class:`earmark.training.scalers.Standardizer`.
    class_weight : {"balanced"}, optional
        Let clips of rare genres count more, so that all genres weigh alike.
    network : NetworkSettings
        The recurrent network that is made, unless there is one of:
    mlp : MlpSettings, optional
    svm : Svm, optional
    logistic : Logistic, optional
    training : TrainingSettings
    """

    front_end: Annotated[FrontEnd | Encoder, Field(discriminator="kind")] = StftDensity()
    clip_seconds: float = Field(5.0, gt=0)
    hop_seconds: float | None = Field(None, gt=0)
    train_hop_seconds: float | None = Field(None, gt=0)
    max_clips: int | None = Field(None, ge=1)
    pool: Literal["mean"] | None = None
    top_db: float | None = Field(None, gt=0)
    per_bin: bool = False
    class_weight: Literal["balanced"] | None = None
    network: NetworkSettings = NetworkSettings()
    mlp: MlpSettings | None = None
    svm: Svm | None = None
    logistic: Logistic | None = None
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _check_together(self) -> Recipe:
        given = [kind for kind in ("mlp", "svm", "logistic") if getattr(self, kind) is not None]
        given += ["network"] if self.network != NetworkSettings() else []
        if len(given) > 1:
            raise ValueError(f"describes {' and '.join(given)}: a recipe makes one of them")
        if max(self.hop_seconds or 0, self.train_hop_seconds or 0) > self.clip_seconds:
            raise ValueError(f"hop_seconds and train_hop_seconds must not exceed clip_seconds ({self.clip_seconds})")
        if self.svm and self.svm.penalty == "l1" and self.svm.kernel != "linear":
            raise ValueError("svm.penalty 'l1' is for kernel 'linear' only")
        return self

    @property
    def kind(self) -> Literal["network", "mlp", "svm", "logistic"]:
        """What it makes."""
        return "mlp" if self.mlp else "svm" if self.svm else "logistic" if self.logistic else "network"

    @property
    def is_network(self) -> bool:
        """Whether it makes a network, which learns in epochs and needs torch."""
        return self.kind in ("network", "mlp")

    @property
    def chooses_epoch(self) -> bool:
        """Whether its network is to be taken from its best epoch, for which the valid part is needed."""
        return self.is_network and self.training.keep == "best"

    @property
    def multilabel(self) -> bool:
        """Whether a track may have several genres."""
        return self.logistic is not None and self.logistic.multiclass == "multilabel"

    @property
    def attention(self) -> bool:
        """Whether the model says where it listens."""
        return self.kind == "network" and self.network.attention is not None

    @property
    def encoder(self) -> Encoder | None:
        """The pretrained network that it builds on, if any."""
        return self.front_end if isinstance(self.front_end, Encoder) else None

    def hops(self, protocol: Protocol) -> tuple[float, float]:
        """Return seconds from clip to clip: where a track is judged, and where it is learned from.

        Under protocol "clip" none overlap: those that do would share sound across the split.
        """
        if protocol == "clip":
            return self.clip_seconds, self.clip_seconds
        judged = self.hop_seconds or self.clip_seconds
        return judged, self.train_hop_seconds or judged

    def with_epochs(self, epochs: int) -> Recipe:
        """Return the same with another limit on epochs."""
        return self.model_copy(update={"training": self.training.model_copy(update={"max_epochs": epochs})})

    def difference(self) -> dict[str, Any]:
        """Return the settings that are not the paper's, as plain types."""
        difference = self.model_dump(mode="json", exclude_defaults=True)
        if "front_end" in difference:  # what its own defaults are depends on its kind
            difference["front_end"] = {"kind": self.front_end.kind, **difference["front_end"]}
        return difference

    def toml(self) -> str:
        """Return the recipe as TOML, holding only its difference from the paper's defaults."""
        lines: list[str] = []
        tables: list[str] = []
        for key, value in self.difference().items():
            if isinstance(value, dict):
                tables += [f"\n[{key}]", *(f"{k} = {_toml(v)}" for k, v in value.items())]
            else:
                lines.append(f"{key} = {_toml(value)}")
        # plain keys first: TOML reads those after a [table] as part of it
        return "\n".join(lines + tables).strip() + "\n"


def validate(kind: type[_Model], settings: dict[str, Any], name: str) -> _Model:
    """Check settings that were read from TOML; `name` is used in errors."""
    try:
        # JSON, as strict checks take a list for a tuple there only
        return kind.model_validate_json(json.dumps(settings, default=str))
    except ValidationError as error:
        first = error.errors()[0]
        # pydantic names the kind of front end in the path, which the text does not
        where = ".".join(str(part) for part in first["loc"] if part not in _FRONT_ENDS)
        if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            message = _describe_unknown(where, first["loc"])
        elif first["type"] == "missing":
            message = f"{where} is missing"
        elif first["type"] == "value_error":
            message = (f"{where}: " if where else "") + first["msg"].removeprefix("Value error, ")
        else:
            message = f"{where}: {first['msg']}, not {first['input']!r}"
        raise SettingError(f"{name}: {message}") from error


def _describe_unknown(key: str, location: tuple[int | str, ...]) -> str:
    if key in REMOVED:
        return f"key {key!r} is no more: what it asked for was removed, as it brought nothing; leave the key out"
    table, last = location[0], str(location[-1])
    if len(location) == 1:
        known = [*Recipe.model_fields, *Ancestry.model_fields]
    elif table == "front_end":
        # location is ("front_end", kind, key)
        known = [field.name for field in dataclasses.fields(_FRONT_ENDS[str(location[1])])]
    else:
        known = list(_TABLES[str(table)].model_fields)
    return f"unknown key {key!r}{suggest(last, known)}"


def _toml(value: object) -> str:
    # first, as a bool is an int too
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return f'"{OFF if value is None else value}"'


_FRONT_ENDS: dict[str, Any] = {
    "stft-density": StftDensity,
    "log-mel": LogMel,
    "kaldi-mel": KaldiMel,
    "encoder": Encoder,
}
_TABLES: dict[str, type[Settings]] = {
    "network": NetworkSettings,
    "mlp": MlpSettings,
    "svm": Svm,
    "logistic": Logistic,
    "training": TrainingSettings,
}
