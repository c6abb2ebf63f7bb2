"""Limits to what a file may demand of FFmpeg: memory, decoders, streams, hours."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

import av
import av.error

MAX_DURATION = 24 * 3600.0
"""Seconds of one file that are decoded. Silence packs so well that a megabyte may decode to days."""

MAX_LOST_PACKETS = 10_000
"""Packets in a row that cannot be decoded, four minutes of MP3, before a file is given up: a damaged header may cut
sound into as many as it has bytes."""

# Bytes of one allocation within FFmpeg, which believes what a damaged or hostile header says of sizes
_MAX_ALLOCATION = 256 << 20

# Streams of one file; a television multiplex holds some sixty
_MAX_STREAMS = 100


@cache
def options() -> dict[str, str]:
    """Return options for FFmpeg's demuxers, and limit its allocations in this whole process.

    A playlist inside the file must not reach other files or hosts. FFmpeg decodes pictures to learn their sizes, of
    which a cover of 100 megapixels takes seconds and half a gigabyte: only decoders of sound are allowed.
    """
    # on Windows a module does not give out what it links to: no limit there
    with suppress(OSError, AttributeError):
        ctypes.CDLL(av._core.__file__).av_max_alloc(ctypes.c_size_t(_MAX_ALLOCATION))
    return {
        "protocol_whitelist": "none",
        "codec_whitelist": ",".join(sorted(filter(_is_sound, av.codecs_available))),
        "max_streams": str(_MAX_STREAMS),
    }


def _is_sound(name: str) -> bool:
    try:
        return av.Codec(name, "r").type == "audio"
    except (ValueError, av.error.FFmpegError):  # it only encodes
        return False
