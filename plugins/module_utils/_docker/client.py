# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker daemon, on an explicit socket: SDK client, CLI prefix, images and containers as typed values."""

from __future__ import annotations

import http.client
import importlib.util
import re
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import access, times
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.questions import Questions, QuestionsFirst
from ansible_collections.openclaw.hardening.plugins.module_utils._system.deadline import within

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.errors import APIError

DEFAULT_HOST = "unix:///var/run/docker.sock"
# The argument spec of the doc fragment openclaw.hardening.docker.
DOCKER_ARGUMENTS: dict[str, Any] = {"docker_host": {"type": "str", "default": DEFAULT_HOST}}

# Seconds for one answer of the daemon, for a stream as a whole, and for the next piece of one. Before `docker save`
# sends the first piece it has written all of it to its own disk.
TIMEOUT = 60
_STREAM_TIMEOUT = 600.0
_IDLE_TIMEOUT = 300.0
_STREAM_ATTRIBUTE = "openclaw_stream_timeout"
_HOST = re.compile(r"(unix:///|tcp://)[A-Za-z0-9._:/\[\]-]{1,255}")
_REFERENCE = re.compile(
    r"(?=.{1,255}\Z)"
    r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?"
    r"(?P<digest>@sha256:[0-9a-f]{64})?"
)


@dataclass(frozen=True)
class Image:
    """One image as the daemon knows it."""

    id: str
    tags: tuple[str, ...]
    labels: dict[str, str] = field(default_factory=dict)
    size: int = 0
    created: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Container:
    """One container as the daemon knows it."""

    id: str
    name: str
    image_id: str
    status: str
    health: str
    exit_code: int
    oom_killed: bool
    labels: dict[str, str] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Return whether its main process runs (a paused or restarting one does not serve)."""
        return self.status == "running"

    @property
    def started(self) -> int:
        """Return when it was started last, in seconds since 1970; 0 when that is not known."""
        return times.seconds(str((self.attrs.get("State") or {}).get("StartedAt") or ""))


def docker_host(value: str) -> str:
    """Return the daemon's address, or refuse it.

    :raises HardeningError: it is neither a Unix socket nor a TCP address.
    """
    if not _HOST.fullmatch(value):
        raise HardeningError("docker_host", repr(value[:80]), "unix:///absolute/path or tcp://host:port", "docker_host")
    return value


def reference(option: str, value: str, *, tag: bool = True, digest: bool = False) -> str:
    """Return an image reference, or refuse it.

    :param tag: a tag is required; ``latest`` is never guessed.
    :param digest: a pinned digest is required.
    """
    match = _REFERENCE.fullmatch(value)
    if digest and not (match and match["digest"]):
        raise HardeningError(option, repr(value[:120]), "a digest-pinned image, name@sha256:<64 hex digits>", option)
    if not match or (tag and not digest and (not match["tag"] or match["digest"])):
        raise HardeningError(option, repr(value[:120]), "an image name with a tag, such as openclaw:hardened", option)
    return value


def cli(host: str = DEFAULT_HOST) -> list[str]:
    """Return the start of a ``docker`` command line; ``--host`` outranks the user's context and DOCKER_HOST."""
    return ["docker", "--host", docker_host(host)]


def sdk() -> Any:
    """Import the SDK: it takes longer than all questions of a run, and most runs only ask.

    :raises HardeningError: this interpreter cannot import it.
    """
    try:
        import docker.errors
    except Exception as error:  # whatever an old or half-removed package raises
        reason = f"{type(error).__name__}: {error}"
        raise access.missing_package("docker", "python3-docker", reason, traceback.format_exc()) from error
    return docker


def has_sdk() -> bool:
    """Return whether the SDK is there; a folder of that name is no package."""
    found = importlib.util.find_spec("docker")
    return found is not None and found.origin is not None


def daemon_errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """Return what is raised when the daemon goes away in the middle; requests' own errors are OSErrors."""
    loaded = sys.modules.get("docker.errors")
    return (OSError, *more, *([loaded.DockerException] if loaded else []))


