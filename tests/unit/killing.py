"""Kill a piece of work before its n-th step, for real: in a process of its own.

Not the killer of tests/faults/on_host: here every single step is one moment, which needs no host.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable

# What changes a file system, or waits for it.
STEPS = ("link", "rename", "unlink", "fsync", "write", "open")


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do the work in another process that is killed before its step of that number; return whether it was."""
    child = os.fork()
    if child == 0:
        passed = 0

        def counted(original: Callable) -> Callable:
            def call(*arguments: object, **options: object) -> object:
                nonlocal passed
                if passed == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                passed += 1
                return original(*arguments, **options)

            return call

        try:
            for name in STEPS:
                setattr(os, name, counted(getattr(os, name)))
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status) != 0:
        raise AssertionError(f"the work ended with {os.waitstatus_to_exitcode(status)}")
    return os.WIFSIGNALED(status)
