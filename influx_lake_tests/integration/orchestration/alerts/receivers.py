"""Those who are told: a web server and a mail server, which can fail."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """What came.

    Attributes:
        port: Where it came to.
        posts: The JSON of requests that were accepted.
        mails: The recipients and texts of mails.
        logins: Who logged in, as it was sent.
        answers: The status of the next requests; 200 once there are no more.
    """

    port: int = 0
    posts: list[dict[str, Any]] = field(default_factory=list)
    mails: list[tuple[list[str], str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The sections of all messages."""
        return [block["text"]["text"] for post in self.posts for block in post["blocks"]]


@contextmanager
def webhook_receiver() -> Iterator[Received]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = received.answers.pop(0) if received.answers else 200
            if status == 200:
                received.posts.append(body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"ok" if status == 200 else f"no: {self.path}".encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        received.port = server.server_address[1]
        yield received


@contextmanager
def mail_receiver(certificate: str, key: str) -> Iterator[Received]:
    """A mail server that speaks TLS from the start, and enough SMTP."""
    received, context = Received(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with context.wrap_socket(self.request, server_side=True) as secured:
                _converse(secured.makefile("rwb"), received)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        received.port = server.server_address[1]
        yield received


def _converse(stream: Any, received: Received) -> None:
    def say(text: str) -> None:
        stream.write(f"{text}\r\n".encode())
        stream.flush()

    recipients: list[str] = []
    say("220 mail")
    for line in iter(stream.readline, b""):
        word, _, rest = line.decode().strip().partition(" ")
        if word.upper() == "EHLO":
            say("250-mail\r\n250 AUTH PLAIN")
        elif word.upper() == "AUTH":
            received.logins.append(rest)
            say("235 welcome")
        elif word.upper() == "RCPT":
            recipients.append(rest.partition("<")[2].rstrip(">"))
            say("250 ok")
        elif word.upper() == "DATA":
            say("354 go on")
            body = list(iter(stream.readline, b".\r\n"))
            status = received.answers.pop(0) if received.answers else 250
            if status == 250:
                received.mails.append((recipients, b"".join(body).decode()))
            say(f"{status} done")
        elif word.upper() == "QUIT":
            say("221 bye")
            return
        else:
            say("250 ok")


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
