"""A host of the lab for tests: boot it, run shell on it, run a module of the collection on it without a playbook."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.shell import CHECKOUT, KEPT_IMAGE, one_at_a_time
from module_runner import TOOLS, ModuleRunner

LAB = CHECKOUT / "tests/lab"
PORT = 18789  # of the gateway
RECORD_ON_HOST = "/root/.deployed.json"  # of the deployment that a kept host had


def lab(*argv: str) -> bool:
    """Call the lab; return whether it has what was asked for.

    :raises RuntimeError: it failed; it has reported why.
    """
    code = subprocess.run([sys.executable, str(LAB), *argv], check=False).returncode
    if code not in (0, 2 if argv[0] == "has" else 0):
        raise RuntimeError(f"the lab ended with {code}: {' '.join(argv)}")
    return code == 0


# No timer of ours ticks on these hosts: no test depends on the wall clock. What it starts, a test starts.
# TICKS=1 lets it tick every minute, which shows that.
NEVER = "2099-01-01"
FROZEN = {
    "_openclaw_auth_monitor_on_boot": "5200w",
    "_openclaw_auth_monitor_on_calendar": NEVER,
    "_openclaw_maintenance_notify_schedule": NEVER,
    "openclaw_maintenance_audit_schedule": NEVER,
    "openclaw_maintenance_events_schedule": NEVER,
}
TICKING = {
    "_openclaw_auth_monitor_on_boot": "1min",
    "_openclaw_auth_monitor_on_calendar": "*:*",
    "_openclaw_maintenance_notify_schedule": "*:*",
    "openclaw_maintenance_audit_schedule": "*:*",
    "openclaw_maintenance_events_schedule": "*:*",
}
TIMER = TICKING if os.environ.get("TICKS") else FROZEN


def ansible_environment(records: Path | str = "", **more: str) -> dict[str, str]:
    """Return the environment of a program of Ansible with this checkout.

    :param records: the folder in which each run of a playbook is written down.
    """
    recorder = {
        "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "tests/lab/callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "recorder",
        "RECORDER_DIR": str(records),
    }
    own = {"ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    return {**os.environ, **own, **(recorder if records else {}), **more}


def playbook(lab_name: str, path: Path, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a playbook on the hosts of a lab; its tasks are written down in build/{lab_name}/records."""
    argv = [str(TOOLS / "ansible-playbook"), "--inventory", str(CHECKOUT / "build" / lab_name / "inventory.yml"),
            *options, "--extra-vars", json.dumps({**TIMER, **variables}), str(path)]  # fmt: skip
    environment = ansible_environment(CHECKOUT / "build" / lab_name / "records")
    return subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=False)


LOCKS = "/run/openclaw-hardening"


STUB = CHECKOUT / "tests/deploy_stub_gateway.yml"
REAL = "real"


def deploy_stub_gateway(lab_name: str, *hosts: str, **variables: Any) -> None:
    """Boot the hosts of a lab with the stub gateway on them, or bring those that were kept up to date.

    :raises RuntimeError: the deployment failed.
    """
    deploy_gateway(lab_name, STUB, *hosts, **variables)


def deploy_gateway(lab_name: str, play: Path, *hosts: str, **variables: Any) -> None:
    """Boot the hosts of a lab as a playbook deploys them, or bring those that were kept up to date.

    What was deployed from the same checkout with the same variables is copied (tests/lab/snapshots.py).

    :raises RuntimeError: the deployment failed.
    """
    if (CHECKOUT / "build" / lab_name / "inventory.yml").exists():
        lab("up", "--lab", lab_name, *hosts)
        _deploy(lab_name, play, **variables)
        return
    deployed = json.dumps({**TIMER, **variables, **({} if play == STUB else {"play": play.name})}, sort_keys=True)
    make = functools.partial(_keep_host, lab_name, play, hosts[0], deployed, variables)
    _once("host", make, "--deployed", deployed)
    lab("up", "--lab", lab_name, "--copies", "--deployed", deployed, *hosts)
    _write_record(lab_name, hosts)
    for name in hosts:
        host = LabHost(lab_name, name)
        wait_until(host.answers, f"{name}: the gateway", 90)
        # The copy has booted since site.yml ran: its locks, which are in memory, would be made by the first test.
        host.check(f"umask 077; mkdir -p {LOCKS}; touch {LOCKS}/accounts.lock {LOCKS}/units.lock")
        # What was recorded on another host is nothing that a deployment builds on: the copy needs one of its own.
        answer = host.module("hardened_compose", with_secrets(host, recorded(lab_name, "hardened_compose")))
        if answer.get("failed"):
            raise RuntimeError(f"{name}: the deployment on the copy failed: {answer['msg']}")
        host.close()


