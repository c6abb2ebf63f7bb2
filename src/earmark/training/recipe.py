"""A recipe says how to make a model; what it does not say is as in the paper, or in the recipe that it extends.

A recipe makes a recurrent network (``[network]``), unless it has a table ``[mlp]``, ``[svm]`` or ``[logistic]``: the
baselines of the paper's Figure 3.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from earmark.audio.spectrogram import LogMel, StftDensity
from earmark.errors import SettingError
from earmark.networks import exclusions

if TYPE_CHECKING:
    from earmark.data.splits import Protocol

_REMOVED = {
    "network.channels": "the convolutional front",
    "network.convolution": "the convolutional front",
    "network.heads": "attention of several heads",
    "network.per_class": "attention for each class",
    "training.average": "averaging of weights",
    "augmentation.frequency_masks": "SpecAugment",
    "augmentation.frequency_mask_bins": "SpecAugment",
    "augmentation.time_masks": "SpecAugment",
    "augmentation.time_mask_frames": "SpecAugment",
    "augmentation.stretch": "stretching of clips",
    "augmentation.dynamics": "scaling of levels",
    "augmentation.floor": "the raised noise floor",
    "augmentation.noise": "noise on each value",
}
"""Keys that recipes once had, and what they asked for: all lost, or brought nothing, by docs/model.md."""

LOG = "-log"
"""How the name of a logarithmic variant ends."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Model = TypeVar("_Model", bound=_Settings)


class Network(_Settings):
    """The recurrent network; see :class:`earmark.networks.recurrent.RecurrentNetwork`.

    ``members`` of them, or ``doubt``, make a :class:`earmark.networks.ensemble.Committee`.
    """

    cell: Literal["rnn", "lstm"] = "lstm"
    layers: int = Field(1, ge=1)
    units: int = Field(125, ge=1)
    attention: Literal["dot", "scaled-dot", "general", "additive", "learned"] | None = None
    bidirectional: bool | Literal["first"] = False
    dropout: float = Field(0.2, ge=0, lt=1)
    texture_window: int = Field(0, ge=0)
    texture_hop: int = Field(8, ge=1)
    projection: int = Field(0, ge=0)
    input_dropout: float = Field(0.0, ge=0, lt=1)
    skip: bool = False
    members: int = Field(1, ge=1)
    doubt: float = Field(0.0, ge=0)


class Mlp(_Settings):
    """A network of one hidden layer; see :class:`earmark.training.estimators.MLPClassifier`."""

    units: int = Field(125, ge=1)
    activation: Literal["relu", "leaky-relu", "sigmoid", "tanh", "elu", "none"] = "relu"
    dropout: float = Field(0.2, ge=0, lt=1)


class Svm(_Settings):
    """A support vector machine, one-versus-rest; see :func:`earmark.training.baselines.support_vector_machine`."""

    kernel: Literal["linear", "rbf", "poly", "sigmoid"] = "linear"
    penalty: Literal["l1", "l2"] = "l2"
    C: float = Field(1.0, gt=0)


class Logistic(_Settings):
    """Logistic regression; see :func:`earmark.training.baselines.logistic_regression`."""

    multiclass: Literal["ovr", "multinomial"] = "ovr"
    C: float = Field(1.0, gt=0)


