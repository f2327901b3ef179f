"""What plain `docker compose up --wait` makes of the same faults, on the same host, in the same run."""

from __future__ import annotations

from collections.abc import Callable

import plain
import pytest
from deployment import Deployment
from faults import FAULTS, Fault
from harness import LONG, World
from proofs import reported

pytestmark = pytest.mark.skipif(not LONG, reason="what others make of it: FAULTS=long")


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_bad_deployment(fault: Fault, before: World, deployment: Deployment, note: Callable[..., None]) -> None:
    plain.begin(deployment)
    code, probes = plain.up(deployment, fault.image, fault.config)
    serves = plain.serves(probes)
    note(fault.name, "plain", outcome=f"{serves} serves, exit code {code}", **reported(probes))
    assert serves == fault.plain, probes.changes
