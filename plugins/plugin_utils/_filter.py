# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter that refuses its value with our message."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ansible.errors import AnsibleFilterError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError

P = ParamSpec("P")
T = TypeVar("T")


def refuses(work: Callable[P, T]) -> Callable[P, T]:
    """Turn the refusals of a filter into Ansible's."""

    @functools.wraps(work)
    def filtered(*arguments: P.args, **keywords: P.kwargs) -> T:
        try:
            return work(*arguments, **keywords)
        except HardeningError as error:
            raise AnsibleFilterError(str(error)) from error

    return filtered
