# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts a job (``run JOB SETTINGS``, ``ended JOB SETTINGS``), or the notifier (``notify``)."""

import sys

if sys.argv[1:] == ["notify"]:
    from maintenance_notifier import main

    sys.exit(main())

from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import program

sys.exit(program.main(sys.argv[1:]))
