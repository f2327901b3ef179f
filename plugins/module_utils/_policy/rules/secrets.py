# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the gateway's token, other secrets, and the files that decide over the container.

No value is ever named: what a result reports are names of variables and options, paths, and classes of strength.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.files import FileFacts, Place
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.secrets import SecretFacts
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    RECREATE,
    Result,
    Rule,
    failed,
    guide,
    inconclusive,
    owasp,
    passed,
    skipped,
    verdict,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.secrets_declared import (
    ask_arguments,
    ask_environment,
)

SECRET_MODES = (0o400, 0o600)
_MANY = 8


def _some(names: Iterable[str]) -> str:
    """Name the first few, and count the rest."""
    names = list(names)
    rest = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + rest


# --- the gateway's credential -------------------------------------------------------------------------------------


def check_strength(facts: SecretFacts, _allowed: Baseline) -> Result:
    """A strong token guards the gateway: OpenClaw itself takes any text, ``change-me`` included."""
    found = facts.credential
    if found:
        observed = (found.origin, f"{found.kind}, {found.strength}")
        return verdict([] if found.strong else [f"{found.kind} is {found.strength}"], found.strength, observed)
    evidence = ("gateway.auth.mode", facts.mode or "not known")
    if facts.trouble:
        return inconclusive(facts.trouble, evidence)
    if facts.mode == "trusted-proxy":
        return skipped("a trusted proxy authenticates users, there is no token to check", evidence)
    if facts.mode not in ("token", "password"):
        return failed(f"authentication is {facts.mode!r}", evidence)
    return failed(f"no {facts.mode} in configuration, environment or command line", evidence)


def check_spread(facts: SecretFacts, _allowed: Baseline) -> Result:
    """The process that may look at one of these has the gateway: its credential is in its own file and nowhere else."""
    found = facts.credential
    if not found:
        return (
            inconclusive(facts.trouble)
            if facts.trouble
            else skipped("the gateway has no token that could be elsewhere")
        )
    evidence = [(surface, f"holds the gateway's {found.kind}") for surface in facts.surfaces[:_MANY]]
    if facts.surfaces:
        return failed(f"the {found.kind} is in {_some(facts.surfaces)}", *evidence)
    if not facts.searched:
        return inconclusive(f"the {found.kind} is too short to be searched for", (found.origin, found.strength))
    if "log" not in facts.searched:
        return inconclusive("the log could not be read", ("searched", ", ".join(facts.searched)))
    return passed(f"only in {found.origin}", ("searched without a find", ", ".join(facts.searched)))


# --- other secrets ------------------------------------------------------------------------------------------------


def check_environment(facts: SecretFacts, _allowed: Baseline) -> Result:
    """No process has a secret in its environment: children inherit it, crash reports and logs show it."""
    return _of_processes(facts, "environ", "in its environment", facts.environment)


def check_arguments(facts: SecretFacts, _allowed: Baseline) -> Result:
    """No process has a secret on its command line: every user of the host reads it with ps(1)."""
    return _of_processes(facts, "cmdline", "on its command line", facts.arguments)


def _of_processes(facts: SecretFacts, file: str, where: str, found: tuple[tuple[str, str], ...]) -> Result:
    """Check what was found in one file of every process."""
    if not facts.processes:
        return inconclusive("the container has no process to look at")
    if found:
        evidence = [(path, f"{name}: has a value") for path, name in found[:_MANY]]
        return failed(f"a secret in {_some(f'{name} ({path})' for path, name in found)}", *evidence)
    return passed(f"no process has a secret {where}", (f"/proc/PID/{file}", f"no secret; processes: {facts.processes}"))


# --- files --------------------------------------------------------------------------------------------------------


def _on_the_way(place: Place, owners: Collection[int]) -> list[str]:
    """Directories in which another user could exchange what lies there."""
    return [
        f"{folder.path} can be changed by others (owner {folder.uid}, mode {folder.mode:04o})"
        for folder in place.folders
        if folder.uid not in owners or folder.replaceable
    ]


def _seen(places: Iterable[Place]) -> list[tuple[str, str]]:
    return [(f"{place.path}{' in the container' if place.inside else ''}", place.shown()) for place in places]


def _read_by_others(place: Place, gid: int) -> bool:
    """Return whether an account of the host beside owner and container can read it."""
    return bool((place.mode & 0o004 and not place.sealed) or (place.mode & 0o040 and place.gid not in (0, gid)))


