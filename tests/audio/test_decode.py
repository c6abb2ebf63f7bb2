"""Decoding: every format, rate and channel count gives the sound that was put in, in bounded memory."""

import io
import struct
import subprocess
import sys
import textwrap
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.signal
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.decode import AudioFile, decode, probe
from earmark.errors import AudioError

RATE = 22050
LOSSLESS = {
    "u8": (".wav", "pcm_u8"),
    "s16": (".wav", "pcm_s16le"),
    "s24": (".wav", "pcm_s24le"),
    "s32": (".wav", "pcm_s32le"),
    "f32": (".wav", "pcm_f32le"),
    "f64": (".wav", "pcm_f64le"),
    "flac": (".flac", "flac"),
    "alac": (".m4a", "alac"),
    "aiff": (".aiff", "pcm_s16be"),
}
LOSSY = [".mp3", ".ogg", ".opus", ".m4a", ".wma", ".ac3", ".mp2", ".mkv", ".mp4"]


def read(source, rate=RATE, **where):
    with AudioFile(source) as recording:
        return np.concatenate([*recording.blocks(rate, **where), np.empty(0, np.float32)])


def middle(signal, margin=0.1, rate=RATE):
    return signal[round(margin * rate) : -round(margin * rate)]


def level(signal):
    return 10 * np.log10(np.mean(np.square(signal, dtype=np.float64)) + 1e-30)


def frequency(signal, rate=RATE):
    windowed = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return np.argmax(windowed) * rate / len(signal)


def noise(rng, seconds, rate):
    """Band-limited, with a swelling envelope: like itself at no other lag."""
    sos = scipy.signal.butter(8, [300, 3000], "band", fs=rate, output="sos")
    raw = scipy.signal.sosfilt(sos, rng.normal(size=round(seconds * rate)))
    return raw / np.abs(raw).max() * 0.5


def lag(part, whole):
    """Where `part` lies in `whole`, in samples."""
    return np.argmax(scipy.signal.correlate(whole, part, "valid"))


def write_wave(file, samples, rate):
    """16-bit samples, shape (n,) or (channels, n), by Python's own writer."""
    samples = np.atleast_2d(samples)
    with wave.open(file, "wb") as w:
        w.setparams((len(samples), 2, rate, 0, "NONE", ""))
        w.writeframes(samples.T.astype("<i2").tobytes())
    return file


# The sound that was put in


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_tone_survives_lossless_formats(tmp_path, write_sound, tone, kind):
    suffix, codec = LOSSLESS[kind]
    path = write_sound(tmp_path / f"a{suffix}", tone(440, 1.0, 44100), 44100, codec=codec)
    heard = middle(read(path))
    expected = middle(tone(440, 1.0, RATE))
    assert abs(frequency(heard) - 440) < 2
    assert np.abs(heard - expected).max() < (0.01 if kind == "u8" else 1e-4)  # half a step of 8 bits is 0.004


@pytest.mark.parametrize("suffix", LOSSY)
def test_a_tone_survives_lossy_formats(tmp_path, write_sound, tone, suffix):
    rate = 48000 if suffix == ".opus" else 44100
    stereo = np.stack([tone(440, 2.0, rate)] * 2)  # FFmpeg's Vorbis encoder knows nothing else
    path = write_sound(tmp_path / f"a{suffix}", stereo, rate, video=suffix in (".mkv", ".mp4"))
    with AudioFile(path) as recording:
        heard = np.concatenate(list(recording.blocks(RATE)))
        assert recording.read_error is None
        assert recording.info.sample_rate == rate
        assert recording.info.channels == 2
    assert len(heard) / RATE == pytest.approx(2.0, abs=0.13)  # some pad the end, WMA loses the beginning
    assert abs(frequency(middle(heard, 0.3)) - 440) < 2
    assert level(middle(heard, 0.3)) == pytest.approx(level(tone(440, 2.0, rate)), abs=0.5)


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("rate", [8000, 192000])
def test_equal_channels_give_what_one_gives(tmp_path, write_sound, tone, channels, rate):
    path = write_sound(tmp_path / "a.wav", np.stack([tone(440, 0.5, rate)] * channels), rate, codec="pcm_f32le")
    assert probe(path).channels == channels
    assert np.abs(middle(read(path)) - middle(tone(440, 0.5, RATE))).max() < 1e-4


