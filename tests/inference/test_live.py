"""Running verdicts of a stream."""

import io
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.models import listening
from support.sounds import RATE, Made, noise

import earmark
from earmark.audio.streams.stream import Block, Pcm, Pipe
from earmark.inference.aggregate import pool_clips
from earmark.inference.classifier import ClipClassifier
from earmark.inference.live import LiveClassifier, Memory, Window


@pytest.fixture(scope="module")
def tagger():
    return earmark.load("paper-attention-2x60")


def running(tagger, blocks, **options):
    return list(tagger.follow(Made([Block(b, time.monotonic()) for b in blocks]), **options))


def pieces(x, sizes):
    while len(x):
        size = next(sizes)
        yield x[:size]
        x = x[size:]


def test_sliding_verdicts_equal_a_slow_rewrite(tagger, rng):
    x, hop, memory = noise(12), round(0.7 * RATE), 4.0
    verdicts = running(tagger, pieces(x, iter(lambda: int(rng.integers(1, 9000)), None)), every=0.7, memory=memory)
    ends = range(hop, len(x) + 1, hop)
    assert [v.time for v in verdicts] == pytest.approx([e / RATE for e in ends])
    log_p, times = [], []
    clip, temperature = tagger.card.clip_length, tagger.card.calibration.track_temperature
    for end, verdict in zip(ends, verdicts, strict=True):
        samples = x[max(0, end - clip) : end]
        if len(samples) < RATE:
            assert (verdict.reason, verdict.genres) == ("too short", {})
            continue
        log_p.append(np.log(tagger._session.run(None, {"spectrogram": tagger.card.front_end(samples[None])})[0][0]))
        times.append(end / RATE)
        weights = np.exp((np.array(times) - times[-1]) / memory)
        mean = (weights[:, None] * log_p).sum(axis=0) / weights.sum()
        expected = np.exp(mean / temperature)
        expected /= expected.sum()
        assert [verdict.genres[g] for g in tagger.labels] == pytest.approx(expected, abs=1e-4)
        assert (verdict.genre is None) == (expected.max() < tagger.card.calibration.threshold)


def test_the_first_answer_comes_after_a_second(tagger):
    verdicts = running(tagger, pieces(noise(4), iter(lambda: 512, None)))
    assert next(v.time for v in verdicts if v.genres) == 1.0
    assert np.diff([v.time for v in verdicts]) == pytest.approx(0.5)


def test_silence_is_noticed_and_forgets(tagger):
    x = np.concatenate([noise(6), np.zeros(4 * RATE, np.float32), noise(6, seed=1)])
    verdicts = {v.time: v for v in running(tagger, [x])}
    assert {t for t, v in verdicts.items() if v.reason == "silence"} == {8.0, 8.5, 9.0, 9.5, 10.0}
    short = {0.5, 10.5}
    assert {t for t, v in verdicts.items() if v.reason == "too short"} == short
    alone = {v.time: v for v in running(tagger, [noise(6, seed=1)])}
    assert verdicts[16.0].genres == pytest.approx(alone[6.0].genres)
    assert verdicts[9.0].level == -120
    assert verdicts[5.0].level == pytest.approx(20 * np.log10(0.1 * np.sqrt(1.5)), abs=0.5)


def test_of_late_live_sound_verdicts_are_left_out(tagger):
    live = LiveClassifier(tagger, 0.5, 5.0)
    long_ago = time.monotonic() - 9
    late = list(live.classify_block(Block(noise(4), long_ago), waiting=RATE))
    assert late == []
    (now,) = live.classify_block(Block(noise(0.5), time.monotonic()), waiting=RATE)
    assert (now.time, now.skipped, now.behind < 0.3) == (4.5, 8, True)
    (last,) = live.classify_block(Block(noise(0.5), long_ago), waiting=0)  # late, but there is no newer one
    assert (last.skipped, last.behind > 8) == (0, True)


