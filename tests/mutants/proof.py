"""Makes tests of tables of mutants."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from harness import Host, Mutant


def proof(mutants: Iterable[Mutant]) -> Callable[..., None]:
    """Return the test that every one of them is found, by the check that is named for it."""

    @pytest.mark.parametrize("mutant", mutants, ids=lambda mutant: mutant.name.replace(" ", "-"))
    def test_it_is_found(mutant: Mutant, host: Host, note: Callable[..., None]) -> None:
        with host.having(mutant) as options:
            audit = host.audit(**options)
        note(mutant=mutant.name, expected=mutant.expected, severity=audit.severity(mutant.expected), bad=audit.bad)
        assert audit.found(mutant.expected), f"{mutant.expected} does not say so; it is {audit.bad or 'all well'}"

    return test_it_is_found
