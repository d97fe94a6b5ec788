# SPDX-License-Identifier: BSD-3-Clause
"""Namespaces of a lab, held by processes and by nothing else.

One lab is one PID namespace. Its first process (the "init") only reaps; each space (a node, a NAT
box, a network) is a sleeping process with its own network, mount and UTS namespace. No file of the
host is mounted on and no name is put under /run/netns, so killing the init ends every process,
namespace, link and mount of the lab at once, whatever state a crash has left it in.
"""
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys

from .procs import LabError, start_time

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15

_libc = ctypes.CDLL(None, use_errno=True)


def _check(ret, what):
    if ret != 0:
        err = ctypes.get_errno()
        raise OSError(err, f"{what}: {os.strerror(err)}")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def setns(fd, kind):
    _check(_libc.setns(fd, kind), "setns")


def mount(src, dst, kind=None, flags=0, data=None):
    def enc(s):
        return s.encode() if s is not None else None
    _check(_libc.mount(enc(src), enc(dst), enc(kind), ctypes.c_ulong(flags), enc(data)),
           f"mount {kind or src} on {dst}")


def prctl_name(name):
    _libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def _give_up(fd, e):
    """Tell the parent why, and end. A parent that has died must not make a child unwind into its
    code: there it would take the lab for its own and remove what it cannot see."""
    try:
        os.write(fd, f"{type(e).__name__} {e}".encode()[:4000])
    finally:
        os._exit(125)


def _child_main(fn, wfd):
    """Run fn in a forked child and never return; a failure goes to the parent as text."""
    try:
        fn()
    except BaseException as e:
        _give_up(wfd, e)
    os._exit(0)


def _fork_reporting(fn):
    """Fork fn; return (pid, read end of a pipe that fn's process and its children inherit)."""
    rfd, wfd = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(rfd)
        _child_main(lambda: fn(wfd), wfd)
    os.close(wfd)
    return pid, rfd


def _read_all(fd):
    data = b""
    while chunk := os.read(fd, 4096):
        data += chunk
    os.close(fd)
    return data


def _start_inside(enter, body):
    """Start body, which ends in an exec, below the lab's init; return {pid, start} as seen here.

    enter() joins the namespaces. The fork between makes the lab's own init the new parent: with
    the host's as parent, the end of the lab would have to wait for that one to collect children.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            enter()
            between = os.fork()
            if between:
                os.waitpid(between, 0)
                os._exit(0)
            if os.fork():
                os._exit(0)
            theirs.send(b"pid")
            body(theirs.fileno())
        except BaseException as e:
            _give_up(theirs.fileno(), e)
    theirs.close()
    pid, error = None, ""
    with ours:
        while True:
            data, anc, _flags, _addr = ours.recvmsg(4096, socket.CMSG_SPACE(12))
            if not data:
                break
            if data == b"pid":
                pid = struct.unpack("3i", anc[0][2])[0]  # the kernel's word, in our numbering
            else:
                error = data.decode()
    os.waitpid(child, 0)
    if error or pid is None:
        raise LabError(error or "could not be started")
    return {"pid": pid, "start": start_time(pid)}


def _private_run(keep):
    """Give the calling mount namespace its own /run; the lab's state stays where it was."""
    fd = os.open(keep, os.O_PATH)
    mount("ntm-lab", "/run", "tmpfs", 0, "mode=755")
    if os.path.realpath(keep).startswith("/run/"):
        os.makedirs(keep, exist_ok=True)
        mount(f"/proc/self/fd/{fd}", keep, None, MS_BIND)
    os.makedirs("/run/lock", exist_ok=True)
    os.close(fd)


def _reap_forever():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        signal.sigwait({signal.SIGCHLD})


def _quiet_fds(keep=()):
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    top = max([2, *keep])
    for fd in range(3, top):
        if fd not in keep:
            try:
                os.close(fd)
            except OSError:
                pass
    os.closerange(top + 1, 1024)


STARTING = "starting"


def start_init(state_dir, record):
    """Start the lab's first process; record({pid, start}) runs before it may outlive us.

    Until it is recorded it and we hold a lock on the file `starting`: whoever ends a lab that died
    here waits on that, for there is no pid yet that could be killed.
    """
    hold = os.open(os.path.join(state_dir, STARTING), os.O_RDWR | os.O_CREAT, 0o600)
    gate_r, gate_w = os.pipe()

    def init(wfd):
        os.setsid()
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        mount("proc", "/proc", "proc")
        _private_run(state_dir)
        prctl_name("ntm-lab-init")
        os.close(gate_w)
        os.write(wfd, b"ready")
        os.close(wfd)
        # End of file before the go-ahead: our parent died before it could write us down.
        if os.read(gate_r, 1) != b"g":
            os._exit(1)
        _quiet_fds()
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, signal.SIG_IGN)
        _reap_forever()

    def outer(wfd):
        unshare(CLONE_NEWPID | CLONE_NEWNS)
        pid = os.fork()
        if pid == 0:
            _child_main(lambda: init(wfd), wfd)
        os.write(wfd, b"%d " % pid)

    try:
        fcntl.flock(hold, fcntl.LOCK_EX)
        child, rfd = _fork_reporting(outer)
        said = _read_all(rfd).decode()
        os.waitpid(child, 0)
        # Two writers share the pipe, so "ready" stands before or after the pid.
        pid = int(said.replace("ready", "", 1)) if "ready" in said else None
        if pid is None:
            raise LabError(f"cannot start the lab's namespaces (root is needed): {said}")
        record({"pid": pid, "start": start_time(pid)})
        os.write(gate_w, b"g")
    finally:
        for fd in (gate_r, gate_w, hold):
            os.close(fd)
    return pid


