"""The hosts of a lab: containers that behave like servers."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import image
import mirrors
import snapshots
from shell import CHECKOUT, CHECKOUT_ID, KEPT_IMAGE, LabError, answers, run, say

LABEL = "openclaw.hardening.lab"
CHECKOUT_LABEL = "openclaw.hardening.lab.checkout"
PREFIX = f"openclaw-lab-{CHECKOUT_ID}"
STATE = CHECKOUT / "build"
# --privileged is refused where the machine itself lacks CAP_SYS_RESOURCE; this asks for everything else it gives.
CONTAINER = [
    *("--cap-add=ALL", "--cap-drop=SYS_RESOURCE"),
    *(
        "--security-opt=seccomp=unconfined",
        "--security-opt=systempaths=unconfined",
        "--security-opt=apparmor=unconfined",
    ),
    *("--cgroupns=private", "--device=/dev/fuse"),
    *("--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec"),
    # So that `systemctl reboot` in the host is a reboot.
    *("--stop-signal=SIGRTMIN+3", "--restart=always"),
]
# Not those that Docker hands out by itself: a network inside a kept host must not meet the one that it is restored in.
SUBNETS = ipaddress.ip_network("10.208.0.0/12")


@dataclass(frozen=True)
class Beginning:
    """What a new host begins with.

    :param bare: what the roles install is taken away.
    :param images: the hosts whose Docker has an image already, with its build cache, when one was kept.
    :param deployed: which image that is: empty is the stub gateway's.
    :param snapshot: the key of a kept host, of which it is a copy.
    """

    bare: bool = False
    images: tuple[str, ...] = ()
    deployed: str = ""
    snapshot: str = ""


def up(lab: str, names: list[str], *, aside: Sequence[str] = (), beginning: Beginning = Beginning()) -> None:
    """Make the named hosts, all at once, and write an inventory for them.

    :param aside: more hosts, that are not in the group `openclaw`.
    """
    folder = STATE / lab
    folder.mkdir(parents=True, exist_ok=True)
    key = _key(folder)
    tag = image.ensure()
    if not answers("docker", "network", "inspect", f"{PREFIX}-{lab}"):
        _make_network(lab)
    everybody = [*names, *aside]
    say(f"booting {', '.join(everybody)}")
    with ThreadPoolExecutor() as pool:
        addresses = list(pool.map(lambda name: _host(lab, name, tag, key, beginning), everybody))
    _write_inventory(lab, folder, key, dict(zip(everybody, addresses)), aside)
    _write_shell(folder, key, addresses[0])
    say(f"ready: {folder / 'inventory.yml'}")


def down(lab: str) -> None:
    """Take the hosts of a lab away, with their volumes and network."""
    _remove(*_labels(lab))
    shutil.rmtree(STATE / lab, ignore_errors=True)


def clean() -> None:
    """Take every lab of this checkout away."""
    _remove(*_labels())
    for key in STATE.glob("*/id_ed25519"):
        shutil.rmtree(key.parent)


def any_left() -> bool:
    """Return whether any host of any lab exists."""
    return bool(_ids("container", "--filter", f"label={LABEL}"))


def _labels(lab: str = "") -> list[str]:
    """Return the labels of what belongs to a lab, or to any lab of this checkout: as options of docker create."""
    return [f"--label={CHECKOUT_LABEL}={CHECKOUT_ID}", *([f"--label={LABEL}={lab}"] if lab else [])]


def container_of(lab: str, name: str) -> str:
    """Return the container that is a host."""
    return f"{PREFIX}-{lab}-{name}"


def snapshot_key(kind: str, deployed: str = "") -> str:
    """Return the key of the snapshot that fits this checkout and machine.

    :param deployed: what was built or deployed, beside what is in the checkout: the playbook's variables.
    """
    root = image.ensure()
    if kind == "images":
        return snapshots.key_of(snapshots.IMAGE_SOURCES, root, deployed)
    return snapshots.key_of(snapshots.HOST_SOURCES, root, json.dumps(furniture()), " ".join(CONTAINER), deployed)


def keep(lab: str, name: str, kind: str, key: str) -> None:
    """Make a snapshot of a host that runs. One of images runs again afterwards; the host that was kept is gone.

    Tests begin with its copy, whether it was kept long ago or is new: the two differ (overlayfs, machine-id).
    """
    container = container_of(lab, name)
    if kind == "images":
        run("docker", "exec", container, "docker", "tag", "openclaw:hardened", KEPT_IMAGE)
        run("docker", "exec", container, "docker", "image", "rm", "openclaw:hardened")
    run("docker", "stop", "--time=60", container)
    snapshots.keep(container, f"{container}-docker", kind, key, image.ensure())
    if kind == "host":
        run("docker", "rm", container)
        run("docker", "volume", "rm", f"{container}-docker")
        return
    run("docker", "start", container)
    _stabilize(container)


def _make_network(lab: str) -> None:
    """Make the network of a lab, with addresses that nothing on this machine has."""
    routes = [route["dst"] for route in json.loads(run("ip", "-j", "route", "show")) if "/" in route.get("dst", "")]
    taken = [ipaddress.ip_network(destination) for destination in routes]
    start = int(hashlib.sha256(f"{PREFIX}-{lab}".encode()).hexdigest(), 16)
    every = 2 ** (24 - SUBNETS.prefixlen)
    candidates = (ipaddress.ip_network((int(SUBNETS[0]) + (start + n) % every * 256, 24)) for n in range(every))
    subnet = next((one for one in candidates if not any(one.overlaps(other) for other in taken)), None)
    if subnet is None:
        raise LabError(f"this machine has routes to all of {SUBNETS}: no addresses are left for hosts")
    mtu = f"com.docker.network.driver.mtu={_mtu()}"
    run("docker", "network", "create", *_labels(lab), "--opt", mtu, f"--subnet={subnet}", f"{PREFIX}-{lab}")


def _host(lab: str, name: str, tag: str, key: Path, beginning: Beginning) -> str:
    container = container_of(lab, name)
    new = not answers("docker", "container", "inspect", container)
    if new:
        volume = f"{container}-docker"
        run("docker", "volume", "create", *_labels(lab), volume)
        root = tag
        if beginning.snapshot:
            root = snapshots.image(beginning.snapshot)
            snapshots.fill(volume, "host", beginning.snapshot, tag)
        elif name in beginning.images:
            kept = snapshot_key("images", beginning.deployed)
            if snapshots.exists("images", kept):
                snapshots.fill(volume, "images", kept, tag)
        run("docker", "create", "--name", container, "--hostname", name, "--network", f"{PREFIX}-{lab}",
            *_labels(lab), f"--volume={volume}:/var/lib/docker", *CONTAINER, root)  # fmt: skip
        if beginning.snapshot:
            _put(container, "/etc/lab/new-identity", "")
        else:
            _furnish(container)
    # Every time: the key is new when another user removed build/ and kept the host.
    _put(container, "/root/.ssh/authorized_keys", key.with_suffix(".pub").read_text(), 0o600)
    run("docker", "start", container)
    _stabilize(container)
    if new and beginning.bare:
        run("docker", "exec", container, "apt-get", "purge", "-y", "-qq", "--autoremove", *image.WHAT_THE_ROLES_INSTALL)
    return run("docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)


def _furnish(container: str) -> None:
    """Give a new host this machine's way to the package mirrors."""
    for path, text in furniture().items():
        _put(container, path, text)


