# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user of the service sees while it is deployed: the published port, asked all the time."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import DEPENDENCIES, SERVING, Probe, ask
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import Port

_EVERY = 0.1


class Prober:
    """Asks in a thread of its own while a block runs; counts what failed, and for how long."""

    def __init__(self, probe: Probe) -> None:
        """Ask whether it is alive and started: one that lives and is not started yet serves nobody."""
        self._probe = probe.without({SERVING, DEPENDENCIES})
        self._port = Port(probe.host, probe.port)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.requests = self.failed = 0
        self.seconds_failed = 0.0

    def __enter__(self) -> Prober:
        """Begin; without a question there is nothing to count."""
        if self._probe.decisive:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; one question may still be on its way."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(self._probe.timeout)

    @property
    def result(self) -> dict[str, float]:
        """What came out, for a module's return value; empty when nothing was asked, which proves nothing."""
        if not self.requests:
            return {}
        return {"asked": self.requests, "failed": self.failed, "seconds_failed": round(self.seconds_failed, 1)}

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(_EVERY):
            ok = ask(self._probe, self._port).ok
            now = time.monotonic()
            self.requests += 1
            if not ok:
                self.failed += 1
                self.seconds_failed += now - last
            last = now
