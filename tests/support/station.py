"""A radio station on this machine, which tests and benchmarks listen to."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Station:
    """Sends the same sound to whoever asks, from where it has got to; a context manager.

    `sound` are bytes at `rate` a second, sent `speed` times as fast as they sound, from `burst` bytes on. Where
    `every` is given, ICY metadata comes after so many bytes, wherever that is in a frame. At each position in `drops`
    the connection is cut off, in the middle of whatever it is; at the end of the sound, the station is gone.
    `titles` are (position, bytes). `pages` are other answers: path to (status, headers, content).
    """

    sound: bytes = b""
    rate: float = 16000
    speed: float = 1.0
    every: int = 0
    titles: list = field(default_factory=list)
    drops: list = field(default_factory=list)
    headers: dict = field(default_factory=lambda: {"Content-Type": "audio/mpeg", "icy-name": "Radio Test"})
    pages: dict = field(default_factory=dict)
    shoutcast: bool = False
    silent_from: int | None = None

    def __post_init__(self):
        self.position, self.connections = 0, 0
        self.starts = []  # times at which it began to send
        self.log = []  # (time, position) of every piece sent
        self.drops = list(self.drops)

    def __enter__(self):
        station = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self):
                with suppress(ConnectionError):
                    station._answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def _answer(self, to):
        path = to.path
        if path in self.pages:
            status, headers, content = self.pages[path]
            to.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                to.send_header(name, value)
            to.end_headers()
            to.wfile.write(content)
            return
        self.connections += 1
        if self.position >= len(self.sound):
            to.send_error(404, "gone")
            return
        every = self.every if to.headers.get("Icy-MetaData") == "1" else 0
        headers = self.headers | ({"icy-metaint": str(every)} if every else {})
        if self.shoutcast:
            to.wfile.write("\r\n".join(["ICY 200 OK", *(f"{k}:{v}" for k, v in headers.items()), "", ""]).encode())
        else:
            to.send_response(200)
            for name, value in headers.items():
                to.send_header(name, value)
            to.end_headers()
        self._send(to.wfile, every)

    def _send(self, file, every):
        left, said = every, None
        start, begin = self.position, time.monotonic()
        self.starts.append(begin)
        while self.position < len(self.sound):
            at = self.position
            if self.drops and at >= self.drops[0]:
                self.drops.pop(0)
                return
            if self.silent_from is not None and at >= self.silent_from:
                time.sleep(5)
                return
            piece = self.sound[at : at + min(417, left if every else 417)]
            while (wait := begin + (at - start + len(piece)) / self.rate / self.speed - time.monotonic()) > 0:
                time.sleep(wait)
            file.write(piece)
            self.position += len(piece)
            self.log.append((time.monotonic(), self.position))
            left -= len(piece)
            if every and left == 0:
                title = [words for position, words in self.titles if position <= self.position][-1:]
                block = b"StreamTitle='" + title[0] + b"';StreamUrl='';" if title and title[0] != said else b""
                said = title[0] if title else None
                block += bytes(-len(block) % 16)
                file.write(bytes([len(block) // 16]) + block)
                left = every
