# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The log watcher: what happened to the gateway for security's sake since the last run, by timer and without a network.

How far it has read is written together with the alerts of it: a run that was killed loses none and repeats none.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import alerts, event_rules, event_sources
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.event_rules import Happened
from ansible_collections.openclaw.hardening.plugins.module_utils._system import refused_packets
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import lock

if TYPE_CHECKING:
    from docker import DockerClient

_SECOND = 1_000_000_000
# OpenClaw recovers its database at its start.
_SETTLED_SECONDS = 60
# Before it is a failure that Docker does not answer.
_PAUSES = (10, 20, 30)


def watch(folder: str, record_dir: str, options: Mapping[str, str], now: float) -> dict[str, Any]:
    """Look, decide; return the outcome of the job.

    :param folder: root's directory for the records of the jobs.
    :param options: ``project``, ``service``, ``state_dir``, ``refused_file`` (of the packet filter's unit),
        ``notifier`` (its unit) and ``docker_host``.
    :param now: seconds since 1970.
    """
    seen = read_seen(folder)
    docker_host = options["docker_host"]
    with client.losses(docker_host):
        api = _connected(docker_host)
        happened, places = look(api, record_dir, options, seen, now)
    counted, found = event_rules.decide(seen.get("counted", {}), happened, now)
    following = {"run": int(seen.get("run", 0)) + 1, "counted": counted, **places}
    total = sum(one.count for one in happened)
    return {
        "message": f"{total} security events, {len(found)} alerts",
        "alerts": found,
        "details": {"events": total},
        "records": {"seen": {"seen": following}},
        "seen": following,
        "routine": not found,
        "notifier": options["notifier"],
    }


def _connected(docker_host: str) -> DockerClient:
    """Connect to the daemon, which may just be restarting."""
    for pause in _PAUSES:
        with suppress(HardeningError):
            return client.client(docker_host)
        time.sleep(pause)
    return client.client(docker_host)


def read_seen(folder: str) -> dict[str, Any]:
    """Return how far the last run had read; one that was killed after its alerts wrote it beside them only."""
    written = [read_json(f"{folder}/seen.json").get("seen"), read_json(alerts.path(folder)).get("seen")]
    return max((one for one in written if isinstance(one, dict)), key=lambda one: int(one.get("run", 0)), default={})


def look(
    api: DockerClient, record_dir: str, options: Mapping[str, str], seen: Mapping[str, Any], now: float
) -> tuple[list[Happened], dict[str, Any]]:
    """Return what happened since then, and how far everything was read. The first run begins with the present."""
    until, present = int(now), time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(now))
    known: dict[str, str] = seen.get("containers", {})
    labels = [f"com.docker.compose.{name}={options[name]}" for name in ("project", "service")]
    containers = client.containers_by_label(api, *labels)
    happened: list[Happened] = []
    places: dict[str, str] = {}
    for container in containers:
        # The container of a later deployment is read from its beginning; a clock that was set back hides nothing.
        after = min(known.get(container.id, ""), present) if seen else present
        lines, places[container.id] = event_sources.logged(api, container.id, after)
        happened += lines
    docker_place = min(int(seen.get("docker", until * _SECOND)), until * _SECOND)
    filters = {"type": "container", "event": ["die", "oom", "start"], "label": labels}
    events: list[Any] = []

    def ask() -> None:
        events.extend(api.api.events(docker_place // _SECOND, until, filters=filters))

    client.streamed(api, "events", ask)
    happened += event_sources.docker_events(events, docker_place, known or places)
    refused, refused_place = event_sources.refused(refused_packets.read(options["refused_file"]), seen.get("refused"))
    happened += refused
    ledger_places: dict[str, int] = seen.get("ledger", {})
    if any(_settled(container, now) for container in containers):
        rows, ledger_places = _ledger(record_dir, options["state_dir"], ledger_places, now)
        happened += rows
    return happened, {
        "containers": places,
        "docker": until * _SECOND,
        "refused": refused_place,
        "ledger": ledger_places,
    }


def _settled(container: client.Container, now: float) -> bool:
    return container.running and container.started + _SETTLED_SECONDS < now


def _ledger(
    record_dir: str, state_dir: str, places: dict[str, int], now: float
) -> tuple[list[Happened], dict[str, int]]:
    """Read the database while nothing exchanges it; a deployment that is at work is read after by the next run."""
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(f"{record_dir}/deploy.lock", 0, ""))
        except HardeningError:
            return [], places
        return event_sources.ledger(state_dir, places, int(now * 1000))
