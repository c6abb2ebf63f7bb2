"""``earmark listen``: what is playing now, from a microphone, a pipe, internet radio or a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli import terminal
from earmark.cli.errors import end_on_sigterm, handle_errors
from earmark.cli.options import ModelOption, TopOption
from earmark.errors import AudioError, SettingError

if TYPE_CHECKING:
    from earmark.audio.streams.stream import Pcm
    from earmark.cli.commands.listen_view import View
    from earmark.inference.live import RunningVerdict
    from earmark.inference.segments import Segment

    Write = Callable[[RunningVerdict | Segment], None]


class Look(StrEnum):
    """Output formats of ``listen``."""

    live = "live"
    json = "json"


@handle_errors
def listen(
    source: Annotated[
        str | None,
        typer.Argument(
            help="'-' for standard input, an http or https address, or a file.", show_default="the microphone"
        ),
    ] = None,
    form: Annotated[
        Look | None,
        typer.Option("--format", "-f", help="A live view, or JSON lines.", show_default="live on a terminal"),
    ] = None,
    model: ModelOption = None,
    top: TopOption = None,
    segments: Annotated[bool, typer.Option("--segments", help="Write only the segments, not every verdict.")] = False,
    every: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds from verdict to verdict.")] = 0.5,
    memory: Annotated[
        float,
        typer.Option(
            min=0,
            max=3600,
            metavar="SECONDS",
            help="How far back an answer listens, about; older sound counts less and less. 0: the last clip only.",
        ),
    ] = 5.0,
    duration: Annotated[float | None, typer.Option(min=0, help="Stop after so many seconds of sound.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Append the JSON lines to this file; the view stays."),
    ] = None,
    pcm: Annotated[
        str | None, typer.Option(help="Standard input is raw samples: s16le, f32le, u8, mulaw …", metavar="FORMAT")
    ] = None,
    rate: Annotated[int | None, typer.Option(help="Hz of raw samples.", show_default="44100")] = None,
    channels: Annotated[int | None, typer.Option(help="Channels of raw samples.", show_default="1")] = None,
    device: Annotated[str | None, typer.Option(help="Microphone: its number, or part of its name.")] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="List microphones and exit.")] = False,
    realtime: Annotated[
        bool,
        typer.Option(
            "--realtime", help="Play a file at its own speed; take standard input for live sound, which does not wait."
        ),
    ] = False,
    retries: Annotated[
        int, typer.Option(min=0, help="Further attempts to reach a station that breaks off or does not answer.")
    ] = 10,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds without data after which a connection counts as broken.")
    ] = 10.0,
) -> None:
    """Name the genre of what is playing, twice a second: microphone, pipe, internet radio.

    The first answer takes 1 s of sound. A station that breaks off is asked again, after longer
    and longer pauses; an address without a station ends the command at once. Where the machine is
    too slow for live sound, verdicts are left out.

    [bold]Examples[/bold]

      earmark listen
      earmark listen https://radio.example/jazz.mp3
      earmark listen https://radio.example/jazz.mp3 --segments -o log.jsonl
      arecord -f S16_LE -r 44100 | earmark listen - --rate 44100
      ffmpeg -i film.mkv -f wav - | earmark listen -

    [bold]JSON lines[/bold]

      time        seconds of sound heard so far
      genre       null when unknown
      reason      why unknown: "too short", "silence", "speech", "no music",
                  "unlike what it learned", "two genres alike",
                  "not sure enough" or "no genre stands out"
      confidence  probability of the most probable genre
      genres      {name: probability}, smoothed over the last seconds;
                  styles and moods alike
      title       what the station says is playing, or null
      behind      seconds from the sound's arrival to this line
      level       loudness, dB of full scale
      skipped     verdicts left out before this one
      segment     in a line of its own, when one has ended: start, end, genre,
                  reason, confidence (mean), title. A genre that has lasted
                  three seconds begins one.

    [dim]Exit status: 0 the sound ended, 1 it cannot be heard or is gone for good,
    2 wrong usage, 130 interrupted, 143 terminated (the last segment is written first).[/dim]
    """
    if list_devices:
        _list_devices()
        return
    from earmark.audio.streams.open import MICROPHONE, open_stream
    from earmark.cli.text import clean
    from earmark.inference.tagger import Tagger

    look = form or (Look.live if sys.stdout.isatty() else Look.json)
    if look is Look.live and not sys.stdout.isatty():
        raise SettingError("the live view needs a terminal: use --format json")
    tagger = Tagger(model)
    try:
        with ExitStack() as stack:
            view = None
            if look is Look.live:
                from earmark.cli.commands.listen_view import View

                view = View(terminal.console(sys.stdout), top or 5)
            # Else it would wait for sound to be typed.
            if source == "-" and sys.stdin.isatty():
                raise SettingError("standard input is a terminal: pipe sound into it")
            stream = open_stream(
                source or MICROPHONE,
                pcm=_pcm(pcm, rate, channels),
                # sounddevice takes a number for an index, and text for part of a name.
                device=int(device) if device and device.isdecimal() else device,
                realtime=realtime,
                retries=retries,
                timeout=timeout,
                on_note=view.note if view else lambda note: terminal.say(clean(note), "yellow"),
            )
            write = _open_lines(stack, output, view is None, top, segments)
            if view:
                stack.enter_context(view.show(stream))
            # Only from here on is there a last segment to write; before, SIGTERM ends the command at once.
            with end_on_sigterm():
                _follow(tagger.follow(stream, every=every, memory=memory), duration, write, view)
    except AudioError as error:
        terminal.say(clean(str(error)), "red")
        raise typer.Exit(1) from error


def _follow(verdicts: Generator[RunningVerdict], duration: float | None, write: Write, view: View | None) -> None:
    """Write and show verdicts and the segments that they make, until so many seconds of sound have passed."""
    from earmark.inference.segments import Segmenter

    segmenter, slow = Segmenter(), False
    try:
        # At once, not when Python collects it: the source may hold a microphone or a connection.
        with closing(verdicts):
            for verdict in verdicts:
                # A segment comes before the verdict that ended it.
                if ended := segmenter.update(verdict):
                    write(ended)
                write(verdict)
                if view:
                    view.update(verdict, segmenter.open, ended)
                elif verdict.skipped and not slow:
                    slow = True
                    terminal.say("this machine is too slow for the sound: some verdicts are left out", "yellow")
                if duration is not None and verdict.time >= duration:
                    break
    # Also where it was stopped: the last segment is written as far as it went.
    finally:
        if segmenter.open:
            write(segmenter.open)


def _pcm(form: str | None, rate: int | None, channels: int | None) -> Pcm | None:
    """Return the format of raw samples, where any of it is given."""
    from earmark.audio.streams.stream import Pcm

    given = {"form": form, "rate": rate, "channels": channels}
    # Pcm fills in the rest; with nothing given, the sound itself says what it is (a WAV header, say).
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return Pcm(**chosen) if chosen else None


def _open_lines(stack: ExitStack, output: Path | None, printed: bool, top: int | None, only_segments: bool) -> Write:
    """Return what writes JSON lines, to standard output and to the end of a file, where these are wanted."""
    from earmark.inference.live import RunningVerdict

    file = sys.stdout if printed else None
    if output is not None:
        terminal.refuse_sound(output)
        # To the end, so that a log goes on from run to run.
        with terminal.check_writable(output):
            file = stack.enter_context(output.open("a", encoding="utf-8"))

    def write(what: RunningVerdict | Segment) -> None:
        if isinstance(what, RunningVerdict):
            if only_segments:
                return
            record = what.to_dict(top)
        else:
            record = {"segment": what.to_dict()}
        if file is not None:
            with nullcontext() if output is None else terminal.check_writable(output):
                file.write(json.dumps(record) + "\n")
                file.flush()

    return write


def _list_devices() -> None:
    """Print the microphones that there are."""
    from earmark.audio.streams.microphone import list_microphones

    try:
        found = list_microphones()
    except AudioError as error:
        terminal.say(str(error), "red")
        raise typer.Exit(1) from error
    for number, name, channels, rate, default in found:
        print(f"{number:3}  {name}  ({channels} channels, {rate} Hz){'  default' if default else ''}")
    if not found:
        terminal.say("no microphone found", "yellow")
