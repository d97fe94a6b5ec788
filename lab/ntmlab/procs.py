# SPDX-License-Identifier: BSD-3-Clause
"""Processes of a lab: which one is meant, is it alive, end it."""
import os
import select
import signal


class LabError(Exception):
    """What went wrong, in one line for the person at the terminal."""


def start_time(pid):
    """Start of a process in clock ticks since boot, or None: with the pid it names one process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(proc):
    return proc is not None and start_time(proc["pid"]) == proc["start"]


def kill_wait(proc, sig=signal.SIGTERM, timeout=5.0):
    """End one process we started, by pid and start time; True when it is gone."""
    if not is_alive(proc):
        return True
    try:
        fd = os.pidfd_open(proc["pid"])
    except ProcessLookupError:
        return True
    try:
        if not is_alive(proc):
            return True
        signal.pidfd_send_signal(fd, sig)
        return bool(select.select([fd], [], [], timeout)[0])
    except ProcessLookupError:
        return True
    finally:
        os.close(fd)
