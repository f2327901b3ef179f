# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The metrics for node_exporter's textfile collector: text, made of the records of the jobs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True)
class Metric:
    """One row of the table: a gauge with its name, unit included, and what it means."""

    name: str
    help: str


JOB_LAST_RUN = Metric("openclaw_job_last_run_timestamp_seconds", "When a maintenance job last ended.")
JOB_SUCCESS = Metric("openclaw_job_success", "Whether the last run of a maintenance job succeeded (1) or not (0).")
JOB_DURATION = Metric("openclaw_job_duration_seconds", "How long the last run of a maintenance job took.")
RULE = Metric("openclaw_audit_rule", "Status of a rule of the audit, as a label; the value is always 1.")
CHECKS = Metric("openclaw_audit_checks", "How many checks of the last audit have which status.")
IMAGE_VERIFIED = Metric(
    "openclaw_image_verified_timestamp_seconds", "When the image that is deployed was built and verified."
)
DEPLOYED = Metric("openclaw_deployed_timestamp_seconds", "When a deployment was last proven.")
REJECTED = Metric("openclaw_rejected_images", "How many images were rolled back here since the last good deployment.")
BACKUP_LAST = Metric(
    "openclaw_backup_last_success_timestamp_seconds", "When the newest backup without problems was made."
)
BACKUP_BYTES = Metric("openclaw_backup_last_bytes", "Size of the newest backup without problems.")
BACKUPS = Metric("openclaw_backups", "How many backups there are.")
ALL = (JOB_LAST_RUN, JOB_SUCCESS, JOB_DURATION, RULE, CHECKS, IMAGE_VERIFIED, DEPLOYED, REJECTED, BACKUP_LAST,
       BACKUP_BYTES, BACKUPS)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What the metrics are made of; 0 and empty are not known, and give no sample.

    :param jobs: the records of the jobs by name (``ended``, ``ok``, ``seconds``).
    :param checks: those of the last audit.
    """

    instance: str
    jobs: Mapping[str, Mapping[str, Any]]
    checks: Sequence[Mapping[str, Any]] = ()
    image_verified: float = 0.0
    deployed: float = 0.0
    rejected: int = 0
    backup_last: float = 0.0
    backup_bytes: int = 0
    backups: int = 0


def text(facts: Facts) -> str:
    """Return the file's content, in the text exposition format of Prometheus."""
    jobs = {name: record for name, record in sorted(facts.jobs.items()) if record.get("ended")}
    counts: dict[str, int] = {}
    for check in facts.checks:
        counts[check["status"]] = counts.get(check["status"], 0) + 1
    samples: dict[Metric, list[Sample]] = {
        JOB_LAST_RUN: [({"job_name": name}, float(record["ended"])) for name, record in jobs.items()],
        JOB_SUCCESS: [({"job_name": name}, float(bool(record.get("ok")))) for name, record in jobs.items()],
        JOB_DURATION: [({"job_name": name}, float(record.get("seconds", 0))) for name, record in jobs.items()],
        RULE: [(_labels(check), 1.0) for check in facts.checks],
        CHECKS: [({"status": status}, float(count)) for status, count in sorted(counts.items())],
        IMAGE_VERIFIED: _known(facts.image_verified),
        DEPLOYED: _known(facts.deployed),
        REJECTED: [({}, float(facts.rejected))],
        BACKUP_LAST: _known(facts.backup_last),
        BACKUP_BYTES: _known(float(facts.backup_bytes)),
        BACKUPS: [({}, float(facts.backups))],
    }  # fmt: skip
    lines: list[str] = []
    for metric in ALL:
        if samples[metric]:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} gauge"]
            lines += _lines(metric, facts.instance, samples[metric])
    return "\n".join(lines) + "\n"


def _labels(check: Mapping[str, Any]) -> dict[str, str]:
    return {"rule": str(check["id"]), **{name: str(check[name]) for name in ("target", "severity", "status")}}


def _known(value: float) -> list[Sample]:
    return [({}, value)] if value > 0 else []


def _lines(metric: Metric, instance: str, samples: Iterable[Sample]) -> Iterable[str]:
    for labels, value in samples:
        # "instance" is Prometheus' own label for the host.
        named = {"openclaw": instance, **labels}
        inner = ",".join(f'{name}="{_escaped(label)}"' for name, label in named.items())
        yield f"{metric.name}{{{inner}}} {value:.17g}"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def seconds(text: str) -> float:
    """Return the seconds since 1970 of a time in a record (ISO 8601); 0 when it is none."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
