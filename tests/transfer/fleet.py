"""The hosts of the test, a controller's view of them, and what can be asked of them."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_host import CHECKOUT, TOOLS, LabHost, ansible_environment

HERE = Path(__file__).parent
LAB = "archive"
BUILDER, TARGETS = "builder", ("alpha", "beta")
IMAGE = "openclaw:hardened"
RECORD = "/var/lib/openclaw-hardening/image.json"
SOURCE = "/srv/openclaw"
DEPLOYER = "deployer"


@dataclass(frozen=True)
class Play:
    """What a run of a playbook came to."""

    returncode: int
    output: str
    tasks: list[dict[str, Any]]

    def changed(self, *hosts: str) -> list[str]:
        """Name the tasks that changed something on these hosts, or on any."""
        return [task["task"] for task in self.tasks if task["changed"] and (not hosts or task["host"] in hosts)]

    def failure(self, host: str) -> str:
        """Return what an operator reads about a host."""
        return " ".join(task["failed"] for task in self.tasks if "failed" in task and task["host"] == host)

    def moved(self, action: str) -> list[int]:
        """Return the bytes that each run of a module moved."""
        return [task["moved_bytes"] for task in self.tasks if task["action"] == f"openclaw.hardening.{action}"]


class Fleet:
    """A build host that is no target, two targets, and the controller's cache."""

    def __init__(self) -> None:
        self.folder = CHECKOUT / "build" / LAB
        self.hosts = {name: LabHost(LAB, name) for name in (BUILDER, *TARGETS)}
        self.builder = self.hosts[BUILDER]
        self.targets = [self.hosts[name] for name in TARGETS]
        self.cache = self.folder / "cache"
        self.inventory = self.folder / "fleet.json"
        self.deployment: Play | None = None
        self._write_inventory()

    def __getitem__(self, name: str) -> LabHost:
        return self.hosts[name]

    def _write_inventory(self) -> None:
        lab = json.loads((self.folder / "inventory.yml").read_text())["all"]
        known = {name: {**variables, "ansible_user": DEPLOYER} for name, variables in lab["hosts"].items()}
        settings = {
            **lab["vars"],
            "openclaw_image_source": "checkout",
            "openclaw_image_checkout_path": SOURCE,
            "openclaw_image_build_host": BUILDER,
            "openclaw_image_cache_dir": str(self.cache),
        }
        groups = {
            "openclaw": {"hosts": {name: known[name] for name in TARGETS}, "vars": settings},
            "others": {"hosts": {BUILDER: known[BUILDER]}},
        }
        self.inventory.write_text(json.dumps(groups, indent=2))

    def let_deployer_in(self) -> None:
        """Make the login of the controller: not root, and allowed to become root by sudo."""
        for host in self.hosts.values():
            host.check(
                f"id {DEPLOYER} >/dev/null 2>&1 || useradd --create-home --shell /bin/sh {DEPLOYER}\n"
                f"install -d -m 0700 -o {DEPLOYER} /home/{DEPLOYER}/.ssh\n"
                f"install -m 0600 -o {DEPLOYER} /root/.ssh/authorized_keys /home/{DEPLOYER}/.ssh/authorized_keys\n"
                f"echo '{DEPLOYER} ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/{DEPLOYER}"
            )

    def bring_source(self, tree: Path) -> None:
        """Lay the source tree down on the build host, and nowhere else."""
        packed = subprocess.run(["tar", "c", "-C", str(tree), "."], stdout=subprocess.PIPE, check=True).stdout
        unpack = f"rm -rf {SOURCE} && mkdir -p {SOURCE} && tar x --no-same-owner -C {SOURCE}"
        subprocess.run([*self.builder.ssh, unpack], input=packed, check=True)

    def play(self, name: str, *options: str, good: bool = True, **variables: Any) -> Play:
        """Run a playbook of this folder or of the collection."""
        with tempfile.TemporaryDirectory() as records:
            process = self.start(name, *options, records=records, **variables)
            output, _nothing = process.communicate(timeout=900)
            record = [json.loads(file.read_text()) for file in Path(records).iterdir()]
        if good and process.returncode != 0:
            raise AssertionError(f"{name} ended with {process.returncode}:\n{output[-8000:]}")
        return Play(process.returncode, output, record[0]["tasks"] if record else [])

    def start(self, name: str, *options: str, records: str = "", **variables: Any) -> subprocess.Popen[str]:
        """Begin to run a playbook in a process group of its own."""
        path = HERE / name if (HERE / name).exists() else CHECKOUT / "playbooks" / name
        argv = [str(TOOLS / "ansible-playbook"), "--inventory", str(self.inventory), *options,
                "--extra-vars", json.dumps(variables), str(path)]  # fmt: skip
        # What a killed controller leaves goes with the lab's folder.
        environment = ansible_environment(records, ANSIBLE_LOCAL_TEMP=str(self.folder / "controller"))
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(argv, text=True, env=environment, cwd=CHECKOUT, start_new_session=True, **pipes)

    def ids(self, ref: str = IMAGE) -> list[str]:
        """Return which image each target has under a name."""
        return [image_id(host, ref) for host in self.targets]

    def archives(self) -> list[Path]:
        """Return the archives in the controller's cache."""
        return sorted(self.cache.glob("*.tar"))

    @contextmanager
    def received(self, *hosts: LabHost) -> Iterator[dict[str, int]]:
        """Count the bytes that the network brings to hosts while the block runs."""
        before = {host.name: _received(host) for host in hosts}
        counts: dict[str, int] = {}
        yield counts
        counts.update({host.name: _received(host) - before[host.name] for host in hosts})


def _received(host: LabHost) -> int:
    return int(host.check("cat /sys/class/net/eth0/statistics/rx_bytes"))


def image_id(host: LabHost, ref: str = IMAGE) -> str:
    """Return the id of the image of a name; empty when there is none."""
    return host.run(f"docker image inspect -f '{{{{.Id}}}}' {ref}").stdout.strip()


def images(host: LabHost) -> set[str]:
    """Return every image of a host, also nameless ones, with its names."""
    shown = "{{.ID}} {{.Repository}}:{{.Tag}} {{.Digest}}"
    return set(host.check(f"docker images --all --no-trunc --digests --format '{shown}'").splitlines())


def stale_files(host: LabHost) -> str:
    """Return what a move leaves when it leaves anything: uploads, temporary files, Docker's own."""
    return host.check(
        "find / -xdev \\( -name '*.hardening-tmp' -o -path '*/openclaw-hardening-image/*' -o -name image-coming \\)\n"
        "ls -d /var/lib/docker/tmp/docker-* 2>/dev/null || true"
    )


def forget(host: LabHost, *refs: str) -> None:
    """Take images and the record away from a host that does not run them."""
    names = " ".join(refs or (IMAGE, f"{IMAGE}-previous"))
    host.check(f"docker image rm --force {names} >/dev/null 2>&1 || true; rm -f {RECORD}; docker image prune --force")
