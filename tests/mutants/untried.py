"""Rules whose remediation no test applies yet; may only become shorter (tests/unit/test_advice.py)."""

from __future__ import annotations

UNTRIED = frozenset(
    {
        "OCH-NET-10",
        "OCH-NET-02",
        "OCH-NET-03",
        "OCH-NET-07",
        "OCH-SYS-01",
        "OCH-SYS-02",
    }
)
