# SPDX-License-Identifier: BSD-3-Clause
"""The link-delay programs of a lab: started per shaped link, changed while they run."""
import contextlib
import json
import os
import signal
import socket
import time

from .procs import LabError
from .state import program

_KEYS = {"delay_ms": ("delay_us", 1000), "loss_percent": ("loss_ppm", 10000),
         "rate_mbit": ("rate_kbit", 1000), "queue_kb": ("queue_bytes", 1024)}


def _settings(figures):
    """Figures of a topology as what link-delay is told."""
    return {told: round(figures[key] * scale) for key, (told, scale) in _KEYS.items()
            if key in figures}


def start(lab, key, link, figures):
    """Start the program of one shaped link and wait until it answers."""
    name = "link-" + key.replace(":", "-")
    sock = lab.path("delay", name)
    lab.make_dir("delay")
    argv = [program("lab/link-delay"), "--a", link["wire"][0], "--b", link["wire"][1],
            "--control", sock, "--seed", str(figures.get("seed", 1))]
    lab.start(".wires", name, argv)
    link["control"] = sock
    deadline = time.monotonic() + 5
    while True:
        with contextlib.suppress(OSError):
            ask(sock, "stats")
            break
        if time.monotonic() > deadline:
            with open(lab.proc(".wires", name)["log"], encoding="utf-8") as f:
                raise LabError(f"link-delay for {key} does not answer: {f.read().strip()}")
        time.sleep(0.005)
    change(link, _settings(figures))


def ask(path, text):
    """One request, one answer; the change is in force when the answer is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(5)
        s.connect(path)
        s.send(text.encode())
        return s.recv(4096).decode()


def change(link, settings, direction="both"):
    if not link.get("control"):
        raise LabError("this link has no delay program (give it delay_ms or shaped = true)")
    for key, value in settings.items():
        answer = ask(link["control"], f"set {direction} {key} {value}")
        if answer.strip() != "ok":
            raise LabError(f"link-delay: {answer.strip()}")


def parse(words):
    """`delay_ms=20 loss_percent=1.5 up.delay_ms=5` -> (direction, settings) pairs."""
    out = []
    for w in words:
        key, _, value = w.partition("=")
        direction, _, key = key.rpartition(".")
        if key not in _KEYS or direction not in ("", "up", "down"):
            raise LabError(f"'{w}': give [up.|down.]KEY=NUMBER with KEY one of {' '.join(_KEYS)}")
        try:
            number = float(value)
        except ValueError:
            raise LabError(f"'{w}': '{value}' is not a number") from None
        out.append(({"": "both", "up": "ab", "down": "ba"}[direction],
                    _settings({key: number})))
    return out


def stats(link):
    return json.loads(ask(link["control"], "stats"))


def stop(lab, key):
    lab.stop(".wires", "link-" + key.replace(":", "-"), signal.SIGTERM)
    with contextlib.suppress(OSError):
        os.unlink(lab.path("delay", "link-" + key.replace(":", "-")))
