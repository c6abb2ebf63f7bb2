"""The name of a source → the stream that it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from urllib.parse import urlsplit

from earmark.audio.streams.stream import File, Pcm, Pipe, Stream, ignore
from earmark.errors import SettingError

MICROPHONE = "microphone"


def open_stream(
    source: str = MICROPHONE,
    *,
    pcm: Pcm | None = None,
    device: str | int | None = None,
    realtime: bool = False,
    retries: int = 10,
    timeout: float = 10.0,
    on_note: Callable[[str], None] = ignore,
) -> Stream:
    """Make a stream of the source that a person named.

    Parameters
    ----------
    source : str
        ``"microphone"``, ``"-"`` for standard input, an http or https address, or a path.
    pcm : Pcm, optional
        Format of raw samples on standard input.
    device : str or int, optional
        Which microphone.
    realtime : bool
        Play a file at its own speed; do not make standard input wait.
    retries, timeout, on_note
        See :class:`earmark.audio.streams.radio.Radio`.

    Raises
    ------
    SettingError
        If options do not go with the source.
    MissingExtra
        If the microphone's packages are not installed.
    """
    scheme = urlsplit(source).scheme.lower() if "://" in source else ""
    if pcm and source != "-":
        raise SettingError("raw samples are for standard input: name '-' as the source")
    if device is not None and source != MICROPHONE:
        raise SettingError("a device is for the microphone, which needs no SOURCE")
    if realtime and (source == MICROPHONE or scheme):
        raise SettingError("realtime is for files and standard input: stations and microphones set their own pace")
    if source == MICROPHONE:
        from earmark.audio.streams.microphone import Microphone

        return Microphone(device, on_note=on_note)
    if source == "-":
        return Pipe(sys.stdin.buffer, pcm, live=realtime, on_note=on_note)
    if scheme in ("http", "https"):
        from earmark.audio.streams.radio import Radio

        return Radio(source, retries=retries, timeout=timeout, on_note=on_note)
    if scheme:
        raise SettingError(f"an address that begins with {scheme}: there are http and https")
    return File(source, realtime=realtime, on_note=on_note)
