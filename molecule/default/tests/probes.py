"""Who answers where: connections tried on the host and in its containers."""

from __future__ import annotations

import json

# Prints "open" or the error for each address and port, as seen from the host.
CONNECT = """
import errno, json, socket, sys
def connect(address, port):
    try:
        family, kind, protocol, _name, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.settimeout(5)
            probe.connect(target)
            return "open"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
print(json.dumps({address: connect(address, int(sys.argv[1])) for address in sys.argv[2:]}))
"""
# The same from inside a container, in Node: prints "open" or the error.
CONNECT_NODE = """
const probe = require('net').connect(+process.argv[2], process.argv[1]);
const say = word => { console.log(word); process.exit(0) };
probe.setTimeout(4000, () => say('timeout')).on('connect', () => say('open')).on('error', error => say(error.code));
"""


def addresses(host) -> list[str]:
    """Return every address of the host but the loopback's, version 4 and 6; a link-local one with its interface."""
    return [
        address["local"] + (f"%{link['ifname']}" if address["scope"] == "link" and address["family"] == "inet6" else "")
        for link in json.loads(host.check_output("ip -j addr"))
        for address in link["addr_info"]
        if link["ifname"] != "lo"
    ]
