"""What a child process gives up before it reads a stranger's bytes.

On Linux: the network (a namespace of its own, where the system allows it, and a seccomp filter that refuses
the system calls which make sockets), starting programs, looking into other processes. On every Unix: CPU time
and the size of the files it may write. Elsewhere only Python's own sockets are shut: that is little, and the
guards that hold are reported, so that nobody believes more than there is.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2

# machine -> (audit architecture, numbers of the calls that are refused: those that make a socket,
# start a program, look into another process, or set up calls that would pass this filter)
_REFUSED = {
    "x86_64": (0xC000003E, (41, 42, 43, 49, 50, 53, 59, 101, 288, 310, 311, 322, 425, 426, 427, 438)),
    "aarch64": (0xC00000B7, (198, 199, 200, 201, 202, 203, 117, 221, 242, 270, 271, 281, 425, 426, 427, 438)),
}


def give_up_rights(seconds: int, file_bytes: int) -> list[str]:
    """Drop what reading a pickle does not need; the names of the guards that hold."""
    guards = [
        name
        for name, limit, value in (("cpu", "RLIMIT_CPU", seconds), ("file-size", "RLIMIT_FSIZE", file_bytes),
                                   ("core", "RLIMIT_CORE", 0))
        if _limit(limit, value)
    ]  # fmt: skip
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
            guards.append("network-namespace")
        if _refuse_calls(libc):
            guards.append("seccomp")
    _no_sockets()
    return [*guards, "no-sockets"]


def limit_memory(allowance: int) -> list[str]:
    """Allow `allowance` more bytes of address space than the process has now."""
    try:
        with open("/proc/self/statm") as status:  # noqa: PTH123
            now = int(status.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return []
    return ["memory"] if _limit("RLIMIT_AS", now + allowance) else []


def _limit(name: str, value: int) -> bool:
    try:
        import resource  # not on Windows

        resource.setrlimit(getattr(resource, name), (value, value))
    except (ImportError, AttributeError, ValueError, OSError):
        return False
    return True


def _refuse_calls(libc: ctypes.CDLL) -> bool:
    """A seccomp filter: the calls of `_REFUSED` fail with EPERM, another architecture ends the process."""
    known = _REFUSED.get(platform.machine())
    if known is None or struct.calcsize("P") != 8:
        return False
    architecture, numbers = known
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    kill, refuse, allow = 0x80000000, 0x00050000 | 1, 0x7FFF0000
    # A jump counts from the next line; the last two lines are allow and refuse. Numbers from 0x40000000 on
    # are the same calls under another convention (x32).
    program = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, kill), (load, 0, 0, 0),
               (at_least, len(numbers) + 1, 0, 0x40000000)]  # fmt: skip
    program += [(equal, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    program += [(give, 0, 0, allow), (give, 0, 0, refuse)]
    packed = b"".join(struct.pack("<HBBI", *line) for line in program)
    code = ctypes.create_string_buffer(packed, len(packed))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    wanted = Program(len(program), ctypes.addressof(code))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(wanted), 0, 0) == 0)


def _no_sockets() -> None:
    """The least guard, where the system offers no other: Python makes no sockets."""
    import socket

    class NoSocket(socket.socket):
        def __init__(self, *args: object, **names: object) -> None:
            raise PermissionError("no network in the conversion process")

    socket.socket = NoSocket  # type: ignore[misc]
