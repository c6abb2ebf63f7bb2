"""Make the bundled models ``gtzan`` and ``earmark``, and judge them: ``python bench/make_models.py GTZAN``.

GTZAN is a folder with the sound that is at hand of the corpus, ``audio``, ``short`` and ``16khz``, and the log-mel
arrays of 639 tracks, ``logmel_639x128x387_u8.npz``. The arrays cover the genres evenly, the sound does not. So arrays
are stretched into the encoder's mel bands, blurred as they are; and a ridge regression, learned from tracks of which
there is both, turns what the encoder makes of the blurred into what it would make of the sound.

Judged are the whole and the short excerpts, each by a model that knows no track of its artist: five folds, and three
seeds of them.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import earmark
from earmark.audio.clips import cut
from earmark.audio.decode import AudioFile
from earmark.data.corpus import Corpus, Track, read_arrays, read_folder
from earmark.data.groups import group_by_origin
from earmark.data.splits import Fold, split_tracks
from earmark.evaluation import metrics
from earmark.evaluation.calibration import Answers, calibrate
from earmark.evaluation.report import Report, judge
from earmark.inference import model_file
from earmark.inference.card import Card, Metric, Training
from earmark.inference.encoder import FRAMES_A_STEP, Encoder
from earmark.inference.model import save_model
from earmark.inference.session import start_session
from earmark.inference.vocabulary import list_families, read_classes
from earmark.networks.onnx.builder import Graph
from earmark.networks.onnx.listening import write_listening
from earmark.training.baselines import write_logistic
from earmark.training.export import pipeline_graph, pipeline_head
from earmark.training.pipeline import log_probabilities, make_pipeline, measure_novelty
from earmark.training.provenance import commit
from earmark.training.recipe import Logistic
from earmark.training.registry import open_recipe

SECONDS, FOLDS, SEEDS = 10.0, 5, 3
C = 0.006
"""Inverse strength of the head's penalty: of 0.003, 0.006 and 0.012 the best in the folds."""

RIDGE, ARRAY_WEIGHT = 1000.0, 0.7
"""Strength of the regression's penalty, and how much an array counts beside a track of sound."""

SHARE = 3.5
"""How much more AudioSet's evidence for GTZAN's ten families counts than that for the fifteen others."""

FAMILY_OF = {"hiphop": "hip hop"}
"""GTZAN's genres that families have other names for."""

ENCODER = Encoder()
_SESSION = start_session(ENCODER.graph(), "encoder", threads=2)


@dataclass(frozen=True)
class Examples:
    """What the encoder says of clips.

    Attributes
    ----------
    features : ndarray, shape (clips, 634)
        Mean over steps.
    logits : ndarray, shape (clips, 527)
        Of AudioSet's classes.
    track : ndarray of int, shape (clips,)
        Whose clip it is.
    tracks : list of Track
    """

    features: NDArray[np.float64]
    logits: NDArray[np.float64]
    track: NDArray[np.intp]
    tracks: list[Track]

    @property
    def weight(self) -> NDArray[np.float64]:
        """What each clip counts, shape (clips,): all of one track together 1."""
        weight: NDArray[np.float64] = 1 / np.bincount(self.track)[self.track]
        return weight

    @property
    def genres(self) -> NDArray[np.str_]:
        """Of tracks."""
        return np.array([track.genre for track in self.tracks])


def encode(tracks: Sequence[Track], mels: Sequence[list[NDArray[np.float32]]]) -> Examples:
    """Encode the mel spectrograms of each track's clips."""
    features, logits, owner = [], [], []
    for i, clips in enumerate(mels):
        for mel in clips:
            steps, classes = _SESSION.run(["features", "logits"], {"spectrogram": mel[None]})
            features.append(steps[0].mean(axis=0))
            logits.append(classes[0])
            owner.append(i)
    return Examples(np.stack(features).astype(float), np.stack(logits).astype(float), np.array(owner), list(tracks))


def hear(folder: Path) -> Examples:
    """Encode the sound in a folder of genre folders, as it is heard when it is classified."""
    tracks, mels = read_folder(folder).tracks, []
    length = round(SECONDS * ENCODER.sample_rate)
    for track in tracks:
        assert track.path
        with AudioFile(track.path) as recording:
            clips = cut(recording.blocks(ENCODER.sample_rate), length)
            mels.append([ENCODER.mel(clip.samples[: clip.length]) for clip in clips])
    return encode(tracks, mels)


