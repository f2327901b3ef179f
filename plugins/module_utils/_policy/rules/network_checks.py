# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checking who reaches the gateway, from what was tried and what the packet filter does. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.gateway_probe import (
    INVOKE,
    OPEN,
    REFUSED,
    TIMEOUT,
    UNREACHABLE,
    WITH,
    WITHOUT,
    WRONG,
    Answer,
    Attempt,
    not_ready,
    serves,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import (
    ALIVE,
    DEPENDENCIES,
    EVERY_ADDRESS,
    STARTED,
    Network,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    EVERYWHERE,
    Result,
    failed,
    inconclusive,
    passed,
    skipped,
    verdict,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.iptables import Table, parse
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener

SHARED = "shares the network of another container, which is checked there"
_LET_IN = frozenset({200, 201, 202, 204})
# What /readyz names beside channels: parts of the gateway itself.
_ESSENTIAL = ("agent-database:", "state-database", "internal")
_SHUT = (REFUSED, TIMEOUT, UNREACHABLE)


# --- words and addresses ------------------------------------------------------------------------------------------


def plain(address: str) -> str:
    """Return one spelling of an address, without its scope."""
    try:
        found = ip_address(address.partition("%")[0].partition("/")[0])
    except ValueError:
        return address
    return str(getattr(found, "ipv4_mapped", None) or found)


def loopback(address: str) -> bool:
    """Return whether an address is that of this host alone."""
    try:
        return ip_address(plain(address)).is_loopback
    except ValueError:
        return False


def permitted(address: str, allowed: Baseline) -> bool:
    """Return whether the gateway may be reached there."""
    if EVERYWHERE in allowed.addresses or loopback(address):
        return True
    return address not in EVERY_ADDRESS and plain(address) in {plain(known) for known in allowed.addresses}


def at(address: str, port: int) -> str:
    """How an address and a port are shown."""
    host = "*" if address == "" else f"[{address}]" if ":" in address else address
    return f"{host}:{port}"


def some(texts: Iterable[str], most: int = 8) -> str:
    """Join what was found, each once, the first few."""
    unique = list(dict.fromkeys(texts))
    more = f" and {len(unique) - most} more" if len(unique) > most else ""
    return ", ".join(unique[:most]) + more


# --- OCH-NET-02: who answers --------------------------------------------------------------------------------------


def reach_effective(network: Network, allowed: Baseline) -> Result:
    """Try, as in the guide: only this host gets an answer, or exactly the addresses that were allowed."""
    if network.mode in ("container", "none"):
        return skipped(SHARED if network.mode == "container" else "has no network")
    if not network.attempts:
        return skipped("publishes no port: there is nothing to try")
    faults, unclear = [], []
    for found in network.attempts:
        place, may = at(found.address, found.port), permitted(found.address, allowed)
        if found.state == OPEN and not may:
            faults.append(f"{place} answers ({found.answer})")
        elif found.state == OPEN and found.answer and not found.answer.status and _main(network, found.port):
            faults.append(f"{place} takes the connection and does not answer ({found.answer})")
        elif found.state in _SHUT and may and _main(network, found.port) and _bound(found, network):
            faults.append(f"{place} does not answer ({found.state})")
        elif found.state not in (OPEN, *_SHUT):
            unclear.append(f"{place}: {found.state}")
    states = {state: [x for x in network.attempts if x.state == state] for state in (OPEN, *_SHUT)}
    reported = {state: some((at(x.address, x.port) for x in found), 40) for state, found in states.items() if found}
    evidence = [("TCP connections tried from the host", f"{state}: {text}") for state, text in reported.items()]
    if unclear and not faults:
        return inconclusive(some(unclear), *evidence)
    shut = len({found.address for state in _SHUT for found in states[state]})
    answering = some(found.address for found in states[OPEN]) or "none"
    return verdict(faults, f"open: {answering}; shut: {shut} other addresses of the host", *evidence)


def _main(network: Network, port: int) -> bool:
    return network.asked_at is not None and port == network.asked_at[1]


def _bound(found: Attempt, network: Network) -> bool:
    """Return whether the port is published there. Not every version of Docker serves every IPv6 address of ``*``."""
    addresses = [port.address for port in network.published if port.port == found.port]
    every = ":" not in found.address and any(address in EVERY_ADDRESS for address in addresses)
    return every or any(plain(address) == plain(found.address) for address in addresses)


# --- OCH-NET-03, OCH-NET-10: how the gateway is -------------------------------------------------------------------


def answers_effective(network: Network, _allowed: Baseline) -> Result:
    """Ask from the host: bound to loopback inside, Docker calls it healthy and the host gets a reset.

    What it depends on is another question (OCH-NET-10): a channel that is down is no fault of the gateway.
    """
    if network.mode != "host" and (network.asked_at is None or not network.published):
        return skipped(SHARED if network.mode == "container" else "publishes no port: the host has no way to ask")
    if network.impostors:
        return _not_the_gateway(network, failed)
    started, alive = (network.answers.get(path, Answer(error="was not asked")) for path in (STARTED, ALIVE))
    base = _base(network, alive)
    evidence = [(f"GET {base}{path}", str(answer)) for path, answer in ((STARTED, started), (ALIVE, alive))]
    serving, shown = serves(network.answers)
    evidence.append((f"POST {base}{INVOKE}", shown))
    if started.unknown and alive.unknown:
        return inconclusive(f"{base} answers, but knows neither {STARTED} nor {ALIVE}", *evidence)
    named = ((STARTED, started), (ALIVE, alive))
    faults = [f"{base}{path}: {answer}" for path, answer in named if answer.status != 200 and not answer.unknown]
    known = network.answers.get(WITH)
    if known is not None and (known.status >= 500 or not known.status):
        faults.append(f"{base}{INVOKE}: {shown}")
    broken = [name for name in not_ready(_ready(network)) if name.startswith(_ESSENTIAL)]
    faults += [f"{base}{DEPENDENCIES} names {some(broken)}"] if broken else []
    inside = [found for found in network.inside if found.port in {port.target for port in network.published}]
    if faults and network.mode == "bridge" and inside and all(loopback(found.address) for found in inside):
        faults.append("inside, it listens on the container's own loopback, where the published port does not lead")
        evidence += [listening(network, inside)]
    if not faults and started.unknown and not serving:
        return inconclusive(f"{base} does not know {STARTED}, and that it serves was not shown ({shown})", *evidence)
    if not faults and known is not None and serving is False:
        return inconclusive(f"{base} does not serve who has the token that is known ({shown})", *evidence)
    good = " and ".join(path for path, answer in named if not answer.unknown)
    serves_too = "and serves who has the token" if serving else f"{INVOKE}: {shown}"
    return verdict(faults, f"{base} answers 200 on {good}, {serves_too}", *evidence)


def dependencies_effective(network: Network, _allowed: Baseline) -> Result:
    """Ask what OpenClaw needs elsewhere: its channels. Model providers are not part of its answer."""
    if network.mode != "host" and (network.asked_at is None or not network.published):
        return skipped(SHARED if network.mode == "container" else "publishes no port: the host has no way to ask")
    if network.impostors:
        return _not_the_gateway(network, inconclusive)
    answer = _ready(network)
    where = f"{_base(network, answer)}{DEPENDENCIES}"
    names = not_ready(answer)
    evidence = [(f"GET {where}", f"{answer}{f', failing: {some(names)}' if names else ''}")]
    if answer.unknown:
        return inconclusive(f"{where}: {answer}, it is not known there", *evidence)
    if not answer.status:
        return inconclusive(f"{where} did not answer ({answer})", *evidence)
    if answer.status == 200:
        return passed("every channel that is configured is ready", *evidence)
    reported = some(names) if names else "it names them only to who has the token"
    return failed(f"not ready: {reported} ({answer})", *evidence)


def _ready(network: Network) -> Answer:
    return network.answers.get(DEPENDENCIES, Answer(error="was not asked"))


def _not_the_gateway(network: Network, check: Callable[..., Result]) -> Result:
    """An impostor is not asked: its answers would say nothing of the gateway."""
    place = at(*network.asked_at) if network.asked_at else "its port"
    text = f"{some(network.impostors)} listens on {place} instead of Docker or the container"
    return check(text, ("/proc/net/tcp and tcp6", text))


def _base(network: Network, answer: Answer) -> str:
    return f"{answer.scheme}://{at(*network.asked_at)}" if network.asked_at else "the gateway"


def listening(network: Network, found: Iterable[Listener]) -> tuple[str, str]:
    """Evidence: sockets in the container's network namespace."""
    shown = some(at(listener.address, listener.port) for listener in found)
    return (f"/proc/{network.pid}/net/tcp and tcp6", f"LISTEN: {shown or 'none'}")


# --- OCH-NET-07: who is let in ------------------------------------------------------------------------------------


def token_effective(network: Network, _allowed: Baseline) -> Result:
    """Guide, "always use authentication tokens"."""
    if network.impostors:
        return _not_the_gateway(network, inconclusive)
    if WITHOUT not in network.answers:
        return skipped(SHARED if network.mode == "container" else "has no network by which the host could ask")
    without, known = network.answers[WITHOUT], network.answers.get(WITH)
    where = f"POST {_base(network, without)}{INVOKE}"
    evidence = [(f"{where} {WITHOUT}", str(without))]
    other = network.answers.get(WRONG)
    evidence += [(f"{where} {word}", str(answer)) for word, answer in ((WITH, known), (WRONG, other)) if answer]
    if without.status in _LET_IN and not without.page:
        return failed(f"answers {without} to a request without a token", *evidence)
    if without.status == 429:
        return inconclusive("nobody is let in now (429): too many wrong tokens; look again in five minutes", *evidence)
    if not without.status:
        return inconclusive(f"{_base(network, without)} did not answer ({without})", *evidence)
    if without.status not in (401, 403):
        return inconclusive(f"answers {without} to a request without a token, neither yes nor no", *evidence)
    if known is None:
        return passed(f"{without} without a token; with one, nothing was tried", *evidence)
    if not known.status or known.status in (401, 403, 429):
        return inconclusive(f"{without} without a token, and {known} with the one that is known", *evidence)
    if other and other.status in _LET_IN:
        return failed(f"answers {other} to a request with another token", *evidence)
    if other and other.status not in (401, 403):
        return inconclusive(f"{without} without a token, {known} with it, but {other} with another one", *evidence)
    return passed(f"{without} without a token, {known} with it{f', {other} with another' if other else ''}", *evidence)


# --- OCH-NET-01: what the packet filter hands on ------------------------------------------------------------------


def forwards(network: Network, allowed: Baseline) -> list[str]:
    """Return rules that lead from addresses nobody allowed to the container, or to its port on loopback."""
    own = {plain(found) for net in network.attached for found in (net.address, net.address6) if found}
    ports = {str(port.port) for port in network.published}
    found = []
    for lines in network.firewall.values():
        for rule in (rule for chain in parse(lines).get("nat", Table()).chains.values() for rule in chain):
            if rule.target != "DNAT" or "--to-destination" not in rule.extra[:-1]:
                continue
            target, _colon, port = rule.extra[rule.extra.index("--to-destination") + 1].rpartition(":")
            target = target.strip("[]")
            to_it = plain(target or port) in own or (loopback(target) and port in ports)
            if to_it and not permitted(rule.value("-d").partition("/")[0], allowed):
                found.append(rule.text)
    return found
