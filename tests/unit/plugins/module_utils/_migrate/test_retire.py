"""How a container is made again, and which units start it."""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import LABEL_PROJECT
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.record import Member
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.retire import LABEL_MIGRATED, again, units_of

ATTRS = {
    "Config": {"Image": "upstream:1", "Hostname": "abc", "Env": ["A=1"],
               "Labels": {LABEL_PROJECT: "openclaw", "x": "1"}},
    "HostConfig": {"Binds": ["/srv/a:/state:rw"], "NetworkMode": "oc_default", "RestartPolicy": {"Name": "always"}},
    "Mounts": [{"Type": "bind", "Source": "/srv/a", "Destination": "/state"},
               {"Type": "volume", "Name": "deadbeef", "Destination": "/cache"}],
    "NetworkSettings": {"Networks": {"oc_default": {"Aliases": ["gateway"], "IPAddress": "172.18.0.2"}, "two": {}}},
}  # fmt: skip


def test_a_stand_in_has_all_but_the_project_and_the_restart() -> None:
    made = again(ATTRS, "kept:1", {}, Member("id1", "oc", True, ATTRS, "oc-migrated", True))
    assert made["Labels"] == {LABEL_PROJECT: "openclaw-migrated", LABEL_MIGRATED: "id1", "x": "1"}
    assert made["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert made["HostConfig"]["Binds"] == ["/srv/a:/state:rw", "deadbeef:/cache"]
    assert made["NetworkingConfig"]["EndpointsConfig"] == {"oc_default": {"Aliases": ["gateway"]}}
    assert (made["Image"], made["Hostname"], made["Env"]) == ("kept:1", "abc", ["A=1"])


def test_the_original_comes_back_as_it_was() -> None:
    made = again(ATTRS, "kept:1", {})
    assert made["Labels"] == ATTRS["Config"]["Labels"]
    assert made["HostConfig"]["RestartPolicy"] == {"Name": "always"}


def test_one_that_shares_a_network_shares_it_by_name() -> None:
    shared = {**ATTRS, "HostConfig": {"NetworkMode": "container:id1", "PortBindings": {}}}
    made = again(shared, "kept:1", {"id1": "oc-migrated"})
    assert made["HostConfig"]["NetworkMode"] == "container:oc-migrated"
    assert not {"Hostname", "ExposedPorts"} & set(made)
    assert "PortBindings" not in made["HostConfig"]


def test_which_units_start_a_container() -> None:
    units = {
        "oc.service": "[Service]\nExecStart=/usr/bin/docker start -a oc\n",
        "oc.timer": "[Timer]\n",
        "folder.service": "[Service]\nExecStart=docker compose --project-directory /srv/oc up\n",
        "other.service": "[Service]\nExecStart=docker start oc2\n",
        "text.service": "[Service]\nExecStart=/bin/oc\n",
    }
    assert units_of(["oc", "/srv/oc"], units) == ["oc.timer", "folder.service", "oc.service"]
