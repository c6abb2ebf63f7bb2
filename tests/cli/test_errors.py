"""What a command makes of Ctrl-C."""

import os
import signal
import sys
import time

import pytest
import typer

from earmark.audio.source import ByteStream
from earmark.cli import errors
from earmark.cli.errors import handle_errors


def test_ctrl_c_stops_even_where_an_import_makes_another_error_of_it(capsys):
    @handle_errors
    def command():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    with pytest.raises(typer.Exit) as stopped:
        command()
    assert stopped.value.exit_code == 130
    assert capsys.readouterr().err == "stopped\n"


def test_ctrl_c_is_put_off_while_pyav_would_lose_it():
    def probe():
        return errors._is_below_ffmpeg(sys._getframe())

    inside = compile("found = probe()", "av/error.py", "exec")  # as PyAV's own bits of Python are named
    names = {"probe": probe}
    exec(inside, names)
    assert names["found"]
    assert not probe()


def test_ctrl_c_is_put_off_while_ffmpeg_reads_a_file():
    class File:
        def read(self, size):
            self.put_off = errors._is_below_ffmpeg(sys._getframe())
            return b""

        tell = seekable = None

    file = File()
    ByteStream(file, "song.wav").read(1)
    assert file.put_off
