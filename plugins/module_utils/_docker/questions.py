# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run mostly asks the daemon, on its Unix socket without the SDK, whose import takes longer than all answers.

An answer that is not 200 is left to the SDK, which asks again: its errors are the ones that the callers know.
"""

from __future__ import annotations

import http.client
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.openclaw.hardening.plugins.module_utils._system.http import request

# Bytes of an answer; `docker inspect` of hundreds of containers has a few.
LARGEST = 64 << 20
_FRAME = struct.Struct(">BxxxL")


class Questions:
    """The SDK's ``APIClient`` as far as it only asks; everything else is the SDK's, which is made when it is needed."""

    def __init__(self, path: str, timeout: float, sdk: Callable[[str], Any]) -> None:
        """Ask for the version, so that a daemon that does not answer is noticed here.

        :param sdk: makes the SDK's ``DockerClient`` for an API version.
        :raises OSError: the daemon does not answer.
        :raises ValueError: what answers is no daemon.
        """
        self._path = path
        self._timeout = timeout
        self._make = sdk
        self._made: Any = None
        status, body = self._get("version")
        known = json.loads(body) if status == 200 else None
        if not isinstance(known, dict) or not isinstance(known.get("ApiVersion"), str):
            raise ValueError(f"HTTP status {status} and no version of a Docker daemon")
        self._version = known

    def __getattr__(self, name: str) -> Any:
        """Hand on what is no question."""
        return getattr(self.sdk.api, name)

    @property
    def sdk(self) -> Any:
        """The SDK's client for the same daemon."""
        if self._made is None:
            self._made = self._make(self._version["ApiVersion"])
        return self._made

    def find(self, kind: str, identity: str) -> dict[str, Any] | None:
        """Return what ``image`` or ``container`` is known by a name or id; None when the daemon reports that none
        is.
        """
        if identity:
            status, body = self._get(_about(kind, identity))
            if status == 404 and f"No such {kind}".encode() in body:
                return None
        one = {"image": self.inspect_image, "container": self.inspect_container}[kind]
        found: dict[str, Any] = _read(body) if identity and status == 200 else one(identity)
        return found

    def version(self) -> dict[str, Any]:
        """GET /version, as it was answered at first."""
        return self._version

    def info(self) -> Any:
        """GET /info."""
        return self._ask("info", lambda api: api.info())

    def inspect_image(self, image: str) -> Any:
        """GET /images/NAME/json."""
        return self._ask(_about("image", image), lambda api: api.inspect_image(image))

    def history(self, image: str) -> Any:
        """GET /images/NAME/history."""
        return self._ask(_about("image", image, "history"), lambda api: api.history(image))

    def images(self, *, filters: Mapping[str, Any] | None = None) -> Any:
        """GET /images/json."""
        return self._ask(f"images/json?{_query(filters)}", lambda api: api.images(filters=filters))

    def inspect_container(self, container: str) -> Any:
        """GET /containers/ID/json."""
        return self._ask(_about("container", container), lambda api: api.inspect_container(container))

    def containers(self, *, all: bool = False, filters: Mapping[str, Any] | None = None) -> Any:
        """GET /containers/json."""
        return self._ask(
            f"containers/json?all={int(all)}&{_query(filters)}", lambda api: api.containers(all=all, filters=filters)
        )

    def diff(self, container: str) -> Any:
        """GET /containers/ID/changes."""
        return self._ask(_about("container", container, "changes"), lambda api: api.diff(container))

    def logs(self, container: str, *, timestamps: bool, tail: int, since: int) -> bytes:
        """GET /containers/ID/logs: both streams of a container as one, as the SDK returns them."""
        options = {"stdout": 1, "stderr": 1, "follow": 0, "timestamps": int(timestamps), "tail": tail, "since": since}
        status, body = self._get(_about("container", container, f"logs?{urlencode(options)}"))
        terminal = (self.inspect_container(container).get("Config") or {}).get("Tty")
        text = (body if terminal else _joined(body)) if status == 200 and len(body) < LARGEST else None
        if text is None:
            text = self.sdk.api.logs(container, timestamps=timestamps, tail=tail, since=since)
        return bytes(text)

    def events(self, since: int, until: int, *, filters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """GET /events of a time that is over (seconds since 1970), as far as the daemon still knows them."""
        status, body = self._get(f"events?since={since}&until={until}&{_query(filters)}")
        if status == 200:
            return [_read(line) for line in body.splitlines() if line]
        return list(self.sdk.api.events(since=since, until=until, filters=filters, decode=True))

    def networks(self, *, filters: Mapping[str, Any] | None = None) -> Any:
        """GET /networks."""
        return self._ask(f"networks?{_query(filters)}", lambda api: api.networks(filters=filters))

    def inspect_network(self, network: str) -> Any:
        """GET /networks/ID."""
        return self._ask(f"networks/{quote(network)}" if network else "", lambda api: api.inspect_network(network))

    def volumes(self, *, filters: Mapping[str, Any] | None = None) -> Any:
        """GET /volumes."""
        return self._ask(f"volumes?{_query(filters)}", lambda api: api.volumes(filters=filters))

    def _ask(self, target: str, otherwise: Callable[[Any], Any]) -> Any:
        status, body = self._get(target) if target else (0, b"")
        return _read(body) if status == 200 else otherwise(self.sdk.api)

    def _get(self, target: str) -> tuple[int, bytes]:
        try:
            response = request(
                "localhost", 80, f"/{target}", timeout=self._timeout, max_body=LARGEST, unix_socket=self._path
            )
        except http.client.HTTPException as error:
            raise OSError(f"an answer that is no HTTP ({type(error).__name__}: {error})") from error
        return response.status, response.body


class QuestionsFirst:
    """The SDK's ``DockerClient`` with :class:`Questions` in the place of its ``api``."""

    def __init__(self, api: Questions) -> None:
        """Take the questions."""
        self.api = api

    def __getattr__(self, name: str) -> Any:
        """Hand on what is no question."""
        return getattr(self.api.sdk, name)

    def info(self) -> Any:
        """Return what the daemon reports about itself."""
        return self.api.info()

    def version(self) -> dict[str, Any]:
        """Return the daemon's version."""
        return self.api.version()


def _about(kind: str, identity: str, what: str = "json") -> str:
    """Return the address of one image or container; nothing for an empty name, which the SDK refuses."""
    return f"{kind}s/{quote(identity, safe='/:@')}/{what}" if identity else ""


def _query(filters: Mapping[str, Any] | None) -> str:
    """Write filters as the API wants them: JSON, each value a list of texts."""
    listed = {name: value if isinstance(value, list) else [value] for name, value in (filters or {}).items()}
    return urlencode({"filters": json.dumps(listed)})


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise OSError(f"{len(body)} bytes that are no JSON ({error})") from error


def _joined(body: bytes) -> bytes | None:
    """Join the frames of a container's log; None when it does not consist of whole frames."""
    joined, at = [], 0
    while at < len(body):
        if at + _FRAME.size > len(body):
            return None
        _stream, length = _FRAME.unpack_from(body, at)
        at += _FRAME.size
        if at + length > len(body):
            return None
        joined.append(body[at : at + length])
        at += length
    return b"".join(joined)
