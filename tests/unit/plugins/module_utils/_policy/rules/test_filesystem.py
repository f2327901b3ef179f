"""The file system's rules, against mount tables and definitions that were recorded from real containers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Mount, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import Kernel, Limits
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import Result
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import filesystem as policy
from ansible_collections.openclaw.hardening.plugins.module_utils._system.mountinfo import MountPoint, mount_table
from unit.plugins.module_utils._docker.test_container_spec import RECORDED, compose, inspect

RULES = {rule.id: rule for rule in policy.RULES}
NOTHING = Baseline()


def kernel(*tables: tuple[MountPoint, ...]) -> Kernel:
    return Kernel(7, (), tables, Limits(), {})


def recorded(name: str) -> tuple[MountPoint, ...]:
    return mount_table(Path(RECORDED / f"mountinfo-{name}.txt").read_bytes())


def asked(rule: str, *mounts: Mount, **settings: object) -> Result:
    check = RULES[rule].declared
    return check(Settings("s", "there", mounts=mounts, **settings), NOTHING)


def effective(rule: str, *tables: tuple[MountPoint, ...]) -> Result:
    parts = {"kernel": kernel(*tables), "settings": Settings("s", "there")}
    return RULES[rule].effective(*(parts[name] for name in RULES[rule].needs), NOTHING)


def point(path: str, kind: str = "ext4", root: str = "/srv/x", **more: object) -> MountPoint:
    return MountPoint(path, kind, "dev", root, more.get("options", ("rw",)), ("rw",), more.get("propagation", ()))


WITH_KERNEL = [rule.id for rule in policy.RULES if rule.needs[0] == "kernel"]
ASKED = [rule.id for rule in policy.RULES if rule.declared]


@pytest.mark.parametrize("rule", ASKED)
def test_the_hardened_deployment_passes(rule):
    for settings in (*compose("hardened").values(), inspect("hardened")):
        assert RULES[rule].declared(settings, NOTHING).status == "pass"


@pytest.mark.parametrize("rule", WITH_KERNEL)
def test_the_hardened_mounts_pass_in_every_namespace(rule):
    found = effective(rule, recorded("hardened"), recorded("hardened"))
    assert found.status == "pass", found


@pytest.mark.parametrize(
    ("rule", "output"),
    [
        ("OCH-CTR-06", ["/ is mounted writable"]),
        ("OCH-CTR-09", ["/t lacks noexec, nosuid, nodev", "/u lacks a size"]),
        ("OCH-CTR-10", ["/sneaky", "/data", "/x", "/anonymous"]),
        ("OCH-CTR-11", ["/docker.sock at /engine"]),
        ("OCH-CTR-12", ["/etc at /sneaky", "/etc at /host/etc", "/hostproc"]),
        ("OCH-CTR-24", ["/x is shared"]),
    ],
)
def test_the_bad_mounts_fail_and_are_named(rule, output):
    found = effective(rule, recorded("hardened"), recorded("bad"))
    assert found.status == "fail"
    for words in output:
        assert words in found.actual
    assert found.evidence
    assert "/etc/hosts" not in found.actual
    assert "/sys/" not in found.actual


@pytest.mark.parametrize("rule", ["OCH-CTR-06", "OCH-CTR-10", "OCH-CTR-11", "OCH-CTR-12"])
def test_the_hostile_definition_fails(rule):
    found = RULES[rule].declared(compose("hostile")["gw"], NOTHING)
    assert found.status == "fail"
    assert found.evidence[0][0] == "Compose service gw"


def test_the_bad_container_of_docker_run_fails():
    failed = {rule for rule in ASKED if RULES[rule].declared(inspect("bad"), NOTHING).status == "fail"}
    assert failed == {"OCH-CTR-06", "OCH-CTR-09", "OCH-CTR-10", "OCH-CTR-11", "OCH-CTR-12"}


def test_no_mount_of_the_root_proves_nothing():
    assert effective("OCH-CTR-06").status == "error"
    assert effective("OCH-CTR-06", recorded("hardened"), ()).status == "error"


@pytest.mark.parametrize(
    ("options", "output"),
    [
        (("size=1m",), ""),
        (("noexec", "nosuid", "nodev", "size=10%"), ""),
        (("nr_blocks=100",), ""),
        ((), "a size"),
        (("size=0",), "a size"),
        (("size=1m", "exec"), "noexec"),
        (("size=1m", "suid", "dev"), "nosuid, nodev"),
    ],
)
def test_scratch_space_that_is_asked_for(options, output):
    found = asked("OCH-CTR-09", Mount("tmpfs", "", "/tmp", options=options))
    assert found.status == ("fail" if output else "pass")
    assert output in found.actual


def test_shared_memory_counts_and_what_docker_hides_does_not():
    shm = point("/dev/shm", "tmpfs", "/", options=("rw", "nosuid", "nodev", "noexec"))
    assert effective("OCH-CTR-09", (shm,)).actual == "/dev/shm lacks a size"
    for hidden in (
        point("/proc/keys", "tmpfs", "/null"),
        point("/dev", "tmpfs", "/"),
        point("/proc/acpi", "tmpfs", "/"),
    ):
        assert effective("OCH-CTR-09", (hidden,)).status == "pass"


@pytest.mark.parametrize(
    ("targets", "status"),
    [
        ([], "pass"),
        (["/home/node/.openclaw"], "pass"),
        (["/home/node/.openclaw", "/home/node/.openclaw/workspace"], "pass"),
        (["/home/node/.openclaw/"], "pass"),
        (["/home/node/.openclaw", "/other/.openclaw"], "fail"),
        (["/home/node/.openclaw/workspace"], "fail"),
        (["/home/node/.openclaw-too"], "fail"),
        (["/home/node/.openclaw", "/data"], "fail"),
        (["/"], "fail"),
    ],
)
def test_one_place_for_the_state(targets, status):
    mounts = [Mount("bind", "/srv/x", target) for target in targets]
    assert asked("OCH-CTR-10", *mounts).status == status
    assert asked("OCH-CTR-10", *(replace(mount, read_only=True) for mount in mounts)).status == "pass"
    if "/" not in targets:
        assert effective("OCH-CTR-10", tuple(point(target.rstrip("/")) for target in targets)).status == status


def test_a_container_that_is_not_openclaws_has_its_data_in_volumes():
    rule = RULES["OCH-CTR-10"]
    database = Settings("db", "there", mounts=(Mount("volume", "data", "/var/lib/db/"),), foreign=True)
    table = kernel((point("/var/lib/db"),))
    assert rule.declared(database, NOTHING).status == rule.effective(table, database, NOTHING).status == "pass"
    for other in (
        replace(database, foreign=False),
        replace(database, mounts=(Mount("bind", "/srv/x", "/var/lib/db"),)),
    ):
        assert rule.declared(other, NOTHING).status == rule.effective(table, other, NOTHING).status == "fail"


@pytest.mark.parametrize(
    "source",
    [
        *("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"),
        *("/", "/run", "/var/run", "/var/run/", "/run/containerd", "/run/user/1000", "/run/user/1000/docker.sock"),
        *("/run/user/1000/podman", "//run/../run", "/var", "/srv/elsewhere/docker.sock"),
    ],
)
def test_every_way_to_an_engine(source):
    found = asked("OCH-CTR-11", Mount("bind", source, "/x", read_only=True))
    assert found.status == "fail"
    assert source in found.actual


def test_an_engine_by_the_name_inside():
    assert asked("OCH-CTR-11", Mount("volume", "v", "/var/run/docker.sock")).status == "fail"
    assert asked("OCH-CTR-11", Mount("volume", "run", "/data")).status == "pass"


@pytest.mark.parametrize(
    "source", ["/var/lib/openclaw/.openclaw", "/run/openclaw/token", "/etc/openclaw/openclaw.json"]
)
def test_openclaws_own_places_are_neither_sockets_nor_sensitive(source):
    assert asked("OCH-CTR-11", Mount("bind", source, "/x")).status == "pass"
    assert asked("OCH-CTR-12", Mount("bind", source, "/x")).status == "pass"


@pytest.mark.parametrize(
    "source",
    [
        *("/", "/boot", "/boot/efi", "/dev", "/dev/sda", "/etc", "/etc/", "/etc/ssh", "/etc/shadow", "/home"),
        *("/home/alice", "/home/alice/.ssh", "/root", "/root/.docker", "/lib", "/proc", "/proc/1", "/run", "/var/run"),
        *("/sys", "/usr", "/var", "/var/lib", "/var/lib/docker", "/var/lib/docker/volumes/x/_data", "/etc/../etc"),
    ],
)
def test_sensitive_directories(source):
    assert asked("OCH-CTR-12", Mount("bind", source, "/x", read_only=True)).status == "fail"


@pytest.mark.parametrize("source", ["/home/alice/.openclaw", "/root/.openclaw", "/srv/openclaw", "/etc/localtime"])
def test_single_files_and_directories_below(source):
    assert asked("OCH-CTR-12", Mount("bind", source, "/x")).status == "pass"


def test_a_partition_of_its_own_is_not_the_hosts_root():
    assert effective("OCH-CTR-12", (point("/home/node/.openclaw", root="/"),)).status == "pass"


# --- what a mount shows of the host, by the host's own table -------------------------------------------------------

STATE = "/home/node/.openclaw"
HOST = mount_table(
    b"""20 1 254:0 / / rw - ext4 /dev/vda1 rw
