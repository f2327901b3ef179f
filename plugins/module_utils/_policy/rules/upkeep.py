# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about what wears off: the age of image and engine, and the log that another user has to look at.

Sources: the hardening guide (checklist 7, 9, 10), CIS Docker Benchmark v1.6.0, the OWASP Docker Security Cheat Sheet.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timezone
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
    skipped,
    verdict,
)

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.daemon import Daemon
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.image import ImageFacts
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.log import LogFacts

OLDEST_ENGINE = (23, 0)
REFUSALS = 10
_DAY = 24 * 60 * 60
# Who keeps the log elsewhere, and rotates it there.
_ELSEWHERE = ("awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "journald", "logentries", "splunk", "syslog")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_SIZE = re.compile(r"\s*([1-9]\d*)\s*[kmg]?b?\s*", re.IGNORECASE)
# How often in a day an event may happen before it is one too many; what is missing here is only reported.
_LIMITS = {
    "lockout": 1,
    "refused login": REFUSALS,
    "foreign web page": REFUSALS,
    "configuration tampered with": 1,
    "security warning": 1,
}


def age_effective(image: ImageFacts, allowed: Baseline) -> Result:
    """Checklist 9: the base gets security updates, an old image has none of them."""
    times = {f"image {image.id[:19]}": ("Created", image.created)}
    if image.record and image.record.image_id == image.id:
        times[allowed.record] = ("verified", image.record.verified)
        if image.record.base_current:  # a newer look at the base outranks both
            times = {allowed.record: ("base_current", image.record.base_current)}
    observed = [(where, f"{what} {text or '(no time)'}") for where, (what, text) in times.items()]
    found = [_seconds(text) for _what, text in times.values()]
    known = [moment for moment in found if moment]
    if len(known) < len(found):
        return inconclusive("the image does not say when it was made", *observed)
    days = (image.now - min(known)) / _DAY
    if days < -1:
        return inconclusive(f"the image's date is in the future ({-days:.0f} days)", *observed)
    actual = f"{max(days, 0):.0f} days old, {allowed.image_max_age_days} are allowed"
    return failed(actual, *observed) if days > allowed.image_max_age_days else passed(actual, *observed)


def _seconds(text: str) -> float:
    """Return the time of an RFC 3339 text; 0 for none, and for the zero times of builds that hide theirs."""
    match = _TIME.match(text)
    if not match:
        return 0.0
    try:
        moment = datetime.fromisoformat(match[1] + match[2].replace("Z", "+00:00")).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return 0.0
    return moment.timestamp() if moment.year > 2000 else 0.0


def rotation_declared(settings: Settings, _allowed: Baseline) -> Result:
    """Checklist 10: a log without an end fills the disk, and then everything stops."""
    driver, options = settings.log_driver, settings.log_options
    shown = ", ".join(f"{name}={options[name]}" for name in ("max-size", "max-file") if name in options)
    observed = (settings.source, f"log driver {driver or '(the default of the daemon)'}{f', {shown}' if shown else ''}")
    if not driver:
        return inconclusive("the definition leaves the log to the daemon, whose own default never rotates", observed)
    if driver == "none":
        return skipped("there is no log", observed)
    if driver in _ELSEWHERE:
        return passed(f"{driver} keeps the log, and has its own limits", observed)
    if driver == "local":
        unlimited = "max-size" in options and not _SIZE.fullmatch(options["max-size"])
        return verdict(["max-size is no limit"] if unlimited else [], "the driver local rotates by itself", observed)
    if driver != "json-file":
        return inconclusive(f"the log driver {driver} is not known", observed)
    faults = []
    if not _SIZE.fullmatch(options.get("max-size", "")):
        faults.append("max-size is missing" if "max-size" not in options else "max-size is no limit")
    elif not re.fullmatch(r"0*([2-9]|[1-9]\d+)", options.get("max-file", "")):
        faults.append("max-file is missing: rotation throws everything away")
    return verdict(faults, f"rotates ({shown})", observed)


def events_effective(log: LogFacts, _allowed: Baseline) -> Result:
    """Checklist 10: another user has to look at the log; this is where it reports attacks."""
    where = "docker logs"
    if log.unreadable:
        unread = (where, f"log driver {log.driver}: {log.unreadable}")
        if log.driver in _ELSEWHERE:
            return skipped(f"the log is kept by {log.driver}: it has to be watched there", unread)
        return failed(f"the log cannot be read (log driver {log.driver})", unread)
    reach = f"{'only the last ' if log.cut else ''}{log.lines} lines{f' since {log.since[:19]}Z' if log.since else ''}"
    counts = Counter(event.kind for event in log.events)
    reported = [f"{number} x {kind}" for kind, number in counts.items()]
    faults = [f"{counts[kind]} x {kind}" for kind, limit in _LIMITS.items() if counts[kind] >= limit]
    bad = [event for event in log.events if counts[event.kind] >= _LIMITS.get(event.kind, len(log.events) + 1)]
    # One line of each kind before a second one of any.
    first = list({event.kind: event for event in reversed(bad or log.events)}.values())[::-1]
    lines = [*first, *(event for event in bad if event not in first)][:3]
    observed = [(where, f"{reach} looked at"), *((where, f"{event.kind}: {event.line}") for event in lines)]
    if faults:
        return failed(f"{', '.join(faults)} in {reach}", *observed)
    return passed(f"{', '.join(reported) or 'no event'} in {reach}", *observed)


def engine_effective(daemon: Daemon, _allowed: Baseline) -> Result:
    """CIS 1.2.2: an engine that gets no more security updates protects nobody."""
    observed = ("docker version", f"Engine {daemon.version}")
    match = _VERSION.match(daemon.version)
    if not match:
        return inconclusive(f"the engine reports no version that can be compared: {daemon.version!r}", observed)
    if (int(match[1]), int(match[2])) < OLDEST_ENGINE:
        return failed(f"Docker Engine {daemon.version}", observed)
    return passed(f"Docker Engine {daemon.version}", observed)


RULES: tuple[Rule, ...] = (
    Rule(
        id="OCH-UPK-01",
        title="The image is young enough to have the latest security updates",
        area="upkeep",
        severity="medium",
        expected="built and verified no longer ago than the image may be old (30 days, unless reported otherwise)",
        remediation=f"build the image with `--no-cache` on a refreshed base; {RECREATE}",
        refs=(*guide("Security Checklist, item 9"), *cis("4.4"), *owasp(9)),
        needs=("image",),
        effective=age_effective,
    ),
    Rule(
        id="OCH-UPK-02",
        title="The log cannot fill the disk",
        area="upkeep",
        severity="low",
        expected="json-file with max-size and at least two files, or local, or a driver that keeps the log elsewhere",
        remediation='set `logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}` in the service',
        refs=guide("Security Checklist, item 10"),
        declared=rotation_declared,
    ),
    Rule(
        id="OCH-UPK-03",
        title="The log can be read and reports no attack in the last 24 hours",
        area="upkeep",
        severity="medium",
        expected="of the last 2000 lines none about a lockout, a tampered configuration or a security warning, and "
        f"fewer than {REFUSALS} refused logins or foreign web pages (OpenClaw writes none for HTTP); "
        "device pairing requests are reported, not checked",
        remediation='set `logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}` in the '
        f"service; {RECREATE}",
        refs=guide("Security Checklist, item 10"),
        needs=("log",),
        effective=events_effective,
    ),
    Rule(
        id="OCH-UPK-04",
        title="The Docker Engine is not out of support",
        area="upkeep",
        severity="medium",
        expected="Docker Engine 23.0 or newer",
        remediation="",
        refs=(*cis("1.2.2"), *owasp(0)),
        needs=("daemon",),
        effective=engine_effective,
    ),
    Rule(
        id="OCH-UPK-90",
        title="Host and engine get their security updates",
        area="upkeep",
        severity="high",
        expected="look at whether updates come by themselves, and at restarts that are due",
        remediation="",
        refs=(*owasp(0), *cis("1.2.1")),
    ),
    Rule(
        id="OCH-UPK-91",
        title="Images are scanned for known vulnerabilities",
        area="upkeep",
        severity="medium",
        expected="look at whether a scanner runs over each build and over the image in use, and who reads its report",
        remediation="",
        refs=(*owasp(9), *cis("4.4")),
    ),
    Rule(
        id="OCH-UPK-92",
        title="Channels and agents do their work under the hardening",
        area="upkeep",
        severity="low",
        expected="try by hand: each channel answers, an agent takes a turn, a command is executed",
        remediation="",
        refs=(*guide("Security Checklist, item 7"), *guide("Verify Functionality")),
    ),
)
