"""Definitions as Docker and Compose really print them (``recorded``), and shapes that other versions print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import container_spec_parse as parse
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import (
    Mount,
    Publish,
    Settings,
    from_compose,
    from_inspect,
    with_image,
)

RECORDED = Path(__file__).parents[3] / "recorded"


def compose(name: str) -> dict[str, Settings]:
    return {found.name: found for found in from_compose(json.loads((RECORDED / f"compose-{name}.json").read_text()))}


def inspect(name: str) -> Settings:
    return from_inspect(json.loads((RECORDED / f"inspect-{name}.json").read_text()))


def service(config: dict | None = None, **keys: object) -> Settings:
    (settings,) = from_compose({**(config or {}), "services": {"s": {"image": "i:1", **keys}}})
    return settings


# --- Compose ----------------------------------------------------------------------------------------------------------


def test_the_hardened_definition():
    gateway = compose("hardened")["openclaw-gateway"]
    assert gateway.source == "Compose service openclaw-gateway"
    assert (gateway.user, gateway.read_only, gateway.privileged, gateway.masked) == ("1000:1000", True, False, True)
    assert (gateway.cap_add, gateway.cap_drop) == ((), ("ALL",))
    assert gateway.security_opt == ("no-new-privileges:true",)
    assert gateway.networks == ("openclaw-gateway",)
    assert gateway.ports == (Publish("127.0.0.1", 18789, 18789),)
    assert (gateway.memory, gateway.memory_swap, gateway.cpus, gateway.pids_limit) == (2 << 30, 2 << 30, 2.0, 512)
    assert (gateway.restart, gateway.restart_max) == ("on-failure", 5)
    assert gateway.log_options == {"max-file": "3", "max-size": "10m"}
    assert [mount.target for mount in gateway.mounts if not mount.read_only] == [
        *("/tmp", "/home/node/.npm", "/home/node/.cache", "/home/node/.openclaw"),
    ]
    secret = Mount("bind", "/etc/openclaw/secrets/gateway_token", "/run/secrets/gateway_token", True)
    assert gateway.mounts[-1] == secret
    assert (gateway.healthcheck, gateway.helper) == ((), False)


def test_a_service_behind_a_profile_is_a_helper():
    cli = compose("hardened")["openclaw-cli"]
    assert cli.helper
    assert cli.network_mode == "service:openclaw-gateway"
    assert (cli.restart, cli.healthcheck) == ("no", ("NONE",))
    assert cli.entrypoint == ("dumb-init", "--", "node", "openclaw.mjs")


def test_everything_that_undoes_isolation():
    found = compose("hostile")["gw"]
    assert found.privileged
    assert not found.masked
    assert found.cap_add == ("SYS_ADMIN", "NET_RAW")
    assert found.security_opt == (
        *("no-new-privileges:true", "seccomp=unconfined", "apparmor=unconfined", "label=disable"),
        "systempaths=unconfined",
    )
    modes = (found.network_mode, found.pid_mode, found.ipc_mode, found.uts_mode, found.userns_mode)
    assert set(modes) == {"host"}
    assert found.cgroup_parent == "/foreign"
    assert found.devices == ("/dev/kvm:/dev/kvm:rwm", "/dev/net/tun:/dev/net/tun:rwm", "rule c 1:3 mr")
    assert (found.group_add, found.oom_kill_disable, found.oom_score_adj) == (("docker", "0"), True, -500)
    assert (found.memory, found.memory_swap, found.cpus, found.pids_limit) == (0, 0, 0.0, 0)
    assert found.restart == "unless-stopped"
    assert found.healthcheck == ("NONE",)
    assert found.ulimits == ("nofile=20000:40000", "nproc=65535:65535")
    assert found.sysctls == ("net.core.somaxconn=1024",)
    # `config` writes each dollar twice.
    assert found.environment == {"EMPTY": "", "NUM": "5", "TOKEN": "a$b"}
    assert found.command == ("sh", "-c", "echo $HOME")


def test_volumes_and_a_volume_that_is_a_directory_of_the_host():
    mounts = {mount.target: mount for mount in compose("hostile")["gw"].mounts}
    assert mounts["/host/etc"] == Mount("bind", "/etc", "/host/etc", True)
    assert mounts["/x"] == Mount("bind", "/srv/x", "/x", False, "rshared", ("z",))
    assert mounts["/data"] == Mount("volume", "p_data", "/data")
    assert mounts["/anonymous"] == Mount("volume", "", "/anonymous")
    assert mounts["/sneaky"] == Mount("bind", "/etc", "/sneaky")


def test_the_section_deploy_wins():
    found = compose("forms")["deploy"]
    assert (found.memory, found.memory_swap, found.cpus, found.pids_limit) == (50 << 20, 100 << 20, 0.5, 20)
    assert (found.restart, found.restart_max) == ("on-failure", 3)
    assert found.devices == ("request nvidia",)
    assert found.security_opt == ("no-new-privileges:true",)
    assert found.networks == ("shared",)
    assert found.labels == {"a": "b", "c": ""}
    assert found.healthcheck == ("CMD-SHELL", "curl -f http://localhost:$PORT/ || exit 1")


def test_ports_of_all_kinds():
    ports = compose("forms")["deploy"].ports
    assert ports[:6] == (
        Publish("", 18789, 18789),
        Publish("127.0.0.1", 18790, 18790, "udp"),
        Publish("::1", 80, 80),
        Publish("", 7000, 7000),
        Publish("", 7001, 7001),
        Publish("", 0, 9000),
    )
    assert [port.port for port in ports[6:]] == list(range(8000, 8011))


def test_scratch_space_secrets_and_configs():
    mounts = {mount.target: mount for mount in compose("forms")["deploy"].mounts}
    assert mounts["/tmp"] == Mount("tmpfs", "", "/tmp")
    assert mounts["/scratch"].options == ("size=10485760", "mode=1777")
    assert mounts["/bare"] == Mount("tmpfs", "", "/bare")
    assert mounts["/data"] == Mount("volume", "elsewhere", "/data", True)
    for target in ("/run/secrets/token", "/run/secrets/other", "/abs/token"):
        assert mounts[target] == Mount("bind", "/etc/x/token", target, True)
    for target in ("/conf", "/etc/conf"):
        assert mounts[target] == Mount("bind", "/etc/x/conf", target, True)


def test_what_another_service_lends():
    found = compose("forms")["list"]
    assert {"/data", "/run/secrets/token"} <= {mount.target for mount in found.mounts}
    assert all(mount.read_only for mount in found.mounts)
    assert (found.cpus, found.restart, found.restart_max) == (0.5, "on-failure", 0)
    assert (found.pid_mode, found.ipc_mode, found.init, found.helper) == ("service:deploy", "shareable", True, True)
    assert found.devices == ("request gpu",)


def test_the_volumes_of_a_container_outside_of_the_file_are_unknown_and_never_good():
    (mount,) = service(volumes_from=["container:other"]).mounts
    assert (mount.target, mount.read_only) == ("(unknown)", False)


def test_services_that_lend_to_each_other_do_not_loop():
    one, other = from_compose(
        {"services": {"a": {"volumes_from": ["b"]}, "b": {"volumes_from": ["a"], "volumes": [{"type": "volume"}]}}}
    )
    assert len(one.mounts) == len(other.mounts) == 1


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ({"devices": ["/dev/kvm"]}, "devices", ("/dev/kvm",)),  # Compose before 2.22
        ({"gpus": "all"}, "devices", ("request gpu",)),
        ({"mem_limit": "2g"}, "memory", 2 << 30),
        ({"mem_limit": 1024}, "memory", 1024),
        ({"mem_limit": "1g", "memswap_limit": "-1"}, "memory_swap", 0),
        ({"mem_limit": "1g"}, "memory_swap", 2 << 30),
        ({"cpus": "0.5"}, "cpus", 0.5),
        ({"cpu_quota": -1}, "cpus", 0.0),
        ({"pids_limit": -1}, "pids_limit", 0),
        ({"tmpfs": "/tmp:noexec,size=1m"}, "mounts", (Mount("tmpfs", "", "/tmp", False, "", ("noexec", "size=1m")),)),
        ({"healthcheck": {"test": "true"}}, "healthcheck", ("CMD-SHELL", "true")),
        ({"healthcheck": {"interval": "30s"}}, "healthcheck", ()),
        ({"healthcheck": {"test": ["NONE"]}}, "healthcheck", ("NONE",)),
        ({"environment": ["A=1", "B"]}, "environment", {"A": "1", "B": ""}),
        ({"labels": ["a=b=c"]}, "labels", {"a": "b=c"}),
        ({"sysctls": ["a.b=1"]}, "sysctls", ("a.b=1",)),
        ({"security_opt": ["no-new-privileges:false"]}, "security_opt", ("no-new-privileges:false",)),
        ({"security_opt": ["systempaths=unconfined"]}, "masked", False),
        ({"privileged": True}, "masked", False),
        ({"entrypoint": "/bin/x"}, "entrypoint", ("/bin/x",)),
        ({"deploy": {"restart_policy": {"condition": "any"}}}, "restart", "always"),
        ({"deploy": {"restart_policy": {"condition": "none"}}, "restart": "always"}, "restart", "no"),
        # A hook is a process of the container (Compose 2.30).
        ({"post_start": [{"command": ["x"], "user": "root", "privileged": True}]}, "privileged", True),
        ({"user": "5:5", "post_start": [{"command": ["x"], "user": "root"}]}, "user", "root"),
        # Compose 2.38 mounts the engine's socket for it.
        (
            {"use_api_socket": True},
            "mounts",
            (Mount("bind", "/var/run/docker.sock", "/var/run/docker.sock"),),
        ),
        ({"container_name": "x"}, "name", "x"),
        ({}, "security_opt", ()),
    ],
)
def test_one_key_of_a_service(keys, field, value):
    assert getattr(service(**keys), field) == value


def test_a_secret_without_a_file_is_no_mount():
    assert service({"secrets": {"s": {"environment": "S"}}}, secrets=[{"source": "s"}]).mounts == ()


# --- docker inspect ---------------------------------------------------------------------------------------------------


def test_the_hardened_container():
    found = inspect("hardened")
    wanted = compose("hardened")["openclaw-gateway"]
    same = ("name", "user", "read_only", "cap_add", "cap_drop", "security_opt", "masked", "networks", "ports", "memory")
    same += ("memory_swap", "cpus", "pids_limit", "restart", "restart_max", "log_driver", "log_options", "devices")
    for field in same:
        assert getattr(found, field) == getattr(wanted, field), field
    places = {(mount.kind, mount.source, mount.target, mount.read_only) for mount in wanted.mounts}
    assert {(mount.kind, mount.source, mount.target, mount.read_only) for mount in found.mounts} == places
    assert found.source == "docker inspect openclaw-gateway"
    assert (found.status, found.health, found.helper) == ("running", "healthy", False)
    assert found.healthcheck[:2] == ("CMD", "node")


def test_a_good_container_of_docker_run():
    found = inspect("good")
    mounts = {mount.target: mount for mount in found.mounts}
    assert mounts["/tmp"].options == ("size=1m",)
    assert mounts["/bare"].options == ()
    assert mounts["/sized"] == Mount("tmpfs", "", "/sized", False, "", ("size=1048576", "mode=1777"))
    assert mounts["/home/node/.openclaw"].propagation == "rprivate"
    assert found.security_opt == ("no-new-privileges:true",)
    assert (found.cpus, found.init, found.memory_swap) == (0.5, True, 256 << 20)


def test_a_bad_container_of_docker_run():
    found = inspect("bad")
    assert found.privileged
    assert not found.masked
    assert found.cap_add == ("SYS_ADMIN", "NET_RAW")
    assert found.memory_swap == found.pids_limit == 0
    assert found.devices == ("/dev/null:/dev/x:rwm", "rule c 1:3 mr")
    mounts = {mount.target: mount for mount in found.mounts}
    assert mounts["/host/etc"].read_only
    assert mounts["/x"].propagation == "rslave"
    assert mounts["/data"].source == "data"
    assert mounts["/t"].options == ("exec", "suid", "dev")
    assert len(mounts["/anonymous"].source) == 64


def bad_with(volumes: dict | None) -> Settings:
    return from_inspect(json.loads((RECORDED / "inspect-bad.json").read_text()), volumes)


def test_a_named_volume_is_what_its_options_make_of_it():
    volumes = {
        "sneaky": {"type": "none", "o": "bind,ro,rshared", "device": "/etc"},
        "data": {"type": "tmpfs", "o": "size=1m"},
    }
    found = bad_with(volumes)
    mounts = {mount.target: mount for mount in found.mounts}
    assert mounts["/sneaky"] == Mount("bind", "/etc", "/sneaky", True, "rshared", ("z",))
    assert (mounts["/data"].kind, mounts["/data"].options) == ("tmpfs", ("size=1m",))
    assert {volume.name: volume.external for volume in found.volumes if len(volume.name) < 64} == {
        "sneaky": False,
        "data": False,
    }
    assert [volume.external for volume in found.volumes if len(volume.name) == 64] == [True]


def test_volumes_that_nobody_asked_for_are_taken_as_they_are():
    found = bad_with(None)
    assert not any(volume.external for volume in found.volumes)
    assert {mount.target: mount.kind for mount in found.mounts}["/sneaky"] == "volume"


@pytest.mark.parametrize(
    ("settings", "openclaws"),
    [
        ({"image": "ghcr.io/openclaw/openclaw:1"}, True),
        ({"image": "registry.example/me/openclaw-gateway:1"}, True),
        ({"environment": {"OPENCLAW_STATE_DIR": "/data"}}, True),
        ({"command": ("node", "openclaw.mjs", "gateway")}, True),
        ({"entrypoint": ("/app/openclaw",)}, True),
        ({"labels": {"io.openclaw.hardening.base": "x"}}, True),
        ({"mounts": (Mount("bind", "/srv/x", "/home/node/.openclaw"),)}, True),
        ({"image": "postgres:17", "labels": {"com.docker.compose.project": "openclaw"}}, False),
        ({"image": "redis", "environment": {"REDIS_HOST": "openclaw-redis"}}, False),
    ],
)
def test_whose_container_it_is(settings, openclaws):
    assert Settings("openclaw-x", "there", **settings).names_openclaw == openclaws


def test_ports_that_the_daemon_chose():
    found = inspect("ports")
    assert found.publish_all
    assert not found.masked
    assert found.cpus == 0.5
    assert set(found.ports) == {
        Publish("0.0.0.0", 32768, 18789),
        Publish("", 7000, 7000),
        Publish("", 7001, 7001),
        Publish("127.0.0.1", 80, 80, "udp"),
        Publish("0.0.0.0", 32769, 9000),
    }


def test_an_answer_without_anything_asks_for_nothing_good():
    found = from_inspect({})
    assert found.masked  # an engine too old to say
    assert not found.read_only
    assert found.cap_drop == found.mounts == found.ports == ()


# --- together with the image ------------------------------------------------------------------------------------------


def test_what_the_image_adds():
    image = {
        "User": "node",
        "Env": ["PATH=/bin", "A=image"],
        "Entrypoint": ["dumb-init"],
        "Cmd": ["run"],
        "Healthcheck": {"Test": ["CMD", "probe"]},
        "Labels": {"l": "1"},
        "Volumes": {"/var/data": {}, "/tmp": {}},
    }
    found = with_image(service(environment={"A": "own"}, tmpfs=["/tmp"]), image)
    assert (found.user, found.entrypoint, found.command) == ("node", ("dumb-init",), ("run",))
    assert found.healthcheck == ("CMD", "probe")
    assert found.environment == {"PATH": "/bin", "A": "own"}
    assert Mount("volume", "", "/var/data") in found.mounts
    assert len(found.mounts) == 2
    own = with_image(service(user="5", entrypoint=["x"], healthcheck={"disable": True}), image)
    assert (own.user, own.entrypoint, own.command, own.healthcheck) == ("5", ("x",), (), ("NONE",))


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("100k", 102400), ("1.5g", 1610612736), ("2GiB", 2 << 30), ("-1", -1), ("", 0), ("x", 0), (None, 0)],
)
def test_sizes(text, size):
    assert parse.size(text) == size


@pytest.mark.parametrize("value", [None, "x", [], {}, "1e999"])
def test_what_is_no_number_is_none(value):
    assert parse.number(value) == 0


def test_a_range_does_not_keep_the_reader_busy():
    assert len(parse.port_numbers("1-999999999999")) == 1025
