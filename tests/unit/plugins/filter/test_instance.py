"""The filter instance: names, refusals, and the documentation of every key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.openclaw.hardening.plugins.filter.instance import FilterModule

TOP = Path(__file__).resolve().parents[4]
DOCUMENT: dict[str, Any] = yaml.safe_load((TOP / "plugins/filter/instance.yml").read_text())
DOCUMENTED = DOCUMENT["RETURN"]["_value"]["contains"]
instance = FilterModule().filters()["instance"]


def test_the_default_instance_has_the_documented_names() -> None:
    assert instance("openclaw") == {key: entry["sample"] for key, entry in DOCUMENTED.items()}


def test_another_instance_has_names_of_its_own() -> None:
    one, other = instance("openclaw"), instance("acme")
    assert [key for key in one if one[key] == other[key]] == ["service", "shared_library"]
    assert (other["name"], other["unit"]) == ("openclaw-acme", "openclaw-acme-gateway.service")
    assert other["record_dir"] == "/var/lib/openclaw-acme-hardening"


def test_no_path_of_an_instance_is_one_of_another() -> None:
    names = ["openclaw", "acme", "acme-gateway", "build", "acme-build", "hardening-x", "a" * 20, "a" * 19 + "b"]
    paths = [
        path for name in names for path in {*map(str, instance(name).values())} - {instance(name)["shared_library"]}
        if path.startswith("/")
    ]  # fmt: skip
    assert len(paths) > 80
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("name", ["openclaw", "acme", "x", "a1-", "a" * 20])
def test_a_bridge_is_short_and_of_its_own(name: str) -> None:
    assert len(instance(name)["bridge"]) <= 15
    assert instance(name)["bridge"] != instance("other")["bridge"]


def test_a_long_name_keeps_the_bridge_that_its_network_has() -> None:
    assert instance("a-long-instance")["bridge"] == "br-8e10e20de8f4"


@pytest.mark.parametrize(
    "name",
    ["", "A", "1a", "-a", "a_b", "a b", "a\n", "ä", "a/b", "a" * 21, None, 5, ["a"],
     "hardening", "acme-hardening", "xhardening", "hardening-build", "acme-hardening-build"],
)  # fmt: skip
def test_a_bad_name_is_refused_by_the_variable_that_it_comes_from(name: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"\Aopenclaw_instance: found .*, needed 1 to 20 .*; set '"):
        instance(name)
    with pytest.raises(AnsibleFilterError, match=r"\Aopenclaw_user_instance: found .*; set 'openclaw_user_instance'"):
        instance(name, "openclaw_user_instance")


def test_every_unit_of_a_group_has_a_limit_and_a_timer_has_none() -> None:
    found = instance("acme")
    units = {unit: limit for group in found["unit_groups"].values() for unit, limit in group.items()}
    assert set(found["exposure_limits"]) == {unit for unit in units if unit.endswith(".service")}
    assert {units[unit] for unit in units if unit.endswith(".timer")} == {10.0}
    assert all(unit.startswith("openclaw-acme-") for unit in units)
    named = {found[key] for key in found if key.endswith(("_unit", "_timer")) or key == "unit"}
    assert named <= set(units)
