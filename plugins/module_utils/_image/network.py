# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a build reaches the network: one proxy and one CA for every program that it starts."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate

# The host itself is never behind a proxy.
LOCAL = ("localhost", "127.0.0.1", "::1")
# Where Debian keeps the certificates that a host trusts.
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Network:
    """The proxy, what is reached without it, and the certificates of a CA as text; nothing of it is a secret."""

    proxy: str = ""
    no_proxy: tuple[str, ...] = ()
    ca: str = ""

    def environment(self) -> dict[str, str]:
        """Return the variables for programs on the host; curl and apt read small letters only."""
        if not self.proxy:
            return {}
        direct = ",".join([*LOCAL, *self.no_proxy])
        small = {"http_proxy": self.proxy, "https_proxy": self.proxy, "no_proxy": direct}
        return {**small, **{name.upper(): value for name, value in small.items()}}

    def build_args(self) -> dict[str, str]:
        """Return the build arguments that BuildKit knows, gives to each step, and keeps out of the image's history."""
        return self.environment()


def network(proxy: str, no_proxy: list[str], ca: str) -> Network:
    """Return what was given when it may be used.

    :raises HardeningError: something may not; a login in a proxy's URL is not shown.
    """
    return Network(
        validate.proxy_url("proxy", proxy) if proxy else "",
        tuple(validate.proxy_exception("no_proxy", name) for name in no_proxy),
        validate.ca_certificates("ca", ca) if ca else "",
    )
