# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a deployment failed, and what to change: the cases of the guide's troubleshooting, reported from facts.

The texts are what OpenClaw 2026.9.6, Node.js and Docker were seen to write (``tests/unit/recorded/failure-*.txt``).
A log may say anything: it picks the case, and a path only to look its owner up; what a remediation names to be
changed on the
host comes from the definition.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import hint
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, printable
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener

# What a remediation may be about; who deploys can say for each how it is done there.
SUBJECTS = ("bind", "config", "image", "memory", "owner", "port", "processors", "secret", "tmpfs")
EX_CONFIG = 78  # sysexits.h; OpenClaw's "fix the configuration, do not try again"
_KILLED = 137
_OUT_OF_HEAP = 134
_SECRETS = "/run/secrets/"
_LOOPBACK = ("127.", "::1")

_START = re.compile(r"(?:\d{4}-\d\d-\d\dT\S+ )?(?:\[gateway\] )?")
# Node.js quotes a path, a shell may.
_QUOTED = r"'(?P<path>/[^']+)'"
_NAMED = r"(?:^|[\s'\"])(?P<path>/[^'\":]+)['\"]?"
_READ_ONLY = (
    re.compile(rf"EROFS: read-only file system, \w+ {_QUOTED}"),
    re.compile(rf"{_NAMED}: read-only file system", re.I),
)
# Node.js reports ENOENT when it may not make a directory's parent because the file system is read-only.
_MISSING = (
    re.compile(rf"ENOENT: no such file or directory, mkdir {_QUOTED}"),
    re.compile(r"Unable to create fallback OpenClaw temp dir: (?P<path>/[^\s|;,]+)"),
)
_DENIED = (
    re.compile(rf"(?:EACCES: permission denied|EPERM: operation not permitted), \w+ {_QUOTED}"),
    re.compile(rf"{_NAMED}: permission denied", re.I),
)
_OLD_NODE = re.compile(
    r"Node v?(?P<found>[\w.]+): (?:openclaw requires Node (?P<range>\S.*?)\.?$|.*; use (?P<use>\S+) or .*)"
)
_UNRESOLVED = re.compile(r"SECRETS_PROVIDER_DEGRADED\] \w+:(?P<provider>[\w.-]+)|required secrets are unavailable")
_NO_PROVIDER = re.compile(r"Secret provider \"(?P<provider>[\w.-]+)\" is not configured")
_MISMATCH = re.compile(r"\bunauthorized\b.*\breason=(?:token|password)_mismatch\b")
_TAKEN = re.compile(r"port is already allocated|address already in use|EADDRINUSE|Ports are not available", re.I)
_STARVED = re.compile(r"state lease heartbeat did not become ready .*\btimeoutMs=(?P<limit>\d{1,9})")
_OTHER_OWNER = re.compile(r"Another Gateway owner lease is still active for this state directory")
_REFUSED = re.compile(r"Gateway failed to start: |Gateway start blocked: |Refusing to |Invalid config at ")
# What OpenClaw reports after the reason, and what helps on a desktop only.
_ADVICE = re.compile(
    r"Run \"openclaw|Config write audit|If startup|Container environment|Set OPENCLAW|Automatic triage|$"
)


@dataclass(frozen=True)
class Owner:
    """Whose a file or directory of the host is."""

    uid: int
    gid: int
    mode: int

    def __str__(self) -> str:
        """Show it as chown and chmod take it."""
        return f"{self.uid}:{self.gid} with mode {self.mode:04o}"


@dataclass(frozen=True)
class Mount:
    """A file or directory of the host in the container; without an owner it is not there."""

    source: str
    target: str
    writable: bool
    owner: Owner | None = None
    folder: bool = True


@dataclass(frozen=True)
class Facts:
    """What is known of a container that did not become healthy, or of one that could not even be made."""

    # What failed, in the words of Compose or of the wait for health.
    failure: str
    exit_code: int = 0
    oom_killed: bool = False
    log: tuple[str, ...] = ()
    user: tuple[int, int] | None = None
    read_only: bool = False
    # Bytes; 0 is no limit.
    memory: int = 0
    # Place and options.
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    # Path in the container that was denied, where it is on the host, and whose it is there.
    denied: tuple[str, str, Owner] | None = None
    # The published port, and who has it: "docker-proxy (process 12)", "the container web".
    port: int = 0
    taken_by: tuple[str, ...] = ()
    # Whether the host got any HTTP answer there.
    answered: bool = False
    # What it listens on in its own network, and what Docker's health check reports.
    inside: tuple[Listener, ...] = ()
    inside_port: int = 0
    healthy_inside: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """Why it failed and what to change, in words of Compose and of the host."""

    subject: str
    cause: str
    fix: str
    # What the setting of the subject would have to be, where the facts show it.
    value: Any = None

    def text(self, hints: Mapping[str, str]) -> str:
        """Put both in one line; a hint reports how the remediation is done where the caller comes from."""
        fix = f"{harmless(self.fix, 600)}{hint(hints, self.subject)}"
        return f"diagnosis: {harmless(self.cause, 900)}; remediation: {fix}"


