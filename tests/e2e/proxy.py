"""A TCP proxy that can be told to misbehave: connections cut, swallowed, refused."""

import contextlib
import select
import socket
import struct
import threading
import time

from postgres import free_port


class Proxy:
    """127.0.0.1:port leads to 127.0.0.1:target."""

    def __init__(self, target):
        self.port, self.target = free_port(), target
        self.flowing, self.refusing = threading.Event(), False
        self.flowing.set()
        self.freely, self.trickling = None, threading.Event()  # how many bytes of the server's pass as they come
        self.pairs = set()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Reset every connection, as a router does that lost its table."""
        for pair in list(self.pairs):
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)

    def swallow(self):
        """Nothing passes, and nobody is told, until heal()."""
        self.flowing.clear()

    def refuse(self):
        """Connections are cut, and new ones closed at once, until heal()."""
        self.refusing = True
        self.cut()

    def trickle_after(self, size):
        """So many bytes more come from the server as fast as they can, then 400 kB a second, until heal()."""
        self.trickling.clear()
        self.freely = size

    def heal(self):
        self.refusing, self.freely = False, None
        self.flowing.set()

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            far = None
            with contextlib.suppress(OSError):
                far = None if self.refusing else socket.create_connection(("127.0.0.1", self.target))
            if far is None:
                near.close()
            else:
                threading.Thread(target=self._pass, args=(near, far), daemon=True).start()

    def _delay(self, size):
        if self.freely is None:
            self.trickling.clear()
        elif self.freely > 0:
            self.freely -= size
        else:
            self.trickling.set()
            time.sleep(0.02)

    def _pass(self, near, far):
        self.pairs.add((near, far))
        with contextlib.suppress(OSError), near, far:
            while True:
                ready, _, _ = select.select([near, far], [], [])
                self.flowing.wait()
                for end in ready:
                    data = end.recv(1 << (13 if self.trickling.is_set() else 16))
                    if not data:
                        raise OSError("closed")
                    if end is far:
                        self._delay(len(data))
                    (far if end is near else near).sendall(data)
        self.pairs.discard((near, far))
