"""A real Redis for tests: private, and gone afterwards, whatever happens.

    with Redis() as redis:
        redis.uri(3)                               # redis://127.0.0.1:40001/3
        with redis.client(3) as client:
            client.do("GET", "app:t:1")            # b'{"id":1}'
"""

import contextlib
import socket
import subprocess

from daemon import Daemon
from postgres import free_port, wait_until


class Refused(Exception):
    """An answer that is an error."""


class Client:
    """One connection, as bare as it can be: words in, what is answered out."""

    def __init__(self, address, db=0):
        self.socket = socket.create_connection(address, timeout=60)
        self.file = self.socket.makefile("rb")
        self.do("SELECT", db)

    def do(self, *words):
        self.send(*words)
        return self.read()

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return rest

    def keys(self):
        return sorted(self.do("KEYS", "*"))

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Redis(Daemon):
    """One server, in a folder of its own, that keeps what it has acknowledged; with TLS at tls_port."""

    what = "redis"

    def __init__(self):
        super().__init__()
        self.port, self.tls_port = free_port(), free_port()
        try:
            self._make_certificate()
            self.start()
        except BaseException:
            self.close()
            raise

    def _make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", self.path("key.pem"), "-out", self.path("cert.pem"), "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True,
        )  # fmt: skip

    # -- life and death --

    def start(self):
        words = ["--bind", "127.0.0.1", "--port", self.port, "--unixsocket", self.path("socket"), "--dir", self.folder,
                 "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--databases", "100",
                 "--tls-port", self.tls_port, "--tls-cert-file", self.path("cert.pem"),
                 "--tls-key-file", self.path("key.pem"), "--tls-auth-clients", "no"]  # fmt: skip
        self.run("redis-server", *words)
        wait_until(self._answers, what="Redis to answer")

    def _answers(self):
        self.check_alive()
        with contextlib.suppress(OSError, Refused):
            with self.client() as client:
                return client.do("PING") == b"PONG"

    # -- talking to it --

    @property
    def address(self):
        return "127.0.0.1", self.port

    def client(self, db=0):
        return Client(self.address, db)

    def uri(self, db=0, user=""):
        return f"redis://{user}127.0.0.1:{self.port}/{db}"