def hints_from(values: Mapping[str, str] | None) -> dict[str, str]:
    """Read the option ``hints``, or refuse it."""
    return {name: printable(f"hints.{name}", text, max_length=300) for name, text in (values or {}).items()}


# --- decide -------------------------------------------------------------------------------------------------------


def diagnose(facts: Facts) -> Diagnosis | None:
    """Recognise a failure; the surest signs come first, because exit code 78 alone can mean several things."""
    known = recognised(facts)
    return known[1] if known else None


def recognised(facts: Facts) -> tuple[str, Diagnosis] | None:
    """Return the name of the case, too."""
    found = ((name, recognise(facts)) for name, recognise in CASES.items())
    return next(((name, diagnosis) for name, diagnosis in found if diagnosis), None)


def _port_taken(facts: Facts) -> Diagnosis | None:
    output = [facts.failure, *(facts.log if facts.exit_code else ())]
    if not _first(output, [_TAKEN]):
        return None
    who = " and ".join(facts.taken_by) or "another user who is gone by now"
    cause = f"port {facts.port} of the host is taken by {who}"
    return Diagnosis("port", cause, "stop that one, or change 'published' in `ports:` of the service")


def _out_of_memory(facts: Facts) -> Diagnosis | None:
    heap = facts.exit_code == _OUT_OF_HEAP and any("heap out of memory" in line for line in facts.log)
    if not (facts.oom_killed or heap or facts.exit_code == _KILLED):
        return None
    limit = f"its limit of {facts.memory // 2**20} MiB" if facts.memory else "what the host had left"
    how = "the kernel killed it" if facts.oom_killed else "it was killed, which is what the kernel does then"
    cause = f"it needed more memory than {limit}: {'Node.js gave up' if heap else how} (exit code {facts.exit_code})"
    return Diagnosis(
        "memory",
        cause,
        "raise `mem_limit:` and `memswap_limit:` of the service; OpenClaw needs 1536m",
        more_memory(facts.memory),
    )


def more_memory(limit: int) -> str | None:
    """Return twice a limit in bytes, as Compose takes it; nothing without a limit."""
    return f"{max(1536, 2 * limit // 2**20)}m" if limit else None


def _old_node(facts: Facts) -> Diagnosis | None:
    match = _first(facts.log, [_OLD_NODE])
    if not match:
        return None
    needed = match["range"] or match["use"]
    cause = f"the image has Node.js {match['found']}, OpenClaw needs {needed}"
    return Diagnosis("image", cause, "build the image again on a base with such a Node.js, and name it in `image:`")


def _not_writable(facts: Facts) -> Diagnosis | None:
    path = _path_in(facts.log, _READ_ONLY)
    if not path:
        path = _path_in(facts.log, _MISSING) if facts.read_only else ""
        # On a place that can be written, ENOENT is what it reports.
        if not path or at(path, facts.mounts) or any(_below(path, place) for place in facts.tmpfs):
            return None
    mount = at(path, facts.mounts)
    if mount:
        fix = f"leave out `read_only:` of the volume {mount.target}, unless OpenClaw is meant not to write there"
        return Diagnosis("", f"it has to write {path}, but {mount.target} is mounted read-only", fix)
    place = _scratch(path)
    cause = f"it has to write {path} in a read-only root file system"
    if place in ("/", "/app", "/bin", "/etc", "/home", "/home/node", "/lib", "/opt", "/sbin", "/usr", "/var"):
        return Diagnosis("tmpfs", cause, f"a `tmpfs:` on {place} would hide the image's own: let it write elsewhere")
    owner = f",uid={facts.user[0]},gid={facts.user[1]}" if facts.user else ""
    line = f"{place}:noexec,nosuid,nodev,size=100m,mode=0700{owner}"
    value = [{"path": place, "size": "100m"}]
    return Diagnosis("tmpfs", cause, f'add "- {line}" to `tmpfs:` of the service', value)


