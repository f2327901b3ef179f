"""Run modules of the collection on a host of the lab, from the checkout, without a playbook.

A call goes to a server on the host that has loaded the module and forks for each call (tests/on_host/run_module.py).
What needs the start of a process itself (a kill, another interpreter, several at once) begins one by ``start`` or
``program``. Both are of this session: a module is packed and sent when it is first used, and its server starts then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.shell import CHECKOUT

if TYPE_CHECKING:
    from lab_host import LabHost

TOOLS = Path(sys.executable).parent  # of the same environment as this Python
ON_HOST = CHECKOUT / "tests/on_host"
MODULES = "/root/.modules"  # on the host
PROGRAM = f"{MODULES}/run_module.py"
PADDING = "-" * 300  # room for the command line of a module, which is shown in its place
PATIENCE = 900.0
# What Ansible hands over beside a module's own arguments.
COMMON = {
    "_ansible_version": "2.19.0",
    "_ansible_no_log": False,
    "_ansible_debug": False,
    "_ansible_verbosity": 0,
    "_ansible_syslog_facility": "LOG_USER",
    "_ansible_selinux_special_fs": [],
    "_ansible_tmpdir": None,
    "_ansible_remote_tmp": "/root/.ansible/tmp",
    "_ansible_keep_remote_files": False,
    "_ansible_ignore_unknown_opts": False,
    "_ansible_target_log_info": None,
    "_ansible_tracebacks_for": [],
    "_ansible_shell_executable": "/bin/sh",
}


class Line:
    """A program on the host that answers each line of its input by one line of its output."""

    def __init__(self, host: LabHost, command: str) -> None:
        self.command = command
        # A connection of its own: one has room for ten sessions, and what finds none makes a new one each time.
        ssh = [host.ssh[0], "-o", "ControlMaster=no", "-o", "ControlPath=none", *host.ssh[1:]]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([*ssh, f"exec {command}"], text=True, bufsize=1, **pipes)

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def ask(self, order: str = "") -> Any:
        """Send a line; return what the answer says."""
        self._process.stdin.write(f"{order}\n")  # type: ignore[union-attr]
        return self.answer()

    def answer(self) -> Any:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise AssertionError(f"{self.command.rstrip('-')}: it ended with {self._process.wait(30)}")
        return json.loads(line)

    def close(self, patience: float) -> None:
        """End it; its host may be gone by now."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]


class ModuleRunner:
    """The modules of the checkout on one host."""

    def __init__(self, host: LabHost) -> None:
        self._host = host
        self._unpacked: set[str] = set()
        self._servers: dict[str, Line] = {}

    def call(self, name: str, arguments: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Run a module with these arguments by its server; return ``stdout``, ``stderr``, ``rc`` and ``killed``."""
        server = self._servers.get(name)
        if server is None or not server.runs:  # the host has booted again
            command = [*self.program(name)[:2], "serve", PADDING]
            server = self._servers[name] = Line(self._host, " ".join(command))
            server.ask(json.dumps({"folder": f"{MODULES}/{name}", "module": self._qualified(name)}))
        return server.ask(json.dumps({"input": arguments, "seconds": seconds}))

    def start(self, name: str, arguments: str) -> subprocess.Popen[str]:
        """Begin to run a module in a process that is started for it."""
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen([*self._host.ssh, *self.program(name)], text=True, **pipes)
        assert process.stdin is not None
        process.stdin.write(arguments)
        process.stdin.close()
        process.stdin = None  # communicate() must not flush it again
        return process

    def program(self, name: str) -> list[str]:
        """Return how a module is called on the host; ``arguments`` is its input."""
        self._unpack(name)
        return ["python3", PROGRAM, f"{MODULES}/{name}", self._qualified(name)]

    @staticmethod
    def arguments(
        name: str, options: dict[str, Any], *, check: bool = False, diff: bool = True, tracebacks: tuple[str, ...] = ()
    ) -> str:
        """Return what a module reads from its standard input."""
        common = {**COMMON, "_ansible_module_name": name, "_ansible_check_mode": check, "_ansible_diff": diff,
                  "_ansible_tracebacks_for": tracebacks}  # fmt: skip
        return json.dumps({"ANSIBLE_MODULE_ARGS": {**options, **common}})

    def close(self, patience: float) -> None:
        """End the servers."""
        while self._servers:
            self._servers.popitem()[1].close(patience)

    @staticmethod
    def _qualified(name: str) -> str:
        return f"ansible_collections.openclaw.hardening.plugins.modules.{name}"

    def _unpack(self, name: str) -> None:
        """Bring a module to the host, as Ansible packs it, once."""
        if name in self._unpacked:
            return
        folder = f"{MODULES}/{name}"
        self._host.check(f"rm -rf {folder}; mkdir -p {MODULES}")
        self._host.write(PROGRAM, (ON_HOST / "run_module.py").read_text())
        environment = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
                       "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_PIPELINING": "0"}  # fmt: skip
        # With an option that no module has, it ends before it looks at anything.
        argv = [str(TOOLS / "ansible"), self._host.name, "--inventory", str(self._host.build / "inventory.yml"),
                "--check", "--module-name", f"openclaw.hardening.{name}", "--args", '{"no_such_option": 1}',
                "--extra-vars", json.dumps({"ansible_remote_tmp": f"{folder}.sent"})]  # fmt: skip
        subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=False)
        self._host.check(
            f"cd {folder}.sent/*/ && python3 AnsiballZ_{name}.py explode >/dev/null\n"
            f"mv debug_dir {folder}; rm -rf {folder}.sent {folder}/args"
        )
        self._unpacked.add(name)
