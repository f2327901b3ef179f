# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a build failed, from what its programs wrote: apt, mmdebstrap, pip, npm, pnpm, Node.js and BuildKit.

Their output may be long, and what it ends with is seldom the reason. The texts were seen, or are in the programs' code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless

_WAY = "a way to it from the host and from containers, or a proxy; set 'proxy'"


@dataclass(frozen=True)
class Cause:
    """What was found, and what is needed."""

    found: str
    needed: str


# In this order: a proxy that refuses is also a connection that was refused. A group named "it" is shown.
_CASES: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), found, needed)
    for pattern, found, needed in (
        (
            r"407 Proxy Authentication|HTTP code 407|response 407|status(?: code)?:? 407|Proxy Authentication Required",
            "a proxy that asks for a login",
            "a proxy that knows its clients by address; set 'proxy'",
        ),
        (
            r"ProxyError|Cannot connect to proxy|Unable to connect to (?P<it>\S+:\d+:?)|Invalid response from proxy"
            r"|Proxy CONNECT aborted|tunneling socket could not be established|proxyconnect tcp",
            "a proxy that does not let it pass",
            "a proxy that is reached from the host and from containers; set 'proxy'",
        ),
        (
            r"certificate has expired|CERT_HAS_EXPIRED|certificate is not yet valid|CERT_NOT_YET_VALID"
            r"|Release file for .* is not valid yet|Release file for .* is expired",
            "a certificate or a package list that is not valid at this time",
            "a clock that is right, on a mirror that is up to date",
        ),
        (
            r"SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF)\w*"
            r"|certificate[ _]verify[ _]failed|self[- ]signed certificate|unable to get (?:local )?issuer certificate"
            r"|certificate (?:is )?(?:NOT|not) trusted|certificate issuer is unknown"
            r"|signed by unknown authority|unable to verify the first certificate",
            "a certificate of a CA that is not known here",
            "the certificate of the CA by which TLS is inspected on the way, or of the mirror; set 'ca'",
        ),
        (
            r"Temporary failure resolving '(?P<it>[^']+)'|Could not resolve '(?P<it1>[^']+)'"
            r"|(?:ENOTFOUND|EAI_AGAIN) (?P<it2>[\w.-]+)"
            r"|lookup (?P<it3>[\w.-]+)[^\n]*(?:no such host|misbehaving|timeout)"
            r"|Temporary failure in name resolution|Name or service not known|nodename nor servname",
            "a name that cannot be resolved",
            _WAY,
        ),
        (
            r"\b(?:E401|E403)\b|401 +(?:Client Error: )?Unauthorized|403 +(?:Client Error: )?Forbidden"
            r"|ERR_PNPM_FETCH_40[13]",
            "a server that refuses this host",
            "a login for it in the npm or pip settings, or in apt's auth.conf; set 'secrets'",
        ),
        (
            r"NO_PUBKEY|is not signed|public key is not available|Missing key [0-9A-F]{8,}",
            "package lists without a signature of the distribution",
            "sources that the distribution signs, and its keyring; or set 'base.source' to registry",
        ),
        (
            r"No space left on device|ENOSPC|You don't have enough free space|Disk quota exceeded|EDQUOT",
            "a file system that is full",
            "room in the folder of the build and in Docker's data; set 'build_dir'",
        ),
        (
            r"signal: killed|exit code: 137|JavaScript heap out of memory|ENOMEM|Cannot allocate memory",
            "too little memory",
            "1 GiB of free memory for a build",
        ),
        (
            r"(?:failed to run command|cannot execute|can't exec|exec)[^\n]{0,200}Permission denied"
            r"|Cannot create device|mknod[^\n]{0,200}Operation not permitted",
            "a place in which no program can be run or no device made",
            "one without noexec and nodev; set 'build_dir'",
        ),
        (
            r"ECONNREFUSED|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ECONNRESET|Connection (?:refused|timed out|reset)"
            r"|Network is unreachable|No route to host|Read timed out|i/o timeout|Could not connect to (?P<it>[\w.-]+)"
            r"|Failed to establish a new connection|request to (?P<it1>\S+) failed",
            "a server that is not reached",
            _WAY,
        ),
        (
            r"\bE404\b|404 +(?:Client Error: )?Not Found|does not have a Release file|Unable to locate package"
            r"|No matching distribution found|ERR_PNPM_FETCH_404",
            "a mirror that does not have what is needed",
            "a mirror that does, in the host's apt sources, or in the npm or pip settings; set 'secrets'",
        ),
    )
)
# BuildKit writes the steps mixed, each line with its step's number.
_FAILED_STEP = re.compile(r"^#(\d+) ERROR: ", re.MULTILINE)
# The step of lifecycle scripts is without a network on purpose.
_SCRIPTS = re.compile(r"process \"[^\n]*app-(?:scripts|build)\.sh[^\n]*did not complete")
_NETWORK = ("a name that cannot be resolved", "a server that is not reached")


def of(output: str) -> Cause | None:
    """Return the cause that an output shows, or nothing; of a build what its failed step wrote."""
    step = _FAILED_STEP.search(output)
    if step:
        output = "\n".join(line for line in output.splitlines() if line.startswith(f"#{step[1]} "))
    for pattern, found, needed in _CASES:
        match = pattern.search(output)
        if match is None:
            continue
        if found in _NETWORK and _SCRIPTS.search(output):
            return Cause(
                "a lifecycle script that wants the network",
                "packages whose scripts need none: no code of a package runs with a network or a login in the build",
            )
        it = next((value for name, value in match.groupdict().items() if value), "")
        shown = it or match[0]
        return Cause(f"{found} ({harmless(' '.join(shown.split()), 120)})", needed)
    return None


def named(error: HardeningError, output: str) -> HardeningError:
    """Return the error of a program with its cause in front, where its output shows one."""
    cause = of(output)
    if cause is None:
        return error
    named_error = HardeningError(error.what, f"{cause.found}: {error.found}", cause.needed)
    named_error.details = error.details
    return named_error