def recorded(lab_name: str, module: str) -> dict[str, Any]:
    """Return the options that the roles gave to a module in the newest run that reached it."""
    for file in sorted((CHECKOUT / "build" / lab_name / "records").glob("*-run.json"), reverse=True):
        for task in json.loads(file.read_text())["tasks"]:
            if task["action"] == f"openclaw.hardening.{module}" and task.get("options"):
                return {name: value for name, value in task["options"].items() if value is not None}
    raise RuntimeError(f"no run of {module} was written down")


def keep_stub_image() -> None:
    """Build the image of the stub gateway once, with the role, for every host that is to have it (`up --images`).

    :raises RuntimeError: the build failed.
    """
    _once("images", functools.partial(_keep_images, CHECKOUT / "tests/build_stub_image.yml"))


def keep_real_image() -> None:
    """Build the image of the real OpenClaw once: what does not test the build need not wait for npm.

    :raises RuntimeError: the build failed.
    """
    options = ("--deployed", REAL)
    _once("images", functools.partial(_keep_images, CHECKOUT / "tests/build_image.yml", *options), *options)


def _once(kind: str, make: Callable[[], None], *options: str) -> None:
    """Make a snapshot unless it is kept: who needs it meanwhile waits, and who finds it waits for nobody."""
    has = functools.partial(lab, "has", "--kind", kind, *options)
    if not has():
        with one_at_a_time(kind):
            if not has():
                make()


def _keep_images(play: Path, *options: str) -> None:
    try:
        lab("up", "--lab", "images", "builder")
        _play("images", play)
        lab("keep", "--lab", "images", "--kind", "images", *options, "builder")
    finally:
        lab("down", "--lab", "images")


def _keep_host(lab_name: str, play: Path, name: str, deployed: str, variables: dict[str, Any]) -> None:
    if play == STUB:
        keep_stub_image()
        lab("up", "--lab", lab_name, "--images", name, name)
    else:
        keep_real_image()
        lab("up", "--lab", lab_name, "--images", name, "--deployed", REAL, name)
    record = _deploy(lab_name, play, **variables)
    host = LabHost(lab_name, name)
    host.check(f"docker image rm {KEPT_IMAGE}")
    # The tests need no build cache: without it a copy takes seconds less.
    host.check("docker builder prune --all --force >/dev/null")
    host.write(RECORD_ON_HOST, record.read_text())
    lab("keep", "--lab", lab_name, "--kind", "host", "--deployed", deployed, name)


def _play(lab_name: str, path: Path, **variables: Any) -> None:
    done = playbook(lab_name, path, **variables)
    if done.returncode != 0:
        raise RuntimeError(f"the good deployment failed:\n{done.stdout[-6000:]}{done.stderr}")


def _deploy(lab_name: str, play: Path, **variables: Any) -> Path:
    """Deploy a gateway; return the record of the run."""
    _play(lab_name, play, **variables)
    return max((CHECKOUT / "build" / lab_name / "records").glob("*-run.json"))


def _write_record(lab_name: str, hosts: Sequence[str]) -> None:
    """Write down the deployment of which hosts are copies as if each had been deployed."""
    record = json.loads(LabHost(lab_name, hosts[0]).check(f"cat {RECORD_ON_HOST}"))
    tasks = [{**task, "host": name} for task in record["tasks"] for name in hosts]
    folder = CHECKOUT / "build" / lab_name / "records"
    folder.mkdir(exist_ok=True)
    (folder / f"{time.time_ns()}-deploy_stub_gateway-run.json").write_text(json.dumps({**record, "tasks": tasks}))


