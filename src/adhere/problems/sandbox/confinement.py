"""What an item gives up besides namespaces: system calls (seccomp), files (Landlock), keys, the identity of root.

- `Filter` refuses system calls by number, with the kernel's seccomp and rules compiled by libseccomp. It is a list of
  what is refused, a second wall behind the first: kernel keyrings, System V and POSIX queues and shared memory,
  tracing, mounting, new namespaces, io_uring, bpf and the like. With `strict` it also refuses processes, programs,
  sockets, signals and changes of mode and owner, for systems where no namespace stands in front of them.
- `restrict_files` leaves the work folder to write in and Python's library to read (Landlock, Linux 5.13 or newer).
- `leave_keyring` joins a new, empty session keyring, so that the keys of the user who started us are out of reach.
- `become_nobody` drops root, where nobody can read Python's library.

Only the standard library is imported: this file is loaded by path inside a bare interpreter. libseccomp is reached
through ctypes, because a binding installed by pip is out of a bare interpreter's sight.
"""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from collections.abc import Iterable, Sequence

NOBODY = 65534
# linux/seccomp.h, seccomp.h of libseccomp
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
UNEQUAL, MASKED_EQUAL = 1, 7
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
# linux/keyctl.h
SYS_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}
JOIN_SESSION_KEYRING = 1
# linux/sched.h
CLONE_THREAD = 0x00010000
NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)

REFUSED = (
    # keys and System V or POSIX objects outlive the process that made them and are counted by no limit
    "keyctl add_key request_key shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop semtimedop semctl "
    "mq_open mq_unlink memfd_create memfd_secret "
    # other processes
    "ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp process_madvise "
    # walls
    "mount umount2 pivot_root chroot move_mount open_tree fsopen fsmount fsconfig fspick mount_setattr unshare setns "
    "open_by_handle_at name_to_handle_at mknod mknodat personality "
    # large parts of the kernel that no program in a grader needs
    "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register kexec_load kexec_file_load "
    "init_module finit_module delete_module quotactl acct swapon swapoff reboot sethostname setdomainname "
    "settimeofday clock_settime adjtimex clock_adjtime iopl ioperm syslog vhangup lookup_dcookie"
).split()
REFUSED_STRICTLY = (
    "fork vfork execve execveat socket connect bind listen accept accept4 kill tkill tgkill pidfd_send_signal "
    "rt_sigqueueinfo rt_tgsigqueueinfo setsid setpgid truncate chmod fchmod fchmodat fchmodat2 chown fchown lchown "
    "fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr utime utimes utimensat futimesat"
).split()

# linux/landlock.h: rights on files by the version of the interface that knows them
SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF = 444, 445, 446  # the same on every architecture
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_CHAR, MAKE_SOCK, MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
FIRST_RIGHTS = (1 << 13) - 1
LATER_RIGHTS = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
ALL_NETWORK, ALL_SCOPES = 3, 3
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15
READABLE = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/usr/share/zoneinfo")
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/etc/ld.so.cache")

_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(OSError):
    """This system has no such wall; the text says what is missing."""


class _Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


