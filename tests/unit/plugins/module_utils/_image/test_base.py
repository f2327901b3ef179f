"""The base image's sources and age, from real files."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Image
from ansible_collections.openclaw.hardening.plugins.module_utils._image import base

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@pytest.fixture
def apt(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def sources(folder: Path) -> list[str]:
    return base.apt_sources("trixie", str(folder))


def test_one_line_sources(apt):
    (apt / "sources.list").write_text(
        "# deb http://old.example trixie main\n"
        "deb http://mirror.example/debian trixie main contrib # ours\n"
        f"deb [arch=amd64 signed-by={KEYRING}] http://mirror.example/debian trixie-updates main\n"
        "deb-src http://mirror.example/debian trixie main\n"
        "deb http://mirror.example/debian trixie-backports main\n"
        "deb cdrom:[Debian]/ trixie main\n"
        "deb http://mirror.example/debian trixie main contrib\n"
    )
    assert sources(apt) == [
        "deb http://mirror.example/debian trixie main contrib",
        f"deb [signed-by={KEYRING}] http://mirror.example/debian trixie-updates main",
    ]


def test_deb822_sources(apt):
    (apt / "sources.list.d" / "debian.sources").write_text(
        f"# ours\nTypes: deb deb-src\nURIs: http://mirror.example/debian\n"
        f"Suites: trixie\n trixie-updates\nComponents: main\nSigned-By: {KEYRING}\n\n"
        f"Types: deb\nURIs: http://security.example\nSuites: trixie-security\nComponents: main\n"
        f"Signed-By: {KEYRING}\n\n"
        "Types: deb\nEnabled: no\nURIs: http://disabled.example\nSuites: trixie\nComponents: main\n"
    )
    assert sources(apt) == [
        f"deb [signed-by={KEYRING}] http://mirror.example/debian trixie main",
        f"deb [signed-by={KEYRING}] http://mirror.example/debian trixie-updates main",
        f"deb [signed-by={KEYRING}] http://security.example trixie-security main",
    ]


def test_third_party_sources_stay_out(apt):
    (apt / "sources.list").write_text("deb http://mirror.example/debian trixie main\n")
    folder = apt / "sources.list.d"
    (folder / "docker.list").write_text(
        "deb [signed-by=/etc/apt/keyrings/docker.asc] https://docker.example trixie stable\n"
    )
    (folder / "inline.sources").write_text(
        "Types: deb\nURIs: https://x.example\nSuites: trixie\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n"
    )
    (folder / "notes.txt").write_text("deb http://ignored.example trixie main\n")
    assert sources(apt) == ["deb http://mirror.example/debian trixie main"]


def test_a_host_without_sources_is_refused(apt):
    (apt / "sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
    with pytest.raises(HardeningError, match=r"none for 'trixie'.*registry"):
        sources(apt)


def test_the_distribution_is_read(tmp_path):
    path = tmp_path / "os-release"
    path.write_text('ID=debian\nVERSION_CODENAME="trixie"\nNAME="Debian GNU/Linux"\n')
    host = base.distribution(str(path))
    assert (host.name, host.codename) == ("debian", "trixie")
    assert host.identity == f"debian-trixie-{host.architecture}"
    assert base.distribution(str(tmp_path / "none")).name == ""


@pytest.mark.parametrize("name", ["Git", "-o", "git curl", "git;x", "", "a\n", "$(x)"])
def test_what_is_no_package_name_is_refused(name):
    with pytest.raises(HardeningError, match=r"base\.packages"):
        base.packages(["git", name])


def test_a_base_is_named_by_what_it_is_made_of():
    host = base.Distribution("debian", "trixie", "x86_64")
    one = base.tag(host, ("a", "b"))
    assert one == base.tag(host, ("b", "a"))
    assert one.startswith("openclaw-hardening-base:trixie-")
    assert one != base.tag(host, ("a",))
    assert one != base.tag(base.Distribution("debian", "trixie", "aarch64"), ("a", "b"))


def test_age():
    made = Image(id="1", tags=(), created="2026-11-01T00:00:00.123456789Z")
    day = 86400
    start = 1793491200  # 2026-11-01 00:00 UTC
    assert base.fresh(made, 30, start + 30 * day - 1)
    assert not base.fresh(made, 30, start + 30 * day + 1)
    assert not base.fresh(None, 30, start)
    assert base.is_due(made, 1_000_000, refresh=True)


def test_a_base_is_made_where_its_programs_can_run(monkeypatch):
    flags = dict.fromkeys(base.PLACES, 0)
    monkeypatch.setattr(base.os, "statvfs", lambda path: SimpleNamespace(f_flag=flags[path]))
    assert base._place() == "/var/tmp"
    flags["/var/tmp"], flags["/var/cache"] = os.ST_NOEXEC, os.ST_NODEV
    assert base._place() == "/var/lib"
    flags["/var/lib"] = os.ST_NOEXEC
    with pytest.raises(HardeningError, match="mounted noexec or nodev"):
        base._place()