def client(host: str = DEFAULT_HOST, *, timeout: float = TIMEOUT, stream_timeout: float = 0) -> DockerClient:
    """Connect to the daemon, with the API version it offers.

    :param timeout: seconds for each answer of the daemon as a whole; then ``socket.timeout`` is raised.
    :param stream_timeout: seconds for a stream as a whole (:func:`streamed`), the option ``timeout`` of the caller.
    :raises HardeningError: the SDK is missing, or the daemon does not answer in time.
    """
    if not has_sdk():
        raise access.missing_package("docker", "python3-docker", "No module named 'docker'", None)
    address = docker_host(host)

    def connect(version: str = "auto") -> DockerClient:
        # version="auto" asks the daemon for its version, so a dead one is noticed here.
        docker = sdk()
        api: DockerClient = within(
            timeout, lambda: docker.DockerClient(base_url=address, version=version, timeout=int(timeout) + 1)
        )
        _bound(api, timeout, stream_timeout or _STREAM_TIMEOUT)
        return api

    try:
        if not address.startswith("unix://"):
            return connect()
        return cast("DockerClient", QuestionsFirst(Questions(address[len("unix://") :], timeout, connect)))
    # A socket that answers with something else is a ValueError, one that is lost in between or silent an OSError.
    except daemon_errors(ValueError) as error:
        raise access.unavailable(host, error) from error


def client_if_installed(
    host: str = DEFAULT_HOST, *, timeout: float = TIMEOUT, stream_timeout: float = 0
) -> DockerClient | None:
    """Connect to the daemon, or return None on a host without Docker, where nothing can be.

    :raises HardeningError: there is, or may be, a Docker that cannot be asked.
    """
    if access.not_installed(docker_host(host)):
        return None
    return client(host, timeout=timeout, stream_timeout=stream_timeout)


def _bound(api: DockerClient, timeout: float, stream_timeout: float) -> None:
    """Give each request of the SDK a deadline: some of it waits without end (a pull), all of it for single bytes."""
    send = api.api.send
    setattr(api.api, _STREAM_ATTRIBUTE, stream_timeout)

    def bounded(request: Any, **options: Any) -> Any:  # noqa: ANN401 (the types of requests)
        seconds = stream_timeout if options.get("stream") else timeout
        options["timeout"] = min(seconds + 1, _IDLE_TIMEOUT)
        return within(seconds, lambda: send(request, **options))

    setattr(api.api, "send", bounded)  # noqa: B010 (mypy: a method)


def find_image(api: DockerClient, ref: str) -> Image | None:
    """Return the image of a tag, digest or id, or None."""
    try:
        if isinstance(api.api, Questions):
            found = api.api.find("image", ref)
            return _image(found) if found is not None else None
        return _image(api.api.inspect_image(ref))  # type: ignore[no-untyped-call]
    except sdk().errors.ImageNotFound:
        return None
    except sdk().errors.APIError as error:
        raise _answer(f"image {ref}", error) from error


def images_by_label(api: DockerClient, label: str) -> list[Image]:
    """Return the images that carry ``key`` or ``key=value``, newest first."""
    return _images(api, f"images with label {label}", {"label": label})


def all_images(api: DockerClient) -> list[Image]:
    """Return every image, also those without a name, newest first."""
    return _images(api, "all images", {})


def find_container(api: DockerClient, name_or_id: str) -> Container | None:
    """Return the container of a name or id, or None."""
    try:
        if isinstance(api.api, Questions):
            found = api.api.find("container", name_or_id)
            return as_container(found) if found is not None else None
        return as_container(api.api.inspect_container(name_or_id))
    except sdk().errors.NotFound:
        return None
    except sdk().errors.APIError as error:
        raise _answer(f"container {name_or_id}", error) from error


def containers_by_label(api: DockerClient, *labels: str, everything: bool = True) -> list[Container]:
    """Return the containers that carry all of ``key=value``; names lie after a killed recreate, labels do not.

    :param everything: stopped containers too.
    """
    try:
        ids = [found["Id"] for found in api.api.containers(all=everything, filters={"label": list(labels)})]
    except sdk().errors.APIError as error:
        raise _answer(f"containers with label {', '.join(labels)}", error) from error
    # One that vanishes between the two calls is simply not there.
    return [found for found in (find_container(api, identity) for identity in ids) if found]


def volume_options(api: DockerClient) -> dict[str, dict[str, str]]:
    """Return the options of each volume by its name, as the daemon lists them."""
    try:
        found = api.api.volumes()["Volumes"] or []
    except sdk().errors.APIError as error:
        raise _answer("docker volume ls", error) from error
    return {str(volume["Name"]): dict(volume.get("Options") or {}) for volume in found}


def settings(api: DockerClient) -> dict[str, Any]:
    """Return what the daemon reports about itself (``docker info``)."""
    try:
        return dict(api.info())
    except sdk().errors.APIError as error:
        raise _answer("docker info", error) from error


def has_in_registry(api: DockerClient, ref: str, login: dict[str, str]) -> bool:
    """Ask a registry, through the daemon, whether it has ``name@digest``."""
    try:
        api.api.inspect_distribution(ref, auth_config=login)  # type: ignore[no-untyped-call]
    except sdk().errors.APIError as error:
        if error.status_code == 404 or "manifest unknown" in str(error.explanation):
            return False
        raise _answer(ref, error) from error
    return True


