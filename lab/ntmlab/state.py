# SPDX-License-Identifier: BSD-3-Clause
"""The state directory of one lab: who runs, what was asked for, and the lock around changes.

Everything a lab writes is below its directory; `down` removes it after the lab's first process
was killed. Records name a process by pid and start time, so that a pid used again by a stranger
is never taken for ours.
"""
import contextlib
import errno
import fcntl
import glob
import json
import os
import re
import shutil
import signal
import time

from . import ns, procs
from .procs import LabError

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("NTM_BUILD", os.path.join(TOP, "build"))
ROOT = os.environ.get("NTM_LAB_DIR", "/run/ntm-lab")


def program(path):
    """A program of ours, under the build directory."""
    full = os.path.join(BUILD, path)
    if not os.access(full, os.X_OK):
        raise LabError(f"{full} is not built (ninja -C {BUILD})")
    return full


class Lab:
    """One lab by name; the directory may or may not exist yet."""

    def __init__(self, name):
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,23}", name):
            raise LabError(f"lab name '{name}': use 1-24 of a-z 0-9 _ -")
        self.name = name
        self.dir = os.path.join(ROOT, name)
        self.data = {}

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def make_dir(self, *parts):
        os.makedirs(self.path(*parts), exist_ok=True)
        return self.path(*parts)

    def write(self, rel, text, mode=0o644):
        full = self.path(rel)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(full, mode)
        return full

    # -- life -----------------------------------------------------------------------------------

    def create(self):
        """Take the name: exactly one of several callers at once gets it."""
        if os.path.isdir(self.dir):
            if self.is_up():
                raise LabError(f"lab '{self.name}' is up already (lab down --name {self.name})")
            self.remove()
        me = {"pid": os.getpid(), "start": procs.start_time(os.getpid())}
        self.data = {"name": self.name, "init": None, "owner": me, "spaces": {}}
        # Never a directory without its state file: a rename takes the name and shows both.
        fresh = f"{ROOT}/.{self.name}.{me['pid']}"
        while True:
            try:
                os.makedirs(fresh, exist_ok=True)
                self._save_to(fresh)
                os.rename(fresh, self.dir)
                return
            except FileNotFoundError:
                continue  # the end of another lab removed the empty directory above
            except OSError as e:
                shutil.rmtree(fresh, ignore_errors=True)
                if e.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    raise LabError(f"lab '{self.name}' is being brought up already") from None
                raise

    def load(self):
        try:
            with open(self.path("state.json"), encoding="utf-8") as f:
                self.data = json.load(f)
        except FileNotFoundError:
            raise LabError(f"there is no lab '{self.name}' (lab up --name {self.name})") from None
        return self

    def save(self):
        self._save_to(self.dir)

    def _save_to(self, where):
        tmp = os.path.join(where, "state.json.new")
        with open(tmp, "w", encoding="utf-8") as f:
            json.dump(self.data, f, indent=1)
        os.replace(tmp, os.path.join(where, "state.json"))

    def is_up(self):
        """Is anything of it alive: its first process, or the `up` that is still at work?"""
        try:
            self.load()
        except (LabError, ValueError):
            return False
        return procs.is_alive(self.data.get("init")) or procs.is_alive(self.data.get("owner"))

    def remove(self):
        """Kill what is left and forget it. Safe on a half-made or crashed lab, and twice."""
        try:
            self.load()
        except (LabError, ValueError):
            self.data = {}
        owner = self.data.get("owner")
        if owner and owner["pid"] != os.getpid():
            procs.kill_wait(owner, signal.SIGKILL)
            self._wait_started()
            with contextlib.suppress(LabError, ValueError):
                self.load()  # it may have written more before it died
        if not procs.kill_wait(self.data.get("init"), signal.SIGKILL, 20):
            raise LabError(f"lab '{self.name}': process {self.data['init']['pid']} does not end")
        self._wait_reaped()
        shutil.rmtree(self.dir, ignore_errors=True)
        for fresh in glob.glob(f"{ROOT}/.{self.name}.*"):
            if procs.start_time(fresh.rpartition(".")[2]) is None:
                shutil.rmtree(fresh, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(ROOT)  # only when no other lab is left

    def _wait_started(self, timeout=20.0):
        """Until a first process that nobody could write down has ended by itself."""
        deadline = time.monotonic() + timeout
        try:
            fd = os.open(self.path(ns.STARTING), os.O_RDWR)
        except OSError:
            return
        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                if time.monotonic() > deadline:
                    raise LabError(f"lab '{self.name}': its start does not end")
                time.sleep(0.002)
        finally:
            os.close(fd)

    def _wait_reaped(self):
        """Give the host's init a moment to collect ours, so that not even a zombie is seen."""
        init = self.data.get("init")
        end = time.monotonic() + 0.3
        while init and os.path.exists(f"/proc/{init['pid']}") and time.monotonic() < end:
            time.sleep(0.005)

    @contextlib.contextmanager
    def locked(self):
        """Changes to one lab happen one after the other."""
        self.load()
        fd = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self.load()
            yield self
        finally:
            os.close(fd)

    # -- spaces and programs ----------------------------------------------------------------------

    def space(self, name):
        s = self.data["spaces"].get(name)
        if s is None:
            known = " ".join(sorted(n for n in self.data["spaces"] if not n.startswith(".")))
            raise LabError(f"no node '{name}' in lab '{self.name}' (there are: {known})")
        if not procs.is_alive(s):
            raise LabError(f"'{name}' of lab '{self.name}' has died (lab down, lab up)")
        return s

    def add_space(self, name, etc=None):
        self.data["spaces"][name] = ns.start_space(
            self.data["init"]["pid"], name.strip("."), self.dir, etc or {})
        return self.data["spaces"][name]

    def env(self, space=""):
        env = dict(os.environ, NTM_LAB=self.name)
        if space:
            env["NTM_NODE"] = space
        ours = ":".join(os.path.join(BUILD, d) for d in ("ctl", "client", "appliance"))
        env["PATH"] = ours + ":" + env.get("PATH", "") + ":/usr/sbin:/sbin"
        return env

    def start(self, space, name, argv):
        """Start a program and write it down as procs/<space>.<name>.json."""
        log = os.path.join(self.make_dir("log"), f"{space}.{name}.log")
        proc = ns.spawn(self.space(space), argv, log, self.env(space))
        proc.update(argv=argv, space=space, name=name, log=log)
        self.write(f"procs/{space}.{name}.json", json.dumps(proc))
        return proc

    def proc(self, space, name):
        try:
            with open(self.path("procs", f"{space}.{name}.json"), encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return None

    def procs(self):
        d = self.path("procs")
        for f in sorted(os.listdir(d) if os.path.isdir(d) else []):
            with open(os.path.join(d, f), encoding="utf-8") as fh:
                yield json.load(fh)

    def stop(self, space, name, sig=signal.SIGTERM, timeout=5.0):
        """End a program; True when it obeyed the signal within the time."""
        proc = self.proc(space, name)
        if proc is None:
            return True
        obeyed = procs.kill_wait(proc, sig, timeout)
        if not obeyed:
            procs.kill_wait(proc, signal.SIGKILL)
        os.unlink(self.path("procs", f"{space}.{name}.json"))
        return obeyed