def _ns_fds(pid, kinds):
    return [(os.open(f"/proc/{pid}/ns/{k}", os.O_RDONLY), flag) for k, flag in kinds]


_ALL = (("pid", CLONE_NEWPID), ("net", CLONE_NEWNET), ("uts", CLONE_NEWUTS), ("mnt", CLONE_NEWNS))


def _enter_all(pid, kinds=_ALL):
    for fd, flag in _ns_fds(pid, kinds):
        setns(fd, flag)
        os.close(fd)


def _bind_file(src, dst):
    """Bind a file over dst, following a link that points into our own /run."""
    real = os.path.realpath(dst)
    if real.startswith("/run/"):
        os.makedirs(os.path.dirname(real), exist_ok=True)
        with open(real, "w", encoding="ascii"):
            pass
    if os.path.exists(real):
        mount(src, real, None, MS_BIND)


def start_space(init_pid, name, state_dir, etc):
    """Start one space: its own network, mounts and host name. etc maps /etc names to our files.

    Returns {pid, start} of the process that holds it.
    """
    def keeper():
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        _libc.umount2(b"/sys", MNT_DETACH)
        try:
            mount("sysfs", "/sys", "sysfs")
        except OSError:
            pass  # a container may refuse; only programs that read /sys/class/net notice
        _private_run(state_dir)
        for path, src in etc.items():
            _bind_file(src, path)
        socket.sethostname(name)
        os.setsid()
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, signal.SIG_IGN)

    def enter():
        _enter_all(init_pid, (("pid", CLONE_NEWPID), ("mnt", CLONE_NEWNS)))
        unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS)

    def body(report):
        keeper()
        os.chdir("/")
        _quiet_fds((report,))
        os.execv("/bin/sleep", [f"ntm-lab-{name}"[:40], "infinity"])

    try:
        return _start_inside(enter, body)
    except LabError as e:
        raise LabError(f"{name}: cannot make its namespaces: {e}") from None


def run(space, argv, stdin=None, check=True):
    """Run a short command in the network of a space (files and PIDs as outside)."""
    fd = os.open(f"/proc/{space['pid']}/ns/net", os.O_RDONLY)
    try:
        p = subprocess.run(argv, input=stdin, text=True, capture_output=True, check=False,
                           preexec_fn=lambda: setns(fd, CLONE_NEWNET))
    finally:
        os.close(fd)
    if check and p.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {(p.stderr or p.stdout).strip()}")
    return p


class Waiting:
    """An `ip -batch` that sits in a space until it is told what to do: no start-up time then."""

    def __init__(self, space):
        fd = os.open(f"/proc/{space['pid']}/ns/net", os.O_RDONLY)
        try:
            self.proc = subprocess.Popen(
                ["ip", "-batch", "-"], text=True, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                preexec_fn=lambda: setns(fd, CLONE_NEWNET))
        finally:
            os.close(fd)

    def do(self, lines):
        """Hand over the lines and wait for the end."""
        _out, err = self.proc.communicate("\n".join(lines) + "\n")
        if self.proc.returncode != 0:
            raise LabError(f"ip: {err.strip()}")


def socket_in(space):
    """A socket that belongs to the network of a space, for questions to its kernel."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        enter_net(space)
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        finally:
            setns(home, CLONE_NEWNET)
    finally:
        os.close(home)


def enter_net(space):
    """Join the network of a space; for children that are about to end, and for who comes back."""
    _enter_all(space["pid"], (("net", CLONE_NEWNET),))


def _call_child(fn):
    child, rfd = _fork_reporting(lambda _wfd: fn())
    err = _read_all(rfd).decode()
    os.waitpid(child, 0)
    if err:
        raise LabError(err)


def call(space, fn):
    """Call fn in a child inside the network of a space; for sysctls and other small writes."""
    def inside():
        enter_net(space)
        fn()
    _call_child(inside)


def call_unhurried(fn):
    """Call fn in a child that signals to us or to our terminal do not end."""
    def inside():
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        fn()
    _call_child(inside)


def spawn(space, argv, log, env=None, cwd="/"):
    """Start a long-running program in a space; it belongs to the lab, not to us.

    Returns {pid, start} as seen from outside. Output goes to the file log.
    """
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def body(_report):
        os.setsid()
        os.chdir(cwd)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.execvpe(argv[0], argv, env or os.environ)

    try:
        return _start_inside(lambda: _enter_all(space["pid"]), body)
    except LabError as e:
        raise LabError(f"{argv[0]}: {e}") from None
    finally:
        os.close(out)


def execute(space, argv, env):
    """Be that command for our caller: same terminal and files, its exit code, signals passed on."""
    pid_fd = os.open(f"/proc/{space['pid']}/ns/pid", os.O_RDONLY)
    setns(pid_fd, CLONE_NEWPID)
    cwd = os.getcwd()
    child = os.fork()
    if child == 0:
        try:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            _enter_all(space["pid"], _ALL[1:])
            try:
                os.chdir(cwd)
            except OSError:
                os.chdir("/")
            os.execvpe(argv[0], argv, env)
        except OSError as e:
            print(f"lab exec: {argv[0]}: {e.strerror}", file=sys.stderr)
            os._exit(127)

    def forward(sig, _frame):
        try:
            os.kill(child, sig)
        except ProcessLookupError:
            pass

    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
                signal.SIGINT):
        signal.signal(sig, forward)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