def need_classic_store(api: DockerClient) -> None:
    """Refuse a daemon in which the id of an image is not the hash of its configuration."""
    status = settings(api).get("DriverStatus") or []
    if any("io.containerd.snapshotter" in str(value) for _name, value in status):
        needed = "the classic one, where the id of an image is the hash of its configuration, or the way by a registry"
        raise HardeningError("Docker's image store", "the one of containerd", needed)


def remove_unused(api: DockerClient, ref: str) -> bool:
    """Remove an image or a name of one; False when something still uses it."""
    try:
        api.api.remove_image(ref)
    except sdk().errors.ImageNotFound:
        return False
    except sdk().errors.APIError as error:
        if error.status_code == 409:
            return False
        raise _answer(f"image {ref}", error) from error
    return True


def remove_nameless(api: DockerClient, identity: str) -> None:
    """Remove an image that lost its last name, unless something still uses it."""
    left = find_image(api, identity)
    if left and not left.tags:
        remove_unused(api, left.id)


def tag_image(api: DockerClient, image_id: str, ref: str) -> None:
    """Give an image a name; the image that had it loses it in the same step."""
    repository, _colon, tag = ref.rpartition(":")
    try:
        api.api.tag(image_id, repository, tag)
    except sdk().errors.APIError as error:
        raise _answer(f"image {ref}", error) from error


def streamed(api: DockerClient, what: str, work: Callable[[], None]) -> None:
    """Do work that exchanges a stream with the daemon; whatever ends the stream too early is one error.

    It ends when nothing came for five minutes, and when the time for all of it is over.
    """
    seconds = float(getattr(api.api, _STREAM_ATTRIBUTE, _STREAM_TIMEOUT))
    try:
        within(seconds, work)
    except sdk().errors.APIError as error:
        raise _answer(what, error) from error
    except socket.timeout as error:
        raise HardeningError(
            what, f"no end ({error})", "a daemon and a registry that are fast enough", "timeout"
        ) from error
    except daemon_errors(*_broken_stream()) as error:
        found = f"no whole answer from the daemon ({error})"
        raise HardeningError(what, found, "a running Docker daemon with free disk space") from error


def _broken_stream() -> tuple[type[Exception], ...]:
    """Return what the libraries below the SDK raise beside its own errors."""
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    return (RequestException, HTTPError, http.client.HTTPException)


def _images(api: DockerClient, what: str, filters: dict[str, Any]) -> list[Image]:
    try:
        ids = [found["Id"] for found in api.api.images(filters=filters)]
    except sdk().errors.APIError as error:
        raise _answer(what, error) from error
    known = [image for image in (find_image(api, identity) for identity in ids) if image]
    return sorted(known, key=lambda image: image.created, reverse=True)


def _image(attrs: dict[str, Any]) -> Image:
    """Translate the daemon's answer."""
    config = attrs.get("Config") or {}
    return Image(
        id=attrs["Id"],
        tags=tuple(sorted(attrs.get("RepoTags") or [])),
        labels=config.get("Labels") or {},
        size=attrs.get("Size") or 0,
        created=attrs.get("Created") or "",
        config=config,
        layers=tuple((attrs.get("RootFS") or {}).get("Layers") or ()),
    )


def as_container(attrs: dict[str, Any]) -> Container:
    """Translate the daemon's answer."""
    state = attrs.get("State") or {}
    return Container(
        id=attrs["Id"],
        name=(attrs.get("Name") or "").lstrip("/"),
        image_id=attrs.get("Image") or "",
        status=state.get("Status") or "",
        health=(state.get("Health") or {}).get("Status") or "none",
        exit_code=state.get("ExitCode") or 0,
        oom_killed=bool(state.get("OOMKilled")),
        labels=(attrs.get("Config") or {}).get("Labels") or {},
        attrs=attrs,
    )


def lost(host: str, error: Exception) -> HardeningError:
    """Turn the loss of the daemon into ours."""
    needed = "a Docker daemon that goes on answering (systemctl status docker)"
    return HardeningError(f"Docker at {host}", harmless(f"{type(error).__name__}: {error}"), needed)


@contextmanager
def losses(host: str) -> Iterator[None]:
    """Let the loss of the daemon, while the block runs, be a refusal like others.

    :raises HardeningError: the daemon went away.
    """
    try:
        yield
    except daemon_errors() as error:
        raise lost(host, error) from error


def _answer(what: str, error: APIError) -> HardeningError:
    """Turn the daemon's refusal into ours."""
    return HardeningError(what, f"the daemon's answer {error.explanation or error}", "an answer without an error")
