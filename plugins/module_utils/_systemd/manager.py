# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd: checking unit files before they are installed, and the few calls of systemctl that make them true.

``systemd-analyze verify`` only logs a directive that it cannot parse, and the hardening behind it is silently lost:
here every word that it prints is a refusal. It checks the set in a root directory of its own, where each unit and
program that the set refers to is stood in for. So nothing touches the host, other units' faults do not count, and a
set whose programs are not installed yet is checked like any other.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import listed, printable, shown, spoken
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SECTIONS = {"service": "Service", "timer": "Timer", "path": "Path", "socket": "Socket"}
UNIT_PATH = "/etc/systemd/system"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,199}\.(service|timer|path|socket)")
_REFERENCE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\.(?:service|timer|path|socket|target|slice)\b")
_EXEC = re.compile(r"Exec[A-Z][A-Za-z]+=[@:+!|-]*([^\s]+)")
_EXPOSURE = re.compile(r"Overall exposure level for (\S+): ([0-9]+(?:\.[0-9]+)?)")
_STAGED = "openclaw-units-"
# What systemd itself pulls in for any unit.
_IMPLICIT = ("basic", "paths", "shutdown", "sockets", "sysinit", "timers")
_STUBS = {
    "service": "[Service]\nExecStart=/stub\n",
    "timer": "[Timer]\nOnBootSec=1\n",
    "path": "[Path]\nPathExists=/stub\n",
    "socket": "[Socket]\nListenStream=/stub.sock\n",
    "target": "[Unit]\n",  # an empty file would be a masked unit
    "slice": "[Slice]\n",
}
_PROPERTIES = {
    "Id": "",
    "ActiveState": "inactive",
    "SubState": "dead",
    "UnitFileState": "",
    "FragmentPath": "",
    "DropInPaths": "",
    "NeedDaemonReload": "no",
    "InvocationID": "",
    "Job": "",
    "Result": "",
    "ExecMainStatus": "",
}


@dataclass(frozen=True)
class Unit:
    """A unit file as it should be."""

    name: str
    content: str

    @property
    def kind(self) -> str:
        """The type that systemd reads from the name: ``service``, ``timer``, ``path`` or ``socket``."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Directive:
    """One assignment of a unit file; ``continued`` are the lines below it that a backslash made a part of its value."""

    section: str
    key: str
    value: str
    line: int
    continued: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnitStatus:
    """What the service manager reports about a unit; all of it has a value for a unit that does not exist.

    ``invocation`` is another one after each start.
    """

    active_state: str = "inactive"
    sub_state: str = "dead"
    unit_file_state: str = ""
    fragment: str = ""
    drop_ins: tuple[str, ...] = ()
    needs_reload: bool = False
    invocation: str = ""
    job: bool = False
    result: str = ""
    exit_status: str = ""

    @property
    def idle(self) -> bool:
        """Neither on its way to a state, nor about to be."""
        return not self.job and self.active_state in ("active", "inactive", "failed")

    @property
    def active(self) -> bool:
        """Running, waiting, or on its way to it."""
        return self.active_state in ("active", "activating", "reloading", "refreshing")

    @property
    def enabled(self) -> bool:
        """Pulled in at boot."""
        return self.unit_file_state == "enabled"


# --- checking text (pure) ------------------------------------------------------------------------------------------


def unit_name(option: str, value: object) -> str:
    """Return the name of a service, timer, path or socket; no template and no escape."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        kinds = ", ".join(f".{kind}" for kind in SECTIONS)
        raise HardeningError(
            option, shown(value), f"a name of letters, digits, '_', '.' and '-' that ends in one of {kinds}", option
        )
    return value


def unit_content(option: str, name: str, content: str) -> str:
    """Return the text of a unit file in which nothing is hidden from the reader.

    Refused are control and invisible characters, joined lines, and sections that this type does not have.
    """
    own = SECTIONS[name.rpartition(".")[2]]
    if not content.endswith("\n"):
        raise HardeningError(option, f"a text of {name} that does not end with a newline", "whole lines", option)
    section = ""
    for number, line in enumerate(content.split("\n")[:-1], start=1):
        place = f"{option}: line {number} of {name}"
        printable(place, line)
        if line.endswith("\\"):
            raise HardeningError(place, "a backslash at its end, which swallows the next directive", "one line", option)
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        if line.startswith("["):
            section = line.rstrip().strip("[]")
            if section not in ("Unit", "Install", own) and not section.startswith("X-"):
                raise HardeningError(place, shown(line), f"[Unit], [{own}] or [Install]", option)
        elif not section or "=" not in line:
            raise HardeningError(place, shown(line), "a directive such as 'Type=exec' below a section", option)
    return content


