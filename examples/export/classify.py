"""Name the genre of a WAV file without Earmark.

It needs onnxruntime, NumPy, and what 'earmark export --waveform' writes::

    python classify.py genre.onnx song.wav
"""

import json
import sys
import wave

import numpy as np
import onnxruntime


def main(model: str, sound: str) -> None:
    """Print the answer for a sound as JSON."""
    session = onnxruntime.InferenceSession(model)
    metadata = session.get_modelmeta().custom_metadata_map
    if "earmark-export" not in metadata:
        raise SystemExit(f"{model}: not written by 'earmark export'")
    about = json.loads(metadata["earmark-export"])
    samples = read_wav(sound, about["input"]["sample_rate"])
    json.dump(classify(session, about, samples), sys.stdout)


def read_wav(path: str, sample_rate: int) -> np.ndarray:
    """Return the mean of all channels of a 16-bit WAV file, full scale 1."""
    with wave.open(path) as file:
        if file.getsampwidth() != 2 or file.getframerate() != sample_rate:
            raise SystemExit(f"need 16 bits at {sample_rate} Hz: ffmpeg -i song.mp3 -ar {sample_rate} song.wav")
        data = np.frombuffer(file.readframes(-1), "<i2").reshape(-1, file.getnchannels())
    return (data / 32768).mean(axis=1).astype(np.float32)


def cut(samples: np.ndarray, length: int, hop: int) -> list[np.ndarray]:
    """Cut clips; the last may be shorter."""
    starts = list(range(0, len(samples) - length + 1, hop))
    rest = len(starts) * hop
    # samples that no clip has yet
    fresh = len(samples) - rest - (length - hop if starts else 0)
    return [samples[start:][:length] for start in starts + [rest] * (not starts or 2 * fresh >= hop)]


def classify(session: onnxruntime.InferenceSession, about: dict, samples: np.ndarray) -> dict:
    """Return the genre, or why there is none, and the probability of each genre."""
    clips = about["clips"]
    long = [c for c in cut(samples, clips["length"], clips["hop"]) if len(c) >= clips["shortest"]]
    heard = [c for c in long if np.mean(np.square(c, dtype=np.float64)) >= 10 ** (clips["silence_db"] / 10)]
    if not heard:
        return {"genre": None, "reason": "silence" if long else "too short", "genres": {}}
    names, by_name = about["outputs"], {name: [] for name in about["outputs"]}
    for clip in heard:
        results = session.run(list(names), {about["input"]["name"]: clip[None]})
        for rows, result in zip(by_name.values(), results, strict=True):
            rows.append(result[0].astype(np.float64))
    means = {name: np.mean(rows, axis=0) for name, rows in by_name.items()}
    if "sound" in means and (reason := names["sound"][means["sound"].argmax()]):
        return {"genre": None, "reason": reason, "genres": {}}
    p = np.log(np.maximum(by_name["probabilities"], about["least_probability"])).mean(axis=0)
    p = np.exp(p / about["calibration"]["track_temperature"])
    if not about["multilabel"]:
        p /= p.sum()
    best = p.argmax()
    limits = about["calibration"]
    if "novelty" in means and means["novelty"] > limits["novelty"]:
        reason = "unlike what it learned"
    else:
        reason = explain_doubt(p) if p[best] < limits["thresholds"][best] else None
    return {
        "genre": None if reason else names["probabilities"][best],
        "reason": reason,
        "genres": sort_names(names["probabilities"], p),
        **{name: sort_names(names[name], means[name]) for name in ("styles", "moods") if name in names},
    }


def explain_doubt(p: np.ndarray) -> str:
    """Return why no genre is named, when the most probable one is below its threshold."""
    second, first = np.sort(p)[-2:]
    if first + second >= 0.5 and second >= first / 2:
        return "two genres alike"
    return "not sure enough" if first >= 0.5 else "no genre stands out"


def sort_names(names: list[str], values: np.ndarray) -> dict[str, float]:
    """Return values by name, the largest first."""
    return {names[i]: float(values[i]) for i in np.argsort(-values)}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python classify.py genre.onnx song.wav")
    main(*sys.argv[1:])
