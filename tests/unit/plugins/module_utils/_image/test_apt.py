"""What the host's apt knows, from real files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._image import apt as apt_of_host

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@pytest.fixture
def apt(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def sources(folder: Path) -> list[str]:
    return list(apt_of_host.sources("trixie", str(folder)).lines)


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


@pytest.mark.parametrize("scheme", ["mirror+file:", "mirror+copy:", "mirror+file://"])
def test_a_list_of_mirrors_is_part_of_the_sources(apt, scheme):
    """As Debian's images for clouds have it."""
    listed = apt / "debian.list"
    listed.write_text("# the nearest\nhttp://mirror.example/debian\tpriority:1\n")
    (apt / "sources.list.d/debian.sources").write_text(
        f"Types: deb deb-src\nURIs: {scheme}{listed}\nSuites: trixie trixie-updates\nComponents: main\n"
    )
    found = apt_of_host.sources("trixie", str(apt))
    assert found.lines[0] == f"deb {scheme}{listed} trixie main"
    assert found.mirrors == ((str(listed), listed.read_text()),)
    assert set(found.shown()) == {"/etc/apt/sources.list", str(listed)}
    before = found.identity
    listed.write_text("http://other.example/debian\n")
    assert apt_of_host.sources("trixie", str(apt)).identity != before


@pytest.mark.parametrize("content", [None, "", "# nothing\n\n"])
def test_a_list_without_mirrors_is_refused(apt, content):
    if content is not None:
        (apt / "debian.list").write_text(content)
    (apt / "sources.list").write_text(f"deb mirror+file:{apt}/debian.list trixie main\n")
    with pytest.raises(HardeningError, match=rf"mirror\+file:{apt}/debian.list: (No such|it names no mirror)"):
        sources(apt)


@pytest.mark.parametrize("scheme", ["file:", "copy:", "file://"])
def test_a_repository_in_a_folder_is_copied_from(apt, scheme):
    (apt / "sources.list").write_text(f"deb {scheme}{apt}/repository trixie main\n")
    with pytest.raises(HardeningError, match="repository: No such directory"):
        sources(apt)
    (apt / "repository").mkdir()
    assert sources(apt) == [f"deb copy:{apt}/repository trixie main"]


DUMP = """\
APT::Architecture "amd64";
Acquire "";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http::Proxy::mirror.example "DIRECT";
Acquire::http::Proxy-Auto-Detect "/usr/bin/auto-apt-proxy";
Acquire::http::ProxyAutoDetect "/usr/bin/squid-deb-proxy";
Acquire::https::CaInfo "/etc/theirs.pem";
Acquire::https::mirror.example::SslCert "/etc/apt/client.pem";
Acquire::ForceIPv4 "true";
Acquire::Retries "5";
Acquire::Check-Valid-Until "false";
Acquire::AllowInsecureRepositories "true";
Acquire::Languages "none";
APT::Get::AllowUnauthenticated "true";
DPkg::Pre-Invoke:: "/bin/true";
Dir::Etc::sourcelist "sources.list";
"""


def test_apts_way_is_taken_over_and_nothing_else(monkeypatch):
    monkeypatch.setattr(apt_of_host, "run", lambda _module, argv: SimpleNamespace(stdout=DUMP if argv[1:] else ""))
    kept = apt_of_host.settings(None).splitlines()
    assert kept == [
        line for line in DUMP.splitlines() if line.startswith("Acquire::") and "http \"" not in line
        and "Insecure" not in line and "Languages" not in line
    ]  # fmt: skip
    assert len(kept) == 9
    assert apt_of_host.has_own_ca("\n".join(kept))
    assert not apt_of_host.has_own_ca('Acquire::https::CaInfo "";')


def test_logins_of_all_files(apt):
    assert apt_of_host.logins(str(apt)) == ""
    (apt / "auth.conf").write_text("machine a login b password c")
    (apt / "auth.conf.d").mkdir()
    (apt / "auth.conf.d/x.conf").write_text("machine d login e password f\n")
    assert apt_of_host.logins(str(apt)) == "machine a login b password c\nmachine d login e password f\n"