def programs(units: Iterable[Unit]) -> list[str]:
    """Return the absolute paths of the programs that the units start."""
    found = (_EXEC.match(line) for unit in units for line in unit.content.splitlines())
    return sorted({match[1].strip("\"'") for match in found if match and match[1].startswith(("/", '"/', "'/"))})


def references(units: Iterable[Unit]) -> list[str]:
    """Return the names of all units that the texts refer to."""
    return sorted({name for unit in units for name in _REFERENCE.findall(unit.content)})


def install_section(content: str) -> list[str]:
    """Return the lines that decide which links ``systemctl enable`` makes."""
    _before, found, after = content.partition("[Install]\n")
    return [line for line in after.splitlines() if "=" in line] if found else []


def directives(text: str) -> list[Directive]:
    """Read a unit file as systemd.syntax(7) reports: without comments, lines joined where one ends in a backslash."""
    found: list[Directive] = []
    section, started, parts = "", 0, []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        bare = line.strip()
        if bare.startswith(("#", ";")):
            continue
        started = started or number
        # Two backslashes are one that is meant.
        if (len(line) - len(line.rstrip("\\"))) % 2:
            parts.append(line[:-1])
            continue
        whole, started_at, rest = " ".join([*parts, line]).strip(), started, [*parts[1:], line] if parts else []
        started, parts = 0, []
        if whole.startswith("["):
            section = whole.strip("[]")
        elif "=" in whole:
            key, _equals, value = whole.partition("=")
            lines = tuple(continued.strip() for continued in rest)
            found.append(Directive(section, key.strip(), value.strip(), started_at, lines))
    return found


# --- checking by systemd -------------------------------------------------------------------------------------------


@contextmanager
def staged(units: Collection[Unit], executables: Iterable[str], tmpdir: str | None = None) -> Iterator[str]:
    """Yield a private root directory that holds the units, and stand-ins for all that they refer to."""
    root = ""
    try:
        try:
            root = tempfile.mkdtemp(prefix=_STAGED, dir=tmpdir)
            _stage(root, units, executables)
        except OSError as error:
            found = f"{error.strerror} (errno {error.errno})"
            raise HardeningError(tmpdir or tempfile.gettempdir(), found, "room to check the units in") from error
        yield root
    finally:
        if root:
            shutil.rmtree(root, ignore_errors=True)


def clear_staged(folder: str) -> None:
    """Remove what killed runs staged in ``folder``; for the run that holds the lock."""
    for name in os.listdir(folder):
        if name.startswith(_STAGED) and os.path.isdir(f"{folder}/{name}"):
            shutil.rmtree(f"{folder}/{name}", ignore_errors=True)


def _stage(root: str, units: Collection[Unit], executables: Iterable[str]) -> None:
    stubs = {f"{name}.target" for name in _IMPLICIT} | set(references(units))
    stubs |= {f"{name.rpartition('.')[0]}.service" for name in stubs if name.endswith((".socket", ".timer", ".path"))}
    texts = {name: _STUBS[name.rpartition(".")[2]] for name in stubs}
    texts.update({unit.name: unit.content for unit in units})
    for name, text in texts.items():
        _place(root, f"{UNIT_PATH}/{name}", text, 0o644)
    for path in {"/stub", *executables}:
        _place(root, path, "#!/stub\n", 0o755)


def verify(module: AnsibleModule, root: str, units: Collection[Unit]) -> None:
    """Refuse the staged units when ``systemd-analyze verify`` reports anything about them."""
    names = sorted(unit.name for unit in units)
    argv = ["systemd-analyze", "verify", f"--root={root}", "--man=no", "--", *names]
    answer = run(module, argv, check=False)
    complaints = (answer.stdout + answer.stderr).strip().replace(root, "")
    if answer.rc != 0 or complaints:
        raise HardeningError(
            listed(names),
            spoken(complaints) or f"exit code {answer.rc}",
            "units that systemd-analyze verify accepts without a word",
            "units",
            cmd=argv,
            rc=answer.rc,
            stdout=answer.stdout,
            stderr=answer.stderr,
        )


def exposures(module: AnsibleModule, names: Collection[str], root: str = "") -> dict[str, float]:
    """Return exposures from 0 (least) to 10 by ``systemd-analyze security``.

    :param root: check the units staged there; without it, check what is loaded, drop-ins included.
    """
    if not names:
        return {}
    offline = ["--offline=yes", f"--root={root}"] if root else []
    argv = ["systemd-analyze", "security", *offline, "--no-pager", "--", *sorted(names)]
    answer = run(module, argv)
    found = {name: float(value) for name, value in _EXPOSURE.findall(answer.stdout)}
    for name in names:
        if name not in found:
            raise HardeningError(
                name, "no exposure in the answer", "'Overall exposure level for …'", cmd=argv, stdout=answer.stdout
            )
    return found