def test_opposite_channels_cancel(tmp_path, write_sound, tone):
    path = write_sound(tmp_path / "a.wav", np.stack([tone(440, 0.5, RATE), -tone(440, 0.5, RATE)]), RATE)
    heard = read(path)
    assert len(heard) == RATE // 2
    assert np.abs(heard).max() == 0


def test_one_loud_channel_of_six_is_a_sixth_as_loud(tmp_path, write_sound, tone):
    samples = np.zeros((6, RATE))
    samples[3] = tone(440, 1.0, RATE)  # the subwoofer's, which FFmpeg's own down-mix leaves out
    path = write_sound(tmp_path / "a.flac", samples, RATE)
    assert np.abs(read(path) - samples[3] / 6).max() < 1e-4


def caf_bytes(samples, labels, rate):
    layout = struct.pack(">III", 0, 0, len(labels)) + b"".join(struct.pack(">II3f", n, 0, 0, 0, 0) for n in labels)
    description = struct.pack(">d4sIIIII", rate, b"lpcm", 2, 2 * len(labels), 1, len(labels), 16)
    file = b"caff\0\1\0\0"
    data = bytes(4) + samples.T.astype("<i2").tobytes()
    for name, body in ((b"desc", description), (b"chan", layout), (b"data", data)):
        file += name + struct.pack(">q", len(body)) + body
    return file


@pytest.mark.parametrize("labels", [(2, 1), (3, 1, 2, 4)])
def test_channels_in_an_odd_order_are_mixed_like_others(rng, labels):
    """PyAV 18.1 crashes on the layouts that FFmpeg gives them."""
    samples = rng.integers(-9000, 9000, (len(labels), 3000))
    for _ in range(20):  # a double free may go unnoticed once
        heard = read(io.BytesIO(caf_bytes(samples, labels, RATE)))
        assert np.abs(heard - samples.mean(axis=0) / 32768).max() < 1e-6
        with pytest.raises(AudioError, match="sample rate of 99 Hz"):
            probe(io.BytesIO(caf_bytes(samples, labels, 99)))


def test_16_bit_samples_at_their_own_rate_are_exact(rng):
    samples = rng.integers(-32768, 32768, 100_000)
    samples[:2] = -32768, 32767
    heard = read(write_wave_bytes(samples, 11025), 11025)
    assert heard.dtype == np.float32
    np.testing.assert_array_equal(heard, samples / np.float32(32768))


def write_wave_bytes(samples, rate):
    file = io.BytesIO()
    write_wave(file, samples, rate)
    file.seek(0)
    return file


@pytest.mark.parametrize("source", [4000, 8000, 11025, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("target", [4000, 16000, 22050, 48000])
def test_lengths_and_levels_hold_for_any_pair_of_rates(tone, source, target):
    file = write_wave_bytes(np.round(32768 * tone(440, 0.8, source)), source)
    heard = read(file, target)
    assert abs(len(heard) - 0.8 * target) <= 2
    assert abs(frequency(heard, target) - 440) < 3
    assert level(middle(heard, 0.1, target)) == pytest.approx(level(tone(440, 0.6, source)), abs=0.1)


def test_what_lies_above_the_new_band_vanishes(tone):
    loud = np.round(32768 * tone(6000, 1.0, 44100))
    assert level(middle(read(write_wave_bytes(loud, 44100), 8000), rate=8000)) < level(loud / 32768) - 90
    assert level(middle(read(write_wave_bytes(loud, 44100), 16000), rate=16000)) > level(loud / 32768) - 0.1


def test_resampling_agrees_with_the_fourier_method(rng):
    samples = np.round(32768 * noise(rng, 2.0, 44100) * np.hanning(88200))  # which takes it for a ring
    expected = scipy.signal.resample(samples / 32768, 2 * RATE)
    assert np.abs(middle(read(write_wave_bytes(samples, 44100)) - expected)).max() < 1e-4


def test_blocks_leave_no_seams(rng):
    samples = rng.integers(-9000, 9000, 400_000)
    with AudioFile(write_wave_bytes(samples, 44100)) as recording:
        blocks = list(recording.blocks(RATE))
    assert len(blocks) > 5
    assert all(len(block) for block in blocks)
    whole = soxr.resample((samples / 32768).astype(np.float32), 44100, RATE, quality="HQ")
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)


@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_any_length_rate_and_channels_come_out_right(data):
    source = data.draw(st.sampled_from([8000, 11025, 22050, 44100, 48000, 96000, 192000]))
    target = data.draw(st.sampled_from([4000, 16000, 22050, 44100]))
    channels, length = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 5000))
    heard = read(write_wave_bytes(np.full((channels, length), 8192), source), target)
    assert len(heard) >= 1
    assert abs(len(heard) - Fraction(length * target, source)) <= 1
    assert np.abs(heard).max() < 0.4


