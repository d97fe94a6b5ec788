#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One end of the connection of tcp_flow.py.

usage: tcp_agent.py listen FAMILY PORT
       tcp_agent.py connect FAMILY PORT NAME

Sends numbered blocks, paced, until standard input closes; then ends its direction and reads the
other one to its end. Each block that comes must be the one whose turn it is.
"""
import hashlib
import os
import select
import socket
import sys
import time

BLOCK = 1000
RATE = 250  # blocks per second
QUIET_S = 0.1  # between two lines of progress
WAIT_S = 60  # only to end a hang


def block(salt, number):
    """A block that is unlike every other one and cheap to make."""
    seed = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=50, salt=salt).digest()
    return seed * (BLOCK // 50)


class Stream:
    def __init__(self, sock, own, other):
        self.sock, self.own, self.other = sock, own, other
        self.sent = self.got = 0
        self.out, self.pending = 0, b""
        self.is_ending = self.has_ended = False

    def fill(self, start):
        """The blocks that are due by now, few at a time."""
        due = int((time.monotonic() - start) * RATE)
        while self.out < due and len(self.pending) < 16 * BLOCK and not self.is_ending:
            self.pending += block(self.own, self.out)
            self.out += 1

    def send(self):
        n = self.sock.send(self.pending)
        self.sent += n
        self.pending = self.pending[n:]

    def take(self, data):
        while data:
            number, at = divmod(self.got, BLOCK)
            want = block(self.other, number)[at:at + len(data)]
            if data[:len(want)] != want:
                sys.exit(f"byte {self.got} and on are not what was sent")
            self.got += len(want)
            data = data[len(want):]

    def run(self):
        start = said = time.monotonic()
        while True:
            self.fill(start)
            if self.is_ending and not self.pending and not self.has_ended:
                self.sock.shutdown(socket.SHUT_WR)
                self.has_ended = True
            inputs = [self.sock] if self.is_ending else [self.sock, sys.stdin]
            r, w, _ = select.select(inputs, [self.sock] if self.pending else [], [], 0.01)
            if sys.stdin in r and not os.read(0, 100):
                self.is_ending = True
            if w:
                self.send()
            if self.sock in r:
                data = self.sock.recv(65536)
                if not data:
                    break
                self.take(data)
            if time.monotonic() - said > QUIET_S:
                said = time.monotonic()
                print("came", self.got, flush=True)
        # The peer may end first by a moment; what is due of ours goes all the same.
        self.sock.settimeout(WAIT_S)
        while not self.has_ended:
            if not self.is_ending and not sys.stdin.read():
                self.is_ending = True
            if self.pending:
                self.send()
            else:
                self.sock.shutdown(socket.SHUT_WR)
                self.has_ended = True
        print("done", self.sent, self.got, flush=True)


def main(mode, family, port, name=None):
    kind = {"4": socket.AF_INET, "6": socket.AF_INET6}[family]
    if mode == "listen":
        server = socket.socket(kind, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("", int(port)))
        server.listen(1)
        print("listening", flush=True)
        sock, _ = server.accept()
        salts = (b"back", b"forth")
    else:
        info = socket.getaddrinfo(name, int(port), kind, socket.SOCK_STREAM)[0]
        sock = socket.socket(kind, socket.SOCK_STREAM)
        sock.settimeout(WAIT_S)
        sock.connect(info[4])
        salts = (b"forth", b"back")
    sock.setblocking(False)
    print("ready", flush=True)
    Stream(sock, *salts).run()


main(*sys.argv[1:])
