"""Hostile values in every option of every module: one clean refusal each, and the host stays as it is.

Each value stands in a request that is otherwise the one of the roles, so that more than the first check is reached. It
is tried in check mode first. What is refused there is tried for real, and has to be refused again; what is accepted
there is legal, and check mode itself must have changed nothing.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
from check import BadAnswerError, outcome, read
from hostile_host import LONG, Module, requests
from options import ON_HOST, Place, documented, get, places, put
from samples import good_requests
from values import KINDS, Labelled, hostile

EXAMPLES = 20 if LONG else 2
PLACES = [place for module in ON_HOST for place in places(module)]


@dataclass(frozen=True)
class Case:
    """A value for one of the requests of the roles."""

    number: int
    labelled: Labelled

    def __repr__(self) -> str:
        return f"request {self.number} with {ascii(self.labelled)[:300]}"


tried: Counter[str] = Counter()
kinds: set[str] = set()


@pytest.fixture(scope="module", autouse=True)
def links(host):
    """Plant a link where the service account may, for the values that go through one."""
    host.check("setpriv --reuid openclaw --regid openclaw --clear-groups ln -sfn /etc /var/lib/openclaw/planted")
    yield
    host.check("rm /var/lib/openclaw/planted")


@pytest.mark.parametrize("module", ON_HOST)
def test_what_the_roles_ask_for_is_accepted(module, host, serve):
    """Otherwise the hostile values below would be refused for the company they are in."""
    server = serve(module)
    for request in good_requests(host, server):
        answer = read(server.run(request, check=True))
        assert outcome(answer, []) == "legal"
        assert not (answer["changed"] and requests(host, module))
    assert server.changes() == []


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.module}-{place}")
def test_hostile_values(place, host, serve):
    server = serve(place.module)
    good = good_requests(host, server)
    seed = zlib.crc32(f"{place.module} {place}".encode())
    known: dict[str, str] = {}  # a change of the host happens only once, and Hypothesis asks twice
    values = [
        hostile(get(request, place.path), seed).map(lambda labelled, number=number: Case(number, labelled))
        for number, request in enumerate(good)
    ]

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=False,
    )
    @hypothesis.given(hypothesis.strategies.one_of(values))
    def holds(case):
        name = ascii(case)
        known[name] = known.get(name) or attack(server, place, good[case.number], case.labelled)
        assert not known[name], f"{place.module}: {place}: {known[name]}"

    holds()


def attack(server: Module, place: Place, good: dict[str, Any], labelled: Labelled) -> str:
    """Try one value; return what is wrong with the answers or the host, or nothing."""
    kind, value = labelled
    request = put(good, place.path, value)
    if request == good:
        return ""
    kinds.add(kind)
    # Where two options contradict each other, the other one may be named.
    names = [*place.names, *(f"set '{option}'" for option in documented()[place.module])]
    if get(request, ("validate", "option")):
        names.append(str(good["validate"]["option"]))
    try:
        verdict = outcome(read(server.run(request, check=True)), names)
        if verdict != "legal" and outcome(read(server.run(request, check=False)), names) == "legal":
            raise BadAnswerError("check mode refuses what the run accepts")
    except BadAnswerError as error:
        return "; ".join([str(error), *server.changes()])
    tried[verdict] += 1
    tried[place.module] += 1
    return "; ".join(server.changes())


def test_enough_was_tried():
    """A fuzzer that reached nothing would pass, too."""
    print(f"\nhostile values: {dict(tried)}")
    assert sum(tried[module] for module in ON_HOST) >= 300
    assert all(tried[module] >= len(places(module)) for module in ON_HOST)
    assert tried["refused"] > 100
    assert tried["legal"] > 20
    assert kinds == KINDS