# Seeking


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
def test_a_start_in_mid_file_gives_that_part_of_the_whole(tmp_path, write_sound, rng, suffix):
    path = write_sound(tmp_path / f"a{suffix}", noise(rng, 12.0, 44100), 44100)
    whole = read(path)
    for start in (0.02, 3.0, 7.5, 11.0):
        part = read(path, start=start, duration=0.8)
        at = round(start * RATE)
        assert len(part) == round(0.8 * RATE)
        assert np.abs(part - whole[at : at + len(part)])[200:].max() < 1e-5  # the resampler starts in silence
    np.testing.assert_array_equal(read(path, 44100, start=5.0, duration=1.0), read(path, 44100)[220500:264600])


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".opus", ".m4a", ".mkv", ".mp2", ".ac3"])
def test_a_start_in_mid_file_is_at_the_right_time_in_lossy_formats(tmp_path, write_sound, rng, suffix):
    rate = 48000 if suffix == ".opus" else 44100
    path = write_sound(tmp_path / f"a{suffix}", np.stack([noise(rng, 12.0, rate)] * 2), rate)
    whole = read(path)
    with AudioFile(path) as recording:
        for start in (9.0, 0.1, 4.4):
            part = np.concatenate(list(recording.blocks(RATE, start=start, duration=1.0)))
            assert len(part) == RATE
            assert abs(lag(part, whole) / RATE - start) < 0.005
        assert recording.read_error is None


def test_what_is_encoded_lies_at_its_time(tmp_path, write_sound, rng):
    """An encoder's delay is no part of the sound."""
    sound = noise(rng, 4.0, 44100)
    for suffix in (".mp3", ".m4a"):
        path = write_sound(tmp_path / f"a{suffix}", sound, 44100)
        assert abs(lag(sound[44100:88200], read(path, 44100)) - 44100) <= 1


def test_a_recording_can_be_heard_again(tmp_path, write_sound, rng):
    for suffix in (".wav", ".mp3"):
        path = write_sound(tmp_path / f"a{suffix}", noise(rng, 3.0, 44100), 44100)
        with AudioFile(path) as recording:
            first = np.concatenate(list(recording.blocks(RATE)))
            next(recording.blocks(RATE, start=2.0))
            again = np.concatenate(list(recording.blocks(RATE)))
        np.testing.assert_array_equal(first, again)


def test_beyond_the_end_there_is_nothing(rng):
    file = write_wave_bytes(rng.integers(-99, 99, 8000), 8000)
    with AudioFile(file) as recording:
        assert not list(recording.blocks(8000, start=5.0))
        assert sum(map(len, recording.blocks(8000, start=0.75, duration=10.0))) == 2000
        assert recording.seconds_decoded == 0.25
        assert recording.read_error is None


# Streams that change


def test_chained_ogg_is_one_sound(tmp_path, write_sound, tone):
    path = write_sound(tmp_path / "a.ogg", np.stack([tone(440, 2.0, 44100)] * 2), 44100)
    heard = read(io.BytesIO(path.read_bytes() * 2))
    assert len(heard) / RATE == pytest.approx(4.0, abs=0.05)
    for half in (heard[: 2 * RATE], heard[2 * RATE :]):
        assert abs(frequency(middle(half, 0.3)) - 440) < 2


