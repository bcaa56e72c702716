"""Windows as far as this system can play it: what its Python lacks, and its rules for files.

`python tests/windows.py FOLDER COMMAND...` runs commands of ours, one after the other, with files
in the folder; the words of each are lines. Another Python is there for our own imports only
(`ours_on_windows`), the rules for files for everybody's (`rules_for_files`). The facts are of the
Python documentation ("Availability: Unix"), of typeshed's stubs, and of Microsoft's pages on naming
files, MoveFileEx, DeleteFile and _locking.
"""

import builtins
import contextlib
import errno
import io
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
import types
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Modules that Windows lacks, and names that modules lack there.
NO_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios"}
NO_MODULES |= {"tty", "uvloop"}
LACKING = {
    "os": """chown chroot confstr copy_file_range ctermid environb eventfd fchdir fchown fdatasync
        fork forkpty fpathconf fstatvfs fwalk getegid getenvb geteuid getgid getgrouplist getgroups
        getloadavg getpgid getpgrp getpriority getrandom getresgid getresuid getsid getuid getxattr
        initgroups killpg lchown listxattr lockf login_tty major makedev memfd_create minor mkfifo
        mknod nice openpty pathconf pidfd_open pipe2 posix_fadvise posix_fallocate posix_openpt
        posix_spawn posix_spawnp pread preadv pwrite pwritev readv register_at_fork removexattr
        sched_getaffinity sched_getparam sched_getscheduler sched_setaffinity sched_yield sendfile
        setegid seteuid setgid setgroups setns setpgid setpgrp setpriority setregid setresgid
        setresuid setreuid setsid setuid setxattr spawnlp spawnvp splice statvfs sync sysconf
        tcgetpgrp tcsetpgrp timerfd_create ttyname uname unshare wait wait3 wait4 waitid writev
        O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_NOATIME O_NOFOLLOW O_NONBLOCK O_PATH O_SYNC
        O_TMPFILE F_LOCK F_TEST F_TLOCK F_ULOCK WNOHANG WEXITSTATUS WIFEXITED WIFSIGNALED WTERMSIG
        EX_OK EX_USAGE SEEK_DATA SEEK_HOLE""",
    "signal": """SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGPROF SIGPWR SIGQUIT
        SIGSTOP SIGSYS SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH
        SIGXCPU SIGXFSZ alarm getitimer pause pthread_kill pthread_sigmask setitimer siginterrupt
        sigpending sigtimedwait sigwait sigwaitinfo ITIMER_REAL SIG_BLOCK SIG_SETMASK SIG_UNBLOCK
        """,
    "socket": """AF_UNIX AF_NETLINK AF_PACKET AF_VSOCK CMSG_LEN MSG_DONTWAIT MSG_NOSIGNAL
        SCM_RIGHTS SO_BINDTODEVICE SO_REUSEPORT SOCK_CLOEXEC SOCK_NONBLOCK TCP_CORK TCP_INFO
        TCP_QUICKACK TCP_USER_TIMEOUT recv_fds send_fds sethostname""",
    "time": "CLOCK_MONOTONIC CLOCK_REALTIME clock_getres clock_gettime clock_gettime_ns tzset",
    "select": "EPOLLIN POLLIN epoll poll PIPE_BUF",
}
HAVING = {"os": {"name": "nt"}, "sys": {"platform": "win32"}}

_NO_NAME = re.compile(
    r'[<>:"|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com[0-9]|lpt[0-9])\s*(\.|$)', re.IGNORECASE
)


# --- What Python has there -----------------------------------------------------------------------


class _Module(types.ModuleType):
    """A module as Windows has it, made of this system's."""

    def __init__(self, real: types.ModuleType):
        super().__init__(real.__name__)
        vars(self)["_real"] = real
        vars(self)["_lacking"] = set(LACKING.get(real.__name__, "").split())
        vars(self)["_having"] = HAVING.get(real.__name__, {})

    def __getattr__(self, name: str) -> Any:
        if name in self._lacking:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return self._having[name] if name in self._having else getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)


class Msvcrt(types.ModuleType):
    """`msvcrt.locking` by another system's locks: of a file opened once, until that is closed.

    Only for one byte, of whole files here: who locks another one is told.
    """

    LK_UNLCK, LK_LOCK, LK_NBLCK, LK_RLCK, LK_NBRLCK = range(5)

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.position: int | None = None

    def locking(self, file: int, mode: int, count: int) -> None:
        """Lock or unlock `count` bytes from the file's position; refuse where another has them."""
        import fcntl

        position = os.lseek(file, 0, os.SEEK_CUR)
        self.position = position if self.position is None else self.position
        if count != 1 or position != self.position or position < os.fstat(file).st_size:
            raise OSError(errno.EINVAL, f"{count} bytes from {position}: not the one lock of ours")
        if mode == self.LK_UNLCK:
            fcntl.flock(file, fcntl.LOCK_UN)
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            code = errno.EDEADLK if mode in (self.LK_LOCK, self.LK_RLCK) else errno.EACCES
            raise OSError(code, os.strerror(code)) from None


