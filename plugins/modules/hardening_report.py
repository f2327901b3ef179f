# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action hardening_report; the code is in plugins/action and plugins/plugin_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hardening_report
short_description: Report what hardening_info proved on a fleet
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Makes canonical JSON, JUnit XML, SARIF 2.1.0, one self-contained HTML page and a table for the terminal, worst
    first, out of what M(openclaw.hardening.hardening_info) returned for each host.
  - Runs wholly on the controller, needs no connection, and sends nothing anywhere.
  - A host that was unreachable, whose module failed, or whose result has another shape is part of every report, as one
    that could not be checked. It never counts as passed.
  - What the hosts sent is never interpreted. It is escaped for every format, and characters that cannot be seen
    (terminal escapes, bidirectional overrides) are written as C(\x1b). Texts of more than 16000 characters are cut.
  - What is waived is shown as waived in every report, with its reason. An expired waiver changes nothing.
extends_documentation_fragment:
  - openclaw.hardening.controller_action
attributes:
  check_mode:
    details:
      - Prints the table and names the files, writes none.
  idempotent:
    support: none
    details:
      - A report reports when it was made, so each run writes new files.
options:
  hosts:
    description: The hosts of the report.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the host. Each only once.
        type: str
        required: true
      result:
        description: The registered result of M(openclaw.hardening.hardening_info), as it is, also a failed one.
        type: raw
  directory:
    description:
      - Where the files go. Created for its owner only (C(0700)) when it is missing; a relative path starts at the
        current working directory.
      - The files, C(openclaw-hardening.json), C(.xml), C(.sarif) and C(.html), are replaced as a whole and are their
        owner's only (C(0600)), because evidence is confidential. A link that has the name of one is replaced, not
        followed.
      - Empty means no files.
    type: str
    default: ""
  formats:
    description: Which files to write. V(junit) is C(openclaw-hardening.xml).
    type: list
    elements: str
    choices: [json, junit, sarif, html]
    default: [json, junit, sarif, html]
  title:
    description: Heading of the reports.
    type: str
    default: OpenClaw hardening
  table:
    description:
      - Print the table. It has what failed, is inconclusive, or is waived; from C(-v) on also what was skipped or
        passed.
    type: bool
    default: true
notes:
  - Use it once for the whole fleet, with C(run_once) and results of all hosts.
seealso:
  - module: openclaw.hardening.hardening_info
"""

EXAMPLES = r"""
- name: Prove the hardening of every host
  openclaw.hardening.hardening_info:
  register: audit
  ignore_errors: true
  ignore_unreachable: true

- name: Report it
  openclaw.hardening.hardening_report:
    directory: ./reports
    hosts: "{{ dict(ansible_play_hosts_all | zip(results)) | dict2items(key_name='name', value_name='result') }}"
  vars:
    results: "{{ ansible_play_hosts_all | map('extract', hostvars) | map(attribute='audit', default={}) }}"
  run_once: true
"""

RETURN = r"""
files:
  description: Absolute paths of the files that were (in check mode, would be) written.
  returned: success
  type: list
  elements: str
  sample: [/srv/reports/openclaw-hardening.json, /srv/reports/openclaw-hardening.html]
summary:
  description: How many checks have which status, in the fleet and for each host.
  returned: success
  type: dict
  contains:
    fail:
      description: Proven to be wrong.
      type: int
      sample: 1
    error:
      description: Could not be found out.
      type: int
      sample: 0
    waived:
      description: Wrong or not found out, but waived.
      type: int
      sample: 1
    skip:
      description: Does not apply, or is for a person to check.
      type: int
      sample: 12
    pass:
      description: Proven to be as expected.
      type: int
      sample: 71
    findings:
      description: How many of V(fail) and V(error) there are of each severity.
      type: dict
      sample: {"critical": 0, "high": 1, "medium": 0, "low": 0}
    worst:
      description: The first of V(fail), V(error), V(waived), V(pass) and V(skip) that there is.
      type: str
      sample: fail
    hosts:
      description: The same for each host, by its name.
      type: dict
      sample:
        gateway.example.net:
          fail: 1
          error: 0
          waived: 1
          skip: 12
          pass: 71
          findings: {"critical": 0, "high": 1, "medium": 0, "low": 0}
          worst: fail
"""