def test_chained_ogg_of_two_rates_is_heard_as_far_as_ffmpeg_goes(tmp_path, write_sound, tone):
    parts = [write_sound(tmp_path / f"{r}.ogg", np.stack([tone(440, 2.0, r)] * 2), r) for r in (44100, 32000)]
    with AudioFile(io.BytesIO(b"".join(p.read_bytes() for p in parts))) as recording:
        heard = np.concatenate(list(recording.blocks(RATE)))
        assert len(heard) / RATE > 3.9 or "stopped early" in recording.read_error
    assert abs(frequency(middle(heard[: 2 * RATE], 0.3)) - 440) < 2


def test_joined_mp3_of_two_rates_is_one_sound(tmp_path, write_sound, tone):
    parts = [write_sound(tmp_path / f"{rate}.mp3", tone(440, 2.0, rate), rate) for rate in (44100, 32000)]
    heard = read(io.BytesIO(b"".join(p.read_bytes() for p in parts)))
    assert len(heard) / RATE == pytest.approx(4.0, abs=0.2)
    for half in (heard[: 2 * RATE], heard[-2 * RATE :]):
        assert abs(frequency(middle(half, 0.3)) - 440) < 2


# What surrounds the sound


def test_file_objects_and_paths_give_the_same(tmp_path, rng):
    path = tmp_path / "a.wav"
    write_wave(str(path), rng.integers(-9000, 9000, (2, 30_000)), 44100)
    expected = read(path)
    with path.open("rb") as file:
        sources = [str(path), bytes(path), file, io.BytesIO(path.read_bytes())]
        for source in sources:
            np.testing.assert_array_equal(read(source), expected)
        assert not file.closed  # who opens a file closes it


def test_every_file_is_closed(tmp_path, rng):
    """ResourceWarnings are errors; a file that cannot be read must not stay open either."""
    path = tmp_path / "a.wav"
    write_wave(str(path), rng.integers(-9000, 9000, 30_000), 44100)
    (tmp_path / "b.wav").write_bytes(b"nothing")
    before = count_open_files()
    for _ in range(5):
        with AudioFile(path) as recording:
            next(recording.blocks(RATE))
        with pytest.raises(AudioError):
            AudioFile(tmp_path / "b.wav")
    assert count_open_files() == before


def count_open_files():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_a_picture_inside_is_not_the_sound(tmp_path, write_sound, rng, tone):
    picture = rng.integers(0, 255, (64, 64, 3), np.uint8)
    path = write_sound(tmp_path / "a.mp3", tone(440, 2.0, 44100), 44100, picture=picture)
    with av.open(str(path)) as file:
        assert file.streams.video  # it is there
    assert probe(path).codec.startswith("mp3")
    assert abs(frequency(read(path)) - 440) < 2


def test_tags_of_any_bytes_do_no_harm(tmp_path, write_sound, tone):
    plain = write_sound(tmp_path / "a.mp3", tone(440, 1.0, 44100), 44100, tags={"title": "qqqq"}).read_bytes()
    assert plain.count(b"qqqq") >= 1
    expected = read(io.BytesIO(plain))
    id3v1 = b"TAG" + b"M\xfcller\xff".ljust(125, b"\0")
    for broken in (
        plain.replace(b"qqqq", b"\xe9\xff\xfe\x80"),
        plain + id3v1,
        b"ID3\4\0\0\0\0\0\4\xff\xff\xff\xff" + plain,
    ):
        with AudioFile(io.BytesIO(broken)) as recording:
            np.testing.assert_array_equal(np.concatenate(list(recording.blocks(RATE))), expected)
            assert recording.read_error is None
    wav = write_sound(tmp_path / "a.wav", tone(440, 1.0, 8000), 8000, tags={"title": "qqqq"}).read_bytes()
    assert len(read(io.BytesIO(wav.replace(b"qqqq", b"\xe9\xff\xfe\x80")))) == RATE