def wait_until(condition: Callable[[], object], what: str, patience: float = 20) -> None:
    """Wait for a condition."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {patience:g} s")
        time.sleep(0.1)


def kill_tree(pid: int) -> None:
    """Kill a process and all below it: Ansible's workers are in sessions of their own, and wait forever without it."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            os.kill(parent, signal.SIGSTOP)  # it makes no more of them
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    for each in found:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def with_secrets(host: LabHost, options: dict[str, Any]) -> dict[str, Any]:
    """Return recorded options of a module with the secrets that Ansible had masked in them, read from the host."""
    secrets = options.get("secrets")
    if not isinstance(secrets, list):
        return options
    values = [_content(host, secret["path"]) for secret in secrets]
    return {**options, "secrets": [{**secret, "value": value} for secret, value in zip(secrets, values)]}


@functools.cache
def _content(host: LabHost, path: str) -> str:
    """Return a file of the host to its last byte."""
    return host.check(f"cat {path}; printf .").removesuffix(".")


class LabHost:
    """One host of a lab that is up."""

    def __init__(self, lab_name: str, name: str) -> None:
        self.build = CHECKOUT / "build" / lab_name
        self.name = name
        self.modules = ModuleRunner(self)
        known = json.loads((self.build / "inventory.yml").read_text())["all"]["hosts"][name]
        self.address = known["ansible_host"]
        self.container = known["lab_container"]
        options = ["-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ControlMaster=auto", "-o", "ControlPersist=60",
                   "-o", f"ControlPath=/tmp/lab-%C-{os.getpid()}"]  # fmt: skip
        self.ssh = ["ssh", *known["ansible_ssh_common_args"].split(), *options,
                    "-i", known["ansible_ssh_private_key_file"], f"root@{self.address}"]  # fmt: skip

    def run(self, script: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run shell on the host."""
        argv = [*self.ssh, "bash", "-s"]
        return subprocess.run(argv, input=script, capture_output=True, text=True, check=False, timeout=timeout)

    def check(self, script: str) -> str:
        """Run shell that has to succeed; return what it prints."""
        result = self.run(f"set -eu\n{script}")
        if result.returncode != 0:
            raise AssertionError(f"{script}\nended with {result.returncode}: {result.stderr or result.stdout}")
        return result.stdout.strip()

    def answers(self) -> bool:
        """Return whether the gateway is started, asked from the host; its channels may be down."""
        ask = f"curl --silent --fail --output /dev/null --max-time 5 http://127.0.0.1:{PORT}/startupz"
        return self.run(ask).returncode == 0

    def write(self, path: str, text: str) -> None:
        """Write a file over what is there: its owner and mode stay."""
        subprocess.run([*self.ssh, f"cat > {path}"], input=text, text=True, check=True)

    def module(self, name: str, options: dict[str, Any], *, check: bool = False, diff: bool = True) -> dict[str, Any]:
        """Run a module of the collection with these options, and return its answer."""
        done = self.modules.call(name, self.arguments(name, options, check=check, diff=diff))
        try:
            return json.loads(done["stdout"])
        except ValueError:
            raise AssertionError(f"{name}: no answer: {done}") from None

    def start(
        self, name: str, options: dict[str, Any], *, check: bool = False, diff: bool = True
    ) -> subprocess.Popen[str]:
        """Begin to run a module; its process on the host is the one of ``program``."""
        return self.modules.start(name, self.arguments(name, options, check=check, diff=diff))

    def program(self, name: str) -> list[str]:
        """Return how a module is called on the host, for what calls it there itself; ``arguments`` is its input."""
        return self.modules.program(name)

    arguments = staticmethod(ModuleRunner.arguments)

    def send(self, folder: str, *programs: Path) -> None:
        """Bring programs to a folder of the host."""
        self.check(f"mkdir -p {folder}")
        for program in programs:
            self.write(f"{folder}/{program.name}", program.read_text())

    def close(self, patience: float = 10) -> None:
        """End what answers on the host, and the connection.

        :param patience: how many seconds they have; none with a host that is gone.
        """
        self.modules.close(patience)
        with suppress(subprocess.SubprocessError):  # one to a host that is gone leads nowhere
            subprocess.run([*self.ssh, "-O", "exit"], capture_output=True, check=False, timeout=10)