def test_of_sound_that_waits_for_us_nothing_is_left_out(tagger):
    long_ago = time.monotonic() - 9
    verdicts = list(tagger.follow(Made([Block(noise(4), long_ago), Block(noise(4), long_ago)])))
    assert [v.time for v in verdicts] == [i / 2 for i in range(1, 17)]
    assert not any(v.skipped for v in verdicts)


def test_lost_sound_is_time_gone_by(tagger):
    live = LiveClassifier(tagger, 0.5, 5.0)
    list(live.classify_block(Block(noise(3), time.monotonic())))
    verdicts = list(live.classify_block(Block(noise(3), time.monotonic(), lost=10 * RATE)))
    assert [v.time for v in verdicts] == [13.5, 14.0, 14.5, 15.0, 15.5, 16.0]
    assert verdicts[0].reason == "too short"  # clips do not reach over the gap
    assert verdicts[0].skipped == 20


def test_however_long_clips_are_change_is_heard_within_five_seconds():
    live = LiveClassifier(ClipClassifier(listening(clip_seconds=10.0)), 1.0, 5.0)
    list(live.classify_block(Block(noise(9, 4000), time.monotonic())))
    assert len(live._window.samples) == 5 * 4000


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 7), max_size=60))
def test_a_window_is_the_last_samples(sizes):
    window, everything = Window(7), np.empty(0, np.float32)
    for i, size in enumerate(sizes):
        samples = np.arange(size, dtype=np.float32) + 100 * i
        window.push(samples)
        everything = np.concatenate([everything, samples])
        np.testing.assert_array_equal(window.samples, everything[-7:])


@pytest.mark.parametrize(("sound", "reason"), [((1, 0, 0), None), ((0, 1, 0), "speech"), ((0, 0, 1), "no music")])
def test_styles_moods_and_what_is_no_music(sound, reason):
    live = LiveClassifier(ClipClassifier(listening(sound)), 1.0, 5.0)
    *_, verdict = live.classify_block(Block(noise(3, 4000), time.monotonic()))
    assert verdict.reason == reason
    record = verdict.to_dict(top=1)
    assert record["styles"] == ({} if reason else {"salsa": 0.7})
    assert record["moods"] == ({} if reason else {"sad": 0.6})


def test_memory_of_nothing_is_the_last_clip():
    memory = Memory(0)
    memory.update(np.array([1.0, 2.0]), 1.0)
    np.testing.assert_array_equal(memory.update(np.array([5.0, 6.0]), 2.0), [5.0, 6.0])
    assert pool_clips(np.array([[5.0, 6.0]]), 1.0).sum() == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux how much memory a process has")
def test_an_hour_takes_no_more_memory_than_ten_minutes(tagger):
    pcm = (noise(10, 8000) * 32767).astype("<i2").tobytes()
    sizes = {}
    for verdict in tagger.follow(Pipe(io.BufferedReader(_Endless(pcm, 360)), Pcm(8000)), every=5):
        if verdict.time % 600 == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            sizes[verdict.time] = pages * os.sysconf("SC_PAGE_SIZE")
    assert list(sizes) == [600, 1200, 1800, 2400, 3000, 3600]
    assert sizes[3600] - sizes[600] < 5e6


class _Endless(io.RawIOBase):
    def __init__(self, piece, times):
        self.piece, self.left, self.at = piece, times, 0

    def readable(self):
        return True

    def readinto(self, into):
        if not self.left:
            return 0
        n = min(len(into), len(self.piece) - self.at)
        into[:n] = self.piece[self.at : self.at + n]
        self.at += n
        if self.at == len(self.piece):
            self.at, self.left = 0, self.left - 1
        return n


def test_a_block_may_be_longer_than_the_window(tagger):
    whole, x = LiveClassifier(tagger, 12.0, 0.0), noise(12)
    (verdict,) = whole.classify_block(Block(x, time.monotonic()))
    (last,) = LiveClassifier(tagger, 5.0, 0.0).classify_block(Block(x[-5 * RATE :], time.monotonic()))
    assert (verdict.time, verdict.genres) == (12.0, last.genres)