class Training(_Settings):
    """How networks are trained; see :class:`earmark.training.network_classifier.NetworkClassifier`."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(1.0, gt=0)
    schedule: Literal["constant", "one-cycle"] = "constant"
    weight_decay: float = Field(0.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    batch_size: int = Field(128, ge=1)
    clip_norm: float = Field(5.0, gt=0)
    max_epochs: int = Field(100, ge=1)
    min_steps: int = Field(0, ge=0)
    patience: int | None = Field(30, ge=0)
    keep: Literal["best", "last"] = "best"
    choose_by: Literal["accuracy", "loss"] = "accuracy"


class Augmentation(_Settings):
    """Distortions in training; see :class:`earmark.training.augment.Augmentation`."""

    shift_bins: int = Field(0, ge=0)
    equalizer: float = Field(0.0, ge=0)
    lowpass: float = Field(0.0, ge=0, le=1)
    mixup: float = Field(0.0, ge=0)


class _Descent(_Settings):
    """What a recipe's text is the difference to.

    Attributes
    ----------
    extends : str
        Path of another recipe, from the file that says it, or name of one that :func:`open_recipe` knows. Its settings
        hold where the text has no others, tables key by key.
    without : tuple of str
        Settings of that recipe to leave out, such as "top_db" or "network.attention".
    """

    extends: str
    without: tuple[str, ...] = ()


class Recipe(_Settings):
    """Everything that makes one model from a corpus, but for the seed.

    Attributes
    ----------
    front_end : StftDensity or LogMel
        How samples become frames.
    clip_seconds : float
        Length of a clip.
    hop_seconds : float, optional
        From one clip to the next when a track is judged or classified; without it clips do not overlap. Protocol
        "clip" never lets them.
    train_hop_seconds : float, optional
        From one training clip to the next; shorter than a clip gives more, overlapping ones.
    low_bins : int, optional
        Read only so many of the front end's bins, the lowest, see :class:`earmark.training.scalers.LowBins`.
    top_db : float, optional
        For dB front ends: floor and centre each clip by itself, see
        :class:`earmark.training.scalers.LevelNormalizer`.
    per_bin, with_std : bool
        See :class:`earmark.training.scalers.Standardizer`.
    class_weight : {"balanced"}, optional
        Let clips of rare genres count more, so that all genres weigh alike.
    network : Network
        The recurrent network that is made, unless there is one of:
    mlp : Mlp, optional
    svm : Svm, optional
    logistic : Logistic, optional
    training : Training
    augmentation : Augmentation
    """

    front_end: Annotated[StftDensity | LogMel, Field(discriminator="kind")] = StftDensity()
    clip_seconds: float = Field(5.0, gt=0)
    hop_seconds: float | None = Field(None, gt=0)
    train_hop_seconds: float | None = Field(None, gt=0)
    low_bins: int | None = Field(None, ge=1)
    top_db: float | None = Field(None, gt=0)
    per_bin: bool = False
    with_std: bool = True
    class_weight: Literal["balanced"] | None = None
    network: Network = Network()
    mlp: Mlp | None = None
    svm: Svm | None = None
    logistic: Logistic | None = None
    training: Training = Training()
    augmentation: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _one_kind(self) -> Recipe:
        given = [kind for kind in ("mlp", "svm", "logistic") if getattr(self, kind) is not None]
        given += ["network"] if self.network != Network() else []
        if len(given) > 1:
            raise ValueError(f"describes {' and '.join(given)}: a recipe makes one of them")
        if max(self.hop_seconds or 0, self.train_hop_seconds or 0) > self.clip_seconds:
            raise ValueError(f"hop_seconds and train_hop_seconds must not exceed clip_seconds ({self.clip_seconds})")
        if self.low_bins and self.low_bins > self.front_end.n_bins:
            raise ValueError(f"low_bins is {self.low_bins}, but the front end gives {self.front_end.n_bins}")
        if self.svm and self.svm.penalty == "l1" and self.svm.kernel != "linear":
            raise ValueError("svm.penalty 'l1' is for kernel 'linear' only")
        exclusions.check(self.network.cell, self.network.attention)
        return self

    @property
    def kind(self) -> Literal["network", "mlp", "svm", "logistic"]:
        """What it makes."""
        return "mlp" if self.mlp else "svm" if self.svm else "logistic" if self.logistic else "network"

    @property
    def n_bins(self) -> int:
        """Numbers a frame that are read."""
        return self.low_bins or self.front_end.n_bins

    @property
    def attention(self) -> bool:
        """Whether the model says where it listens."""
        return self.kind == "network" and self.network.attention is not None

    @property
    def min_frames(self) -> int:
        """Fewest frames of a clip that the network can say anything about."""
        return self.network.texture_window or 1

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
                tables += [f"\n[{key}]", *(f"{k} = {_toml(v)}" for k, v in value.items() if v is not None)]
            else:
                lines.append(f"{key} = {_toml(value)}")
        return "\n".join(lines + tables).strip() + "\n"


def names() -> list[str]:
    """The recipes that come with the package: the rows of the paper's figures, and the bundled model's."""
    return sorted(Path(entry.name).stem for entry in _folder().iterdir() if entry.name.endswith(".toml"))


def open_recipe(which: str) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    which : str
        Name of one that comes with the package or belongs to a sweep (:mod:`earmark.training.sweeps`), or the path
        of a TOML file. ``-log`` after a name takes its better conditioned variant: the density's logarithm, in
        dB, standardised bin by bin; networks train at rate 0.1, their gradient's norm clipped at 1.
        A file may say ``extends = "other.toml"``, a path from its own folder or one of these names, and hold only its
        difference from that recipe; ``without = ["network.attention"]`` leaves settings of that recipe out.

    Returns
    -------
    Recipe

    Raises
    ------
    SettingError
        If there is no such recipe, or it holds an unknown key or a value that makes no sense, or what it extends is
        missing or extends it in turn.
    """
    return _open(which, Path(), ())


def _open(which: str, folder: Path, above: tuple[str, ...]) -> Recipe:
    """Read a recipe, a path from `folder`, that those `above` extend (names of ours, or whole paths of files)."""
    if which in names():
        text = (_folder() / f"{which}.toml").read_text(encoding="utf-8")
        return _parse(text, which, folder, _descend(which, above))
    from earmark.training import sweeps  # which knows recipes, as we know of it

    if which in sweeps.names():
        return sweeps.recipe(which)
    if which.endswith(LOG) and which.removesuffix(LOG) in [*names(), *sweeps.names()]:
        return _logarithmic(open_recipe(which.removesuffix(LOG)), which)
    try:
        path = (folder / which).resolve()
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # no UTF-8, or no path at all
        known = [*names(), *sweeps.names()]
        near = difflib.get_close_matches(which, [*known, *(name + LOG for name in known)], 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names())}"
        raise SettingError(f"no recipe {which!r}: neither a readable file nor one of ours; {hint}") from error
    return _parse(text, which, (folder / which).parent, _descend(str(path), above))


