# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run outside programs: argv lists only, each with a deadline, failures carry what an operator needs.

``AnsibleModule.run_command`` waits without end and keeps whatever a program writes. Here a program has a session of its
own, which is ended as a group by its id, and a limit for its output.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import spoken
from ansible_collections.openclaw.hardening.plugins.module_utils._system import lock, program
from ansible_collections.openclaw.hardening.plugins.module_utils._system.deadline import Deadline

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# Seconds for a program that only answers a question; also the module option that gives all programs more.
TIMEOUT = 120.0
OPTION = "command_timeout"
# Seconds between SIGTERM and SIGKILL, and for the kernel to take the program away after that.
_GRACE = 10.0
_GONE = 5.0
# Seconds for what is still in the pipes when the program has ended, but something that it started holds them open.
_REST = 1.0
# Bytes of each stream; `docker inspect` of hundreds of containers has a few.
MAX_OUTPUT = 64 << 20


@dataclass(frozen=True)
class Output:
    """What a program answered."""

    rc: int
    stdout: str
    stderr: str


def allowed(module: AnsibleModule) -> float:
    """Return the seconds for a program that names no timeout of its own."""
    return float((getattr(module, "params", None) or {}).get(OPTION) or TIMEOUT)


class DeadlinePassedError(HardeningError):
    """A program did not end in time, and was ended."""


def run(
    module: AnsibleModule,
    argv: list[str],
    *,
    check: bool = True,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
    data: str | None = None,
    timeout: float | None = None,
    extra: float = 0,
    option: str = "",
    waits_for: str = "",
) -> Output:
    """Run ``argv`` and return its output.

    :param check: raise :class:`HardeningError` when the program fails; otherwise the caller reads ``rc``.
    :param env: added to the environment; never a place for a secret.
    :param data: standard input.
    :param timeout: seconds; by default the module's option ``command_timeout``, or 120.
    :param extra: seconds more, for what the program itself waits for (the grace period of a container).
    :param option: the option that ``timeout`` comes from.
    :param waits_for: what takes the time, for the error.
    :raises DeadlinePassedError: it took longer, also without ``check``; it was ended, with what it had started.
    """
    seconds = (timeout or allowed(module)) + extra
    configurable = OPTION in (getattr(module, "params", None) or {}) and not timeout
    answer = execute(
        module,
        argv,
        cwd=cwd,
        env={**program.environment(), "LC_ALL": "C.UTF-8", **(env or {})},
        data=data,
        seconds=seconds,
        option=option or (OPTION if configurable else ""),
        waits_for=waits_for,
    )
    if check and answer.rc != 0:
        raise HardeningError(
            " ".join(argv[:3]),
            f"exit code {answer.rc} ({spoken(answer.stderr or answer.stdout) or 'no output'})",
            "exit code 0",
            cmd=argv,
            rc=answer.rc,
            stdout=answer.stdout,
            stderr=answer.stderr,
        )
    return answer


def execute(
    module: AnsibleModule,
    argv: list[str],
    *,
    cwd: str | None,
    env: dict[str, str],
    data: str | None,
    seconds: float,
    option: str,
    waits_for: str,
) -> Output:
    """Start it, exchange its streams until it has ended, or end it."""
    what = named(argv)
    deadline = Deadline(seconds)
    environment = {**os.environ, **(module.run_command_environ_update or {}), **env}
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    streams["stdin"] = subprocess.DEVNULL if data is None else subprocess.PIPE
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment,
            start_new_session=True,
            pass_fds=lock.held(),
            umask=0o022,  # what packages and images are made of is for everybody; no program writes a secret
            **streams,
        )
    except OSError as error:
        found = f"{error.strerror or error} (PATH {environment.get('PATH', '')})"
        raise HardeningError(f"program {argv[0]}", found, "one that can be run: install its package") from error
    exchange = _Exchange(what, process, data)
    try:
        done = exchange.run(deadline)
    except BaseException:
        end(process)
        raise
    finally:
        exchange.close()
    stdout, stderr = (bytes(exchange.read[stream]).decode("utf-8", "surrogateescape") for stream in exchange.order)
    if not done:
        end(process)
        raise late(what, argv, seconds, option, waits_for, stdout, stderr)
    return Output(process.returncode, stdout, stderr)


