#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything at the daemon's socket but what a client says.

usage: socket_fuzz.py SOCKET CONNECTIONS SEED

Random bytes, requests with a few bytes changed, wrong lengths, connections that
are left in the middle. What might be obeyed names an origin that does not exist.
Exits with 1 when the daemon does not answer a proper request any more.
"""
import json
import random
import socket
import struct
import sys

path, connections, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)

changes = [
    {"kind": "origin_add", "name": "nosuch", "device": "/dev/nosuch"},
    {"kind": "origin_remove", "name": "nosuch"},
    {"kind": "create", "members": [{"origin": "nosuch", "snapshot": "s"}], "size": {"percent": 20},
     "space": {"kind": "file", "where": "/nosuch"}, "chunk_bytes": 4096, "transient": False},
    {"kind": "remove", "snapshot": "nosuch"},
    {"kind": "extend", "snapshot": "nosuch", "by": {"bytes": 1 << 20}},
    {"kind": "rename", "snapshot": "nosuch", "to": "other"},
    {"kind": "merge", "snapshot": "nosuch", "rate_bytes": 1000},
    {"kind": "merge_control", "snapshot": "nosuch", "what": "pause"},
]
methods = ["hello", "origins", "snapshots", "doctor", "counters", "metrics"]
requests = [json.dumps({"v": 1, "id": 7, "method": method}) for method in methods]
requests += [json.dumps({"v": 1, "id": 7, "method": method, "params": {"change": change}})
             for method in ("plan", "apply") for change in changes]
requests += [json.dumps({"v": 1, "id": 7, "method": "table", "params": {"name": "nosuch"}})]
requests += ["[" * 5000, "{\"a\":" * 3000, "null", "{}", "\"", "{\"v\":1e999}", "{\"v\":-1,\"id\":1}"]


def frame(body, length=None):
    return struct.pack(">I", len(body) if length is None else length) + body


def mutated(text):
    data = bytearray(text.encode())
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data)) if data else 0
        how = rng.randrange(4)
        if how == 0 and data:
            data[at] = rng.randrange(256)
        elif how == 1:
            data[at:at] = bytes([rng.randrange(256)]) * rng.choice((1, 1, 5000))
        elif how == 2 and data:
            del data[at:at + rng.randint(1, 8)]
        elif data:
            other = rng.choice(requests).encode()
            data[at:at + 4] = other[rng.randrange(len(other)):][:rng.randint(1, 30)]
    return bytes(data)


def connect():
    its = socket.socket(socket.AF_UNIX)
    its.settimeout(60)
    its.connect(path)
    return its


def answer(its):
    head = b""
    while len(head) < 4:
        more = its.recv(4 - len(head))
        if not more:
            return None
        head += more
    length = struct.unpack(">I", head)[0]
    body = b""
    while len(body) < length:
        more = its.recv(length - len(body))
        if not more:
            return None
        body += more
    return json.loads(body)


def ask_properly():
    with connect() as its:
        its.sendall(frame(b'{"v": 1, "id": 1, "method": "hello"}'))
        got = answer(its)
    if not got or got.get("result", {}).get("protocol") != 1:
        sys.exit(f"the daemon does not answer a proper request: {got}")


told = {"result": 0, "error": 0, "cut off": 0}
for number in range(connections):
    with connect() as its:
        try:
            how = rng.randrange(8)
            if how == 0:
                its.sendall(rng.randbytes(rng.randint(0, 3000)))
            elif how == 1:
                its.sendall(frame(b"x", rng.choice((0, 65537, 1 << 31, 0xffffffff))))
            elif how == 2:
                its.sendall(frame(mutated(rng.choice(requests)), rng.randint(1, 65536)))
            elif how == 3:
                # Many at once, and gone before the answers.
                its.sendall(frame(rng.choice(requests).encode()) * 50)
                its.close()
                continue
            else:
                for _ in range(rng.randint(1, 5)):
                    its.sendall(frame(mutated(rng.choice(requests))))
            its.shutdown(socket.SHUT_WR)
            while (got := answer(its)) is not None:
                told["error" if "error" in got else "result"] += 1
            told["cut off"] += 1
        except (BrokenPipeError, ConnectionResetError):
            told["cut off"] += 1
    if number % 50 == 0:
        ask_properly()

# Not one client shuts out root: those that say nothing, and those that say half of it.
silent = []
for number in range(100):
    try:
        its = connect()
        its.sendall(b"\0\0" if number % 2 else b"")
        silent.append(its)
    except (BrokenPipeError, ConnectionResetError, BlockingIOError):
        pass
for its in silent:
    its.close()
ask_properly()
print(f"{connections} connections: {told['result']} results, {told['error']} errors, {told['cut off']} ended")