def within(found: Mapping[str, float], limits: Mapping[str, float], hint: str = "") -> None:
    """Refuse exposures above their limit."""
    for name, limit in limits.items():
        if found[name] > limit:
            raise HardeningError(
                name, f"exposure {found[name]} by systemd-analyze security{hint}", f"at most {limit}", "exposure_limits"
            )


def refuse_faults(
    module: AnsibleModule,
    units: Collection[Unit],
    executables: Iterable[str],
    limits: Mapping[str, float],
    tmpdir: str,
) -> dict[str, float]:
    """Refuse units that systemd complains about or that are more exposed than allowed; return the exposures."""
    with staged(units, executables, tmpdir) as root:
        verify(module, root, units)
        found = exposures(module, limits, root)
    within(found, limits)
    return found


def _place(root: str, path: str, text: str, mode: int) -> None:
    target = f"{root}{path}"
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(target, mode)


# --- the service manager ------------------------------------------------------------------------------------------


def show(module: AnsibleModule, names: Collection[str]) -> dict[str, UnitStatus]:
    """Ask for all units at once."""
    ordered = sorted(names)
    answer = run(module, ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", *ordered])
    return parse_show(answer.stdout, ordered)


def parse_show(text: str, names: Collection[str]) -> dict[str, UnitStatus]:
    """Read the blocks of ``systemctl show``; a unit without one does not exist."""
    found: dict[str, UnitStatus] = {}
    for block in text.strip().split("\n\n"):
        got = {**_PROPERTIES, **dict(line.split("=", 1) for line in block.splitlines() if "=" in line)}
        found[got["Id"]] = UnitStatus(
            active_state=got["ActiveState"],
            sub_state=got["SubState"],
            unit_file_state=got["UnitFileState"],
            fragment=got["FragmentPath"],
            drop_ins=tuple(got["DropInPaths"].split()),
            needs_reload=got["NeedDaemonReload"] == "yes",
            invocation=got["InvocationID"],
            job=got["Job"] not in ("", "0"),
            result=got["Result"],
            exit_status=got["ExecMainStatus"],
        )
    return {name: found.get(name, UnitStatus()) for name in names}


def properties(module: AnsibleModule, names: Collection[str], wanted: Collection[str]) -> dict[str, dict[str, str]]:
    """Ask for any properties of all units at once, times in UTC; a property that systemd does not know is left out."""
    ordered = sorted(names)
    argv = ["systemctl", "show", f"--property={','.join(wanted)}", "--", *ordered]
    blocks = run(module, argv, env={"TZ": "UTC"}).stdout.strip("\n").split("\n\n") if ordered else []
    if len(blocks) != len(ordered):
        raise HardeningError("systemctl show", f"{len(blocks)} answers", f"{len(ordered)}, one a unit", cmd=argv)
    return {
        name: dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for name, block in zip(ordered, blocks)
    }


def complaints(module: AnsibleModule, names: Collection[str]) -> list[str]:
    """Return the lines that ``systemd-analyze verify`` prints about installed units, and all that they pull in."""
    if not names:
        return []
    answer = run(module, ["systemd-analyze", "verify", "--man=no", "--", *sorted(names)], check=False)
    lines = (answer.stdout + answer.stderr).splitlines()
    if answer.rc and not lines:
        raise HardeningError("systemd-analyze verify", f"exit code {answer.rc} without a word", "a reason")
    return lines


def systemctl(
    module: AnsibleModule, verb: str, names: Iterable[str] = (), *, check: bool = True, block: bool = True
) -> None:
    """Run one verb for some units; a failure shows the last lines of their journal.

    :param block: wait until it is done, not only asked for.
    """
    units = sorted(names)
    waiting = [] if block else ["--no-block"]
    argv = ["systemctl", "--no-ask-password", *waiting, verb, *(["--", *units] if units else [])]
    answer = run(module, argv, check=False)
    if check and answer.rc != 0:
        lines = journal(module, units)
        raise HardeningError(
            f"systemctl {verb} {listed(units)}".strip(),
            f"exit code {answer.rc} ({spoken(answer.stderr) or 'no message'})",
            "exit code 0",
            cmd=argv,
            rc=answer.rc,
            stdout=answer.stdout,
            stderr=answer.stderr,
            journal=lines,
        )


def journal(module: AnsibleModule, names: Collection[str], lines: int = 20) -> list[str]:
    """Return the last lines that the units wrote."""
    if not names:
        return []
    argv = ["journalctl", "--no-pager", "--quiet", f"--lines={lines}", *(f"--unit={name}" for name in names)]
    return run(module, argv, check=False).stdout.splitlines()
