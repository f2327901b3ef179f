"""Rules whose remediation waits for its trial on a host; both may only become shorter (tests/unit/test_advice.py)."""

from __future__ import annotations

# No test applies it.
NOWHERE = frozenset(
    {
        "OCH-NET-10",
        "OCH-ACC-02",
        "OCH-CTR-29",
        "OCH-HST-04",
        "OCH-HST-05",
        "OCH-HST-06",
        "OCH-HST-07",
        "OCH-HST-08",
        "OCH-HST-09",
        "OCH-HST-12",
        "OCH-IMG-01",
        "OCH-IMG-03",
        "OCH-IMG-04",
        "OCH-IMG-05",
        "OCH-IMG-06",
        "OCH-IMG-07",
        "OCH-IMG-08",
        "OCH-IMG-09",
        "OCH-NET-02",
        "OCH-NET-03",
        "OCH-NET-07",
        "OCH-SEC-08",
        "OCH-SYS-01",
        "OCH-SYS-02",
        "OCH-UPK-01",
        "OCH-UPK-03",
    }
)
# The unit tests apply it to a definition that the gate then takes.
AT_THE_GATE_ONLY = frozenset(
    {
        "OCH-CTR-06",
        "OCH-CTR-08",
        "OCH-CTR-10",
        "OCH-CTR-11",
        "OCH-CTR-12",
        "OCH-CTR-13",
        "OCH-CTR-14",
        "OCH-CTR-15",
        "OCH-CTR-16",
        "OCH-CTR-17",
        "OCH-CTR-18",
        "OCH-CTR-19",
        "OCH-CTR-20",
        "OCH-CTR-21",
        "OCH-CTR-22",
        "OCH-CTR-23",
        "OCH-CTR-24",
        "OCH-CTR-26",
        "OCH-CTR-27",
        "OCH-CTR-30",
        "OCH-NET-01",
        "OCH-NET-04",
        "OCH-NET-05",
        "OCH-UPK-02",
    }
)
UNTRIED = NOWHERE | AT_THE_GATE_ONLY
