"""What a process that meets an upload may do: taken from it by the kernel, for good."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import stat
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple, Self

from .seccomp import Needs, allowing, handing_over

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_SECCOMP = {"x86_64": 317, "aarch64": 277}
"""The number of `seccomp`, which does what `prctl` does and knows flags."""
_NEW_LISTENER = 1 << 3
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
"""linux/prctl.h, linux/seccomp.h and linux/sched.h; `os.unshare` is of Python 3.12."""

# linux/landlock.h: the calls have these numbers on every architecture, the rights
# grew with the interface's version.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_FIRST_RIGHTS = (1 << 13) - 1
_NEWER_RIGHTS = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL}
_OF_A_FILE = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
# Files come and go; devices, sockets and links nobody here needs.
_CHANGE = _WRITE | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | _REFER | _TRUNCATE
_TCP_SINCE, _SCOPES_SINCE = 4, 6
_BIND, _CONNECT = 1 << 0, 1 << 1

_CAPABILITIES_KEPT = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: uploads belong to anybody."""
_CAPABILITY_VERSION = 0x20080522
"""linux/capability.h, _LINUX_CAPABILITY_VERSION_3."""

LIBRARIES = (
    *("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64"),
    *("/usr/local/lib", "/usr/local/lib64", "/nix/store", "/gnu/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/fonts"),
    *("/usr/share/fonts", "/usr/share/zoneinfo", "/usr/local/share/fonts"),
    *("/dev/urandom", "/dev/random", "/dev/zero"),
    *("/sys/devices/system", "/proc/cpuinfo", "/proc/meminfo"),
)
"""What programs read of a system to run at all: nothing of anybody's."""
RESOLVERS = (
    *("/etc/resolv.conf", "/run/systemd/resolve", "/etc/hosts", "/etc/nsswitch.conf"),
    *("/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/ssl/certs"),
    *("/etc/ssl/openssl.cnf", "/etc/ssl/cert.pem", "/etc/pki/tls/certs"),
    *("/etc/pki/ca-trust", "/etc/crypto-policies", "/usr/share/ca-certificates"),
    *("/usr/local/share/ca-certificates", "/usr/share/crypto-policies"),
)
"""What asking an https server takes besides."""
_DEVICES = ("/dev", "/proc", "/sys")
_WEB_PORTS = (80, 443)
_DNS_PORT = 53
"""By TCP where an answer is long."""


class Permissions(NamedTuple):
    """What is left to a process; a limit of None stays as it is."""

    reads: tuple[str, ...] = ()
    """Files, and folders with all that lies in them."""
    writes: tuple[str, ...] = ()
    """The same; of folders also to make and remove what is in them."""
    runs: str | None = None
    """The one program to be started, and no other after it."""
    network: bool = False
    """To connect by TCP, and where no program is started to ask for names."""
    ports: tuple[int, ...] = ()
    """With a network: the TCP ports to connect to, and no other; none named: all."""
    served_by: int | None = None
    """Without a network: the Unix socket of a process that it is to be connected to,
    whatever address it asks for; see `seccomp.handing_over`."""
    serves: bool = False
    """To be that process."""
    devices: bool = False
    """Graphics processors: their files, and the sockets their drivers talk by."""
    watched: bool = False
    """Its parent goes on reading its counters: /proc lets it only look into such."""
    open_files: int = 256
    memory_bytes: int | None = None
    cpu_seconds: int | None = None
    file_bytes: int | None = None


