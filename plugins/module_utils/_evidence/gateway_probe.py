# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Trying a gateway from the host, many connections at once: who answers, and whom does it let in.

A wrong token is never tried. Behind Docker's port proxy every client has the bridge's address, and OpenClaw locks an
address out for five minutes after ten wrong tokens: the audit would lock out the operator. No token is no attempt.
"""

from __future__ import annotations

import errno
import http.client
import json
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._system import http as system_http

INVOKE = "/tools/invoke"
# Keys of the answers to a POST there.
WITHOUT, WITH, WRONG = "without a token", "with the token", "with another token"
OPEN, REFUSED, TIMEOUT, UNREACHABLE = "open", "refused", "timeout", "unreachable"
CHANGED_HANDS = "not asked: another process took the port"

_CONNECT_TIMEOUT = 1.0
_ANSWER_TIMEOUT = 5.0
# For all tries together: a peer that drips bytes may hold a thread, never the audit.
_PATIENCE = 6.0
_THREADS = 32
_JSON = "application/json"
_BODY_READ = 64 << 10
_NAMES = 20  # that a gateway gives for what is not ready
_BODY = json.dumps({"tool": "sessions_list", "action": "json", "args": {}})
_STATES = {
    errno.ECONNREFUSED: REFUSED,
    errno.ETIMEDOUT: TIMEOUT,
    errno.EHOSTUNREACH: UNREACHABLE,
    errno.ENETUNREACH: UNREACHABLE,
    errno.EPERM: UNREACHABLE,  # the host's own packet filter
    errno.EACCES: UNREACHABLE,
}

# Called when the connection is there, before anything is sent: whether it still leads to the one that is meant.
Vet = Callable[[], bool]
Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Answer:
    """What HTTP answered: a status and the kind of its content, or why there was none."""

    status: int = 0
    kind: str = ""
    error: str = ""
    scheme: str = "http"
    # The first part of what came with it, for who wants to know why.
    body: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        """Show the status, or the reason instead."""
        return f"{self.status}{' (a web page)' if self.page else ''}" if self.status else self.error

    @property
    def page(self) -> bool:
        """Return whether it is a web page, which OpenClaw answers for every path that it does not know."""
        return self.kind == "text/html"

    @property
    def unknown(self) -> bool:
        """Return whether the path is not known there."""
        return self.status == 404 or (self.status == 200 and self.page)


LATE = Answer(error="no answer in time")


@dataclass(frozen=True)
class Attempt:
    """A connection that was tried; ``answer`` is that of /healthz when it was open."""

    address: str
    port: int
    state: str
    answer: Answer | None = None


def together(jobs: Mapping[Key, Callable[[], Value]]) -> Callable[[], dict[Key, Value]]:
    """Start all jobs; return a function that waits, and gives the results of those that are done in time."""
    waiting = list(jobs.items())
    results: dict[Key, Value] = {}
    deadline = time.monotonic() + _PATIENCE

    def work() -> None:
        while waiting and time.monotonic() < deadline:
            try:
                key, job = waiting.pop()
            except IndexError:
                return
            results[key] = job()

    # Daemons: they do not keep the module from ending.
    threads = [threading.Thread(target=work, daemon=True) for _number in range(min(_THREADS, len(jobs)))]
    for thread in threads:
        thread.start()

    def finish() -> dict[Key, Value]:
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return dict(results)

    return finish


def attempt(address: str, port: int) -> Attempt:
    """Connect, and ask for /healthz when another user takes it: a port proxy takes a connection that leads nowhere,
    too.
    """
    try:
        socket.create_connection((address, port), _CONNECT_TIMEOUT).close()
    except socket.timeout:  # its own class before Python 3.10
        return Attempt(address, port, TIMEOUT)
    except OSError as error:
        return Attempt(address, port, _STATES.get(error.errno or 0, error.strerror or type(error).__name__))
    return Attempt(address, port, OPEN, ask(address, port, "/healthz"))


def ask(address: str, port: int, path: str, token: str = "", vet: Vet | None = None) -> Answer:
    """Ask for a path, by TLS where plain HTTP is not understood."""
    answer = _request("http", address, port, "GET", path, token, vet)
    if answer.status or answer.error in (TIMEOUT, REFUSED, CHANGED_HANDS):
        return answer
    secured = _request("https", address, port, "GET", path, token, vet)
    return secured if secured.status else answer


def probe_auth(
    address: str, port: int, token: str, vet: Vet | None = None, *, path: str = INVOKE, wrong: bool = True
) -> dict[str, Answer]:
    """Ask for something that only the operator may have; the token goes only to who refuses without one.

    OpenClaw locks everybody out after ten wrong tokens in a minute, and forgets them at a right one. So another token
    is only tried between two right ones, and with ``wrong`` only.
    """
    first = ask(address, port, "/healthz", vet=vet)
    if not first.status:
        return {WITHOUT: first}
    scheme = first.scheme
    found = {WITHOUT: _request(scheme, address, port, "POST", path, vet=vet)}
    if token and found[WITHOUT].status in (401, 403):
        found[WITH] = _request(scheme, address, port, "POST", path, token, vet)
        if wrong and 200 <= found[WITH].status < 300:
            found[WRONG] = _request(scheme, address, port, "POST", path, secrets.token_hex(32), vet)
            _request(scheme, address, port, "POST", path, token, vet)
    return found


def _request(
    scheme: str, address: str, port: int, method: str, path: str, token: str = "", vet: Vet | None = None
) -> Answer:
    context = None
    if scheme == "https":
        # The certificate may be the gateway's own; the address is one of this host.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = None
    if method == "POST":
        headers["Content-Type"] = "application/json"
        body = _BODY
    try:
        response = system_http.request(
            address,
            port,
            path,
            timeout=_ANSWER_TIMEOUT,
            connect_timeout=_CONNECT_TIMEOUT,
            method=method,
            headers=headers,
            body=body,
            tls=context,
            max_body=_BODY_READ,
            vet=vet,
        )
        kind = response.header("Content-Type").partition(";")[0].strip().lower()
        return Answer(response.status, kind, "", scheme, response.body if kind == _JSON else b"")
    except system_http.ChangedHands:
        return Answer(error=CHANGED_HANDS, scheme=scheme)
    except socket.timeout:
        return Answer(error=TIMEOUT, scheme=scheme)
    except ConnectionRefusedError:
        return Answer(error=REFUSED, scheme=scheme)
    except OSError as error:
        return Answer(error=error.strerror or type(error).__name__, scheme=scheme)
    except (http.client.HTTPException, ValueError) as error:
        # Only the kind: the text of http.client shows the header that it refuses, or what the peer wrote.
        return Answer(error=f"no HTTP ({type(error).__name__})", scheme=scheme)


# --- what it means (pure) -----------------------------------------------------------------------------------------


def serves(found: Mapping[str, Answer]) -> tuple[bool | None, str]:
    """Return whether a request with the token is answered and one without it is refused, and how that is shown.

    None: it cannot be known now. A lockout (429) is the gateway's own answer to another user's wrong tokens; who can
    reach
    the port can cause one, so it must not decide.
    """
    without, known = found.get(WITHOUT, LATE), found.get(WITH)
    shown = f"{without} {WITHOUT}"
    if without.status == 429:
        return None, f"{shown} (locked out: too many wrong tokens)"
    if without.status not in (401, 403):
        return False, shown
    if known is None:
        return False, f"{shown}; no token to ask with"
    shown = f"{known} {WITH} and {shown}"
    if known.status == 429:
        return None, f"{shown} (locked out: too many wrong tokens)"
    good = 0 < known.status < 500 and known.status not in (401, 403, 405) and not known.page
    return good, shown


def not_ready(answer: Answer) -> tuple[str, ...]:
    """Return the names of what is not ready, when the gateway gives them (to who has the token, or is local)."""
    try:
        names = json.loads(answer.body)["failing"]
        return tuple(harmless(name, 64) for name in names[:_NAMES] if isinstance(name, str) and name)
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
