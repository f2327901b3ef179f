"""Which files are ours: every name of the filter ``instance`` is covered, and what another user wrote is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import look
from ansible_collections.openclaw.hardening.plugins.module_utils._removal import files, instances

HEADER = "# Made by the role openclaw.hardening.x; changes are overwritten.\n"
# What Docker or the kernel has under these names, and what no removal takes away.
ELSEWHERE = {"name", "container", "service", "bridge", "image", "build_image", "backup_dir"}


class Root:
    """A host below a folder: the same names, with other tops."""

    def __init__(self, top: Path, instance: str = "openclaw") -> None:
        self.top = top
        self.names = {key: f"{top}{text}" if text.startswith("/") else text
                      for key, text in instances.names_of(instance).items()}  # fmt: skip

    def write(self, path: str, text: str = HEADER) -> str:
        whole = path if path.startswith(str(self.top)) else f"{self.top}{path}"
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        Path(whole).write_text(text)
        return whole

    def folder(self, key: str) -> None:
        os.makedirs(self.names[key], exist_ok=True)
        os.chmod(self.names[key], 0o700)

    def host(self, **changes: object) -> files.Host:
        found = files.gather(self.names)
        return files.Host(**{**found.__dict__, **changes}) if changes else found

    def things(self, **changes: object) -> dict[str, str]:
        """Return the reason of each thing by its path below the top."""
        found = files.files(self.host(**changes))
        return {thing.path.removeprefix(str(self.top)): thing.reason for thing in found}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Root]:
    for name in ("UNIT_PATH", "LIBRARIES", "_STAMPS"):
        monkeypatch.setattr(files, name, f"{tmp_path}{getattr(files, name)}")
    monkeypatch.setattr(files, "SCANNED", tuple(f"{tmp_path}{folder}" for folder in files.SCANNED))
    made = {key: f"{tmp_path}{top}" for key, top in files._MADE_BY_SYSTEMD.items()}
    monkeypatch.setattr(files, "_MADE_BY_SYSTEMD", made)
    listing = files.listing
    monkeypatch.setattr(
        files, "listing", lambda path: listing(path if path.startswith(str(tmp_path)) else f"{tmp_path}{path}")
    )
    yield Root(tmp_path)


@pytest.mark.parametrize("instance", ["openclaw", "acme"])
def test_every_name_of_the_instance_is_covered(root: Root, instance: str) -> None:
    """A name that is new in the filter fails here until the removal knows what it is of."""
    root = Root(root.top, instance)
    units = instances.units_of(root.names)
    for key, name in root.names.items():
        if name in units:
            root.write(f"{files.UNIT_PATH}/{name}")
        elif key in ELSEWHERE:
            continue
        elif key.endswith("_dir") or key in ("home", "library", "shared_library"):
            root.folder(key)
        else:
            root.write(name)
    found = files.files(root.host())
    covered = {thing.path for thing in found if not thing.reason}
    for key, name in root.names.items():
        path = f"{files.UNIT_PATH}/{name}" if name in units else name
        assert key in ELSEWHERE or path in covered, key


def test_a_unit_of_another_engineer_is_found_by_header_and_name(root: Root) -> None:
    root.write(
        "/etc/systemd/system/openclaw-maintenance.service", f"{HEADER}[Service]\nStateDirectory=openclaw-maintenance\n"
    )
    root.write("/etc/systemd/system/openclaw-maintenance.timer")
    root.write("/etc/systemd/system/openclaw-other.service", "[Service]\n")
    root.write("/etc/systemd/system/openclaw-acme-gateway.service")
    root.write("/etc/systemd/system/openclaw-acme-maintenance.service")
    os.makedirs(f"{root.top}/var/lib/openclaw-maintenance")
    found = root.things()
    assert found["/etc/systemd/system/openclaw-maintenance.service"] == ""
    assert found["/etc/systemd/system/openclaw-maintenance.timer"] == ""
    assert found["/var/lib/openclaw-maintenance"] == ""
    assert found["/etc/systemd/system/openclaw-other.service"].startswith("not ours")
    assert not [path for path in found if "acme" in path]


def test_a_unit_of_our_name_without_our_header_is_not_ours(root: Root) -> None:
    root.write("/etc/systemd/system/openclaw-gateway.service", "[Service]\nExecStart=/bin/mine\n")
    drop_in = "/etc/systemd/system/openclaw-gateway.service.d/mine.conf"
    root.write(drop_in, "[Service]\n")
    root.write("/usr/local/bin/openclaw", "#!/bin/sh\n")
    found = root.things()
    for path in ("/etc/systemd/system/openclaw-gateway.service", drop_in, "/usr/local/bin/openclaw"):
        assert found[path].startswith("not ours"), path


def test_a_directory_of_a_unit_that_holds_data_is_never_taken_for_its_own(root: Root) -> None:
    for number, folder in enumerate(("openclaw", "openclaw/.openclaw", "openclaw-hardening", "../etc", "/etc")):
        root.write(f"/etc/systemd/system/openclaw-{number}.service", f"{HEADER}[Service]\nStateDirectory={folder}\n")
    for key in ("state_dir", "record_dir"):
        root.folder(key)
    assert not [thing for thing in files.files(root.host()) if thing.kind == "tree"]


def test_a_directory_that_another_instance_has_too_stays(root: Root) -> None:
    text = f"{HEADER}[Service]\nRuntimeDirectory=openclaw-gateway-start\n"
    os.makedirs(f"{root.top}/run/openclaw-gateway-start")
    root.write("/etc/systemd/system/openclaw-gateway-start.service", text)
    assert root.things()["/run/openclaw-gateway-start"] == ""
    root.write("/etc/systemd/system/openclaw-acme-gateway-start.service", text)
    assert root.things()["/run/openclaw-gateway-start"] == "used by openclaw-acme"


def test_the_configuration(root: Root) -> None:
    etc = root.names["config_dir"]
    root.folder("record_dir")
    ours = [root.write(f"{etc}/{name}", "x") for name in ("passwd", "group", "openclaw.json", "auth-notifier.env")]
    changed, deployed = root.write(f"{etc}/ca.pem", "changed"), root.write(f"{etc}/extra", "as deployed")
    foreign = [root.write(f"{etc}/notes.txt", "mine"), root.write(f"{etc}/secrets/id_rsa", "mine")]
    secrets = [root.write(f"{etc}/secrets/{name}", "s") for name in ("gateway_token", "provider_x")]
    link = f"{etc}/secrets/provider_link"
    os.symlink("/etc/shadow", link)
    recorded = {changed: "another fingerprint", deployed: history.fingerprint(look(deployed))}
    found = {thing.path: thing for thing in files.files(root.host(deployed=recorded))}
    assert {found[path].reason for path in (*ours, deployed, *secrets)} == {""}
    assert "changed since it was deployed" in found[changed].reason
    assert all(found[path].reason.startswith("not ours") for path in (*foreign, link))
    assert [thing.path for thing in found.values() if thing.data and thing.kind == "secret"] == [secrets[0]]


def test_without_a_record_nothing_without_a_header_is_ours(root: Root) -> None:
    for key in ("home", "state_dir"):
        root.folder(key)
    root.write(root.names["token_file"], "s")
    root.write(root.names["config"], "{}")
    assert all(reason.startswith("not ours") for path, reason in root.things().items())


def test_a_program_that_another_instance_needs_stays(root: Root) -> None:
    shared, other = root.names["shared_library"], "/usr/local/lib/openclaw-acme-hardening"
    for name in ("auth-monitor", "gateway-start", "gateway-firewall.json", "mine.txt"):
        root.write(f"{shared}/{name}", "mine" if name == "mine.txt" else HEADER)
    for name in ("gateway-start", "gateway-firewall.json"):
        root.write(f"{other}/{name}")
    alone = root.things()
    assert alone["/usr/local/lib/openclaw-hardening/auth-monitor"] == ""
    assert alone["/usr/local/lib/openclaw-hardening/mine.txt"].startswith("not ours")
    root.write("/etc/systemd/system/openclaw-acme-gateway.service")
    beside = root.things()
    assert beside["/usr/local/lib/openclaw-hardening/auth-monitor"] == "used by openclaw-acme"
    assert beside["/usr/local/lib/openclaw-hardening/gateway-start"] == ""
    assert beside["/usr/local/lib/openclaw-hardening/gateway-firewall.json"] == ""
    root.write("/etc/systemd/system/openclaw-gateway.service")
    other_one = Root(root.top, "acme").things()
    assert other_one[f"{other}/gateway-start"] == ""
    assert other_one["/usr/local/lib/openclaw-hardening"] == "used by openclaw"
    assert "/usr/local/lib/openclaw-hardening/gateway-start" not in other_one


def test_what_a_killed_run_left_is_ours(root: Root) -> None:
    left = ["/etc/systemd/system/.openclaw-gateway.service.hardening-old",
            f"/usr/local/bin/.openclaw.{'0' * 16}.hardening-tmp"]  # fmt: skip
    for path in left:
        root.write(path, "")
    foreign = root.write("/etc/systemd/system/.nginx.service.hardening-old", "")
    found = root.things()
    assert [found[path] for path in left] == ["", ""]
    assert foreign.removeprefix(str(root.top)) not in found