def check_secret_files(files: FileFacts, _allowed: Baseline) -> Result:
    """Secret files are what OpenClaw's file provider accepts, and nobody else can exchange them."""
    if not files.secrets:
        return skipped("no file holds a secret: nothing below /run/secrets, no file provider in the configuration")
    faults: list[str] = []
    troubles: list[str] = []
    for place in files.secrets:
        name = place.path
        if place.trouble:
            troubles.append(f"{name}: {place.trouble}")
        elif place.link or place.kind != "file":
            faults.append(f"{place.link} is a link" if place.link else f"{name} is {place.kind or 'not there'}")
        else:
            if place.nlink != 1:
                faults.append(f"{name} has {place.nlink} names (hard links)")
            if place.uid != files.uid and files.uid >= 0:
                faults.append(f"{name} is owned by uid {place.uid}, not by the container's {files.uid}")
            if place.mode not in SECRET_MODES:
                faults.append(f"{name} has mode {place.mode:04o}")
            faults += _on_the_way(place, (0,))
    evidence = _seen(files.secrets)
    if not faults and (troubles or files.uid < 0):
        return inconclusive("; ".join(troubles) or "the container's uid is not known", *evidence)
    return verdict(faults, _some(f"{place.path} {place.mode:04o}" for place in files.secrets), *evidence)


def _writable(place: Place, uid: int, gid: int, source: str) -> bool:
    """Return whether the container's user can write a file or exchange it within its mount."""
    if place.read_only:
        return False
    folders = [
        folder for folder in place.folders if source and (folder.path + "/").startswith(source.rstrip("/") + "/")
    ]
    owned = [(place.uid, place.gid, place.mode)] if place.kind else []
    owned += [(folder.uid, folder.gid, folder.mode) for folder in folders]
    return any(
        owner == uid or mode & 0o002 or (mode & 0o020 and group == gid) or uid == 0 for owner, group, mode in owned
    )


def check_config(files: FileFacts, secrets: SecretFacts, _allowed: Baseline) -> Result:
    """An agent that can write the configuration can switch off what guards the gateway."""
    place = files.config
    if place is None:
        return inconclusive("the configuration was not found")
    evidence = [*_seen([place]), (place.path, "mounted read-only" if place.read_only else "not mounted read-only")]
    faults: list[str] = []
    if place.link or place.kind not in ("file", ""):
        faults.append(f"{place.link} is a link" if place.link else f"{place.path} is a {place.kind}")
    elif place.kind and _read_by_others(place, files.gid):
        faults.append(f"{place.path} can be read by others (mode {place.mode:04o})")
    if _writable(place, files.uid, files.gid, place.holder):
        faults.append(f"the service can {'write' if place.kind else 'make'} {place.target or place.path}")
    if not place.inside and place.kind:
        faults += _on_the_way(place, (0, files.uid))
    if secrets.literals:
        faults.append(f"it holds secrets: {_some(secrets.literals)}")
        evidence.append((place.path, f"literal: {_some(secrets.literals)}"))
    if not faults:
        if files.uid < 0 and not place.read_only:
            return inconclusive("the container's uid is not known", *evidence)
        if place.trouble:
            return inconclusive(f"{place.target or place.path}: {place.trouble}", *evidence)
        if not place.kind:
            return skipped("there is no configuration, and the service cannot make one", *evidence)
        if files.configuration is None:
            return inconclusive(f"{place.path} could not be understood", *evidence)
    return verdict(faults, f"{place.path}: {place.shown()}, read-only for the service", *evidence)


def check_state(files: FileFacts, _allowed: Baseline) -> Result:
    """The state directory holds every credential of the agent: it is the container's user's alone."""
    place = files.state
    if place is None:
        return inconclusive("the state directory was not found")
    evidence = _seen([place])
    if place.link:
        return failed(f"{place.link} is a link", *evidence)
    if place.trouble:
        return inconclusive(f"{place.target or place.path}: {place.trouble}", *evidence)
    if place.kind != "directory":
        return failed(f"{place.path} is {place.kind or 'not there'}", *evidence)
    if files.uid < 0:
        return inconclusive("the container's uid is not known", *evidence)
    faults = []
    if place.uid != files.uid:
        faults.append(f"{place.path} is owned by uid {place.uid}, not by the container's {files.uid}")
    group = place.mode & 0o070 and place.gid not in (0, files.gid)
    if group or (place.mode & 0o007 and not place.sealed):
        faults.append(f"{place.path} is open to others (mode {place.mode:04o})")
    if not place.inside:
        faults += _on_the_way(place, (0, files.uid))
    if files.foreign_ones:
        faults.append("owned by others: " + _some(f"{name} (uid {uid})" for name, uid in files.foreign_ones))
    evidence.append((place.path, f"{files.entries} entries, {len(files.foreign_ones)} of them owned by others"))
    where = " (in the container itself: it is lost with it)" if place.inside else ""
    return verdict(faults, f"{place.path}: owner {place.uid}, mode {place.mode:04o}{where}", *evidence)


def check_compose(files: FileFacts, _allowed: Baseline) -> Result:
    """The process that writes the compose file decides what runs as root's container at the next start."""
    if not files.compose:
        return skipped("not made by docker compose: no label names a compose file")
    places = (*files.compose, *(place for place in files.dotenv if not place.target))
    faults: list[str] = []
    unknown: list[str] = []
    for place in places:
        if place.link:
            faults.append(f"{place.link} is a link")
            continue
        if place.trouble and not place.kind:
            unknown.append(f"{place.path}: {place.trouble}")
        elif not place.kind:
            unknown.append(f"{place.path} is not there any more")
        elif place.kind != "file":
            faults.append(f"{place.path} is a {place.kind}")
        elif place.uid != 0 or place.mode & 0o022:
            faults.append(f"{place.path} can be changed by others (owner {place.uid}, mode {place.mode:04o})")
        faults += _on_the_way(place, (0,))
    faults = list(dict.fromkeys(faults))
    evidence = _seen(places)
    if unknown and not faults:
        return inconclusive("; ".join(unknown), *evidence)
    return verdict(faults, f"{_some(place.path for place in places)}: only root can write", *evidence)


