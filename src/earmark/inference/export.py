"""What a program without Earmark needs to use an exported network, as JSON inside the ONNX file."""

from __future__ import annotations

import json
from bisect import bisect_left
from typing import Any

from earmark.audio.clips import SILENCE_DB
from earmark.inference.aggregate import LEAST_PROBABILITY, SOUND_REASONS
from earmark.inference.card import Card
from earmark.inference.model_file import join_card

KEY = "earmark-export"
"""Where the JSON lies among the metadata of the ONNX file."""

_LABEL_STEPS = {
    False: "p = softmax(m / calibration.track_temperature): the probability of each genre",
    True: "p = exp(m / calibration.track_temperature): the probability of each genre; they need not sum to 1",
}


def add_metadata(graph: bytes, card: Card, *, waveform: bool) -> bytes:
    """Return an ONNX model with :func:`describe_export` inside, under :data:`KEY` of its metadata."""
    text = json.dumps(describe_export(card, waveform=waveform), ensure_ascii=False)
    return join_card(graph, text.encode(), KEY.encode())


def describe_export(card: Card, *, waveform: bool) -> dict[str, Any]:
    """Return what the network reads and gives, and how its outputs become the answer for a track.

    Parameters
    ----------
    card : Card
    waveform : bool
        Whether the network reads samples, not the front end's frames.

    Returns
    -------
    dict
        See docs/export.md.
    """
    front_end = card.front_end
    reads = {"name": "samples"} if waveform else {"name": "spectrogram", "front_end": card.model_dump()["front_end"]}
    names = {"probabilities": card.labels, "styles": card.styles, "moods": card.moods}
    outputs: dict[str, list[str | None]] = {name: list(labels) for name, labels in names.items() if labels}
    # the models that tell styles tell kinds of sound too
    outputs |= {"sound": list(SOUND_REASONS)} if card.styles else {}
    outputs |= {"novelty": []} if card.calibration.novelty is not None else {}
    return {
        "format": 1,
        "model": card.name,
        "earmark": card.earmark,
        "licence": card.licence,
        "credits": card.credits,
        "input": {**reads, "sample_rate": front_end.sample_rate},
        "clips": {
            "length": card.clip_length,
            "hop": card.hop_length,
            "shortest": bisect_left(range(card.clip_length + 1), True, key=card.is_long_enough),
            "silence_db": SILENCE_DB,
        },
        "outputs": outputs,
        "multilabel": card.multilabel,
        "least_probability": LEAST_PROBABILITY,
        "calibration": {**card.calibration.model_dump(), "thresholds": list(card.thresholds.values())},
        "steps": _list_steps(card, waveform),
    }


def _list_steps(card: Card, waveform: bool) -> list[str]:
    """Return how a sound becomes an answer, a sentence a step."""
    frames = [] if waveform else ["Make the frames of each clip as input.front_end says."]
    kinds = ["If the largest mean of 'sound' has a name in outputs.sound, that is the reason, and there is no genre."]
    novelty = ["If the mean of 'novelty' is above calibration.novelty, the genre is unknown: 'unlike what it learned'."]
    return [
        "Decode to floats of full scale 1, take the mean of all channels, resample to input.sample_rate (Hz).",
        "Cut clips of clips.length samples, one every clips.hop samples. What is left is a clip of its own if half a "
        "hop or more of it is in no clip yet, or if it is the only clip. Do not pad it: the network takes any length.",
        "Leave out clips of fewer samples than clips.shortest, and clips whose mean square is below "
        "10^(clips.silence_db / 10). If none is left the genre is unknown ('too short' if all were, else 'silence').",
        *frames,
        "Run the network on each clip, at the level it has: where the model needs one loudness, the graph sets it.",
        "m = mean over the clips of log(max(probabilities, least_probability)); of the other outputs, take the mean.",
        *(kinds if card.styles else []),
        f"{_LABEL_STEPS[card.multilabel]}.",
        *(novelty if card.calibration.novelty is not None else []),
        "The genre is the one with the largest p, p1. If that is below its entry in calibration.thresholds (in the "
        "order of the genres), the genre is unknown: with p2, the second largest, 'two genres alike' if p1 + p2 >= 0.5 "
        "and p2 >= p1 / 2; otherwise 'not sure enough' if p1 >= 0.5, or 'no genre stands out'.",
    ]