class Fence:
    """
    Made by the parent or by the process itself, entered by the latter.

    `enter` answers what could not be had, and why: `network` (a namespace without an
    address), `calls` (no system call but those that such work takes), `files` (none but
    those of `may`), `ports` (none but those), `served` (no connection could be handed
    over, and there is none). The first two keep from the network, since containers
    often forbid the first.
    """

    def __init__(self, may: Permissions) -> None:
        self._may = may
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._refused: dict[str, str] = {}
        self._starts = False
        self._ruleset = self._rules()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ruleset is not None:
            os.close(self._ruleset)
            self._ruleset = None

    def enter(self) -> Mapping[str, str]:
        """Give everything else up. Raises nothing, so that a fork may call it."""
        may, refused = self._may, self._refused
        for limit, value in (
            (resource.RLIMIT_AS, may.memory_bytes),
            (resource.RLIMIT_CPU, may.cpu_seconds),
            (resource.RLIMIT_FSIZE, may.file_bytes),
            (resource.RLIMIT_NOFILE, may.open_files),
            (resource.RLIMIT_CORE, 0),
        ):
            if value is not None:
                _lower(limit, value)
        self._set("no_new_privs", _PR_SET_NO_NEW_PRIVS, 1)
        self._set("dumpable", _PR_SET_DUMPABLE, int(may.watched))
        if not may.network:
            flags = _CLONE_NEWNET | (0 if os.geteuid() == 0 else _CLONE_NEWUSER)
            if self._libc.unshare(flags) != 0:
                refused["network"] = _error()
        if self._ruleset is not None and self._call(_RESTRICT_SELF, self._ruleset, 0):
            refused["files"] = _error()
        self._drop_capabilities()
        # After what it depends on: a change of credentials would clear it.
        self._set("death_signal", _PR_SET_PDEATHSIG, int(signal.SIGKILL))
        served = may.served_by is not None and self._hand_over(may.served_by)
        self._filter(served=served)
        return refused

    def _set(self, name: str, option: int, value: int) -> None:
        if self._libc.prctl(option, value, 0, 0, 0) != 0:
            self._refused[name] = _error()

    def _call(self, number: int, *arguments: object) -> int:
        return int(self._libc.syscall(number, *arguments))

    def _rules(self) -> int | None:
        version = self._call(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
        if version < 1:
            self._refused["files"] = _error()
            if self._may.network and self._may.ports:
                self._refused["ports"] = self._refused["files"]
            return None
        handled = _FIRST_RIGHTS
        for since, right in _NEWER_RIGHTS.items():
            handled |= right if version >= since else 0
        may = self._may
        runs: tuple[str, ...] = ()
        if may.runs is not None:
            runs = _needed(may.runs)
            if not runs:
                # Whatever starts it reads and starts further programs.
                self._refused["files"] = f"{may.runs} is a script"
                self._starts = True
                handled &= ~(_EXECUTE | _READ | _LIST)
        held = version >= _TCP_SINCE and (may.ports or not may.network)
        if may.network and may.ports and not held:
            self._refused["ports"] = "Landlock has rules for them since Linux 6.7"
        ports = _BIND | _CONNECT if held else 0
        scopes = 0b11 if not may.devices and version >= _SCOPES_SINCE else 0
        fields = 1 + (version >= _TCP_SINCE) + (version >= _SCOPES_SINCE)
        packed = struct.pack("=QQQ", handled, ports, scopes)[: 8 * fields]
        ruleset = self._call(
            _CREATE_RULESET, packed, ctypes.c_size_t(len(packed)), ctypes.c_uint32(0)
        )
        if ruleset < 0:
            self._refused["files"] = _error()
            return None
        devices = _DEVICES if may.devices else ()
        change = handled & _CHANGE
        for paths, rights in (
            ((*may.reads, *LIBRARIES), _READ | _LIST),
            (RESOLVERS if may.network and may.runs is None else (), _READ | _LIST),
            (runs, _EXECUTE | _READ),
            (may.writes, _READ | _LIST | change),
            (("/dev/null",), _READ | _WRITE),
            (devices, _READ | _LIST | _WRITE | _IOCTL),
        ):
            self._allow(ruleset, paths, rights & handled)
        for port in may.ports if held else ():
            # LANDLOCK_RULE_NET_PORT
            self._call(_ADD_RULE, ruleset, 2, struct.pack("=QQ", _CONNECT, port), 0)
        return ruleset

    def _allow(self, ruleset: int, paths: Iterable[str], rights: int) -> None:
        for path in paths:
            # What is not there cannot be read either.
            with suppress(OSError, ValueError):
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
                try:
                    folder = stat.S_ISDIR(os.fstat(fd).st_mode)
                    given = rights if folder else rights & _OF_A_FILE
                    rule = struct.pack("=Qi", given, fd)
                    self._call(_ADD_RULE, ruleset, 1, rule, 0)
                finally:
                    os.close(fd)

    def _drop_capabilities(self) -> None:
        header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
        held = ctypes.create_string_buffer(24)
        if self._libc.capget(header, held) != 0:
            self._refused["capabilities"] = _error()
            return
        permitted = struct.unpack("=6I", held.raw)[1] & _CAPABILITIES_KEPT
        kept = struct.pack("=6I", permitted, permitted, 0, 0, 0, 0)
        if self._libc.capset(header, kept) != 0:
            self._refused["capabilities"] = _error()

    def _hand_over(self, served_by: int) -> bool:
        name = os.uname().machine
        code = handing_over(name)
        if code is None:
            self._refused["served"] = f"no filter is known for {name}"
            return False
        held = ctypes.create_string_buffer(code)
        described = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))
        listener = self._call(
            _SECCOMP[name], 1, ctypes.c_ulong(_NEW_LISTENER), described
        )
        if listener < 0:
            self._refused["served"] = _error()
            return False
        try:
            # What only a fence with a server needs.
            import socket  # noqa: PLC0415

            with socket.socket(fileno=os.dup(served_by)) as to:
                socket.send_fds(to, [b"?"], [listener])
        except OSError as exc:
            self._refused["served"] = str(exc.strerror)
        finally:
            os.close(listener)
        return True

    def _filter(self, *, served: bool) -> None:
        may, name = self._may, os.uname().machine
        needs = Needs(
            program=may.runs is not None,
            starts=self._starts,
            network=may.network and may.runs is None,
            served=served or (may.network and may.runs is not None),
            serves=may.serves,
            devices=may.devices,
        )
        code = allowing(name, needs, os.getpid())
        if code is None:
            self._refused["calls"] = f"no filter is known for {name}"
            return
        held = ctypes.create_string_buffer(code)
        described = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))
        if self._libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described, 0, 0):
            self._refused["calls"] = _error()


