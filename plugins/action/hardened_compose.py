# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action hardened_compose: the module, whose steps are printed while it runs."""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.plugin_utils._progress import ProgressAction


class ActionModule(ProgressAction):
    """The module alone does the work."""

    kind, subject = "deploy", "project"
