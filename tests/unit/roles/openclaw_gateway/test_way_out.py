"""The proxy and the CA of the running gateway: in the definition that the role writes, and taken by the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.plugins.module_utils._deploy.test_failure_cases_healed import PLAIN, ROLE
from unit.plugins.module_utils._deploy.test_gate import broken, hardened
from unit.role_templates import TOP, written

PROXY = "http://proxy.example:3128"
CA = str(TOP / "tests/unit/recorded/ca.pem")
BOTH = {"openclaw_proxy": PROXY, "openclaw_no_proxy": [".example.org"], "openclaw_ca_file": CA}
OWN = {"openclaw_proxy": "http://other.example:1", "openclaw_gateway_proxy": PROXY}
VARIABLES = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "NODE_USE_ENV_PROXY"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    cases = [{**PLAIN, **options} for options in ({}, BOTH, OWN)]
    texts = written(tmp_path_factory.mktemp("written"), ROLE, "docker-compose.hardened.yml.j2", cases)
    return [yaml.safe_load(text)["services"]["openclaw-gateway"] for text in texts]


def test_nothing_is_there_when_nothing_is_set(services):
    plain = services[0]
    assert not VARIABLES & set(plain["environment"])
    assert "NODE_EXTRA_CA_CERTS" not in plain["environment"]
    assert len(plain["volumes"]) == 4


def test_one_variable_each_for_proxy_and_ca(services):
    plain, both, own = services
    added = {name: value for name, value in both["environment"].items() if name not in plain["environment"]}
    direct = "localhost,127.0.0.1,::1,.example.org"  # without the first, the health check would ask the proxy
    assert added == {
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), PROXY),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), direct),
        "NODE_USE_ENV_PROXY": "1",
        "NODE_EXTRA_CA_CERTS": "/etc/openclaw/ca.pem",
    }
    (mount,) = [volume for volume in both["volumes"] if volume not in plain["volumes"]]
    assert mount == {
        "type": "bind", "source": "/etc/openclaw/ca.pem", "target": "/etc/openclaw/ca.pem", "read_only": True,
        "bind": {"create_host_path": False},
    }  # fmt: skip
    assert own["environment"]["HTTPS_PROXY"] == PROXY


def test_the_gate_takes_it(services):
    both = services[1]
    volumes = [{**volume, "bind": {}} for volume in both["volumes"]]
    assert broken(hardened(environment=both["environment"], volumes=volumes)) == set()


def test_the_certificates_are_a_file_of_the_deployment(tmp_path: Path):
    text = "{{ _openclaw_gateway_files | to_json }}"
    (tmp_path / "files.j2").write_text(text)
    for part in ("defaults", "files", "vars"):
        (tmp_path / "role" / part).parent.mkdir(exist_ok=True)
        (tmp_path / "role" / part).symlink_to(ROLE / part)
    templates = tmp_path / "role/templates"
    templates.mkdir()
    for path in (ROLE / "templates").iterdir():
        (templates / path.name).symlink_to(path)
    (templates / "files.j2").write_text(text)
    folder = tmp_path / "play"
    folder.mkdir()
    plain, both = (
        yaml.safe_load(found) for found in written(folder, tmp_path / "role", "files.j2", [PLAIN, {**PLAIN, **BOTH}])
    )
    assert [file["path"] for file in both if file not in plain] == ["/etc/openclaw/ca.pem"]
    assert both[-1]["content"].strip() == Path(CA).read_text().strip()
