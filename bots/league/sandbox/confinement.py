"""Takes from this process what a bot does not need, for good: memory beyond a limit, files, and most system calls.

Namespaces (bubblewrap.py) hide the machine; this leaves no way to act on what is left of it. The filter allows the
calls that Python needs to compute, to import modules and to answer through its pipe. All others fail with EPERM:
processes, threads, programs, sockets, signals, sleeping, and everything that is new in the kernel.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import struct

MEMORY_BYTES = 512 * 1024**2
# For one match; in eight hours, a bot takes some seconds.
CPU_S = 300
OPEN_FILES = 32

# By machine: the number by which the kernel knows its calling convention, and the system calls that are allowed.
_MACHINES = {
    "x86_64": (
        0xC000003E,
        {
            "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8, "mmap": 9,
            "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
            "ioctl": 16, "pread64": 17, "readv": 19, "access": 21, "mremap": 25, "madvise": 28, "getitimer": 36,
            "setitimer": 38, "getpid": 39, "exit": 60, "uname": 63, "fcntl": 72, "getcwd": 79, "readlink": 89,
            "gettimeofday": 96, "getrusage": 98, "sysinfo": 99, "getuid": 102, "getgid": 104, "geteuid": 107,
            "getegid": 108, "sigaltstack": 131, "arch_prctl": 158, "gettid": 186, "time": 201,
            "sched_getaffinity": 204, "getdents64": 217, "restart_syscall": 219, "clock_gettime": 228,
            "clock_getres": 229, "exit_group": 231, "openat": 257, "newfstatat": 262, "readlinkat": 267,
            "faccessat": 269, "getrandom": 318, "statx": 332, "faccessat2": 439,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "getcwd": 17, "fcntl": 25, "ioctl": 29, "faccessat": 48, "openat": 56, "close": 57, "getdents64": 61,
            "lseek": 62, "read": 63, "write": 64, "readv": 65, "pread64": 67, "readlinkat": 78, "newfstatat": 79,
            "fstat": 80, "exit": 93, "exit_group": 94, "getitimer": 102, "setitimer": 103, "clock_gettime": 113,
            "clock_getres": 114, "sched_getaffinity": 123, "restart_syscall": 128, "sigaltstack": 132,
            "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "uname": 160, "getrusage": 165,
            "gettimeofday": 169, "getpid": 172, "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177,
            "gettid": 178, "sysinfo": 179, "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222, "mprotect": 226,
            "madvise": 233, "getrandom": 278, "statx": 291, "faccessat2": 439,
        },
    ),
}  # fmt: skip

# Classic BPF, as in linux/filter.h and linux/seccomp.h.
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _MACHINE = 0, 4  # where struct seccomp_data has them
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # 1 is EPERM
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2


def supports_this_machine() -> bool:
    """Return whether the system calls of this machine are known."""
    return platform.machine() in _MACHINES


def confine() -> None:
    """Confine this process. Raises OSError, KeyError."""
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        resource.setrlimit(limit, (most, most))
    _filter_calls()


def _filter_calls() -> None:
    machine, calls = _MACHINES[platform.machine()]
    numbers = sorted(calls.values())
    steps = [
        (_LOAD, 0, 0, _MACHINE),
        (_JUMP_IF_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        # A call that equals its number jumps over the remaining comparisons and the failure.
        *((_JUMP_IF_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)),
        (_RETURN, 0, 0, _FAIL),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program), 0, 0)):
        if libc.prctl(*(ctypes.c_ulong(argument) for argument in call)) != 0:
            raise OSError(ctypes.get_errno(), "the kernel refuses the filter of system calls")
