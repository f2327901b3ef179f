"""One proxy and one CA for a build."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._image.network import Network, network

LOGIN = "canary-password"


def test_nothing_given_sets_nothing():
    assert network("", [], "") == Network()
    assert Network().environment() == Network().build_args() == {}


def test_each_spelling_of_the_variables_is_set_and_the_host_itself_is_direct():
    found = network("http://proxy.example:3128", [".example.org"], "").environment()
    assert {name for name in found if name.islower()} == {"http_proxy", "https_proxy", "no_proxy"}
    assert {name.lower(): value for name, value in found.items()} == {
        name: value for name, value in found.items() if name.islower()
    }
    assert found["NO_PROXY"].split(",") == ["localhost", "127.0.0.1", "::1", ".example.org"]


def test_a_login_is_refused_and_not_shown():
    with pytest.raises(HardeningError, match=r"proxy: found a URL with a user name or password") as refused:
        network(f"http://me:{LOGIN}@proxy.example:3128", [], "")
    assert LOGIN not in str(refused.value)


def test_names_without_a_proxy_are_checked():
    with pytest.raises(HardeningError, match="no_proxy"):
        network("", ["a,b"], "")
