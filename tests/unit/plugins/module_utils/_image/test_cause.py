"""The cause of a failed build, from what the programs write."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._image import cause

CASES = {
    "E: Failed to fetch http://m.example/x  407  Proxy Authentication Required [IP: 192.0.2.1]": "asks for a login",
    "npm error code E407\nnpm error 407 Proxy Authentication Required - GET https://m.example/x": "asks for a login",
    "pip._vendor.urllib3: ProxyError('Cannot connect to proxy.', OSError('407'))": "does not let it pass",
    "  Unable to connect to 192.0.2.1:3128:": "does not let it pass",
    "  Could not connect to m.example:80 (192.0.2.1). - connect (111: Connection refused)": "not reached (m.example)",
    "npm error code SELF_SIGNED_CERT_IN_CHAIN": "CA that is not known",
    "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))": "CA that",
    "  Certificate verification failed: The certificate is NOT trusted. The certificate issuer is unknown.": "CA that",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority": "CA that is not known",
    "E: Release file for http://m.example/dists/trixie/InRelease is not valid yet": "not valid at this time",
    "W: Failed to fetch http://m.example/x  Temporary failure resolving 'm.example'": "resolved (m.example)",
    "npm error request to https://m.example/x failed, reason: getaddrinfo EAI_AGAIN m.example": "resolved (m.example)",
    "npm error code ENOTFOUND": "",
    "dial tcp: lookup m.example on 192.0.2.1:53: no such host": "resolved (m.example)",
    "npm error code E401": "refuses this host",
    "ERROR: HTTP error 403 Forbidden": "refuses this host",
    "W: GPG error: http://m.example trixie InRelease: NO_PUBKEY 6ED0E7B82643E131": "without a signature",
    "tar: write error: No space left on device": "full",
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory": "too little memory",
    "chroot: failed to run command 'dpkg': Permission denied": "no program can be run",
    "npm error code ETIMEDOUT": "not reached",
    "E: The repository 'http://m.example trixie Release' does not have a Release file.": "does not have what",
    "all is well": "",
}


@pytest.mark.parametrize("output", CASES)
def test_the_cause_is_read_from_the_output(output):
    found = cause.of(f"#7 building\n#7 {output}\n#7 more\n")
    assert (CASES[output] in found.found) if CASES[output] else found is None


def test_a_lifecycle_script_that_wants_the_network_is_named():
    output = (
        "#14 npm error RequestError: getaddrinfo EAI_AGAIN m.example\n"
        '#14 ERROR: process "/bin/sh -eu -c sh /context/app-scripts.sh" did not complete successfully: exit code: 1'
    )
    assert cause.of(output).found == "a lifecycle script that wants the network"
    assert "name that cannot be resolved" in cause.of(output.replace("app-scripts", "app-package")).found


def test_what_another_step_had_in_its_way_is_not_the_cause():
    output = '#7 WARNING: Connection reset by peer\n#9 tar: No space left on device\n#9 ERROR: process "x" did not\n'
    assert "full" in cause.of(output).found
    assert cause.of(output.replace("#9 tar", "#8 tar")) is None


def test_an_error_keeps_its_details_and_gets_the_cause():
    plain = HardeningError("mmdebstrap", "exit code 1", "exit code 0", rc=1)
    assert cause.named(plain, "all is well") is plain
    found = cause.named(plain, "No space left on device")
    assert "a file system that is full" in str(found)
    assert "exit code 1" in str(found)
    assert found.details == {"rc": 1}
