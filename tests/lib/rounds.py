#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Creates, writes, extends and removes the snapshot snap of the origin vol, so many times.

usage: rounds.py SOCKET ROUNDS
"""
import mmap
import os
import sys

from snapctl_client import Connection

mib = 1 << 20
page = mmap.mmap(-1, mib)


def write(name, at, length):
    device = os.open("/dev/mapper/" + name, os.O_WRONLY | os.O_DIRECT)
    os.pwrite(device, memoryview(page)[:length], at)
    os.close(device)


with Connection(sys.argv[1]) as daemon:
    for number in range(int(sys.argv[2])):
        daemon.apply("create", members=[{"origin": "vol", "snapshot": "snap"}], size={"bytes": 8 * mib})
        page[0:8] = number.to_bytes(8, "little")
        write("vol", 0, mib)
        write("snap", 0, mib // 4)
        daemon.apply("extend", snapshot="snap", by={"bytes": 4 * mib})
        write("vol", 4 * mib, mib)
        (state,) = daemon.ask("snapshots")["snapshots"]
        if state["health"] != "active" or state["usage"]["total_bytes"] != 12 * mib:
            sys.exit(f"round {number}: {state}")
        daemon.apply("remove", snapshot="snap")