RULES: tuple[Rule, ...] = (
    Rule(
        id="OCH-SEC-01",
        title="A strong token guards the gateway",
        area="secrets",
        severity="critical",
        expected="64 or more random hexadecimal digits, or 40 or more other random characters (a password: 20)",
        remediation="run `head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n' > PATH` with the path of the "
        f"token's file; {RECREATE}",
        refs=(*guide("Network Binding", "Security Checklist, item 4"), "OpenClaw docs, gateway/security"),
        needs=("secrets",),
        effective=check_strength,
    ),
    Rule(
        id="OCH-SEC-02",
        title="No secret is in the environment or in what docker inspect shows",
        area="secrets",
        severity="high",
        expected="no variable or label named like a secret with a value; the path of a file (*_FILE) is fine",
        remediation="remove each variable that is named from `environment` and `env_file` of the service",
        refs=(*owasp(12), "proc_pid_environ(5)"),
        needs=("secrets",),
        effective=check_environment,
        declared=ask_environment,
    ),
    Rule(
        id="OCH-SEC-03",
        title="No secret is on a command line",
        area="secrets",
        severity="high",
        expected="no option such as --token or --password with a value in entrypoint, command, health check, processes",
        remediation="remove each option that is named, with its value, from `command` of the service",
        refs=(*owasp(12), "proc_pid_cmdline(5)", "OpenClaw documentation, cli/gateway"),
        needs=("secrets",),
        effective=check_arguments,
        declared=ask_arguments,
    ),
    Rule(
        id="OCH-SEC-04",
        title="Secret files are the container's user's alone",
        area="secrets",
        severity="high",
        expected="a regular file with one name, no link on the way, owner the container's uid, mode 0400 or 0600, "
        "in directories that only root can write",
        remediation="run `chown UID:GID PATH`, `chmod 0400 PATH` for each file that is named; or run `chmod go-w "
        'PATH` for each directory that is named; or run `cp --remove-destination "$(readlink -f '
        f'PATH)" PATH`, `chown UID:GID PATH`, `chmod 0400 PATH` for a link; {RECREATE}; or run '
        '`find "$(stat -c %m PATH)" -xdev -samefile PATH ! -path PATH -delete` for a file with a second name',
        refs=(*owasp(12), "OpenClaw documentation, gateway/secrets/secretref-contract"),
        needs=("files",),
        effective=check_secret_files,
    ),
    Rule(
        id="OCH-SEC-05",
        title="The service cannot change OpenClaw's configuration, and it holds no secret",
        area="secrets",
        severity="high",
        expected="mounted read-only (or the service's neither to write nor to exchange), not readable by others, "
        "references instead of secrets",
        remediation="run `chown UID:GID PATH`, `chmod 0400 PATH`; or set `read_only: true` in each volume that is "
        f"named; {RECREATE}; or remove each value that is named from openclaw.json, or refer to a "
        "secret's file there; run `docker restart CONTAINER`",
        refs=("OpenClaw docs, gateway/security", *owasp(8, 12)),
        needs=("files", "secrets"),
        effective=check_config,
    ),
    Rule(
        id="OCH-SEC-06",
        title="The state directory is the container's user's alone",
        area="secrets",
        severity="high",
        expected="a real directory, owner the container's uid, no access for others, nothing in it owned by others, "
        "in directories that others cannot write",
        remediation="run `chown -hR UID:GID PATH`, `chmod 0700 PATH` for the state directory; or run `chmod go-w "
        "PATH` for each directory above it that is named",
        refs=(*guide("Security Checklist, item 5", "Permission Denied Errors"), "OpenClaw docs, gateway/security"),
        needs=("files",),
        effective=check_state,
    ),
    Rule(
        id="OCH-SEC-07",
        title="Only root can change the compose file",
        area="secrets",
        severity="medium",
        expected="compose file, the .env beside it and every directory on the way: owner root, not writable by others",
        remediation="run `chown root:root PATH`, `chmod go-w PATH` for each file and directory that is named",
        refs=(*guide("Using Hardened Docker Compose"), "Docker Engine security: attack surface"),
        needs=("files",),
        effective=check_compose,
    ),
    Rule(
        id="OCH-SEC-08",
        title="The gateway's token is in its file and nowhere else",
        area="secrets",
        severity="critical",
        expected="not in docker inspect, environment, command lines, compose file, .env, configuration or log",
        remediation="run `head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n' > PATH` with the path of the "
        f"token's file (others may have read this one); {RECREATE}",
        refs=owasp(12),
        needs=("secrets",),
        effective=check_spread,
    ),
)