class Filter:
    """A compiled filter of system calls; compiled once, applied in every item.

    Raises:
        Unavailable: libseccomp is not installed or too old.
    """

    def __init__(self, strict: bool = False) -> None:
        try:
            self._library = ctypes.CDLL("libseccomp.so.2")
        except OSError as error:
            raise Unavailable(errno.ENOENT, "libseccomp is not installed") from error
        self._library.seccomp_init.restype = ctypes.c_void_p
        context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(ALLOW)))
        if not context:
            raise Unavailable(errno.ENOSYS, "libseccomp does not start")
        try:
            for name in [*REFUSED, *(REFUSED_STRICTLY if strict else ())]:
                self._refuse(context, name, errno.EPERM)
            self._refuse(context, "clone3", errno.ENOSYS)  # its flags are out of sight; libc goes back to clone
            self._refuse(context, "prlimit64", errno.EPERM, _Comparison(0, UNEQUAL, 0, 0))
            for flag in NAMESPACES:
                self._refuse(context, "clone", errno.EPERM, _Comparison(0, MASKED_EQUAL, flag, flag))
            if strict:
                self._refuse(context, "clone", errno.EPERM, _Comparison(0, MASKED_EQUAL, CLONE_THREAD, 0))
            self._code = self._compiled(context)
        finally:
            self._library.seccomp_release(context)
        self._buffer = ctypes.create_string_buffer(self._code, len(self._code))

    def _refuse(self, context: ctypes.c_void_p, name: str, number: int, *when: _Comparison) -> None:
        call = self._library.seccomp_syscall_resolve_name(name.encode())
        if call == -1:  # younger than this library; the kernel then mostly lacks it too
            return
        compared = (_Comparison * len(when))(*when)
        result = self._library.seccomp_rule_add_array(
            context, ctypes.c_uint32(REFUSE | number), ctypes.c_int(call), ctypes.c_uint(len(when)), compared
        )
        # Calls that this architecture lacks have negative numbers of libseccomp's own, and need no rule.
        if result != 0 and call >= 0:
            raise Unavailable(-result, f"libseccomp refuses a rule for {name}")

    def _compiled(self, context: ctypes.c_void_p) -> bytes:
        with tempfile.TemporaryFile() as file:
            if self._library.seccomp_export_bpf(context, file.fileno()) != 0:
                raise Unavailable(errno.ENOSYS, "libseccomp cannot compile the filter")
            file.seek(0)
            return file.read()

    def apply(self) -> None:
        """Filter this process and all that it starts, for good.

        Raises:
            Unavailable: the kernel refuses.
        """
        program = _Program(len(self._code) // 8, ctypes.addressof(self._buffer))
        if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _libc.prctl(
            PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0
        ):
            raise Unavailable(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")


def leave_keyring() -> None:
    """Join a new, empty session keyring; where the kernel has no keyrings there is nothing to leave."""
    number = SYS_KEYCTL.get(os.uname().machine)
    if number is not None:
        _libc.syscall(ctypes.c_long(number), ctypes.c_long(JOIN_SESSION_KEYRING), None)


def landlock_version() -> int:
    """The version of Landlock's interface; 0 where the kernel has none."""
    return max(0, int(_libc.syscall(ctypes.c_long(SYS_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def restrict_files(work: str, readable: Iterable[str]) -> None:
    """Leave this process, and all that it starts, `work` to write in and `readable` to read; no TCP, no outer signals.

    Raises:
        Unavailable: the kernel has no Landlock.
    """
    version = landlock_version()
    if version < 1:
        raise Unavailable(errno.ENOSYS, "the kernel has no Landlock")
    rights = FIRST_RIGHTS
    for since, right in LATER_RIGHTS.items():
        rights |= right if version >= since else 0
    attributes = (ctypes.c_uint64 * 3)(rights, ALL_NETWORK if version >= 4 else 0, ALL_SCOPES if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _checked(
        "create_ruleset",
        _libc.syscall(
            ctypes.c_long(SYS_CREATE_RULESET), ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0)
        ),
    )
    try:
        writing = rights & ~(EXECUTE | MAKE_CHAR | MAKE_BLOCK | MAKE_SOCK)
        _allow(ruleset, [work], writing)
        _allow(ruleset, [*READABLE, *DEVICES, *readable], READ_FILE | READ_DIR)
        _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _checked("restrict_self", _libc.syscall(ctypes.c_long(SYS_RESTRICT_SELF), ctypes.c_int(ruleset), 0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, paths: Sequence[str], rights: int) -> None:
    for path in paths:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        allowed = rights if os.path.isdir(path) else rights & ON_FILES
        rule = allowed.to_bytes(8, "little") + handle.to_bytes(4, "little")
        try:
            _checked(f"add_rule {path}", _libc.syscall(ctypes.c_long(SYS_ADD_RULE), ctypes.c_int(ruleset), 1, rule, 0))
        finally:
            os.close(handle)


def _checked(what: str, result: int) -> int:
    if result < 0:
        raise Unavailable(ctypes.get_errno(), f"landlock {what}: {os.strerror(ctypes.get_errno())}")
    return result


def become_nobody(folder: str) -> None:
    """Where we are root: give `folder` to nobody, and become nobody for good.

    Raises:
        Unavailable: nobody could not read Python's library. Nothing has changed then.
    """
    if os.geteuid() != 0:
        return
    if not _readable_for_all(os.__file__):
        raise Unavailable(errno.EACCES, "Python's library is readable for root only")
    os.chown(folder, NOBODY, NOBODY)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _readable_for_all(path: str) -> bool:
    real = os.path.realpath(path)
    if not os.stat(real).st_mode & 0o004:
        return False
    while real != "/":
        real = os.path.dirname(real)
        if not os.stat(real).st_mode & 0o001:
            return False
    return True