def furniture() -> dict[str, str]:
    """Return the files that tell a host this machine's way to the package mirrors."""
    certificates = {
        f"/usr/local/share/ca-certificates/{certificate.name}": certificate.read_text()
        for certificate in mirrors.certificates()
    }
    return {
        "/etc/lab/resolv.conf": mirrors.nameservers(),
        "/etc/pip.conf": mirrors.pip_conf(),
        "/etc/npmrc": mirrors.npmrc(),
        "/etc/docker/daemon.json": json.dumps({"mtu": _mtu()}),
        **certificates,
    }


def _put(container: str, path: str, text: str, mode: int = 0o644) -> None:
    """Write one root-owned file into a container that need not run."""
    source = STATE / f".{container}.tmp"
    source.write_text(text)
    source.chmod(mode)
    run("docker", "cp", "--quiet", str(source), f"{container}:{path}")
    source.unlink()


def _stabilize(container: str) -> None:
    """Wait until systemd has booted and the host can be used."""
    deadline = time.monotonic() + 90
    state = ""
    while time.monotonic() < deadline:
        state = run("docker", "exec", container, "systemctl", "is-system-running", check=False)
        if state == "running":
            break
        if state == "degraded":
            failed = run("docker", "exec", container, "systemctl", "--failed", "--plain", "--no-legend", check=False)
            raise LabError(f"{container} booted with failed units: {failed}")
        time.sleep(0.5)
    else:
        raise LabError(f"{container} did not boot within 90 s (systemctl reports {state or 'nothing'})")
    if mirrors.certificates():
        run("docker", "exec", container, "update-ca-certificates")


