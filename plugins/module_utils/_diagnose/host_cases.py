# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cases of the host: Docker, disks, records, units, clock."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, listed
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.engine import (
    FAULT,
    NOTE,
    SITE,
    WARNING,
    Case,
    Cause,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.facts import MIB, Daemon, Host, Unit
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable

_LITTLE = 64 * MIB
DOCKER_UNIT = "docker.service"
_TOLERANCE = 120


def _no_docker(host: Host) -> Iterator[Cause]:
    if isinstance(host.daemon, Daemon) and not host.daemon.installed:
        yield Cause(host.daemon.fault, "a Docker Engine", f"{SITE}, which installs it")


def _docker_down(host: Host) -> Iterator[Cause]:
    daemon = host.daemon
    if isinstance(daemon, Unavailable) or not daemon.installed or not daemon.fault:
        return
    unit = None if isinstance(host.units, Unavailable) else host.units.get(DOCKER_UNIT)
    masked = unit is not None and unit.load == "masked"
    state = f" ({DOCKER_UNIT} is {'masked' if masked else unit.active})" if unit else ""
    remedy = f"{SITE}, which starts it"
    remedy = f"`systemctl unmask {DOCKER_UNIT} docker.socket`, then {remedy}" if masked else remedy
    yield Cause(f"{daemon.fault}{state}", "a Docker daemon that answers", remedy)


def _disk_full(host: Host) -> Iterator[Cause]:
    for disk in () if isinstance(host.disks, Unavailable) else host.disks:
        no_files = disk.files > 0 and disk.free_files == 0
        if disk.free < _LITTLE or no_files:
            left = "no inode" if no_files and disk.free >= _LITTLE else f"{disk.free // MIB} MiB"
            found = f"{left} free of {disk.total // MIB} MiB for {disk.use} ({disk.path})"
            yield Cause(found, f"at least {_LITTLE // MIB} MiB", f"make room there, then {SITE}")


def _no_deployment(host: Host) -> Iterator[Cause]:
    records, present = host.records, host.container
    if isinstance(records, Unavailable) or (not isinstance(present, Unavailable) and present.container):
        return
    if records.deployed is None and not records.definition and not records.interrupted:
        yield Cause("no deployment of this collection", "one", SITE)


def _interrupted(host: Host) -> Iterator[Cause]:
    if isinstance(host.records, Unavailable):
        return
    if host.records.busy:
        found = f"a deployment, a backup or a rotation that is at work: {host.records.busy}"
        yield Cause(found, "one that has ended", "wait for it, and diagnose again", level=WARNING)
    elif host.records.interrupted:
        found = f"a deployment that was cut off while {host.records.interrupted}"
        yield Cause(found, "a deployment that has ended", f"{SITE} again, which goes on with it")


def _container_missing(host: Host) -> Iterator[Cause]:
    records, present = host.records, host.container
    if isinstance(records, Unavailable) or isinstance(present, Unavailable) or present.container:
        return
    if (records.deployed or records.definition) and host.subject.runs:
        yield Cause(f"no container {host.subject.container}", "the deployed container", f"{SITE}, which makes it again")


def _image_missing(host: Host) -> Iterator[Cause]:
    if not isinstance(host.container, Unavailable) and not host.container.image:
        level = WARNING if host.well else FAULT
        yield Cause(f"no image {host.subject.image_ref}", "the verified image", f"{SITE}, which builds it", level=level)


def _strays(host: Host) -> Iterator[Cause]:
    if not isinstance(host.container, Unavailable) and host.container.strays:
        found = f"containers that a killed run left: {listed(host.container.strays)}"
        yield Cause(found, "one container", f"{SITE}, which removes them", level=WARNING)


def _units(host: Host) -> Iterator[Cause]:
    records = host.records
    deployed = not isinstance(records, Unavailable) and records.deployed is not None
    if isinstance(host.units, Unavailable) or not deployed or not host.subject.runs:
        return
    for unit in host.units.values():
        if unit.name == DOCKER_UNIT:
            continue
        level = FAULT if unit.name == host.subject.unit and not host.well else WARNING
        if unit.load == "masked":
            remedy = f"`systemctl unmask {unit.name}`, then {SITE}"
            yield Cause(f"{unit.name} is masked", "a unit that can be started", remedy, level=level)
        elif unit.load != "loaded":
            yield Cause(f"{unit.name} is {unit.load or 'not there'}", "the unit of the deployment", SITE, level=level)
        elif unit.enabled == "disabled":
            yield Cause(
                f"{unit.name} is not enabled, and is gone after a reboot", "an enabled unit", SITE, level=WARNING
            )
        elif unit.active == "failed" and unit.name != host.subject.unit:
            found = f"{unit.name} has failed ({_end(unit)})"
            yield Cause(
                found, "a unit that runs", f"`journalctl --unit {unit.name}` has the reason; {SITE}", level=WARNING
            )
        elif unit.needs_reload:
            yield Cause(
                f"{unit.name} was changed and not loaded",
                "the unit as it is on the disk",
                "run `systemctl daemon-reload`",
                level=WARNING,
            )


def _end(unit: Unit) -> str:
    return ", ".join(filter(None, [unit.result, f"status {unit.exit_status}" if unit.exit_status else ""]))


def _meant_to_rest(host: Host) -> Iterator[Cause]:
    if not host.subject.runs:
        yield Cause(
            "a gateway that the settings stop",
            "a gateway that runs, if that is wanted",
            f"then {SITE}",
            "state",
            "present",
            NOTE,
        )


def _rejected(host: Host) -> Iterator[Cause]:
    records = host.records
    if isinstance(records, Unavailable):
        return
    since = records.deployed.at if records.deployed else ""
    for entry in [entry for entry in records.rejected if entry["at"] > since][-3:]:
        found = f"image {entry['image_id'][:19]} failed at {entry['at']}: {harmless(entry['why'], 500)}"
        yield Cause(
            found,
            "an image that becomes healthy",
            "fix what is named there, then run upgrade.yml",
            "retry",
            True,
            WARNING,
        )


def _changed(host: Host) -> Iterator[Cause]:
    if isinstance(host.records, Unavailable):
        return
    if host.records.changed:
        found = f"files that were changed since the deployment: {listed(host.records.changed)}"
        yield Cause(found, "the files that were proven", f"{SITE}, which writes them again", level=WARNING)
    for fault in host.records.damaged:
        yield Cause(fault, "a record that can be read", f"{SITE}, which writes it again", level=WARNING)


def _clock(host: Host) -> Iterator[Cause]:
    if not isinstance(host.clock, Unavailable) and host.clock.now + _TOLERANCE < host.clock.over:
        found = f"a clock that is {int(host.clock.over - host.clock.now)} s or more behind what was written earlier"
        yield Cause(found, "the right time: certificates and logins depend on it", "run `timedatectl set-ntp true`")


def _no_nameserver(host: Host) -> Iterator[Cause]:
    if not isinstance(host.nameservers, Unavailable) and not host.nameservers:
        needed = "a name server of the host; a container has the same"
        yield Cause("no nameserver in /etc/resolv.conf", needed, f"name one there, then {SITE}", level=WARNING)


def _refused(host: Host) -> Iterator[Cause]:
    if not isinstance(host.refused, Unavailable) and host.refused:
        found = f"{host.refused} packets to this host or to private networks that the network policy refused"
        remedy = "`journalctl --dmesg --grep refused` has their addresses; if they are meant, name those"
        yield Cause(found, "none that are meant", remedy, "reachable", level=NOTE)


CASES = (
    Case("docker-not-installed", "Docker is not installed", _no_docker, ("daemon",)),
    Case("docker-down", "Docker does not answer", _docker_down, ("daemon",)),
    Case("disk-full", "A disk is full", _disk_full, ("disks",)),
    Case("no-deployment", "There is no deployment", _no_deployment, ("records",)),
    Case("interrupted", "A deployment has not ended", _interrupted, ("records",)),
    Case("container-missing", "The container is gone", _container_missing, ("records", "container")),
    Case("image-missing", "The image is gone", _image_missing, ("container",)),
    Case("stray-containers", "A killed run left containers", _strays, ("container",)),
    Case("unit", "A unit is not in force", _units, ("units", "records")),
    Case("stopped-by-setting", "The gateway is meant to be stopped", _meant_to_rest, ()),
    Case("failed-version", "A version failed here", _rejected, ("records",)),
    Case("changed-files", "Files were changed", _changed, ("records",)),
    Case("clock", "The clock is wrong", _clock, ("clock",)),
    Case("no-nameserver", "The host resolves no names", _no_nameserver, ("nameservers",)),
    Case("refused-connections", "Connections of the gateway are refused", _refused, ("refused",)),
)
