"""A good deployment raises no alarm, in any of the ways in which the guide lets it be deployed."""

from __future__ import annotations

import itertools
import shlex

import pytest
from harness import Definition, Host
from seeded_faults import everything

BINDS = ("loopback", "lan", "one address")
WAIVER = {"id": "OCH-CTR-06", "reason": "a plugin writes beside its program"}


def test_no_mutants_fault_is_in_it(host: Host) -> None:
    """What reports that a fault is real would otherwise tell nothing."""
    host.deploy(host.definition())
    faults = [fault for area in everything().values() for fault in area]
    tries = [f"if ({fault.real}) >/dev/null 2>&1; then echo {shlex.quote(fault.name)}; fi" for fault in faults]
    assert host.check("\n".join(tries)) == ""


def test_names_tell_mutants_apart() -> None:
    names = [fault.name for area in everything().values() for fault in area]
    assert len(names) == len(set(names)) >= 75


def test_as_the_role_deployed_it(host: Host, note) -> None:  # noqa: ANN001
    host.check(
        "docker compose --file /root/good.yml --project-directory /etc/openclaw up --detach openclaw-gateway 2>&1"
    )
    host.forget()
    host.check("healthy healthy 600")
    audit = host.audit()
    note(name="good", bad=audit.bad, seconds=audit.seconds)
    assert audit.bad == {}


@pytest.mark.parametrize("capabilities", [[], ["NET_BIND_SERVICE"]], ids=["no-capability", "one-capability"])
@pytest.mark.parametrize("read_only", [True, False], ids=["read-only", "writable"])
@pytest.mark.parametrize("bind", BINDS)
def test_every_choice_of_the_guide(bind: str, read_only: bool, capabilities: list[str], host: Host) -> None:
    definition = host.definition()
    addresses = reach(definition, bind)
    if capabilities:
        definition.gateway["cap_add"] = capabilities
    if not read_only:
        definition.leave("read_only")
    host.deploy(definition)
    audit = host.audit(addresses=addresses, capabilities=capabilities, waivers=[] if read_only else [WAIVER])
    assert audit.bad == {}


def reach(definition: Definition, bind: str) -> list[str]:
    """Publish as the role does, and return what the audit is reported of it."""
    if bind == "loopback":
        return []
    if bind == "lan":
        definition.gateway["ports"][0].pop("host_ip")
        return ["any"]
    address = definition.facts["address"]
    definition.gateway["ports"].append(definition.port(address))
    return [address]


@pytest.mark.parametrize("choice", list(itertools.product(BINDS, [True, False])), ids=str)
def test_what_was_not_permitted_is_found(choice: tuple[str, bool], host: Host) -> None:
    """The same choices without a word of the operator."""
    bind, read_only = choice
    definition = host.definition()
    reach(definition, bind)
    if not read_only:
        definition.leave("read_only")
    host.deploy(definition)
    audit = host.audit()
    assert audit.found("OCH-NET-01") == (bind != "loopback")
    assert audit.found("OCH-CTR-06") == (not read_only)
