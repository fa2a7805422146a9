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
import sys

from snapctl_client import Connection, frame

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


def ask_properly():
    with Connection(path) as daemon:
        if daemon.ask("hello")["protocol"] != 1:
            sys.exit("the daemon speaks another protocol")


told = {"result": 0, "error": 0, "cut off": 0}
for number in range(connections):
    with Connection(path) as its:
        try:
            how = rng.randrange(8)
            if how == 0:
                its.send(rng.randbytes(rng.randint(0, 3000)))
            elif how == 1:
                its.send(frame(b"x", rng.choice((0, 65537, 1 << 31, 0xffffffff))))
            elif how == 2:
                its.send(frame(mutated(rng.choice(requests)), rng.randint(1, 65536)))
            elif how == 3:
                # Many at once, and gone before the answers.
                its.send(frame(rng.choice(requests).encode()) * 50)
                continue
            else:
                for _ in range(rng.randint(1, 5)):
                    its.send(frame(mutated(rng.choice(requests))))
            its.socket.shutdown(socket.SHUT_WR)
            while (got := its.answer()) is not None:
                told["error" if "error" in got else "result"] += 1
            told["cut off"] += 1
        except (BrokenPipeError, ConnectionResetError):
            told["cut off"] += 1
    if number % 50 == 0:
        ask_properly()

# More than it takes at once, of those that say nothing and those that say half of it.
silent = []
for number in range(100):
    try:
        its = Connection(path)
        its.send(b"\0\0" if number % 2 else b"")
        silent.append(its)
    except (BrokenPipeError, ConnectionResetError, BlockingIOError):
        pass
for its in silent:
    its.socket.close()
ask_properly()
print(f"{connections} connections: {told['result']} results, {told['error']} errors, {told['cut off']} ended")