def named(argv: list[str]) -> str:
    """Name a command without its values: ``docker compose up``, not its project, files or addresses."""
    words: list[str] = []
    before = ""
    for word in argv[1:]:
        if len(words) == 2 or word == "--":
            break
        # The word behind an option may be its value.
        if not word.startswith("-") and (not before.startswith("--") or "=" in before):
            if not (word.isalpha() and word.islower()):
                break
            words.append(word)
        before = word
    return " ".join([os.path.basename(argv[0]), *words])


def late(
    what: str, argv: list[str], seconds: float, option: str, waits_for: str, stdout: str = "", stderr: str = ""
) -> DeadlinePassedError:
    """Describe a program that did not end in time; what it reported is in the details only."""
    return DeadlinePassedError(
        what,
        f"no end after {seconds:g} seconds{f' of waiting for {waits_for}' if waits_for else ''}; it was ended",
        f"an end within {seconds:g} seconds",
        option,
        cmd=argv,
        rc=None,
        stdout=stdout,
        stderr=stderr,
    )


def end(process: subprocess.Popen[Any], grace: float = _GRACE) -> None:
    """End a process and all that it started in its session: by request, then by force; each wait has a limit."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, _GONE)):
        # Its id is not given to another one before it has been waited for; the group may outlive it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        limit = Deadline(patience)
        while limit.left() and (process.poll() is None or _group_lives(process.pid)):
            time.sleep(0.02)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


class _Exchange:
    """Both streams of a process and its input, none of which waits for another."""

    def __init__(self, what: str, process: subprocess.Popen[bytes], data: str | None) -> None:
        self._what = what
        self._process = process
        self._input = memoryview((data or "").encode("utf-8", "surrogateescape"))
        self._selector = selectors.DefaultSelector()
        self.order = [stream for stream in (process.stdout, process.stderr) if stream]
        self.read: dict[IO[bytes], bytearray] = {stream: bytearray() for stream in self.order}
        for stream in self.order:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE)

    def run(self, deadline: Deadline) -> bool:
        """Return True when it has ended, False when the deadline passed."""
        rest: Deadline | None = None
        while self._selector.get_map():
            if not deadline.left():
                return False
            if rest is None and self._process.poll() is not None:
                rest = Deadline(_REST)
            if rest and not rest.left():
                return True
            for key, _events in self._selector.select(min(0.2, deadline.left())):
                self._move(key.fileobj)
        while self._process.poll() is None:
            if not deadline.left():
                return False
            time.sleep(0.005)
        return True

    def close(self) -> None:
        """Let go of the pipes."""
        self._selector.close()
        for stream in (*self.order, self._process.stdin):
            if stream:
                with suppress(OSError):
                    stream.close()

    def _move(self, stream: Any) -> None:  # noqa: ANN401 (a selector's own type for it)
        stdin = self._process.stdin
        if stdin and stream is stdin:
            try:
                self._input = self._input[os.write(stdin.fileno(), self._input[:65536]) :]
            except BrokenPipeError:  # it did not want all of it
                self._input = memoryview(b"")
            if not self._input:
                self._selector.unregister(stdin)
                stdin.close()
            return
        try:
            piece = os.read(stream.fileno(), 65536)
        except BlockingIOError:
            return
        if not piece:
            self._selector.unregister(stream)
            return
        kept = self.read[stream]
        if len(kept) + len(piece) > MAX_OUTPUT:
            raise HardeningError(self._what, f"more than {MAX_OUTPUT >> 20} MiB of output", "less output")
        kept += piece
