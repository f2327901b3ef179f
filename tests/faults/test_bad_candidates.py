"""What cannot work never reaches the service: it runs on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from deployment import Deployment
from faults import FAULTS, Fault
from harness import FaultHost, World
from proofs import reported, untouched


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_service_is_not_touched(
    fault: Fault, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    with host.probed() as probes:
        answer = deployment.run(fault.image, config=fault.config, health={"timeout": fault.patience})
    assert answer["failed"], answer
    assert answer.get("outcome", "unchanged") == "unchanged"
    assert [words for words in fault.reports if words not in answer["msg"]] == [], answer["msg"]
    untouched(before, host.look())
    assert (probes.failed, probes.versions) == (0, ["version 1"]), probes.changes
    note(fault.name, outcome="version 1 serves, not touched", **reported(probes), message=answer["msg"])
    assert deployment.run()["changed"] is False


def test_an_image_that_is_not_even_tried_gives_the_name_back(
    before: World, deployment: Deployment, host: FaultHost
) -> None:
    """The role has named it by then; `docker compose up` by hand would start it with the old configuration."""
    answer = deployment.run("v2", config={"gateway": {"bind": "everywhere"}})
    assert answer["failed"]
    assert "gateway.bind: Invalid input" in answer["msg"]
    untouched(before, host.look())
    assert deployment.run()["changed"] is False
