"""Makes tests of tables of mutants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from harness import LONG, Host, Mutant


def proof(mutants: Sequence[Mutant]) -> Callable[..., None]:
    """Return the test that every one is found by the check that is named for it, and healed by what that one says."""
    # Each way of each remediation is tried on the first mutant that it heals; MUTANTS=long tries it on all of them.
    first: dict[tuple[str, int | None], str] = {}
    for mutant in mutants:
        first.setdefault((mutant.expected, mutant.way), mutant.name)

    @pytest.mark.parametrize("mutant", mutants, ids=lambda mutant: mutant.name.replace(" ", "-"))
    def test_it_is_found(mutant: Mutant, host: Host, note: Callable[..., None]) -> None:
        healed = ""
        with host.having(mutant) as options:
            audit = host.audit(**options)
            found = audit.found(mutant.expected)
            tried = LONG or first[mutant.expected, mutant.way] == mutant.name
            if found and tried and mutant.way is not None:
                host.heal(mutant, audit)
                healed = host.audit(**options).status(mutant.expected)
        note(
            mutant=mutant.name,
            expected=mutant.expected,
            severity=audit.severity(mutant.expected),
            bad=audit.bad,
            remediation=audit.remediation(mutant.expected),
            healed=healed,
        )
        assert found, f"{mutant.expected} does not say so; it is {audit.bad or 'all well'}"
        well = not healed or healed.startswith(("pass", "skip"))
        assert well, f"{audit.remediation(mutant.expected)}\ndoes not heal: {healed}"

    return test_it_is_found