def _descend(which: str, above: tuple[str, ...]) -> tuple[str, ...]:
    if which in above:
        raise SettingError("recipes extend each other in a circle")
    return (*above, which)


def _logarithmic(recipe: Recipe, name: str) -> Recipe:
    """Better conditioned: levels in dB, each bin standardised by itself, and steps that suit them.

    Linear power spans eleven decades, so that a few loud clips move a network and most others hardly do; in dB all do,
    and at the paper's rate of 1 a vanilla RNN no longer learns.
    """
    if not isinstance(recipe.front_end, StftDensity):
        raise SettingError(f"no recipe {name!r}: its front end is logarithmic already")
    front_end = dataclasses.replace(recipe.front_end, log=True)
    training = recipe.training.model_copy(update={"lr": 0.1, "clip_norm": 1.0})
    change: dict[str, Any] = {"front_end": front_end, "per_bin": True}
    return recipe.model_copy(update=change | ({"training": training} if recipe.kind in ("network", "mlp") else {}))


def parse_recipe(text: str, name: str) -> Recipe:
    """Read a recipe from TOML text; `name` is used in errors. See :func:`open_recipe`."""
    return _parse(text, name, Path(), ())


def _parse(text: str, name: str, folder: Path, above: tuple[str, ...]) -> Recipe:
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{name}: not TOML: {error}") from error
    descent = {key: settings.pop(key) for key in _Descent.model_fields if key in settings}
    if descent:
        settings = _extend(_validate(_Descent, descent, name), settings, name, folder, above)
    return _validate(Recipe, _with_kind(settings), name)


def _extend(
    descent: _Descent, change: dict[str, Any], name: str, folder: Path, above: tuple[str, ...]
) -> dict[str, Any]:
    """Return the settings of the recipe that is extended, with what is left out and changed of them."""
    try:
        joined = _open(descent.extends, folder, above).difference()
    except SettingError as error:
        raise SettingError(f"{name}: extends {descent.extends!r}: {error}") from error
    for key in descent.without:
        table, _, last = key.rpartition(".")
        inside = joined.get(table) if table else joined
        if not isinstance(inside, dict) or last not in inside:
            raise SettingError(f"{name}: without {key!r}: {descent.extends} does not set it")
        del inside[last]
    for key, value in change.items():
        base = joined.get(key)
        if isinstance(base, dict) and isinstance(value, dict):
            # a front end of another kind has other settings: it takes the place of the first
            value = {**base, **value} if value.get("kind", base.get("kind")) == base.get("kind") else value
        joined[key] = value
    return joined


def _validate(kind: type[_Model], settings: dict[str, Any], name: str) -> _Model:
    """Check settings that were read from TOML; `name` is used in errors."""
    try:
        return kind.model_validate_json(json.dumps(settings, default=str))
    except ValidationError as error:
        first = error.errors()[0]
        where = [str(part) for part in first["loc"] if part not in ("stft-density", "log-mel")]
        if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            raise SettingError(f"{name}: {_unknown(where, first['loc'])}") from error
        if first["type"] == "missing":
            raise SettingError(f"{name}: {'.'.join(where)} is missing") from error
        if not where:
            raise SettingError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from error
        raise SettingError(f"{name}: {'.'.join(where)}: {first['msg']}, not {first['input']!r}") from error


def _with_kind(raw: dict[str, Any]) -> dict[str, Any]:
    """A front end without a kind is the paper's."""
    if isinstance(raw.get("front_end"), dict):
        raw["front_end"] = {"kind": "stft-density", **raw["front_end"]}
    return raw


def _unknown(where: list[str], location: tuple[int | str, ...]) -> str:
    key = ".".join(where)
    if key in _REMOVED:
        return f"key {key!r} is no more: {_REMOVED[key]} was removed, as it brought nothing; leave the key out"
    return f"unknown key {key!r}{_nearest(location)}"


def _nearest(where: tuple[int | str, ...]) -> str:
    tables: dict[str, Any] = {
        "network": Network, "mlp": Mlp, "svm": Svm, "logistic": Logistic,
        "training": Training, "augmentation": Augmentation,
    }  # fmt: skip
    if where[0] == "front_end":
        kinds: dict[str, Any] = {"stft-density": StftDensity, "log-mel": LogMel}
        fields = [f.name for f in dataclasses.fields(kinds[str(where[1])])]
    elif len(where) == 1:
        fields = [*Recipe.model_fields, *_Descent.model_fields]
    else:
        fields = list(tables[str(where[0])].model_fields)
    near = difflib.get_close_matches(str(where[-1]), fields, 1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are: {', '.join(fields)}"


def _folder() -> Any:
    return resources.files("earmark.training") / "recipes"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else f'"{value}"'