def ours_on_windows() -> None:
    """Let all modules of ours, from now on, import what Windows has."""
    real_import, msvcrt = builtins.__import__, Msvcrt()
    modules = {name: _Module(sys.modules[name]) for name in ("os", "sys")}

    def imported(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level=0):
        importer = (globals or {}).get("__name__", "")
        if importer.partition(".")[0] != "seqtasks" or level:
            return real_import(name, globals, locals, fromlist, level)
        if name.partition(".")[0] in NO_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name == "msvcrt":
            return msvcrt
        module = real_import(name, globals, locals, fromlist, level)
        if module.__name__ in {*LACKING, *HAVING}:
            return modules.setdefault(module.__name__, _Module(module))
        return module

    builtins.__import__ = imported


# --- Its rules for files -------------------------------------------------------------------------


def open_files() -> set[str]:
    """The files that this process has open, whoever in it opened them."""
    found = set()
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115
    return found


@contextlib.contextmanager
def rules_for_files(base: Path) -> Iterator[list[str]]:
    """Let Windows' rules hold for files in a folder, until the end of the block.

    A name that is taken isn't renamed to; nothing that is open is moved, replaced or removed, no
    folder with such a file is moved; some names are no file's.

    Yields:
        What was refused, in order.
    """
    refused: list[str] = []
    real = {name: getattr(os, name) for name in ("rename", "replace", "unlink", "mkdir", "open")}
    inside = os.path.realpath(base)

    def full(path: Any, dir_fd: int | None = None) -> str:
        return os.path.realpath(os.path.dirname(path) or ".") + "/" + os.path.basename(path)  # noqa: PTH119, PTH120

    def is_ours(path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and full(path).startswith(f"{inside}/")

    def refuse(kind: type[OSError], code: int, path: Any, why: str) -> None:
        refused.append(f"{Path(path).name}: {why}")
        raise kind(code, why, str(path))

    def check_free(path: Any) -> None:
        name = full(path)
        if any(other == name or other.startswith(f"{name}/") for other in open_files()):
            refuse(PermissionError, errno.EACCES, path, "used by another process")

    def check_name(path: Any) -> None:
        for part in full(path).removeprefix(f"{inside}/").split("/"):
            if _NO_NAME.search(part):
                refuse(OSError, errno.EINVAL, path, "incorrect name")

    def rename(source: Any, target: Any, **options: Any) -> None:
        if is_ours(target):
            check_name(target)
            if os.path.lexists(target):
                refuse(FileExistsError, errno.EEXIST, target, "already exists")
            check_free(source)
        real["rename"](source, target, **options)

    def replace(source: Any, target: Any, **options: Any) -> None:
        if is_ours(target):
            check_name(target)
            if Path(target).is_dir():
                refuse(PermissionError, errno.EACCES, target, "is a folder")
            check_free(target)
            check_free(source)
        real["replace"](source, target, **options)

    def unlink(path: Any, **options: Any) -> None:
        if is_ours(path):
            check_free(path)
        real["unlink"](path, **options)

    def mkdir(path: Any, *arguments: Any, **options: Any) -> None:
        if is_ours(path):
            check_name(path)
        real["mkdir"](path, *arguments, **options)

    def opened(path: Any, *arguments: Any, **options: Any) -> int:
        if is_ours(path):
            check_name(path)
        return real["open"](path, *arguments, **options)

    def named(opener: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if is_ours(path):
                check_name(path)
            return opener(path, *arguments, **options)

        return call

    rules = {"rename": rename, "replace": replace, "unlink": unlink, "remove": unlink}
    rules |= {"mkdir": mkdir, "open": opened}
    before = [(os, name, getattr(os, name)) for name in rules]
    before += [(io, "open", io.open), (builtins, "open", builtins.open)]
    before += [(shutil, "_use_fd_functions", getattr(shutil, "_use_fd_functions", False))]
    for name, rule in rules.items():
        setattr(os, name, rule)
    io.open = builtins.open = named(io.open)
    shutil._use_fd_functions = False  # Windows has none, and removes file by file by its name
    try:
        yield refused
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _end_when_it_answers(url: str, answers: list[str]) -> None:
    """Ask a server until it answers; note that, and end it."""
    while not answers:
        with contextlib.suppress(OSError), urllib.request.urlopen(url) as response:
            status = json.loads(response.read())["model_version_status"]
            answers.append(f"answered {status[0]['state']}")
        time.sleep(0.05)
    signal.raise_signal(signal.SIGTERM)


def _program() -> int:
    folder, *commands = sys.argv[1:]
    ours_on_windows()
    from click.testing import CliRunner
    from graphs import without_graphs

    from seqtasks.cli import main
    from seqtasks.export.check import check

    answers: list[str] = []
    with rules_for_files(Path(folder)) as refused:
        for command in commands:
            words = command.split("\n")
            if words[0] == "serve":
                port = words[words.index("--port") + 1]
                url = f"http://127.0.0.1:{port}/v1/models/exports"
                threading.Thread(
                    target=_end_when_it_answers, args=(url, answers), daemon=True
                ).start()
            with without_graphs() if words[0] == "train" else contextlib.nullcontext():
                result = CliRunner().invoke(main, words, prog_name="seqtasks")
            if words[0] == "export":  # the next one is compared here, not in a process of its own
                sys.modules["seqtasks.export.export"]._check_apart = check
            print("exit code", result.exit_code, result.exception or "", result.stderr.strip())
            print(*(f"refused {line}\n" for line in refused), sep="", end="")
            refused.clear()
    print(*answers)
    return 0


if __name__ == "__main__":
    sys.exit(_program())
