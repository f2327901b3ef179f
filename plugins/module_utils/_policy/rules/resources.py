# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about what the container can use up, and how it lives: limits, restarts, health, first process."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    RECREATE,
    Result,
    Rule,
    cis,
    failed,
    guide,
    inconclusive,
    owasp,
    passed,
    verdict,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.health_checks import health_declared

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import Kernel

_MOST_RETRIES = 5  # CIS 5.15
_INITS = frozenset(
    {"dumb-init", "tini", "tini-static", "docker-init", "catatonit", "podman-init", "s6-svscan", "systemd", "init"}
)
# More than these is no limit: the gateway needs 2 GiB, some processor cores and a few hundred processes.
_MOST_MEMORY = 64 << 30
_MOST_CORES = 64
_MOST_PROCESSES = 32768


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):g} MiB" if size else "none"


# --- OCH-CTR-20, 21, 22 ---------------------------------------------------------------------------------------------


def _memory(source: str, memory: int, both: int) -> Result:
    faults = [] if memory else ["memory has no limit"]
    if memory and not both:
        faults.append("swap has no limit")
    if memory > _MOST_MEMORY:
        faults.append(f"memory may grow to {_mebibytes(memory)}, needed at most {_mebibytes(_MOST_MEMORY)}")
    elif both > 2 * _MOST_MEMORY:
        faults.append(f"memory and swap may grow to {_mebibytes(both)}, needed at most {_mebibytes(2 * _MOST_MEMORY)}")
    reported = f"memory {_mebibytes(memory)}, with swap {_mebibytes(both)}"
    return verdict(faults, reported, (source, reported))


def memory_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.11: without a limit one container takes the host down."""
    return _memory(settings.source, settings.memory, settings.memory_swap)


def memory_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """The limits of the control group (``memory.max`` and ``memory.swap.max``, or those of version 1)."""
    return _memory(_cgroup(kernel), kernel.limits.memory, kernel.limits.memory_swap)


def _cgroup(kernel: Kernel) -> str:
    return f"control group of process {kernel.main_pid}"


def _cores(source: str, cpus: float, realtime: int = 0) -> Result:
    reported = f"processor cores: {cpus:g}" if cpus else "processor cores: no limit"
    faults = [] if cpus else ["processor time has no limit"]
    if cpus > _MOST_CORES:
        faults.append(f"processor cores: {cpus:g}, needed at most {_MOST_CORES}")
    if realtime:
        faults.append(f"processes may keep the processor for {realtime} microseconds (cpu_rt_runtime)")
    return verdict(faults, reported, (source, reported))


def cpu_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.12; a real-time priority outranks every other process of the host (sched(7))."""
    result = _cores(settings.source, settings.cpus, settings.realtime)
    limits = dict(limit.partition("=")[::2] for limit in settings.ulimits)
    priority = limits.get("rtprio", "0:0")
    if set(priority.split(":")) <= {"0"}:
        return result
    return verdict([*result.faults, f"processes may take the real-time priority {priority}"], "", *result.evidence)


def cpu_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """``cpu.max``, or quota and period of version 1."""
    return _cores(_cgroup(kernel), kernel.limits.cpus)


def _tasks(source: str, pids: int) -> Result:
    reported = f"processes and threads: {pids or 'no limit'}"
    faults = [] if pids else ["the number of processes has no limit"]
    if pids > _MOST_PROCESSES:
        faults.append(f"processes and threads: {pids}, needed at most {_MOST_PROCESSES}")
    return verdict(faults, reported, (source, reported))


def pids_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.29: a fork bomb stays in its container."""
    return _tasks(settings.source, settings.pids_limit)


def pids_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """``pids.max``."""
    return _tasks(_cgroup(kernel), kernel.limits.pids)


# --- OCH-CTR-23 -----------------------------------------------------------------------------------------------------


def restart_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.15: a container that cannot start, or that another user keeps crashing, comes to rest."""
    policy = settings.restart or "no"
    reported = f"restart: {policy}{f':{settings.restart_max}' if settings.restart_max else ''}"
    bounded = policy == "no" or (policy == "on-failure" and 1 <= settings.restart_max <= _MOST_RETRIES)
    return verdict(
        [] if bounded else [f"{reported} has no bound of 1 to {_MOST_RETRIES}"], reported, (settings.source, reported)
    )


# --- OCH-CTR-26 -----------------------------------------------------------------------------------------------------


