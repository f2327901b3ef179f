# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cases of the gateway: those of a failed deployment, and what can happen to one that was good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, listed
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import failure_cases
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import SERVING
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.engine import (
    FAULT,
    GUIDE,
    NOTE,
    SITE,
    WARNING,
    Case,
    Cause,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.facts import MIB, Host
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.host_cases import CASES as HOST_CASES
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable

# Places that every container has; the setting adds others.
_OWN_PLACES = ("/tmp", "/home/node/.npm", "/home/node/.cache")  # noqa: S108 (compared, not used)
_FEWEST_PROCESSES, _MOST_PROCESSES = 256, 32768
_LOOPBACK = ("127.", "::1")
_NO_NAME = re.compile(r"(?:EAI_AGAIN|ENOTFOUND)\s+(?P<name>[\w.-]{1,253})")
_NO_CERTIFICATE = re.compile(
    r"SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?"
    r"|UNABLE_TO_VERIFY_LEAF_SIGNATURE|self-signed certificate"
    r"|unable to (?:get local issuer|verify the first) certificate"
)
_NO_WAY = re.compile(
    r"(?:ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|UND_ERR_CONNECT_TIMEOUT)(?:\s+(?P<name>[\w.:\[\]-]{1,253}))?"
)
_ORIGIN = re.compile(r"cause=origin-mismatch\b")
_FROM = re.compile(r"\borigin=(?P<origin>https?://[A-Za-z0-9.:\[\]-]{1,253})")

# The title of each case of a failed deployment, the guide's own first words where it has them.
_TITLES = {
    "port-taken": "Another program has the port",
    "old-node": "The image has an old Node.js",
    "not-writable": "It does not start: a path is read-only",
    "not-allowed": "Permission denied",
    "unresolved-secret": "A secret cannot be read",
    "out-of-memory": "It runs out of memory",
    "starved": "It gets too little of a processor",
    "state-in-use": "Another gateway uses its state",
    "refused-configuration": "OpenClaw refuses its configuration",
    "not-reachable": "The host cannot reach it",
    "other-token": "A client shows another token",
}
_OF_GUIDE = ("not-writable", "not-allowed", "not-reachable")


def _of_failure(name: str, host: Host) -> Iterator[Cause]:
    """Hand a failure to the deployment engine, whose surest case counts; a gateway that serves has none."""
    if host.well or isinstance(host.failure, Unavailable) or isinstance(host.container, Unavailable):
        return
    known = failure_cases.recognised(host.failure) if host.container.container else None
    if known and known[0] == name:
        cause = known[1]
        value = True if cause.subject == "owner" else cause.value  # a switch
        yield Cause(cause.cause, "a gateway that starts and serves", cause.fix, cause.subject, value)


def _other_token(host: Host) -> Iterator[Cause]:
    if isinstance(host.failure, Unavailable):
        return
    known = failure_cases.CASES["other-token"](host.failure)
    if known:
        yield Cause(
            known.cause,
            "a client that has the gateway's token",
            "give the client the token of the gateway",
            level=WARNING,
            certain=False,
        )


def _port_taken(host: Host) -> Iterator[Cause]:
    port = host.port
    if isinstance(port, Unavailable) or not port.taken_by:
        return
    found = f"{harmless(port.taken_by)} has port {host.subject.port} of the host"
    level = WARNING if host.well else FAULT
    yield Cause(
        found,
        "a port that is free for Docker",
        f"stop that process, or publish another port, then {SITE}",
        "port",
        port.free or None,
        level,
    )


def _address_missing(host: Host) -> Iterator[Cause]:
    if not isinstance(host.port, Unavailable) and host.port.missing_addresses:
        found = f"no address {listed(host.port.missing_addresses)} on this host"
        yield Cause(
            found,
            "an address that the host has",
            f"set one that it has, then {SITE}",
            "bind",
            host.port.own_address or None,
            WARNING if host.well else FAULT,
        )


def _token_refused(host: Host) -> Iterator[Cause]:
    if isinstance(host.health, Unavailable):
        return
    reply = host.health.replies.get(SERVING)
    if reply is None or reply.ok is not False:
        return
    if reply.refused:
        found = f"the gateway refuses the token of {host.subject.token_file}: the file is newer than the gateway"
        yield Cause(found, "one token in both", f"{SITE}, which makes a new one", "token", True)
    elif reply.text.startswith("no token in"):
        yield Cause(reply.text, "the gateway's token", f"{SITE}, which writes it again")


def _locked_out(host: Host) -> Iterator[Cause]:
    reply = None if isinstance(host.health, Unavailable) else host.health.replies.get(SERVING)
    if reply and "locked out" in reply.text:
        found = "a client that shows wrong tokens has locked out every client of this host"
        yield Cause(found, "clients with the gateway's token", "stop that client; the log names it", level=WARNING)


def _memory(host: Host) -> Iterator[Cause]:
    used = host.usage
    if isinstance(used, Unavailable) or not used.killed:
        return
    found = f"the kernel killed {used.killed} of its processes at the limit of {used.memory // MIB} MiB"
    yield Cause(
        found,
        "more memory",
        f"raise the limit, then {SITE}",
        "memory",
        failure_cases.more_memory(used.memory),
        WARNING if host.well else FAULT,
    )


def _processes(host: Host) -> Iterator[Cause]:
    used = host.usage
    if isinstance(used, Unavailable) or not used.refused:
        return
    found = f"the kernel refused it a process or thread {used.refused} times at the limit of {used.processes}"
    yield Cause(
        found,
        "more processes",
        f"raise the limit, then {SITE}",
        "processes",
        max(_FEWEST_PROCESSES, min(2 * used.processes, _MOST_PROCESSES)),
        WARNING if host.well else FAULT,
    )


def _full(host: Host) -> Iterator[Cause]:
    for place, size in () if isinstance(host.usage, Unavailable) else host.usage.full:
        level = WARNING if host.well else FAULT
        found = f"{place} in memory is full ({size // MIB} MiB)"
        if place in _OWN_PLACES:
            remedy = f"`systemctl restart {host.subject.unit}` empties it"
            yield Cause(found, "room there", remedy, level=level)
        else:
            value = [{"path": place, "size": f"{2 * size // MIB}m"}]
            yield Cause(found, "a larger one", f"make it larger, then {SITE}", "tmpfs", value, level)


def _owners(host: Host) -> Iterator[Cause]:
    files = host.files
    if isinstance(files, Unavailable):
        return
    level = WARNING if host.well else FAULT
    ours = [entry for entry in files.wrong if not entry.path.startswith(f"{host.subject.state_dir}/")]
    if ours:
        named = listed((f"{entry.path} ({entry.found})" for entry in ours), 3)
        yield Cause(named, f"owner {files.uid}, and mode 0400 of a secret", f"{SITE}, which corrects it", level=level)
    state = [entry for entry in files.wrong if entry.path.startswith(f"{host.subject.state_dir}/")]
    if state:
        named = f"{len(state)} in the state of another owner: {listed((f'{e.path} ({e.found})' for e in state), 3)}"
        remedy = f"{SITE}, which gives the state to the account"
        if files.linked:
            remedy += "; a file with several names there has to be copied first"
        yield Cause(named, f"owner {files.uid}", remedy, "owner", True, level)


def _missing(host: Host) -> Iterator[Cause]:
    deployed = not isinstance(host.records, Unavailable) and host.records.deployed is not None
    if deployed and not isinstance(host.files, Unavailable) and host.files.missing:
        level = WARNING if host.well else FAULT
        yield Cause(
            f"no {listed(host.files.missing)}", "what was deployed", f"{SITE}, which makes it again", level=level
        )


def _paused(host: Host) -> Iterator[Cause]:
    container = None if isinstance(host.container, Unavailable) else host.container.container
    if container and container.status == "paused":
        name = host.subject.container
        yield Cause(f"a paused container {name}", "one that runs", f"`docker unpause {name}`")


def _channels(host: Host) -> Iterator[Cause]:
    if isinstance(host.health, Unavailable) or not host.well:
        return
    for name in host.health.not_ready:
        found = f"the channel {name} is not ready; the gateway itself serves"
        yield Cause(
            found,
            "a channel that reaches its service",
            f"correct its settings or its token, then {SITE}",
            "channel",
            None,
            WARNING,
        )


def _outside(pattern: re.Pattern[str], subject: str, found: str, remedy: str, host: Host) -> Iterator[Cause]:
    """Find in the log what the gateway could not reach; the last one is enough."""
    if isinstance(host.log, Unavailable):
        return
    matches = [match for match in map(pattern.search, host.log) if match]
    if matches:
        name = (matches[-1].groupdict().get("name") or "") if pattern.groups else ""
        yield Cause(
            f"{found}{f': {name}' if name else ''} (in the log)",
            "an answer",
            f"{remedy}, then {SITE}",
            subject,
            None,
            WARNING,
            certain=False,
        )


def _origin(host: Host) -> Iterator[Cause]:
    if isinstance(host.log, Unavailable):
        return
    lines = [line for line in host.log if _ORIGIN.search(line)]
    if lines:
        match = _FROM.search(lines[-1])
        found = f"the browser interface was refused at {match['origin'] if match else 'an origin that is not allowed'}"
        yield Cause(
            found,
            "an allowed origin",
            f"allow it if it is yours, then {SITE}",
            "origins",
            [match["origin"]] if match else None,
            WARNING,
        )


def _loopback_only(host: Host) -> Iterator[Cause]:
    """Answer the guide's second question; it is how the gateway is meant to be."""
    if isinstance(host.port, Unavailable) or not host.well or not host.port.published:
        return
    if all(address.startswith(_LOOPBACK) for address in host.port.published):
        found = (
            f"port {host.subject.port} is published on {listed(host.port.published)} only: no other machine can connect"
        )
        remedy = (
            f"use `ssh -L {host.subject.port}:localhost:{host.subject.port}`, or publish it on an address and {SITE}"
        )
        yield Cause(
            found,
            "nothing, unless other machines have to connect",
            remedy,
            "bind",
            host.port.own_address or "lan",
            NOTE,
        )


def _stopped(host: Host) -> Iterator[Cause]:
    present = host.container
    if isinstance(present, Unavailable) or not present.container or not host.subject.runs:
        return
    container = present.container
    if not container.running:
        unit = "" if isinstance(host.units, Unavailable) else host.units[host.subject.unit].active
        state = f"exit code {container.exit_code}; its unit is {unit or 'unknown'}"
        found = f"container {container.name} is {container.status} ({state})"
        yield Cause(found, "a container that runs", f"`systemctl start {host.subject.unit}`, or {SITE}")
    elif container.health == "starting" and not host.well:
        yield Cause("a gateway that is starting", "a gateway that serves", "wait a minute and ask again", level=WARNING)


def _unexplained(host: Host) -> Iterator[Cause]:
    if host.well or isinstance(host.health, Unavailable) or isinstance(host.container, Unavailable):
        return
    container = host.container.container
    if container is None or not container.running or container.health == "starting" or not host.subject.runs:
        return
    last = "" if isinstance(host.log, Unavailable) else next((line for line in reversed(host.log) if line.strip()), "")
    found = f"it does not serve ({host.health})" + (f"; its last line: {harmless(last)}" if last else "")
    yield Cause(found, "a gateway that serves", f"read its log; {SITE} deploys it again", certain=False)


_WELL = ("failure", "container", "health")
_FAILURES = tuple(
    Case(
        name,
        _TITLES[name],
        partial(_of_failure, name),
        _WELL,
        GUIDE if name in _OF_GUIDE else "a failed deployment",
    )
    for name in failure_cases.CASES
    if name not in ("other-token", "port-taken")
)
_PROVIDER = "the log of the container"
CASES = (
    *HOST_CASES[:3],
    Case("port-taken", _TITLES["port-taken"], _port_taken, ("port",), "a failed deployment"),
    *_FAILURES,
    Case("owner", "Permission denied: files of another owner", _owners, ("files",), GUIDE),
    Case("missing-files", "Files are missing", _missing, ("files", "records")),
    Case("token", "The gateway has another token", _token_refused, ("health",)),
    Case("memory", "Processes were killed for memory", _memory, ("usage",)),
    Case("processes", "The limit of processes is reached", _processes, ("usage",)),
    Case("memory-file-system", "A file system in memory is full", _full, ("usage",)),
    Case("address", "The host lacks an address", _address_missing, ("port",)),
    Case("paused", "The container is paused", _paused, ("container",)),
    *HOST_CASES[3:],
    Case("channel", "A channel is not ready", _channels, ("health",)),
    Case("locked-out", "Clients are locked out", _locked_out, ("health",)),
    Case("other-token", _TITLES["other-token"], _other_token, ("failure",), "a failed deployment"),
    Case("origin", "A web page is refused", _origin, ("log",), _PROVIDER),
    Case(
        "names",
        "A name is not resolved",
        partial(
            _outside, _NO_NAME, "hosts", "a name that is not resolved", "name its address, or correct the host's DNS"
        ),
        ("log",),
        _PROVIDER,
    ),
    Case(
        "certificate",
        "A certificate is not trusted",
        partial(
            _outside, _NO_CERTIFICATE, "ca", "a certificate that is not trusted", "give it the certificate of the CA"
        ),
        ("log",),
        _PROVIDER,
    ),
    Case(
        "no-way-out",
        "A service cannot be reached",
        partial(_outside, _NO_WAY, "proxy", "no connection", "name the proxy, or correct the host's way out"),
        ("log",),
        _PROVIDER,
    ),
    Case("loopback-only", "Other machines cannot connect", _loopback_only, ("port", "health"), GUIDE),
    Case("stopped", "The gateway does not run", _stopped, ("container",), fallback=True),
    Case("unexplained", "The gateway does not serve", _unexplained, ("container", "health"), fallback=True),
)