def test_what_a_file_says_of_itself(tmp_path, write_sound, tone):
    path = write_sound(tmp_path / "a.flac", np.stack([tone(440, 1.5, 48000)] * 2), 48000)
    info = probe(path)
    assert (info.duration, info.sample_rate, info.channels, info.codec, info.container) == (
        1.5,
        48000,
        2,
        "flac",
        "flac",
    )


def test_real_music_is_undamaged(gtzan):
    files = sorted(gtzan.glob("audio/*/*.ogg"))[::60]
    assert files
    for path in files:
        with AudioFile(path) as recording:
            length = sum(map(len, recording.blocks(RATE))) / RATE
            assert recording.read_error is None
            assert length == pytest.approx(recording.info.duration, abs=0.01)


# Memory


@pytest.mark.parametrize(("form", "minutes"), [("wav", 60), ("flac", 20)])
def test_memory_does_not_grow_with_length(tmp_path, form, minutes):
    """An hour as mono floats is 635 MB at 44.1 kHz and 318 MB at 22.05."""
    program = """
        import resource, sys, wave
        import av, numpy as np
        from earmark.audio.decode import AudioFile

        path, form, minutes = sys.argv[1], sys.argv[2], int(sys.argv[3])
        if form == "wav":  # sparse on the disk
            with wave.open(path, "wb") as w:
                w.setparams((1, 2, 44100, 0, "NONE", ""))
                w.setnframes(44100 * 60 * minutes)
                w.writeframesraw(bytes(2))
                w._datawritten = 2 * 44100 * 60 * minutes  # else close() corrects the header
                w._file.truncate(44 + w._datawritten)
        else:
            with av.open(path, "w", options={}) as file:
                stream = file.add_stream("flac", rate=44100, layout="mono", options={"compression_level": "0"})
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 441000), np.int16), "s16", "mono")
                frame.sample_rate = 44100
                for i in range(6 * minutes):
                    frame.pts = 441000 * i
                    file.mux(stream.encode(frame))
                file.mux(stream.encode(None))
        with AudioFile(path) as recording:
            next(recording.blocks(22050))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            heard = sum(map(len, recording.blocks(22050)))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert not recording.read_error, recording.read_error
        print(heard / 22050 / 60, grown / (1 << 20 if sys.platform == "darwin" else 1 << 10))
    """
    run = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / f"a.{form}"), form, str(minutes)]
    heard, grown = map(float, subprocess.run(run, capture_output=True, check=True, text=True).stdout.split())
    assert heard == pytest.approx(minutes, abs=0.001)
    assert grown < 60  # MB


def disguised_dts(rng, frames=40):
    """DTS as CDs and WAVs carry it: frames of 2048 bytes that begin with a core header, here with nonsense inside."""
    header = f"{0x7FFE8001:032b}1{31:05b}0{15:07b}{2047:014b}{2:06b}{8:04b}{24:05b}"
    begin = int(header.ljust(96, "0"), 2).to_bytes(12, "big")
    content = b"".join(begin + rng.bytes(2048 - 12) for _ in range(frames))
    return np.frombuffer(content, ">u2").astype("<u2")


@pytest.mark.parametrize("quiet", [0, 50_000])
def test_dts_that_says_it_is_pcm_is_found_out(rng, quiet):
    file = io.BytesIO()
    with wave.open(file, "wb") as w:
        w.setparams((2, 2, 44100, 0, "NONE", ""))
        w.writeframes(bytes(4 * quiet) + disguised_dts(rng).tobytes())
    file.seek(0)
    assert probe(file).codec in ("dca", "dts")


@pytest.mark.parametrize(
    "codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav", "mp2", "ac3"]
)
def test_large_packets_of_a_mono_wav_hold_the_same_sound(tmp_path, rng, write_sound, codec):
    """The way round them: behind a chunk that hides what kind of WAV it is, packets are FFmpeg's own."""
    path = write_sound(tmp_path / "a.wav", 0.1 * rng.standard_normal(7 * 44100), 44100, codec=codec)
    content = path.read_bytes()
    hidden = content[:12] + b"junk\x04\0\0\0\0\0\0\0" + content[12:]
    np.testing.assert_array_equal(decode(io.BytesIO(content), 44100), decode(io.BytesIO(hidden), 44100))
