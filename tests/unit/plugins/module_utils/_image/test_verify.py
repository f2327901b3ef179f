"""Evidence from real archives in the layout of ``docker save``, and the result on it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._image import verify

CONFIG = {
    "User": "1000:1000",
    "Healthcheck": {"Test": ["CMD", "node"]},
    "Env": ["PATH=/usr/bin", "NODE_ENV=production"],
}
LOCAL = b"-----BEGIN CERTIFICATE-----\nTE9DQUw=\n-----END CERTIFICATE-----\n"
PUBLIC = b"-----BEGIN CERTIFICATE-----\nUFVCTElD\n-----END CERTIFICATE-----\n"
NPMRC = b"registry=https://user:hunter2hunter2@registry.example/\n//registry.example/:_authToken=npm_canary0123456789\n"
GOOD = {
    "app/openclaw.mjs": b"x",
    "var/lib/dpkg/status": b"Package: a\nStatus: install ok installed\n\n"
    b"Package: b\nStatus: deinstall ok config-files\n",
    "usr/share/ca-certificates/mozilla/x.crt": PUBLIC,
    "etc/ssl/certs/ca-certificates.crt": PUBLIC,
    verify.BUILDER_REPORT: b'{"bytes": 1000, "packages": 10}',
}
NOTHING = verify.secrets({})


def layer(files: dict[str, bytes], **changes: tuple[str, int]) -> bytes:
    """One layer; ``changes`` sets an attribute of one entry: mode=("path", 0o4755)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            for attribute, (path, value) in changes.items():
                if path == name:
                    setattr(entry, attribute, value)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def saved(*layers: bytes) -> io.BufferedReader:
    """An archive as the daemon sends it: in pieces, never seekable, with other members around the layers."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        members = {f"blobs/sha256/{number:064}": content for number, content in enumerate(layers)}
        for name, content in {"blobs/sha256/config": b'{"a": 1}', **members, "manifest.json": b"[]"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    data = out.getvalue()
    return io.BufferedReader(verify.Chunks(data[start : start + 777] for start in range(0, len(data), 777)))


def check(*layers: bytes, known=NOTHING, config=None, history=(), expected=None) -> list[str]:
    observed = verify.inspect(saved(*layers), "/app", known)
    return verify.findings(config or CONFIG, list(history), expected or len(layers), observed, known)


def test_a_good_image_passes_and_is_weighed():
    data = layer(GOOD)
    assert check(data) == []
    observed = verify.inspect(saved(data), "/app", NOTHING)
    assert (observed.layers, observed.packages, observed.app_files) == (1, 1, 1)
    assert observed.bytes == sum(map(len, GOOD.values()))
    assert observed.builder == {"bytes": 1000, "packages": 10}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"User": ""}, "it runs as root (no USER)"),
        ({"User": "0:1000"}, "it runs as 0"),
        ({"User": "root"}, "it runs as root"),
        ({"Healthcheck": None}, "it has no HEALTHCHECK"),
        ({"Healthcheck": {"Test": ["NONE"]}}, "it has no HEALTHCHECK"),
        ({"Env": ["OPENCLAW_GATEWAY_TOKEN=x"]}, "secrets in its environment: OPENCLAW_GATEWAY_TOKEN"),
    ],
)
def test_a_bad_configuration_is_named(config, message):
    assert check(layer(GOOD), config={**CONFIG, **config}) == [message]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("usr/bin/gcc-14", "build tools: /usr/bin/gcc-14"),
        ("usr/bin/x86_64-linux-gnu-gcc-14", "build tools: /usr/bin/x86_64-linux-gnu-gcc-14"),
        ("./usr/local/bin/npm", "build tools: /usr/local/bin/npm"),
        ("usr/bin/apt-get", "build tools: /usr/bin/apt-get"),
        ("opt/node_modules/npm/package.json", "build tools: /opt/node_modules/npm/package.json"),
        ("var/lib/apt/lists/x_Packages", "apt package lists: /var/lib/apt/lists/x_Packages"),
    ],
)
def test_what_builds_does_not_belong(path, message):
    assert check(layer(GOOD), layer({path: b"x"})) == [message]


@pytest.mark.parametrize("path", ["app/node_modules/a/bin/make", "usr/share/doc/gcc", "usr/bin/ld.so", "usr/bin/git"])
def test_what_only_sounds_like_a_tool_passes(path):
    assert check(layer({**GOOD, path: b"x"})) == []


@pytest.mark.parametrize("mode", [0o4755, 0o2755])
def test_setuid_in_any_layer_is_named(mode):
    assert check(layer({"usr/bin/su": b"x"}, mode=("usr/bin/su", mode)), layer(GOOD)) == [
        "setuid or setgid files: /usr/bin/su"
    ]


@pytest.mark.parametrize("change", [{"uid": 1000}, {"gid": 1000}, {"mode": 0o664}, {"mode": 0o646}])
def test_an_application_that_can_rewrite_itself_is_named(change):
    changes = {name: ("app/openclaw.mjs", value) for name, value in change.items()}
    assert "application files that are not root's or are writable: /app/openclaw.mjs" in check(layer(GOOD, **changes))


def test_an_image_without_an_application_is_named():
    assert check(layer({"etc/passwd": b"x"})) == ["it holds no application"]


def test_a_layer_that_was_not_read_is_never_a_pass():
    assert check(layer(GOOD), expected=2) == ["only 1 of its 2 layers could be read"]
    with pytest.raises(HardeningError, match="zstd"):
        check(layer(GOOD), b"\x28\xb5\x2f\xfd" + b"0" * 600)


def test_compressed_and_empty_layers_are_read():
    assert check(gzip.compress(layer(GOOD)), bytes(1024)) == []
    assert check(layer(GOOD), gzip.compress(layer({"usr/bin/cc": b"x"}))) == ["build tools: /usr/bin/cc"]


def test_the_builders_credentials_are_found_everywhere():
    known = verify.secrets({"npmrc": NPMRC})
    assert check(layer(GOOD), known=known) == []
    for canary in (b"npm_canary0123456789", b"user:hunter2hunter2"):
        found = check(layer({**GOOD, "app/log": b"x" * 5000 + canary}), known=known)
        assert found == ["the builder's settings: /app/log (a credential)"]
        history = [{"CreatedBy": f"RUN echo {canary.decode()}"}]
        assert check(layer(GOOD), known=known, history=history) == ["a credential in its configuration or history"]


def test_a_credential_on_the_seam_of_two_pieces_is_found(monkeypatch):
    monkeypatch.setattr(verify, "_PIECE", 512)
    known = verify.secrets({"npmrc": NPMRC})
    for start in range(490, 514):
        assert check(layer({**GOOD, "app/log": b"x" * start + b"npm_canary0123456789" + b"x" * 600}), known=known)


def test_the_builders_files_are_found_by_content():
    known = verify.secrets({"pip_conf": b"[global]\nindex-url = x\n"})
    found = check(layer({**GOOD, "etc/pip.conf": b"[global]\nindex-url = x\n"}), known=known)
    assert found == ["the builder's settings: /etc/pip.conf (the file pip_conf)"]


def test_a_local_ca_is_found_even_inside_the_images_own_bundle():
    known = verify.secrets({"ca": PUBLIC + LOCAL})
    assert check(layer(GOOD), known=known) == []
    found = check(layer({**GOOD, "etc/ssl/certs/ca-certificates.crt": PUBLIC + LOCAL}), known=known)
    assert found == ["the builder's CA: /etc/ssl/certs/ca-certificates.crt"]


def test_a_copy_of_a_local_ca_is_found_under_any_name():
    known = verify.secrets({"ca": LOCAL})
    assert check(layer({**GOOD, "app/data": LOCAL}), known=known) == ["the builder's CA: /app/data"]


def test_the_public_bundle_as_the_builders_ca_is_no_leak():
    assert check(layer(GOOD), known=verify.secrets({"ca": PUBLIC})) == []


def test_a_log_never_shows_a_credential():
    known = verify.secrets({"npmrc": NPMRC})
    text = verify.masked("npm error https://user:hunter2hunter2@registry.example npm_canary0123456789", known)
    assert "hunter2" not in text
    assert "canary" not in text
    assert json.dumps(text).count("********") == 2


def test_many_findings_are_one_short_line():
    (found,) = check(layer({**GOOD, **{f"var/lib/apt/lists/{number}": b"x" for number in range(20)}}))
    assert found.endswith("and 15 more")
