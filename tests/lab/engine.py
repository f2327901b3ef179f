"""The Docker Engine of the machine that runs the tests: found, or installed and started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from hosts import any_left
from shell import CACHE, LabError, answers, run, say

PID_FILE = CACHE / "dockerd.pid"
LOG_FILE = CACHE / "dockerd.log"
DOCKERS_OWN = Path("/run/docker.pid")
# On cgroup v1 all containers together weigh as much as one process beside them: on a busy machine the hosts starve.
WEIGHT_FILE = Path("/sys/fs/cgroup/cpu/docker/cpu.shares")
WEIGHT = 1024 * 16
PACKAGES = {"dockerd": "docker.io", "mmdebstrap": "mmdebstrap", "iptables": "iptables", "ssh-keygen": "openssh-client"}


def ensure() -> None:
    """Make a Docker Engine answer, installing and starting it where that is ours to do."""
    _install_missing()
    if not answers("docker", "version"):
        _start()


def weigh() -> None:
    """Give the hosts their part of the processors, when the Docker Engine is one that `ensure` started."""
    if _dockerd(PID_FILE) is not None and WEIGHT_FILE.exists():
        WEIGHT_FILE.write_text(f"{WEIGHT}\n")


def stop_if_ours() -> None:
    """End the Docker Engine that `ensure` started, once no lab uses it any more."""
    pid = _dockerd(PID_FILE)
    if pid is None or any_left():
        return
    say("stopping the Docker Engine that the lab started")
    os.kill(pid, signal.SIGTERM)
    _wait(lambda: not Path(f"/proc/{pid}").exists(), 60, "the Docker Engine did not stop")
    PID_FILE.unlink()


def _install_missing() -> None:
    needed = dict(PACKAGES)
    if answers("docker", "version"):
        del needed["dockerd"], needed["iptables"]
    packages = sorted(package for program, package in needed.items() if shutil.which(program) is None)
    if not packages:
        return
    if os.geteuid() != 0 or not answers("apt-get", "--version"):
        raise LabError(
            f"this machine lacks {', '.join(packages)}: install them and let your account use Docker, "
            "or run this as root on Debian or Ubuntu"
        )
    say(f"installing {', '.join(packages)}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run("apt-get", "update", "-qq")
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)


def _start() -> None:
    if os.geteuid() != 0:
        raise LabError("the Docker Engine does not answer: start it, or let your account use it (group docker)")
    if Path("/run/systemd/system").is_dir():
        run("systemctl", "start", "docker.service")
    elif _dockerd(PID_FILE) is not None:
        say("waiting for the Docker Engine that the lab started")
    else:
        say("starting the Docker Engine (this machine has no systemd)")
        CACHE.mkdir(parents=True, exist_ok=True)
        if DOCKERS_OWN.exists() and _dockerd(DOCKERS_OWN) is None:
            DOCKERS_OWN.unlink()  # of a killed one; dockerd would not start if any process has that id by now
        with LOG_FILE.open("w") as log:
            daemon = subprocess.Popen(
                ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        PID_FILE.write_text(f"{daemon.pid}\n")
    _wait(lambda: answers("docker", "version"), 90, f"the Docker Engine did not start; see {LOG_FILE}")


def _dockerd(file: Path) -> int | None:
    """Return the id in a file, if that process is still a dockerd."""
    try:
        pid = int(file.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if name == "dockerd" else None


def _wait(condition, seconds: int, otherwise: str) -> None:  # noqa: ANN001
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(otherwise)
        time.sleep(0.5)