def read_blurred(path: Path) -> Examples:
    """Encode log-mel arrays, stretched into the encoder's mel bands."""
    tracks = read_arrays(path).tracks
    frames = round(SECONDS * ENCODER.sample_rate / ENCODER.mel.hop_length)
    mels = []
    for track in tracks:
        assert track.spectrogram is not None
        mel = stretch(track.spectrogram, 3 * frames)
        mels.append(list(mel.reshape(3, frames, -1)))
    return encode(tracks, mels)


def stretch(levels: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Turn an array of GTZAN's, in dB, into the encoder's mel bands: (387, 128) → (frames, 128).

    Its 128 bands of Slaney's scale reach to 11 kHz; above that is silence. Its loudness is not known: it is set so that
    the mean of the logarithms is what it is in music of usual loudness.
    """
    front = ENCODER.mel
    bins = np.fft.rfftfreq(front.n_fft, 1 / front.sample_rate)
    at = np.linspace(0, len(levels) - 1, frames)
    in_time = np.stack([np.interp(at, np.arange(len(levels)), band) for band in levels.T], axis=1)
    centres = librosa.mel_frequencies(130, fmin=0, fmax=11025)[1:-1]
    power = 10 ** (np.stack([np.interp(bins, centres, frame) for frame in in_time]) / 10)
    power[:, bins > 11025] = 1e-12
    power *= np.abs(1 - front.preemphasis * np.exp(-2j * np.pi * bins / front.sample_rate)) ** 2  # pre-emphasis
    mel = power @ front.filters
    gain = 0.0
    for _ in range(20):
        gain += -4.5 - np.log(mel * np.exp(gain) + 1e-5).mean()
    return front.from_power(mel * np.exp(gain)).astype(np.float32)


def group(examples: Sequence[Examples]) -> list[NDArray[np.intp]]:
    """Return group numbers of the tracks of each, shape (tracks,): of one artist, or one recording."""
    known = {track.id: track for some in examples for track in some.tracks}
    number = dict(zip(known, group_by_origin(Corpus("GTZAN", tuple(known.values()))), strict=True))
    return [np.array([number[track.id] for track in some.tracks]) for some in examples]


def fit_head(sounds: Sequence[Examples], arrays: Examples, whole: Examples) -> Pipeline:
    """Fit the linear head to tracks of sound and to arrays.

    `whole` are tracks of sound that may also be among the arrays: from them the regression is learned.
    """
    heard, weight = np.concatenate([s.features for s in sounds]), np.concatenate([s.weight for s in sounds])
    blurred = {track.id: arrays.features[arrays.track == i] for i, track in enumerate(arrays.tracks)}
    both = [
        (blurred[track.id], whole.features[whole.track == i])
        for i, track in enumerate(whole.tracks)
        # of one of the arrays the sound is shorter
        if track.id in blurred and len(blurred[track.id]) == np.sum(whole.track == i)
    ]
    scale_in, scale_out = StandardScaler().fit(arrays.features), StandardScaler().fit(heard)
    before, after = (np.concatenate(side) for side in zip(*both, strict=True))
    sharpen = Ridge(RIDGE).fit(scale_in.transform(before), scale_out.transform(after))
    names = {track.id for track in whole.tracks}
    alone = np.array([track.id not in names for track in arrays.tracks])[arrays.track]
    sharp = scale_out.inverse_transform(sharpen.predict(scale_in.transform(arrays.features[alone])))
    X = np.concatenate([heard, sharp])
    y = np.concatenate([*(s.genres[s.track] for s in sounds), arrays.genres[arrays.track[alone]]])
    weight = np.concatenate([weight, ARRAY_WEIGHT * arrays.weight[alone]])
    # every genre counts alike
    _, code = np.unique(y, return_inverse=True)
    weight *= weight.sum() / 10 / np.bincount(code, weight)[code]
    recipe = open_recipe("encoder-linear")
    logistic = Logistic(multiclass="multinomial", C=C)
    head = make_pipeline(recipe.model_copy(update={"logistic": logistic, "class_weight": None}))
    fitted: Pipeline = head.fit(X[:, None].astype(np.float32), y, logistic__sample_weight=weight)
    # of sound alone: what the regression makes of arrays lies closer together
    scaled = fitted[: list(fitted.named_steps).index("novelty")].transform(heard[:, None].astype(np.float32))
    fitted["novelty"].fit(scaled, y[: len(heard)])
    return fitted


def take(examples: Examples, tracks: NDArray[np.bool_]) -> Examples:
    """Return only these tracks."""
    kept = np.flatnonzero(tracks)
    clips = np.isin(examples.track, kept)
    owner = np.searchsorted(kept, examples.track[clips])
    return Examples(examples.features[clips], examples.logits[clips], owner, [examples.tracks[i] for i in kept])


def cross_validate(
    whole: Examples,
    short: Examples,
    extra: Examples,
    arrays: Examples,
    seed: int,
    foreign: str = "",
    folds: int = FOLDS,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Let heads that know no track of its artist answer each clip of `whole` and `short`.

    Returns log-probabilities (clips, 10), and how unlike the training clips each is (clips,). Of a foreign genre they
    know no track at all: then there are log-probabilities of nine.
    """
    groups = group([whole, short, extra, arrays])
    judged = Corpus("GTZAN", tuple(whole.tracks + short.tracks))
    owner = np.concatenate([whole.track, short.track + len(whole.tracks)])
    features = np.concatenate([whole.features, short.features])
    answers, novelty = np.empty((len(owner), 9 if foreign else 10)), np.empty(len(owner))
    for k in range(folds):
        held = split_tracks(judged, "artist", seed, Fold(k, folds)) == "test"
        unknown = np.unique(np.concatenate(groups[:2])[held])
        parts = [
            take(s, ~np.isin(g, unknown) & (s.genres != foreign))
            for s, g in zip((whole, short, extra, arrays), groups, strict=True)
        ]
        head = fit_head(parts[:3], parts[3], parts[0])
        clips = held[owner]
        X = features[clips][:, None].astype(np.float32)
        answers[clips], novelty[clips] = log_probabilities(head, X), measure_novelty(head, X)
    return answers, novelty


def judge_foreign(whole: Examples, short: Examples, extra: Examples, arrays: Examples) -> None:
    """Leave one genre out after the other, and print how well its tracks are told from those of the other nine.

    For each rule, confidence alone and (of `gtzan`) with novelty: the area under the ROC curve of confidence, or of
    novelty; the share of the foreign tracks that are named; and that of those named with 80 %. Each rule names 90 % of
    the known tracks.
    """
    tracks = whole.tracks + short.tracks
    owner = np.concatenate([whole.track, short.track + len(whole.tracks)])
    clip_genres = np.array([track.genre for track in tracks])[owner]
    rows: dict[str, list[list[float]]] = {"gtzan": [], "earmark": []}
    for genre in np.unique(clip_genres):
        logits = np.concatenate([whole.logits, short.logits])
        labels = tuple(str(label) for label in np.unique(clip_genres) if label != genre)
        log_p, novelty = cross_validate(whole, short, extra, arrays, 0, str(genre))
        known = clip_genres != genre
        # of foreign tracks the number is never read
        y = np.searchsorted(labels, np.where(known, clip_genres, labels[0]))
        ten = Answers(log_p, owner, y, labels, novelty=novelty)
        # AudioSet does not know the foreign family either
        logits[:, [s.index for s in read_classes("genre") if s.family == FAMILY_OF.get(str(genre), genre)]] = -40
        tempered = np.log(metrics.softmax(log_p / calibrate(select(ten, known)).track_temperature))
        joined, y = name_families(tempered, logits, labels), np.array(find_families(labels))[y]
        all_families = Answers(joined, owner, y, list_families())
        for name, answers in (("gtzan", ten), ("earmark", all_families)):
            rows[name].append(tell_foreign(select(answers, known), select(answers, ~known)))
            print(f"{name:8} {genre:10}" + "".join(f"{value:7.3f}" for value in rows[name][-1]), flush=True)
    for name, values in rows.items():
        print(f"{name:8} {'mean':10}" + "".join(f"{value:7.3f}" for value in np.mean(values, axis=0)))


def select(answers: Answers, clips: NDArray[np.bool_]) -> Answers:
    """Return the answers to these clips."""
    novelty = None if answers.novelty is None else answers.novelty[clips]
    return Answers(
        answers.log_probabilities[clips], answers.track[clips], answers.y[clips], answers.labels, novelty=novelty
    )


def tell_foreign(known: Answers, foreign: Answers) -> list[float]:
    """Return the row of a foreign genre that :func:`judge_foreign` prints: three figures for each rule."""
    figures: list[float] = []
    for novelty in (None, known.novelty)[: 1 + (known.novelty is not None)]:
        calibration = calibrate(replace(known, novelty=novelty))
        pooled = [metrics.pool(part.log_probabilities, part.track, part.y)[0] for part in (known, foreign)]
        confidence = [metrics.softmax(scores / calibration.track_temperature).max(axis=1) for scores in pooled]
        is_foreign = np.repeat([False, True], list(map(len, confidence)))
        doubt, like = -np.concatenate(confidence), np.ones(len(confidence[1]), bool)
        if novelty is not None and known.track_novelty is not None and foreign.track_novelty is not None:
            doubt = np.concatenate([known.track_novelty, foreign.track_novelty])
            like = foreign.track_novelty <= calibration.novelty
        named = (confidence[1] >= calibration.threshold) & like
        figures += [roc_auc_score(is_foreign, doubt), named.mean(), (named & (confidence[1] >= 0.8)).mean()]
    return figures


def list_members() -> NDArray[np.float64]:
    """Return 1 where a style belongs to a family, shape (styles, families)."""
    return np.array([[style.family == family for family in list_families()] for style in read_classes("genre")], float)


def find_families(labels: Sequence[str]) -> list[int]:
    """Return where GTZAN's genres stand among the families."""
    return [list_families().index(FAMILY_OF.get(label, label)) for label in labels]


def name_families(
    log_p: NDArray[np.float64], logits: NDArray[np.float64], labels: Sequence[str]
) -> NDArray[np.float64]:
    """Put AudioSet's families and the head's ten genres together: (clips, 10), (clips, 527) → (clips, 25)."""
    evidence = np.exp(logits[:, [style.index for style in read_classes("genre")]]) @ list_members()
    evidence /= evidence.sum(axis=1, keepdims=True)
    ten = find_families(labels)
    evidence[:, ten] = SHARE * evidence[:, ten].sum(axis=1, keepdims=True) * np.exp(log_p)
    joined: NDArray[np.float64] = np.log(evidence / evidence.sum(axis=1, keepdims=True))
    return joined


def write_families(graph: Graph, probabilities: str, logits: str, labels: Sequence[str]) -> str:
    """Write :func:`name_families` into a graph, from the head's calibrated probabilities."""
    indices = [style.index for style in read_classes("genre")]
    chosen = graph("Gather", logits, graph.constant(indices, np.int64), axis=1)
    evidence = graph("MatMul", graph("Softmax", chosen, axis=1), graph.constant(list_members()))
    ten = np.eye(len(list_families()))[find_families(labels)]  # (labels, families)
    others = graph("Mul", evidence, graph.constant(1 - ten.sum(axis=0)))
    mass = graph("MatMul", evidence, graph.constant(SHARE * ten.sum(axis=0)[:, None]))
    divided = graph("Mul", mass, graph("MatMul", probabilities, graph.constant(ten)))
    joined = graph("Add", others, divided)
    return graph("Div", joined, graph("ReduceSum", joined, graph.integers(1)))


def families_graph(head: Pipeline, temperature: float) -> bytes:
    """Write the graph of the model of families: the encoder, the head of the ten genres, and the families' evidence."""
    graph = Graph()
    x = graph.input("spectrogram", ["clips", "frames", ENCODER.mel.n_bins])
    known = graph.include(ENCODER.graph(), x, "encoder_")
    y = known["features"]
    for name, step in head.steps[:-1]:
        # families go beyond what the head learned: of them its novelty tells nothing
        if name != "novelty":
            y = step.to_onnx(graph, y)
    # calibrated: softmax(log p / T)
    tempered = graph("Mul", graph("Log", write_logistic(graph, head[-1], y)), graph.constant(1 / temperature))
    probabilities = write_families(graph, graph("Softmax", tempered, axis=1), known["logits"], list(head.classes_))
    graph.output(probabilities, "probabilities", ["clips", len(list_families())])
    write_listening(graph, known)
    return bytes(graph.model("earmark").SerializeToString())


def make_card(
    name: str, labels: Sequence[str], report: Report, calibration: Any, tracks: list[Track], clips: int
) -> Card:
    """Describe a model."""
    part = f"{FOLDS} held-out folds"
    figures = ("clip_accuracy", "track_accuracy", "mean_recall", "calibration_error")
    return Card(
        name=name,
        labels=tuple(labels),
        clip_seconds=SECONDS,
        front_end=ENCODER.mel,
        n_bins=ENCODER.mel.n_bins,
        min_frames=FRAMES_A_STEP,
        attention=False,
        styles=tuple(item.name for item in read_classes("genre")),
        moods=tuple(item.name for item in read_classes("mood")),
        calibration=calibration,
        training=Training(
            corpus="GTZAN", fingerprint=Corpus("GTZAN", tuple(tracks)).fingerprint, protocol="artist",
            n_tracks=len(tracks), n_clips=clips, recipe="bench/make_models.py", seed=0, epochs=0,
        ),
        metrics=tuple(
            Metric(
                name=figure, value=getattr(report, figure), corpus="GTZAN", protocol="artist", part=part,
                n=report.n_clips if figure == "clip_accuracy" else report.n_tracks, route="audio",
            )
            for figure in figures
        ),
        licence="MIT",
        credits=ENCODER.credits,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        commit=commit(),
        earmark=earmark.__version__,
    )  # fmt: skip


def show(name: str, reports: Sequence[Report]) -> None:
    """Print the figures of each seed, and recall by genre of all."""
    for figure in ("track_accuracy", "mean_recall", "calibration_error"):
        values = [getattr(report, figure) for report in reports]
        print(f"{name:8} {figure:18} {np.mean(values):.3f}   seeds {' '.join(f'{value:.3f}' for value in values)}")
    low, high = reports[0].interval
    print(f"{name:8} 95 % interval of the first seed's accuracy: {low:.3f} to {high:.3f}")
    recalls = {genre: np.mean([r.per_genre[genre]["accuracy"] for r in reports]) for genre in reports[0].per_genre}
    print(f"{name:8} recall: " + ", ".join(f"{genre} {value:.2f}" for genre, value in recalls.items()))


def show_thresholds(name: str, reports: Sequence[Report], tag_threshold: float) -> None:
    """Print how many tracks thresholds of confidence let pass, and how many of these are right, over all seeds."""
    tracks = [track for report in reports for track in report.tracks]
    for least in sorted((0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, tag_threshold)):
        passed = [track for track in tracks if track.best >= least]
        right = np.mean([track.heard == track.genre for track in passed])
        print(f"{name:8} confidence from {least:.2f}: {len(passed) / len(tracks):.1%} written, {right:.1%} right")


def main() -> None:
    """Judge both models, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gtzan", type=Path)
    default = Path(model_file.__file__).parent / "models"
    parser.add_argument("-o", "--output", type=Path, default=default, metavar="FOLDER")
    parser.add_argument("--foreign", action="store_true", help="leave each genre out, and tell it from the others")
    options = parser.parse_args()
    whole, short, extra = (hear(options.gtzan / part) for part in ("audio", "short", "16khz"))
    arrays = read_blurred(options.gtzan / "logmel_639x128x387_u8.npz")
    if options.foreign:
        judge_foreign(whole, short, extra, arrays)
        return
    owner = np.concatenate([whole.track, short.track + len(whole.tracks)])
    logits = np.concatenate([whole.logits, short.logits])
    judged = whole.tracks + short.tracks
    head = fit_head([whole, short, extra], arrays, whole)
    labels = tuple(str(label) for label in head.classes_)
    families = list_families()
    of_genre = find_families(labels)
    y = np.array([labels.index(judged[i].genre) for i in owner])
    reports: dict[str, list[Report]] = {"gtzan": [], "earmark": []}
    made: dict[str, Any] = {}
    for seed in range(SEEDS):
        log_p, novelty = cross_validate(whole, short, extra, arrays, seed)
        ten = Answers(log_p, owner, y, labels, novelty=novelty)
        calibration = calibrate(ten)
        tempered = np.log(metrics.softmax(log_p / calibration.track_temperature))
        all_families = Answers(name_families(tempered, logits, labels), owner, np.array(of_genre)[y], families)
        for name, answers in (("gtzan", ten), ("earmark", all_families)):
            fitted = calibrate(answers)
            part = f"{FOLDS} held-out folds"
            report = judge(answers, fitted, corpus="GTZAN", protocol="artist", part=part, ids=[t.id for t in judged])
            reports[name].append(report)
            made.setdefault(name, (answers.labels, report, fitted))
    learned = whole.tracks + short.tracks + extra.tracks
    # what the families read beside features, AudioSet's logits, nobody keeps: they have no head
    written = {
        "gtzan": (pipeline_graph(head, "gtzan", ENCODER), pipeline_head(head)),
        "earmark": (families_graph(head, made["gtzan"][2].track_temperature), b""),
    }
    for name, (graph, own_head) in written.items():
        show(name, reports[name])
        show_thresholds(name, reports[name], made[name][2].tag_threshold)
        names, report, calibration = made[name]
        card = make_card(name, names, report, calibration, learned, len(owner) + len(extra.track))
        path = options.output / f"{name}.onnx"
        save_model(path, graph, card, head=own_head)
        print(f"{path}: {path.stat().st_size} bytes, {card.calibration}")


if __name__ == "__main__":
    main()