21 20 0:21 / /run rw - tmpfs tmpfs rw,size=100k,mode=755
22 20 0:30 /@ /srv/old rw - btrfs /dev/vdb rw
23 20 0:30 /@home /home rw - btrfs /dev/vdb rw
24 20 254:5 / /var/lib/openclaw rw - xfs /dev/vdc rw
25 20 254:0 /var/lib/docker/volumes/disk/_data /var/lib/docker/volumes/disk/_data rw - ext4 /dev/vda1 rw
26 20 8:1 / /var/lib/docker/volumes/raw/_data rw - ext4 /dev/sda1 rw
29 20 254:0 /srv/data /var/lib/docker/volumes/bound/_data rw - ext4 /dev/vda1 rw
27 20 0:50 / /var/lib/docker/volumes/layers/_data rw - overlay overlay rw,lowerdir=/
28 20 0:60 / /var/lib/docker/volumes/memory/_data rw - tmpfs tmpfs rw,size=1m
"""
)


def shown(rule: str, device: str, root: str, path: str = "/x", kind: str = "ext4", sockets: tuple = ()) -> Result:
    mount = MountPoint(path, kind, "source", root, ("ro", "nosuid", "nodev", "noexec"), ("rw", "size=1m"), (), device)
    found = Kernel(7, (), ((mount,),), Limits(), {}, host_mounts=HOST, host_sockets=sockets)
    return RULES[rule].effective(found, NOTHING)


@pytest.mark.parametrize(
    ("device", "root", "kind", "output"),
    [
        ("254:0", "/", "ext4", "ext4 / at /x"),
        ("254:0", "/etc", "ext4", "ext4 /etc at /x"),
        ("254:0", "/etc/ssl/private", "ext4", "/etc/ssl/private"),
        ("254:0", "/etc/openclaw", "ext4", "/etc/openclaw"),
        ("254:0", "/var/lib/openclaw-hardening", "ext4", "/var/lib/openclaw-hardening"),
        ("0:21", "/", "tmpfs", "tmpfs /run at /x"),
        ("0:21", "/udev", "tmpfs", "/run/udev"),
        ("0:30", "/@home", "btrfs", "btrfs /home at /x"),
        ("0:30", "/@home/alice/.ssh", "btrfs", "/home/alice/.ssh"),
        ("0:30", "/", "btrfs", "/home"),
        ("8:1", "/", "ext4", "mounted by a volume's options"),
        ("0:50", "/", "overlay", "mounted by a volume's options"),
        ("9:9", "/", "xfs", "/ of source"),
        ("9:9", "/some/where", "xfs", "/some/where of source"),
        ("0:5", "/", "sysfs", "sysfs / at /x"),
        ("0:6", "/", "debugfs", "debugfs / at /x"),
    ],
)
def test_what_the_host_has_there_decides(device, root, kind, output):
    found = shown("OCH-CTR-12", device, root, kind=kind)
    assert found.status == "fail"
    assert output in found.actual
    assert found.evidence


@pytest.mark.parametrize(
    ("device", "root", "path", "kind"),
    [
        ("254:0", "/var/lib/openclaw/.openclaw", STATE, "ext4"),
        ("254:5", "/.openclaw", STATE, "xfs"),
        ("254:0", "/etc/openclaw/openclaw.json", "/etc/openclaw/openclaw.json", "ext4"),
        ("254:0", "/etc/openclaw/secrets/gateway_token", "/run/secrets/gateway_token", "ext4"),
        ("254:0", "/etc/localtime", "/etc/localtime", "ext4"),
        ("254:0", "/srv/data", "/data", "ext4"),
        ("254:0", "/var/lib/docker/volumes/data/_data", "/data", "ext4"),
        ("254:0", "/var/lib/docker/containers/0a1b/hosts", "/etc/hosts", "ext4"),
        ("0:60", "/", "/data", "tmpfs"),
        ("0:99", "/", "/tmp", "tmpfs"),
        ("0:98", "/", "/dev/shm", "tmpfs"),
        ("0:97", "/", "/sys/fs/cgroup", "cgroup2"),
        ("0:96", "/", "/dev/mqueue", "mqueue"),
        ("0:95", "/", "/", "overlay"),
    ],
)
def test_what_is_openclaws_own_or_dockers_passes(device, root, path, kind):
    assert shown("OCH-CTR-12", device, root, path, kind).status == "pass"
    assert shown("OCH-CTR-11", device, root, path, kind).status == "pass"


def test_what_is_bound_over_a_file_of_dockers_counts():
    assert shown("OCH-CTR-12", "254:0", "/etc/shadow", "/etc/hosts").status == "fail"
    assert shown("OCH-CTR-12", "254:0", "/etc/ssl/private", "/dev/x").status == "fail"


@pytest.mark.parametrize(
    ("device", "root", "kind", "status"),
    [
        ("254:0", "/srv/tools", "ext4", "fail"),
        ("254:0", "/srv/tools/engine", "ext4", "fail"),
        ("254:0", "/srv/other", "ext4", "pass"),
        ("0:21", "/dbus", "tmpfs", "fail"),
        ("0:21", "/containerd", "tmpfs", "fail"),
        ("254:0", "/var/lib/incus", "ext4", "fail"),
    ],
)
def test_a_socket_of_the_host_is_one_whatever_its_name_is(device, root, kind, status):
    found = shown("OCH-CTR-11", device, root, kind=kind, sockets=("/run/docker.sock", "/srv/tools/engine"))
    assert found.status == status


@pytest.mark.parametrize(
    ("mount", "output"),
    [
        (point("/x", "ext4", "/"), "ext4 / of dev"),
        (point("/x", "overlay", "/"), "overlay / of dev"),
        (point("/x", "btrfs", "/@"), "btrfs / at /x"),
        (point("/x", "btrfs", "/@rootfs/etc"), "btrfs /etc at /x"),
        (point("/x", "btrfs", "/@home"), "btrfs /home at /x"),
        (point("/x", "ext4", "/etc/letsencrypt"), "/etc/letsencrypt"),
    ],
)
def test_without_the_hosts_table_the_directory_has_to_do(mount, output):
    found = effective("OCH-CTR-12", (mount,))
    assert found.status == "fail"
    assert output in found.actual


@pytest.mark.parametrize(
    ("size", "output"),
    [
        *(("size=16g", ""), ("size=16777216k", ""), ("size=49%", ""), ("nr_blocks=1000", ""), ("size=010", "")),
        *(("size=17g", "more than 16 GiB"), ("size=1000g", "more than"), ("size=0x100000000000", "more than")),
        *(("size=50%", "a size"), ("size=100%", "a size"), ("size=0g", "a size"), ("size=x", "a size")),
        ("nr_blocks=9999999999", "more than"),
    ],
)
def test_how_much_scratch_space_is_a_limit(size, output):
    found = asked("OCH-CTR-09", Mount("tmpfs", "", "/tmp", options=("size=1m", size)))
    assert found.status == ("fail" if output else "pass")
    assert output in found.actual


def test_shared_memory_of_a_terabyte_is_no_limit():
    assert asked("OCH-CTR-09", shm_size=1 << 40).status == "fail"
    assert asked("OCH-CTR-09", shm_size=64 << 20).status == "pass"


@pytest.mark.parametrize(
    ("propagation", "status"), [("", "pass"), ("rprivate", "pass"), ("rslave", "pass"), ("rshared", "fail")]
)
def test_propagation(propagation, status):
    assert asked("OCH-CTR-24", Mount("bind", "/srv/x", "/x", propagation=propagation)).status == status
    assert effective("OCH-CTR-24", (point("/x", propagation=("master:3",)),)).status == "pass"


def drift(*changes: tuple[str, str]) -> Result:
    image = SimpleNamespace(drift=changes)
    return RULES["OCH-CTR-28"].effective(image, kernel(recorded("hardened")), NOTHING)


def test_mount_points_and_their_parents_are_expected():
    # What `docker diff` really reports about the hardened container.
    observed = [("C", "/run"), ("A", "/run/secrets"), ("A", "/run/secrets/gateway_token")]
    assert (
        drift(*observed, ("C", "/etc"), ("A", "/etc/openclaw"), ("A", "/etc/openclaw/openclaw.json")).status == "pass"
    )
    assert drift().status == "pass"


@pytest.mark.parametrize("change", [("A", "/app/evil.js"), ("C", "/usr/bin/node"), ("D", "/etc/passwd"), ("D", "/etc")])
def test_anything_else_was_changed(change):
    found = drift(("C", "/etc"), change)
    assert found.status == "fail"
    assert f"{change[0]} {change[1]}" in found.actual


def test_the_directory_above_a_change_is_not_named_twice():
    found = drift(("C", "/app"), ("C", "/app/dist"), ("A", "/app/dist/x.js"))
    assert found.actual == "changed: A /app/dist/x.js"


def test_many_changes_are_counted():
    assert drift(*(("A", f"/app/{number}") for number in range(9))).actual.endswith("and 4 more")