def _not_allowed(facts: Facts) -> Diagnosis | None:
    path = denied_path(facts.log)
    if not path:
        return None
    scratch = next((place for place in facts.tmpfs if _below(path, place)), "")
    mount = at(path, facts.mounts)
    user = facts.user
    if scratch and user and not (mount and len(mount.target) > len(scratch)):
        fix = f'add "uid={user[0]},gid={user[1]}" to the line of {scratch} in `tmpfs:` of the service'
        return Diagnosis("tmpfs", f"user {user[0]} may not use {path}: that tmpfs is not its own", fix)
    if mount is None or user is None:
        fix = f"mount a place of its own there (`volumes:` or `tmpfs:`), or build the image so that {path} is readable"
        return Diagnosis("image", f"{path} of the image denies access to the container's user", fix)
    place, owner = (facts.denied[1], facts.denied[2]) if facts.denied else (mount.source, mount.owner)
    # The mount first: what lies below it most often has the same wrong owner.
    if mount.owner and mount.owner.uid != user[0]:
        place, owner = mount.source, mount.owner
    if owner is None:
        return Diagnosis("owner", f"{path} is denied and {mount.source} is not there", f"make {mount.source} again")
    return _wrong_owner(path, place, owner, user, mount)


def _wrong_owner(path: str, place: str, owner: Owner, user: tuple[int, int], mount: Mount) -> Diagnosis:
    cause = f"{path} is denied: {place} on the host belongs to {owner}, the container's user is {user[0]}:{user[1]}"
    if owner.uid == user[0]:
        mode = "u+rX" if not mount.writable else "u+rwX"
        command = f"chmod {'-R ' if mount.folder else ''}{mode} -- {shlex.quote(mount.source)}"
    else:
        recursive = "-hR" if mount.folder else "-h"
        command = f"chown {recursive} {user[0]}:{user[1]} -- {shlex.quote(mount.source)}"
    subject = "secret" if mount.target.startswith(_SECRETS) else "owner"
    return Diagnosis(subject, cause, f"`{command}`, or another `user:` of the service")


def _unresolved_secret(facts: Facts) -> Diagnosis | None:
    match = _first(facts.log, [_UNRESOLVED])
    if not match:
        return None
    missing = _first(facts.log, [_NO_PROVIDER])
    if missing:
        cause = f"openclaw.json asks the secret provider {missing['provider']}, which it does not define"
        return Diagnosis("config", cause, 'define it below "secrets.providers", or ask another one')
    named = next((found["provider"] for found in map(_UNRESOLVED.search, facts.log) if found and found["provider"]), "")
    files = [mount for mount in facts.mounts if mount.target.startswith(_SECRETS)]
    wrong = [mount for mount in files if not _readable_secret(mount, facts.user)]
    wrong.sort(key=lambda mount: mount.target != f"{_SECRETS}{named}")
    cause = f"the secret provider {named or '(not named)'} of its configuration gives no value"
    if wrong and facts.user:
        mount, (uid, gid) = wrong[0], facts.user
        source = shlex.quote(mount.source)
        return Diagnosis(
            "secret",
            f"{cause}: {mount.source} ({mount.target}) belongs to {mount.owner or 'nobody, it is not there'}, "
            f"OpenClaw takes one of {uid}:{gid} with mode 0400 or 0600 only",
            f"`chown -h {uid}:{gid} -- {source} && chmod 0400 -- {source}`, the file of `secrets:`",
        )
    if not any(mount.target == f"{_SECRETS}{named}" for mount in files):
        found = ", ".join(mount.target for mount in files) or "none"
        cause = f"{cause}; mounted secrets: {found}"
    return Diagnosis("secret", cause, "name it in `secrets:` of the service, with the path that openclaw.json expects")


def _readable_secret(mount: Mount, user: tuple[int, int] | None) -> bool:
    owner = mount.owner
    return owner is not None and (user is None or owner.uid == user[0]) and owner.mode in (0o400, 0o600)


def _starved(facts: Facts) -> Diagnosis | None:
    match = _first(facts.log, [_STARVED])
    if not match:
        return None
    seconds = int(match["limit"]) / 1000
    cause = f"it got too little of a processor: OpenClaw gives its start {seconds:g} s at one place, and ends then"
    return Diagnosis("processors", cause, "stop what keeps the host busy, or raise `cpus:` of the service")


