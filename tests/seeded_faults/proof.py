"""Makes tests of tables of faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from harness import LONG, Host, SeededFault


def proof(faults: Sequence[SeededFault]) -> Callable[..., None]:
    """Return the test that every one is found by the check that is named for it, and healed by what that one
    reports.
    """
    # Each way of each remediation is tried on the first fault that it heals, and with SEEDED_FAULTS=long on all.
    first: dict[tuple[str, int | None], str] = {}
    for fault in faults:
        first.setdefault((fault.expected, fault.way), fault.name)

    @pytest.mark.parametrize("fault", faults, ids=lambda fault: fault.name.replace(" ", "-"))
    def test_it_is_found(fault: SeededFault, host: Host, note: Callable[..., None]) -> None:
        healed = ""
        with host.having(fault) as options:
            audit = host.audit(**options)
            found = audit.found(fault.expected)
            tried = LONG or first[fault.expected, fault.way] == fault.name
            if found and tried and fault.way is not None:
                host.heal(fault, audit)
                healed = host.audit(**options).status(fault.expected)
        note(
            fault=fault.name,
            expected=fault.expected,
            severity=audit.severity(fault.expected),
            bad=audit.bad,
            remediation=audit.remediation(fault.expected),
            healed=healed,
        )
        assert found, f"{fault.expected} does not say so; it is {audit.bad or 'all well'}"
        well = not healed or healed.startswith(("pass", "skip"))
        assert well, f"{audit.remediation(fault.expected)}\ndoes not heal: {healed}"

    return test_it_is_found
