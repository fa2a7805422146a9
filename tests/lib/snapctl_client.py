# SPDX-License-Identifier: GPL-2.0-or-later
"""Speaks to the daemon as docs/ipc.md says, for tests of the daemon that need not start a program for each request."""
import json
import socket
import struct


def frame(body, length=None):
    return struct.pack(">I", len(body) if length is None else length) + body


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        """The next answer; None when the daemon has hung up."""
        head = self._read(4)
        body = head and self._read(struct.unpack(">I", head)[0])
        return body and json.loads(body)

    def ask(self, method, **params):
        """The result; an error is an exception."""
        self.send(frame(json.dumps({"v": 1, "id": 1, "method": method, "params": params}).encode()))
        got = self.answer()
        if not got or "result" not in got:
            raise RuntimeError(f"{method} {params}: {got}")
        return got["result"]

    def apply(self, kind, **fields):
        return self.ask("apply", change={"kind": kind, **fields})

    def _read(self, length):
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                return None
            data += more
        return data