def _state_in_use(facts: Facts) -> Diagnosis | None:
    if not _first(facts.log, [_OTHER_OWNER]):
        return None
    mount = next((mount for mount in facts.mounts if mount.writable and mount.folder), None)
    where = f" {mount.source}" if mount else ""
    cause = f"another gateway uses the state directory{where}, or wrote the copy that it is, not long ago"
    return Diagnosis("", cause, "stop the other gateway: two of them on one state damage it")


def _refused_configuration(facts: Facts) -> Diagnosis | None:
    output = _own_words(facts.log)
    if facts.exit_code != EX_CONFIG and not any("Invalid config at " in line for line in facts.log):
        return None
    return Diagnosis("config", f"OpenClaw refuses its configuration: {output}", "correct openclaw.json")


def _other_token(facts: Facts) -> Diagnosis | None:
    if not _first(facts.log, [_MISMATCH]):
        return None
    cause = "another user shows another token than the gateway's"
    return Diagnosis("secret", cause, "give the client the value of the file in `secrets:`; after a change recreate")


def _not_reachable(facts: Facts) -> Diagnosis | None:
    """Recognise the guide's own trap: a gateway that only its container can reach, which Docker calls healthy."""
    if facts.answered:
        return None
    here = [found.address for found in facts.inside if found.port == facts.inside_port]
    if here and all(address.startswith(_LOOPBACK) for address in here):
        cause = f"inside its container it listens on {' and '.join(here)} only, which not even the host can reach"
        fix = (
            'set "gateway.bind" to "lan" in openclaw.json; who gets in from outside is reported by host_ip in `ports:`'
        )
        return Diagnosis("bind", cause, fix)
    others = sorted({found.port for found in facts.inside if not found.address.startswith(_LOOPBACK)})
    if facts.inside_port and others and not here:
        cause = f"it listens on port {', '.join(map(str, others))} in its container, {facts.inside_port} is published"
        return Diagnosis("port", cause, "make \"gateway.port\" in openclaw.json and 'target' in `ports:` the same")
    if facts.healthy_inside:
        cause = "it answers inside its container, but not through its published port"
        return Diagnosis(
            "bind", cause, "look at `ports:` and `networks:` (no `internal: true`) and at the packet filter"
        )
    return None


CASES: Mapping[str, Callable[[Facts], Diagnosis | None]] = {
    "port-taken": _port_taken,
    "old-node": _old_node,
    "not-writable": _not_writable,
    "not-allowed": _not_allowed,
    "unresolved-secret": _unresolved_secret,
    "out-of-memory": _out_of_memory,
    "starved": _starved,
    "state-in-use": _state_in_use,
    "refused-configuration": _refused_configuration,
    "not-reachable": _not_reachable,
    "other-token": _other_token,
}


# --- reading a log ------------------------------------------------------------------------------------------------


def _first(lines: Iterable[str], patterns: Iterable[re.Pattern[str]]) -> re.Match[str] | None:
    patterns = tuple(patterns)
    return next((match for line in lines for match in (pattern.search(line) for pattern in patterns) if match), None)


def denied_path(lines: Iterable[str]) -> str:
    """Return the path in the container that another user was denied, or nothing."""
    return _path_in(lines, _DENIED)


def _path_in(lines: Iterable[str], patterns: Iterable[re.Pattern[str]]) -> str:
    match = _first(lines, patterns)
    return os.path.normpath(match["path"]) if match else ""


def _own_words(lines: tuple[str, ...]) -> str:
    """Return the reason that OpenClaw gives, without what it recommends."""
    plain = [_START.sub("", line, count=1).strip() for line in lines]
    start = next((number for number, line in enumerate(plain) if _REFUSED.match(line)), None)
    if start is None:
        return next((line for line in reversed(plain) if line), "(it reports nothing)")
    reason = [plain[start]]
    for line in plain[start + 1 : start + 6]:
        if _ADVICE.match(line):
            break
        reason.append(line)
    return " ".join(reason)


# --- places -------------------------------------------------------------------------------------------------------


def _below(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place.rstrip('/')}/")


def at(path: str, mounts: Iterable[Mount]) -> Mount | None:
    """Return the innermost mount that holds a path."""
    return max(
        (mount for mount in mounts if _below(path, mount.target)), key=lambda mount: len(mount.target), default=None
    )


def _scratch(path: str) -> str:
    """Return the place for a tmpfs: /tmp, a hidden folder of the home, else the folder that the path is in."""
    match = re.match(r"/tmp(?=/|$)|/(?:home/)?[\w.-]+/\.[\w-]+(?=/)", path)  # noqa: S108 - looked for, not used
    return match[0] if match else os.path.dirname(path)
