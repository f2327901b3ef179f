"""Snapshots of hosts, kept by this machine's Docker Engine between runs, each under a hash of what went into it.

`images` holds what a host's own Docker has after a build: base, built image and build cache. `host` holds a whole host.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from shell import CACHE, CHECKOUT, LabError, answers, run, say

FOLDER = CACHE / "snapshots"
REPOSITORY = "openclaw-hardening-snapshot"
KEPT = {"images": 4, "host": 3}
# What decides how an image is made. A change there has to show in each gate that builds one.
IMAGE_SOURCES = (
    "plugins/module_utils/_image",
    "plugins/modules/hardened_image.py",
    "roles/openclaw_image",
    "tests/stub_gateway",
)
# What decides what a deployment makes of a host.
HOST_SOURCES = (
    "ansible.cfg",
    "galaxy.yml",
    "meta",
    "playbooks",
    "plugins",
    "requirements",
    "roles",
    "tests/stub_gateway",
    "tests/deploy_stub_gateway.yml",
)


def key_of(sources: tuple[str, ...], *more: str) -> str:
    """Hash files and folders of the checkout, by path, mode and content, and further texts.

    :raises LabError: one of them is not there: a hash of nothing would be the same for ever.
    """
    total = hashlib.sha256("\0".join(more).encode())
    for source in sources:
        top = CHECKOUT / source
        files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
        files = [path for path in files if "__pycache__" not in path.parts]
        if not files:
            raise LabError(f"{source} is missing: it decides which snapshot of a host may be used")
        for path in files:
            total.update(f"\0{path.relative_to(CHECKOUT)}\0{path.stat().st_mode & 0o111}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def image(key: str) -> str:
    """Return the root filesystem of a kept host."""
    return f"{REPOSITORY}:{key}"


def exists(kind: str, key: str) -> bool:
    """Return whether a snapshot is whole: its mark is made last."""
    if not _mark(kind, key).exists() or not answers("docker", "volume", "inspect", _volume(kind, key)):
        return False
    return kind == "images" or answers("docker", "image", "inspect", image(key))


def fill(volume: str, kind: str, key: str, root: str) -> None:
    """Give the data of a host's Docker to a volume of a new host."""
    # A copied host's Docker makes an id of its own. With the build cache it keeps it: BuildKit finds that by the id.
    _copy(_volume(kind, key), volume, root, "rm -f /to/engine-id" if kind == "host" else "")
    _mark(kind, key).touch()  # the last that were used are kept


def keep(container: str, volume: str, kind: str, key: str, root: str) -> None:
    """Make a snapshot of a host that does not run, in place of an unfinished one, and let go of older ones."""
    say(f"keeping {container} as {kind}-{key}")
    _remove(kind, key)
    if kind == "host":
        run("docker", "commit", container, image(key))
    run("docker", "volume", "create", _volume(kind, key))
    _copy(volume, _volume(kind, key), root)
    FOLDER.mkdir(parents=True, exist_ok=True)
    _mark(kind, key).touch()
    marks = sorted(FOLDER.glob(f"{kind}-*"), key=lambda mark: mark.stat().st_mtime, reverse=True)
    kept = {mark.name.partition("-")[2] for mark in marks[: KEPT[kind]]}
    prefix = _volume(kind, "")
    volumes = run("docker", "volume", "ls", "--quiet", "--filter", f"name={prefix}").split()
    for old in {volume.removeprefix(prefix) for volume in volumes} - kept:  # also those without a mark
        _remove(kind, old)


def _mark(kind: str, key: str) -> Path:
    return FOLDER / f"{kind}-{key}"


def _volume(kind: str, key: str) -> str:
    return f"{REPOSITORY}-{kind}-{key}"


def _copy(source: str, target: str, root: str, then: str = "") -> None:
    """Copy one volume to another, with the attributes of overlay2, and do one thing more there."""
    run("docker", "run", "--rm", "--network=none", "--cap-add=SYS_ADMIN", "--security-opt=apparmor=unconfined",
        f"--volume={source}:/from:ro", f"--volume={target}:/to", "--entrypoint=/bin/sh", root,
        "-euc", f"cp --archive /from/. /to/\n{then}")  # fmt: skip


def _remove(kind: str, key: str) -> None:
    """Let go of a snapshot; a root filesystem that a host still runs on goes with a later call."""
    if kind == "host" and answers("docker", "image", "inspect", image(key)):
        run("docker", "image", "rm", "--no-prune", image(key), check=False)
    if answers("docker", "volume", "inspect", _volume(kind, key)):
        run("docker", "volume", "rm", _volume(kind, key))
    _mark(kind, key).unlink(missing_ok=True)
