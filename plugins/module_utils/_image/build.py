# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build a candidate with BuildKit, prove it from its archive, and only then let it have the name."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import signal
import subprocess
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._image import cause as image_cause
from ansible_collections.openclaw.hardening.plugins.module_utils._image import recipe as image_recipe
from ansible_collections.openclaw.hardening.plugins.module_utils._image import tags
from ansible_collections.openclaw.hardening.plugins.module_utils._image import verify as image_verify
from ansible_collections.openclaw.hardening.plugins.module_utils._image.network import Network
from ansible_collections.openclaw.hardening.plugins.module_utils._system import lock, program, progress

if TYPE_CHECKING:
    from docker import DockerClient

CONTEXT = "openclaw-build-"
# The secret of that id, and its file beside the context's own: a name that no file of the context can have.
CA_SECRET = "ca"  # noqa: S105
CA_FILE = ".openclaw-ca.pem"
_LOG_TAIL = 3000
# BuildKit names each step; its instruction could hold anything, so only the word is taken.
_STEP = re.compile(r"#[0-9]+ (\[(?:[\w.-]{1,32} )?[0-9]+/[0-9]+\] [A-Z]+)\b")


@dataclass(frozen=True)
class Order:
    """One build: of what, on which base, where, and for how long."""

    recipe: image_recipe.Recipe
    content: str
    base_ref: str
    base_digest: str
    docker_host: str
    log: str
    timeout: int
    network: Network = field(default_factory=Network)


def candidate(name: str, content: str) -> str:
    """Return the name of a build that is not verified yet; two instances that build at once do not share it."""
    return f"{tags.CANDIDATE}:{content[:32]}{candidate_suffix(name)}"


def candidate_suffix(name: str) -> str:
    """Return how the candidates for this name end."""
    return f"-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def command(order: Order, context: str) -> list[str]:
    """Compose the command line; pure."""
    labels = {image_recipe.CONTENT_LABEL: order.content, image_recipe.BASE_LABEL: order.base_digest or order.base_ref}
    # The builder "default" is the daemon's own BuildKit, whatever builder the user selected.
    argv = [*client.cli(order.docker_host), "buildx", "build", "--builder", "default", "--progress", "plain"]
    argv += ["--load", "--provenance=false", "--tag", candidate(order.recipe.name, order.content)]
    arguments = {**order.network.build_args(), **order.recipe.build_args, "BASE_IMAGE": order.base_ref}
    for name, value in sorted(arguments.items()):
        argv += ["--build-arg", f"{name}={value}"]
    for name, value in sorted(labels.items()):
        argv += ["--label", f"{name}={value}"]
    # A file of the build host goes before the CA for everything.
    own = {CA_SECRET: os.path.join(context, CA_FILE)} if order.network.ca else {}
    for name, path in sorted({**own, **order.recipe.secrets}.items()):
        argv += ["--secret", f"id={name},src={path}"]
    if order.recipe.base.refresh and order.recipe.base.source == "registry":
        argv.append("--no-cache")
    return [*argv, "--file", os.path.join(context, "Dockerfile"), "--", context]


def build(api: DockerClient, order: Order, known: image_verify.Secrets) -> client.Image:
    """Build the candidate and return it; the whole log stays on the host."""
    with tempfile.TemporaryDirectory(prefix=CONTEXT, dir=os.path.dirname(order.log)) as context:
        image_recipe.stage(order.recipe, context)
        if order.network.ca:
            with open(os.path.join(context, CA_FILE), "x", encoding="utf-8") as handle:
                handle.write(f"{order.network.ca.rstrip()}\n")
        status = _run(command(order, context), order.log, order.timeout)
    if status != 0:
        ended = f"no end within {order.timeout} s" if status is None else f"exit code {status}"
        with open(order.log, encoding="utf-8", errors="replace") as handle:
            output = image_verify.masked(handle.read(), known)
        cause = image_cause.of(output)
        found = f"{cause.found}: {ended}" if cause else ended
        needed = f"{cause.needed if cause else 'a build that succeeds'}. The whole log is {order.log} on the build host"
        tail = output[-_LOG_TAIL:].strip()
        raise HardeningError("docker buildx build", found, f"{needed}; its last lines:\n{tail}", rc=status)
    image = client.find_image(api, candidate(order.recipe.name, order.content))
    if image is None:
        raise HardeningError("docker buildx build", "no image afterwards", "one in the daemon's store")
    return image


def verify(api: DockerClient, image: client.Image, app: str, known: image_verify.Secrets) -> image_verify.Evidence:
    """Return what the image holds; refuse it, and take it away, when it must not be used."""
    progress.step("verifying the image's content")
    try:
        evidence = _contents(api, image, app, known)
        attributes: dict[str, Any] = api.api.inspect_image(image.id)  # type: ignore[no-untyped-call]
        layers = len(set((attributes.get("RootFS") or {}).get("Layers") or []))
        history = api.api.history(image.id)  # type: ignore[no-untyped-call]
        found = image_verify.findings(image.config, history, layers, evidence, known)
        if found:
            needed = "an image without any of that; the name was not moved"
            raise HardeningError("the built image", "; ".join(found), needed, "dockerfile")
    except BaseException:
        discard(api, image)
        raise
    return evidence


def _contents(api: DockerClient, image: client.Image, app: str, known: image_verify.Secrets) -> image_verify.Evidence:
    read: list[image_verify.Evidence] = []

    def work() -> None:
        archive = io.BufferedReader(image_verify.Chunks(api.api.get_image(image.id)), 1 << 20)
        read.append(image_verify.inspect(archive, app, known))

    try:
        client.streamed(api, f"docker save {image.id[:19]}", work)
    except tarfile.TarError as error:
        needed = "a whole one, from a daemon that goes on running"
        raise HardeningError(f"docker save {image.id[:19]}", f"a broken archive ({error})", needed) from error
    return read[0]


def discard(api: DockerClient, image: client.Image) -> None:
    """Take a refused candidate away; best effort, for it is never trusted anyway."""
    with contextlib.suppress(HardeningError, *client.daemon_errors()):
        for name in (tag for tag in image.tags if tag.startswith(f"{tags.CANDIDATE}:")):
            client.remove_unused(api, name)


def _run(argv: list[str], log: str, timeout: int) -> int | None:
    """Run a build in a process group of its own, output to ``log``; None when it took too long.

    When this process is killed, the build goes on, and holds the lock until its end.
    """
    environment = {**os.environ, **program.environment(), "LC_ALL": "C.UTF-8", "DOCKER_BUILDKIT": "1"}
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": descriptor, "stderr": descriptor}
    try:
        process = subprocess.Popen(argv, env=environment, start_new_session=True, pass_fds=lock.held(), **streams)
    finally:
        os.close(descriptor)
    with process:
        try:
            return _followed(process, log, timeout)
        except BaseException as stopped:
            # Without its client the daemon gives the build up.
            os.killpg(process.pid, signal.SIGTERM)
            if isinstance(stopped, subprocess.TimeoutExpired):
                return None
            raise


def _followed(process: subprocess.Popen[bytes], log: str, timeout: int) -> int:
    """Wait for a build, and note its steps from its log."""
    deadline = time.monotonic() + timeout
    with open(log, encoding="utf-8", errors="replace") as handle:
        while True:
            left = deadline - time.monotonic()
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(max(0.0, min(1.0, left)))
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, timeout)
            for match in filter(None, map(_STEP.match, handle)):
                progress.step(f"building the image: {match[1]}")