def _key(folder: Path) -> Path:
    key = folder / "id_ed25519"
    if not key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", PREFIX, "-f", str(key))
    return key


def _mtu() -> int:
    """Return the MTU of this machine's way out: a larger one inside would stall TLS where ICMP is filtered."""
    routes = json.loads(run("ip", "-j", "route", "show", "default", check=False) or "[]")
    device = routes[0]["dev"] if routes else ""
    file = Path(f"/sys/class/net/{device}/mtu")
    return min(1500, int(file.read_text())) if device and file.exists() else 1500


def _write_inventory(lab: str, folder: Path, key: Path, addresses: dict[str, str], aside: Sequence[str]) -> None:
    known = folder / "known_hosts"
    known.unlink(missing_ok=True)
    hosts = {
        name: {
            "ansible_host": address,
            "lab_container": container_of(lab, name),
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_python_interpreter": "/usr/bin/python3",
            # New hosts have new keys on old addresses; the first one seen is kept for the life of the lab.
            "ansible_ssh_common_args": f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={known}",
        }
        for name, address in addresses.items()
    }
    settings = {
        "openclaw_image_builder_ca_file": "/etc/ssl/certs/ca-certificates.crt" if mirrors.certificates() else "",
        "openclaw_image_builder_npmrc": "/etc/npmrc",
        "openclaw_image_builder_pip_conf": "/etc/pip.conf",
    }
    # JSON is YAML: no library is needed to write it, and any tool reads it.
    groups = {
        "openclaw": {name: {} for name in hosts if name not in aside},
        "aside": {name: {} for name in aside},
    }
    children = {group: {"hosts": members} for group, members in groups.items() if members}
    inventory = {"all": {"hosts": hosts, "vars": settings, "children": children}}
    (folder / "inventory.yml").write_text(json.dumps(inventory, indent=2) + "\n")


def _write_shell(folder: Path, key: Path, address: str) -> None:
    """Write a command that opens a shell on the first host, or runs there what it is given."""
    script = folder / "ssh"
    options = f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile='{folder}/known_hosts' -o LogLevel=ERROR"
    script.write_text(f"#!/bin/sh\nexec ssh -i '{key}' {options} root@{address} \"$@\"\n")
    script.chmod(0o755)


def _ids(kind: str, *filters: str) -> list[str]:
    everything = ["--all"] if kind == "container" else []
    return run("docker", kind, "ls", "--quiet", *everything, *filters, check=False).split()


def _remove(*labels: str) -> None:
    if not answers("docker", "version"):
        return
    say(f"removing hosts, volumes and networks ({', '.join(label.partition('=')[2] for label in labels)})")
    filters = [f"--filter={label.removeprefix('--')}" for label in labels]
    for kind, options in (("container", ["--force", "--volumes"]), ("volume", []), ("network", [])):
        found = _ids(kind, *filters)
        if found:
            run("docker", kind, "rm", *options, *found)
