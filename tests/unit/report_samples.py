"""Results of hardening_info as hosts return them, for the tests of the reports."""

from __future__ import annotations

from typing import Any

AREAS = {
    "account": "ACC",
    "image": "IMG",
    "container": "CTR",
    "network": "NET",
    "secrets": "SEC",
    "systemd": "SYS",
    "host": "HST",
    "upkeep": "UPK",
}
SEVERITIES = ("critical", "high", "medium", "low")
WAIVER = {
    "reason": "the plugin of the sales team writes to /app/cache",
    "expires": "2027-01-31",
    "expired": False,
    "value": "",
}
HOSTILE = {
    "html": "<b>bold</b><img src=x onerror=alert(1)>",
    "script": "</script><script>document.title='owned'</script>",
    "style": "</style><style>body{display:none}</style>",
    "attribute": "\"' onclick=\"document.title='owned'\" x='",
    "jinja": "{{ 7*7 }}{% raw %}{# #}",
    "cdata": "]]><failure/>&lt;&amp;",
    "terminal": "\x1b[31mred\x1b[0m\x07\x00\x9b",
    "bidi": "\u202eevil\u202c \u2066x\u2069 \u200b",
    "surrogate": "\ud800 \udfff",
    "nonsense": "\ufffe \uffff \U0010ffff",
    "lines": "one\r\ntwo\rthree\u2028four",
    "rtl": "\u05e9\u05dc\u05d5\u05dd",
    "wide": "漢字" * 20,
    "link": "[click](http://example.invalid/) {0}",
}


def check(area: str = "network", number: int = 1, status: str = "pass", **changes: Any) -> dict[str, Any]:
    good = status == "pass"
    return {
        "id": f"OCH-{AREAS.get(area, area)}-{number:02}",
        "title": f"Rule {number} of the area {area} holds",
        "area": area,
        "severity": SEVERITIES[(number - 1) % 4],
        "target": "host" if area in ("host", "systemd") else "openclaw-gateway",
        "status": status,
        "manual": False,
        "expected": "all five sets are empty in every process",
        "actual": "CapEff is 0 in 3 processes" if good else f"process 4711 (node) breaks rule {number} of {area}",
        "evidence": [
            {"source": "/proc/4711/status", "text": f"CapInh:\t0\nCapEff:\t{0 if good else 1000}"},
            {"source": "docker inspect openclaw-gateway", "text": f"HostConfig.CapAdd: [] ({area} {number})"},
        ],
        "remediation": "add `cap_drop: [ALL]` to the service,\nthen run `docker compose up -d`",
        "refs": ["CIS Docker Benchmark v1.6.0, 5.4", "OWASP Docker Security Cheat Sheet, rule 3"],
        "waiver": None,
        **changes,
    }


def waived(area: str = "container", number: int = 6, **changes: Any) -> dict[str, Any]:
    return check(area, number, "waived", waiver=WAIVER, actual="the root file system is writable", **changes)


def result(*checks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "changed": False,
        "failed": False,
        "checks": list(checks),
        "summary": {},
        "unused_waivers": [],
        "version": "0.1.0",
        "seconds": 0.9,
        **changes,
    }


def full(per_area: int = 11, **statuses: str) -> dict[str, Any]:
    """Every area; ``network_1="fail"`` sets a check's status, all others pass."""
    checks = []
    for area in AREAS:
        for number in range(1, per_area + 1):
            status = statuses.get(f"{area}_{number}", "pass")
            if status == "waived":
                checks.append(waived(area, number))
            else:
                checks.append(check(area, number, "skip" if status == "manual" else status, manual=status == "manual"))
    return result(*checks)


def fleet() -> list[dict[str, Any]]:
    """Four hosts: bad, not so bad, clean, and one that nobody could reach."""
    return [
        {
            "name": "web1",
            "result": full(
                network_1="fail",
                network_2="fail",
                container_4="fail",
                secrets_3="error",
                image_2="waived",
                upkeep_3="skip",
            ),
        },
        {"name": "web2", "result": full(network_1="fail", image_2="waived", host_4="manual")},
        {"name": "db1", "result": full(host_4="manual")},
        {"name": "old", "result": {"unreachable": True, "msg": "Failed to connect to the host via ssh: no route"}},
    ]


def hostile() -> list[dict[str, Any]]:
    """Every text of every check is hostile, and one is a megabyte long."""
    checks = []
    for number, text in enumerate([*HOSTILE.values(), "A" * 1_000_000], 1):
        checks.append(
            check(
                "network",
                number,
                ("pass", "fail")[number % 2],
                id=f"OCH-NET-{number:02} {text[:200]}",
                title=text or "empty",
                target=text[:300],
                expected=text,
                actual=text,
                evidence=[{"source": text[:300], "text": text}],
                remediation=text,
                refs=[text[:300]],
                waiver={"reason": text, "expires": text[:20], "expired": True, "value": text},
            )
        )
    return [
        {"name": "web1", "result": result(*checks)},
        {"name": HOSTILE["script"], "result": result(check("image", 1, "fail"))},
        {"name": HOSTILE["attribute"], "result": {"failed": True, "msg": HOSTILE["terminal"] + HOSTILE["html"]}},
    ]