def oom_declared(settings: Settings, _allowed: Baseline) -> Result:
    """Guard of the host: a container that eats its memory is what the kernel ends first."""
    faults = ["the OOM killer is off"] if settings.oom_kill_disable else []
    if settings.oom_score_adj < 0:
        faults.append(f"oom_score_adj is {settings.oom_score_adj}")
    reported = f"OOM killer {'off' if settings.oom_kill_disable else 'on'}, oom_score_adj {settings.oom_score_adj}"
    return verdict(faults, reported, (settings.source, reported))


def oom_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """``/proc/PID/oom_score_adj`` of every process (proc_pid_oom_score_adj(5))."""
    spared = [process for process in kernel.processes if process.oom_score_adj < 0]
    faults = [f"process {process.pid} ({process.command}) has {process.oom_score_adj}" for process in spared]
    evidence = [(f"/proc/{process.pid}/oom_score_adj", str(process.oom_score_adj)) for process in spared]
    return verdict(faults, "no process is spared", *evidence)


# --- OCH-CTR-29 -----------------------------------------------------------------------------------------------------


def init_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """Guide "dumb-init for proper signal handling": PID 1 hands on signals and reaps children."""
    main = next((process for process in kernel.processes if process.pid == kernel.main_pid), None)
    if main is None:
        return inconclusive("the container's first process is not there any more")
    program = posixpath.basename(main.argv[0]) if main.argv else ""
    reported = (f"/proc/{main.pid}/comm", main.command)
    if {main.command, program} & _INITS:
        return passed(f"{main.command} is the first process", reported)
    return failed(f"{main.command} is the first process", reported)


RULES: tuple[Rule, ...] = (
    Rule(
        "OCH-CTR-20",
        "Memory and swap are limited",
        "container",
        "medium",
        f"a limit of memory of at most {_MOST_MEMORY >> 30} GiB, and none that leaves swap open",
        "set `mem_limit: 2g`, `memswap_limit: 2g` in the service",
        (*cis("5.11"), *owasp(7)),
        ("kernel",),
        memory_effective,
        memory_declared,
    ),
    Rule(
        "OCH-CTR-21",
        "Processor time is limited",
        "container",
        "medium",
        f"a limit of at most {_MOST_CORES} processor cores, and no time that others cannot interrupt",
        'set `cpus: "2"` in the service',
        (*cis("5.12"), *owasp(7)),
        ("kernel",),
        cpu_effective,
        cpu_declared,
    ),
    Rule(
        "OCH-CTR-22",
        "The number of processes is limited",
        "container",
        "medium",
        f"a limit of at most {_MOST_PROCESSES} processes and threads",
        "set `pids_limit: 512` in the service",
        (*cis("5.29"), *owasp(7)),
        ("kernel",),
        pids_effective,
        pids_declared,
    ),
    Rule(
        "OCH-CTR-23",
        "Restarts are bounded",
        "container",
        "medium",
        f"on-failure with 1 to {_MOST_RETRIES} retries, or no restart by Docker",
        "set `restart: on-failure:5` in the service",
        cis("5.15"),
        declared=restart_declared,
    ),
    Rule(
        "OCH-CTR-25",
        "The health check asks the gateway and can fail",
        "container",
        "medium",
        "a health check that asks an address of the gateway, ends with its answer, and fails within half an hour",
        'set `healthcheck: {test: ["CMD", "node", "-e", '
        "\"fetch('http://127.0.0.1:18789/healthz').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))\"], "
        "interval: 10s, timeout: 10s, retries: 3, start_period: 120s}` in the service",
        (*guide("health check included"), *cis("5.27")),
        declared=health_declared,
    ),
    Rule(
        "OCH-CTR-26",
        "The OOM killer spares no process of the container",
        "container",
        "low",
        "OOM killer on, oom_score_adj not negative",
        "remove `oom_kill_disable`, `oom_score_adj` from the service",
        ("man 5 proc_pid_oom_score_adj",),
        ("kernel",),
        oom_effective,
        oom_declared,
    ),
    Rule(
        "OCH-CTR-29",
        "An init is the first process",
        "container",
        "low",
        "dumb-init, tini or Docker's own init is PID 1",
        f"set `init: true` in the service; {RECREATE}",
        guide("dumb-init for proper signal handling"),
        ("kernel",),
        init_effective,
    ),
    Rule(
        "OCH-CTR-91",
        "Limits of single processes (ulimits) suit the host",
        "container",
        "low",
        "look at `docker inspect`, HostConfig.Ulimits, and at default-ulimits of the daemon",
        "",
        cis("5.19"),
    ),
)