def ports_of(url: str) -> tuple[int, ...]:
    """Where reading *url* connects to: its own port, those of the web, and of names."""
    # Local sources need none.
    from urllib.parse import urlsplit  # noqa: PLC0415

    own = urlsplit(url).port
    return (*_WEB_PORTS, _DNS_PORT, *(() if own is None else (own,)))


def shortfall(refused: Mapping[str, str], who: str = "the encoder") -> tuple[str, ...]:
    """Sentences for a user on what the kernel did not take, none where it all held."""
    notes = []
    if "network" in refused and "calls" in refused:
        notes.append(
            f"Nothing but its options kept {who} off the network: this kernel or"
            f" container has no namespaces ({refused['network']}) and no filters"
            f" ({refused['calls']})."
        )
    elif "calls" in refused:
        notes.append(
            f"Nothing kept {who} from system calls that it has no use for: this kernel"
            f" or container has no filters ({refused['calls']})."
        )
    if "files" in refused:
        notes.append(
            f"Nothing but its options kept {who} to its own files: Landlock is"
            f" not to be had ({refused['files']})."
        )
    if "ports" in refused:
        notes.append(
            f"Nothing but its options kept {who} from other addresses than its"
            " source's: this kernel or container hands over no connections, and has no"
            f" rules for ports ({refused['ports']})."
        )
    return tuple(notes)


def _error() -> str:
    return os.strerror(ctypes.get_errno())


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, value))


def _needed(program: str) -> tuple[str, ...]:
    """The program and what loads it; nothing for a script, which needs a shell."""
    with open(program, "rb") as file:  # noqa: PTH123  spares a child `pathlib`
        header = file.read(64)
        if header[:4] != b"\x7fELF" or header[4] != 2:  # noqa: PLR2004  64 bits
            return ()
        start, size, count = struct.unpack("<Q14xHH", header[32:58])
        for number in range(count):
            file.seek(start + number * size)
            entry = file.read(56)
            if struct.unpack("<I", entry[:4])[0] == 3:  # noqa: PLR2004  PT_INTERP
                file.seek(struct.unpack("<Q", entry[8:16])[0])
                length = struct.unpack("<Q", entry[32:40])[0]
                return program, os.fsdecode(file.read(length).rstrip(b"\0"))
    return (program,)
