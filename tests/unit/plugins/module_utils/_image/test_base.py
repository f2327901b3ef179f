"""The base image: its name, its age, and how apt gets to its sources."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Image
from ansible_collections.openclaw.hardening.plugins.module_utils._image import apt, base
from ansible_collections.openclaw.hardening.plugins.module_utils._image import network as network_module


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


SOURCES = apt.Sources(("deb http://mirror.example/debian trixie main",))


def test_a_base_is_named_by_what_it_is_made_of_and_from():
    host = base.Distribution("debian", "trixie", "x86_64")
    one = base.tag(host, ("a", "b"), SOURCES)
    assert one == base.tag(host, ("b", "a"), SOURCES)
    assert one.startswith(base.family(host, ("b", "a")))
    assert one.startswith("openclaw-hardening-base:trixie-")
    assert one != base.tag(host, ("a",), SOURCES)
    assert one != base.tag(base.Distribution("debian", "trixie", "aarch64"), ("a", "b"), SOURCES)


@pytest.mark.parametrize(
    "other",
    [
        apt.Sources(("deb http://other.example/debian trixie main",)),
        apt.Sources(SOURCES.lines, (("/etc/apt/mirrors/debian.list", "http://mirror.example/debian"),)),
        apt.Sources(SOURCES.lines, (("/etc/apt/mirrors/debian.list", "http://other.example/debian"),)),
    ],
)
def test_other_sources_make_another_base_of_the_same_family(other):
    """What failed with a base is not there any more after the sources were repaired."""
    host = base.Distribution("debian", "trixie", "x86_64")
    assert base.tag(host, ("a",), other) != base.tag(host, ("a",), SOURCES)
    assert base.tag(host, ("a",), other).startswith(base.family(host, ("a",)))


def test_age():
    made = Image(id="1", tags=(), created="2026-11-01T00:00:00.123456789Z")
    day = 86400
    start = 1793491200  # 2026-11-01 00:00 UTC
    assert base.fresh(made, 30, start + 30 * day - 1)
    assert not base.fresh(made, 30, start + 30 * day + 1)
    assert not base.fresh(None, 30, start)
    assert base.is_due(made, 1_000_000, refresh=True)


# --- apt's way ---

PROXY = "http://proxy.example:3128"
LOGIN = "canary-password"
PLAIN = network_module.Network()


class Module:
    """Keeps what would be run; mmdebstrap is there, and makes an archive."""

    def __init__(self, monkeypatch, settings="", logins="", fails=""):
        self.runs: list[tuple[list[str], dict, str]] = []
        self.files: dict[str, tuple[str, int]] = {}
        monkeypatch.setattr(base, "run", self.run)
        monkeypatch.setattr(base.apt, "settings", lambda _module: settings)
        monkeypatch.setattr(base.apt, "logins", lambda: logins)
        monkeypatch.setattr(base, "find_program", lambda _name: "/usr/bin/mmdebstrap")
        monkeypatch.setattr(base.client, "find_image", lambda *_a: None)
        monkeypatch.setattr(base.client, "images_by_label", lambda *_a: [])
        monkeypatch.setattr(base.client, "cli", lambda _host: ["docker"])
        self.fails = fails

    def run(self, _module, argv, *, env=None, data="", **_more):
        self.runs.append((argv, env or {}, data))
        if argv[0] == "unshare":
            archive = Path(argv[-2])
            for path in archive.parent.iterdir():
                self.files[path.name] = path.read_text(), path.stat().st_mode & 0o777
            archive.write_text("archive")
            if self.fails:
                raise HardeningError("unshare --mount", "exit code 25", "exit code 0", stderr=self.fails, stdout="")

    def make(self, tmp_path, network=PLAIN, sources=SOURCES):
        host = base.Distribution("debian", "trixie", "x86_64")
        order = base.Order(host, ("ca-certificates",), sources, network, str(tmp_path), "openclaw-base-x-", 60)
        base.make(self, None, "unix:///x", order)
        argv, environment, data = self.runs[0]
        return argv, environment, data, [word for word in argv if "-hook=" in word]


def test_without_settings_apt_goes_its_own_way(tmp_path, monkeypatch):
    argv, environment, data, hooks = Module(monkeypatch).make(tmp_path)
    assert argv[:4] == ["unshare", "--mount", "--", "mmdebstrap"]
    assert data == "deb http://mirror.example/debian trixie main\n"
    assert set(environment) == {"SOURCE_DATE_EPOCH", "TMPDIR"}
    assert [hook for hook in hooks if "setup" in hook] == []
    assert os.listdir(tmp_path) == []


def test_the_settings_of_the_hosts_apt_are_there_while_it_works_and_gone_afterwards(tmp_path, monkeypatch):
    settings = f'Acquire::http::Proxy "http://me:{LOGIN}@proxy.example:3128";\n'
    module = Module(monkeypatch, settings, logins=f"machine mirror.example login me password {LOGIN}\n")
    argv, environment, data, hooks = module.make(tmp_path)
    assert module.files["apt.conf"] == (settings, 0o600)
    assert module.files["auth.conf"][1] == 0o600
    for target in ("apt.conf.d/openclaw-base-way", "auth.conf"):
        place = f'"$1"/etc/apt/{target}'
        (put,) = [hook for hook in hooks if hook.startswith("--setup-hook=") and hook.endswith(place)]
        assert "install -D -m 0600" in put
        assert f"--customize-hook=rm {place}" in hooks
    assert LOGIN not in f"{argv} {environment} {data}"


def test_one_proxy_and_one_ca_for_all_are_below_what_apt_has_of_its_own(tmp_path, monkeypatch):
    network = network_module.Network(PROXY, (".example.org",), "CERTIFICATE")
    module = Module(monkeypatch)
    _argv, environment, _data, _hooks = module.make(tmp_path, network)
    assert environment["http_proxy"] == environment["HTTPS_PROXY"] == PROXY
    assert environment["no_proxy"] == "localhost,127.0.0.1,::1,.example.org"
    text, _mode = module.files["apt.conf"]
    assert re.fullmatch(r'Acquire::https::CaInfo "/[^"]+/ca\.pem";\n', text)
    bundle, mode = module.files["ca.pem"]
    assert bundle.endswith("CERTIFICATE\n")
    assert mode == 0o644
    own = 'Acquire::https::CaInfo "/etc/theirs.pem";\n'
    module = Module(monkeypatch, own)
    module.make(tmp_path, network)
    assert module.files["apt.conf"][0] == own


def test_the_base_names_its_sources_without_logins(tmp_path, monkeypatch):
    sources = apt.Sources(
        (f"deb http://me:{LOGIN}@mirror.example/debian trixie main",),
        (("/etc/apt/mirrors/debian.list", f"https://me:{LOGIN}@mirror.example/debian\n"),),
    )
    module = Module(monkeypatch)
    _argv, _environment, _data, hooks = module.make(tmp_path, sources=sources)
    own = ['"/etc/hostname', '"/etc/resolv.conf']  # emptied: the same packages are the same base on every host
    assert [hook.partition("$1")[2] for hook in hooks] == [
        '"/etc/apt/sources.list',
        '"/etc/apt/mirrors/debian.list',
        *own,
    ]
    kept = [module.files[f"sources-{number}"][0] for number in (0, 1)]
    assert kept == ["deb http://mirror.example/debian trixie main\n", "https://mirror.example/debian\n"]


def test_a_base_that_cannot_be_made_names_the_cause(tmp_path, monkeypatch):
    module = Module(monkeypatch, fails="E: Failed: Temporary failure resolving 'mirror.example'\n")
    with pytest.raises(HardeningError, match=r"name that cannot be resolved \(mirror\.example\).*set 'proxy'"):
        module.make(tmp_path)
