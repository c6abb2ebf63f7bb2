"""Pipes, raw samples, and files at their own speed."""

import io
import time
from types import SimpleNamespace

import numpy as np
import pytest
from support.sounds import RATE, heard, noise

import earmark
from earmark.audio.decode import decode
from earmark.audio.streams.open import open_stream
from earmark.audio.streams.stream import SAMPLE_FORMATS, File, Pcm, Pipe
from earmark.errors import AudioError, SettingError
from earmark.inference.live import LiveClassifier


@pytest.fixture(scope="module")
def tagger():
    return earmark.load("paper-attention-2x60")


class Dribble(io.RawIOBase):
    """Bytes in pieces of odd sizes."""

    def __init__(self, data, sizes=(1, 7, 333, 5, 4096)):
        self.data, self.sizes, self.turn = data, sizes, 0

    def read(self, size=-1):
        size = min(size, self.sizes[self.turn % len(self.sizes)])
        self.turn += 1
        piece, self.data = self.data[:size], self.data[size:]
        return piece


def mu_law(x):
    """G.711, from its definition."""
    x = np.clip(np.round(x * 32768), -32635, 32635).astype(int)
    magnitude = np.abs(x) + 132
    exponent = np.floor(np.log2(magnitude)).astype(int) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    return (~(np.where(x < 0, 128, 0) | exponent << 4 | mantissa) & 255).astype(np.uint8).tobytes()


def raw(x, form):
    """Samples as bytes, written without FFmpeg."""
    if form in ("mulaw",):
        return mu_law(x)
    if form == "alaw":
        pytest.skip("no encoder of our own")
    order = ">" if form.endswith("be") else "<"
    kind, bits = form[0], int("".join(c for c in form if c.isdigit()))
    if kind == "f":
        return x.astype(f"{order}f{bits // 8}").tobytes()
    scaled = np.round(x.astype(np.float64) * 2 ** (bits - 1)).astype(np.int64)
    if kind == "u":
        scaled += 2 ** (bits - 1)
    whole = scaled.astype(f"{order}i8").reshape(-1, 1).view(np.uint8).reshape(-1, 8)
    return (whole[:, 8 - bits // 8 :] if order == ">" else whole[:, : bits // 8]).tobytes()


@pytest.mark.parametrize("form", SAMPLE_FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_raw_samples_in_odd_pieces_are_the_array(form, channels):
    x = noise(0.5)
    interleaved = np.repeat(x, channels) * np.tile([1.0, 0.5][:channels], len(x))
    piped = heard(Pipe(Dribble(raw(interleaved, form)), Pcm(RATE, form, channels)))
    bits = 8 if form in ("s8", "u8") else 6 if "law" in form else 16
    expected = x * np.mean([1.0, 0.5][:channels])
    assert len(piped) == len(x)
    assert np.abs(piped - expected).max() < 2**-bits * (4 if "law" in form else 1.01)


def test_raw_samples_are_resampled_and_answered_as_an_array(tagger):
    x = noise(5, 44100)
    (*_, last) = tagger.follow(Pipe(io.BytesIO(x.tobytes()), Pcm(44100, "f32le")), memory=0)
    assert last.genres == pytest.approx(tagger.classify(x, 44100).genres, abs=0.02)
    assert last.time == 5


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".flac", ".wav", ".mkv", ".aiff"])
def test_containers_come_through_a_pipe(tmp_path, write_sound, suffix):
    path = write_sound(tmp_path / f"a{suffix}", np.stack([noise(4, 44100)] * 2), 44100)
    whole, piped = decode(path, RATE), heard(Pipe(Dribble(path.read_bytes(), (4096, 100))))
    n = min(len(whole), len(piped))
    assert n > 3.9 * RATE
    assert abs(len(whole) - len(piped)) < 0.1 * RATE
    at = min(range(-1, 2), key=lambda k: np.abs(np.roll(piped[:n], k) - whole[:n])[100:-100].max())
    np.testing.assert_allclose(np.roll(piped[:n], at)[RATE:-RATE], whole[:n][RATE:-RATE], atol=0.02)


def test_a_container_announced_as_raw_samples_says_its_own_rate(tmp_path, write_sound):
    data = write_sound(tmp_path / "a.wav", np.stack([noise(3, 22050)] * 2), 22050).read_bytes()
    notes = []
    piped = heard(Pipe(Dribble(data, (3, 1000)), Pcm(44100), on_note=notes.append))
    assert abs(len(piped) - 3 * RATE) < 0.1 * RATE
    assert notes == ["standard input is a WAV file, not raw samples: it says its own rate and format"]


def test_a_wav_of_unknown_length_comes_through_a_pipe(tmp_path, write_sound):
    data = bytearray(write_sound(tmp_path / "a.wav", noise(3), RATE).read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    notes = []
    assert len(heard(Pipe(Dribble(bytes(data), (1000,)), on_note=notes.append))) == 3 * RATE
    assert notes == []


def test_raw_sound_is_answered_as_soon_as_it_is_there(tagger):
    """On the clock of what the decoder was given."""
    given_out, most = 0, 0.0
    x = noise(6, 44100)

    def read(size):
        nonlocal given_out
        piece = x[given_out : given_out + 441].tobytes()
        given_out += len(piece) // 4
        return piece

    stream = Pipe(SimpleNamespace(read=read), Pcm(44100, "f32le"))
    done, first = 0.0, None
    listener = LiveClassifier(tagger, 0.5, 5.0)
    for block in stream.blocks(RATE):
        done += len(block.samples) / RATE
        if given_out < len(x):
            most = max(most, given_out / 44100 - done)
        for verdict in listener.classify_block(block):
            first = first or (verdict.genres and verdict.time)
    assert first == 1.0
    assert most < 0.15


def test_bad_sources_and_settings(tmp_path, tagger):
    with pytest.raises(SettingError, match="raw samples of 'mp3': there are s8"):
        Pcm(form="mp3")
    with pytest.raises(SettingError, match="need 1000"):
        Pcm(rate=0)
    with pytest.raises(SettingError, match="need 1 to 64"):
        Pcm(channels=0)
    with pytest.raises(SettingError, match="begins with file"):
        open_stream("file:///etc/passwd")
    with pytest.raises(SettingError, match="raw samples are for standard input"):
        open_stream("a.wav", pcm=Pcm())
    with pytest.raises(SettingError, match="every 0 s"):
        tagger.follow("a.wav", every=0)
    with pytest.raises(AudioError, match="cannot be opened"):
        next(tagger.follow(tmp_path / "none.wav"))
    with pytest.raises(AudioError, match="not a sound file"):
        heard(Pipe(io.BytesIO(b"no sound " * 9999)))


def test_a_file_plays_at_its_own_speed(tmp_path, write_sound, tagger):
    path = write_sound(tmp_path / "a.wav", noise(1.5), RATE)
    begin = time.monotonic()
    last = [(v.time, v.behind) for v in tagger.follow(File(path, realtime=True))]
    assert time.monotonic() - begin >= 1.4
    assert [t for t, _ in last] == [0.5, 1.0, 1.5]
    assert max(behind for _, behind in last) < 0.5
