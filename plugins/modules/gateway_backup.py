# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make, prove and unpack backups of a deployment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_backup
short_description: Make, prove and unpack backups of a deployment
version_added: 0.1.0
description:
  - Makes one archive of a deployment while it runs, with its state, configuration, secrets, the records of what was
    deployed, and a manifest that has the hash of each file.
  - Every SQLite database in the state is copied by SQLite's own backup, as of one moment, and its copy is checked by
    C(PRAGMA integrity_check). What SQLite keeps beside a database (C(-wal), C(-shm), C(-journal)) is left out.
  - The service owns its state and may plant anything in it. No link is followed and no mount point crossed; what opens
    a database has the rights of its owner, in its folder. What cannot be read is left out, with a warning that names
    it.
  - An archive is encrypted for O(recipient). Without one, secrets and logins are left out, and a warning reports so.
  - It is a tar archive, compressed by zstd where that is installed, else by gzip. It has its name when it is whole;
    a run that is killed, or finds no room, leaves the older ones as they are.
  - Holds the lock of the deployment, so that nothing is exchanged meanwhile.
  - Reading an archive trusts nothing in it. A changed byte, a file that is missing or too much, a link, a device, or a
    path out of the archive is refused before anything is used.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
attributes:
  check_mode:
    details:
      - An archive is read to its end in check mode, too, because what it has cannot be known otherwise.
  diff_mode:
    support: none
    details:
      - A backup changes nothing of what is backed up.
  idempotent:
    support: partial
    details:
      - With O(state=present) every run makes a backup, with O(state=unpacked) every run unpacks one.
options:
  state:
    description:
      - With V(present), one more backup is made, and those that are too many are removed (O(keep)).
      - With V(verified), an archive is read to its end and compared with its manifest.
      - With V(unpacked), an archive is compared with its manifest and unpacked into O(record_dir)C(/restore), for root.
      - With V(absent), what was unpacked is removed.
    type: str
    choices: [present, verified, unpacked, absent]
    default: present
  project:
    description: Name of the Compose project; archives of another one are neither used nor removed.
    type: str
    required: true
  directory:
    description:
      - Directory of the backups, for root alone; best on another disk, and copied to another host.
      - One in O(state_dir), O(config_dir) or O(record_dir) is refused.
    type: str
    required: true
  state_dir:
    description: The state.
    type: str
    required: true
  config_dir:
    description: Directory of the deployment's files; its C(secrets) are the secrets.
    type: str
    required: true
  record_dir:
    description: Directory of the records of deployments.
    type: str
    required: true
  config:
    description: Path of the application's configuration, which O(state=absent) compares with that of the archive.
    type: str
    default: ""
  workspace:
    description: Whether the agent's workspace is part of the backup.
    type: bool
    default: true
  secrets:
    description:
      - Whether secrets and logins are part of a backup that is encrypted.
      - They are the files of C(secrets), the login rows of OpenClaw's databases, and files of the state such as
        C(auth-profiles.json), C(credentials) and C(*.key).
    type: bool
    default: true
  recipient:
    description:
      - Public key for which the archive is encrypted, C(age1…) of age, or what C(gpg --armor --export) prints. The
        program has to be installed.
      - The secret key should not be on this host.
    type: str
    default: ""
  keep:
    description:
      - How many backups are kept. The newest one from which a gateway was ready stays in addition, and so does each
        that is newer than the newest one without problems.
    type: int
    default: 7
  lock_files:
    description:
      - The files that lock the packages of the image (C(package.json), C(package-lock.json), C(requirements-node.txt)).
    type: dict
    default: {}
  policy:
    description: What the deployment was allowed, for the manifest.
    type: dict
    default: {}
  archive:
    description: Path of an archive on this host; empty is the newest one in O(directory) without problems.
    type: str
    default: ""
  key:
    description:
      - The secret key that opens an archive, C(AGE-SECRET-KEY-1…) of age or an armored one of GnuPG, without
        a passphrase.
      - It is in memory (C(/run)) while the archive is read, and in no command line or environment.
    type: str
    default: ""
  proven:
    description: With O(state=absent), note that a gateway was ready from what was unpacked.
    type: bool
    default: false
  timeout:
    description: Seconds for reading or writing an archive, from 60 to 604800.
    type: int
    default: 21600
  lock_timeout:
    description: Seconds to wait for a deployment or another backup; then it is an error.
    type: int
    default: 600
seealso:
  - module: openclaw.hardening.hardened_compose
"""

EXAMPLES = r"""
- name: Back up, encrypted
  openclaw.hardening.gateway_backup:
    project: openclaw
    directory: /var/backups/openclaw
    state_dir: /var/lib/openclaw/.openclaw
    config_dir: /etc/openclaw
    record_dir: /var/lib/openclaw-hardening
    recipient: "{{ backup_public_key }}"

- name: Prove that the newest backup is whole
  openclaw.hardening.gateway_backup:
    state: verified
    project: openclaw
    directory: /var/backups/openclaw
    state_dir: /var/lib/openclaw/.openclaw
    config_dir: /etc/openclaw
    record_dir: /var/lib/openclaw-hardening
    archive: /var/backups/openclaw/openclaw-20261130T034500Z.tar.zst.age
    key: "{{ lookup('ansible.builtin.file', '/media/key/age.txt') }}"
"""

RETURN = r"""
path:
  description: The archive.
  returned: unless O(state=absent)
  type: str
  sample: /var/backups/openclaw/openclaw-20261130T034500Z.tar.zst.age
bytes:
  description: Size of the archive.
  returned: with O(state=present), unless in check mode
  type: int
  sample: 17482915
state_bytes:
  description: Size of all files in it.
  returned: with O(state=present), unless in check mode
  type: int
  sample: 58612736
files:
  description: How many files it has.
  returned: with O(state=present), unless in check mode
  type: int
  sample: 1823
seconds:
  description: How long it took.
  returned: unless O(state=absent)
  type: float
  sample: 1.9
sha256:
  description: SHA-256 of the archive.
  returned: with O(state=present), unless in check mode
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
manifest_sha256:
  description: SHA-256 of the manifest, and so of the whole content.
  returned: unless O(state=absent)
  type: str
  sample: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
made_at:
  description: When it was made.
  returned: unless O(state=absent)
  type: str
  sample: "2026-11-30T03:45:00+00:00"
version:
  description: Version of OpenClaw, as its lock names it.
  returned: unless O(state=absent)
  type: str
  sample: 2026.9.6
image_id:
  description: The image that was deployed.
  returned: with O(state=verified) or O(state=unpacked)
  type: str
  sample: sha256:a71f7ceb92059b90f5f8f59521ffc64472311486a5cd38a8ececbd38e67b9058
image_record:
  description: The record of the verification of that image; empty when it is of another image.
  returned: with O(state=verified) or O(state=unpacked)
  type: dict
  sample:
    image_id: sha256:a71f7ceb92059b90f5f8f59521ffc64472311486a5cd38a8ececbd38e67b9058
    verified: "2026-11-30T03:48:45+00:00"
image_ref:
  description: The name of that image.
  returned: with O(state=verified) or O(state=unpacked)
  type: str
  sample: openclaw:hardened
secrets:
  description: Whether secrets and logins are in it.
  returned: unless O(state=absent)
  type: bool
  sample: true
workspace:
  description: Whether the workspace is in it.
  returned: unless O(state=absent)
  type: bool
  sample: true
left_out:
  description: What is not in it on purpose.
  returned: unless O(state=absent)
  type: list
  elements: str
  sample: ["secrets and logins: the archive is not encrypted; set 'recipient'"]
problems:
  description: What could not be read, or is damaged.
  returned: unless O(state=absent)
  type: list
  elements: str
  sample: ["'media/large' (held by another process)"]
pruned:
  description: Archives that were removed.
  returned: with O(state=present)
  type: list
  elements: str
  sample: [openclaw-20261101T034500Z.tar.zst.age]
state_source:
  description: The unpacked state.
  returned: with O(state=verified) or O(state=unpacked)
  type: str
  sample: /var/lib/openclaw-hardening/restore/state
secret_files:
  description: The names of the secrets in the archive, with where they are when it is unpacked.
  returned: with O(state=verified) or O(state=unpacked)
  type: dict
  sample: {gateway_token: /var/lib/openclaw-hardening/restore/secrets/gateway_token}
lock_dir:
  description: Where the files are that lock the image's packages; empty when they are not in the archive.
  returned: with O(state=verified) or O(state=unpacked)
  type: str
  sample: /var/lib/openclaw-hardening/restore/image
keeps_logins:
  description: Whether the archive has no logins and this host has some, which should stay.
  returned: with O(state=verified) or O(state=unpacked)
  type: bool
  sample: false
config_changes:
  description: How the configuration in the archive and the present one differ, by key.
  returned: with O(state=absent), unless in check mode
  type: list
  elements: str
  sample: ["gateway.controlUi.allowedOrigins: another value"]
actions:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: [make /var/backups/openclaw/openclaw-20261130T034500Z.tar.zst.age]
"""

from ansible_collections.openclaw.hardening.plugins.module_utils._backup.manager import BackupManager
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.options import BACKUP_ARGUMENTS
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.module import SecretiveModule


def main() -> None:
    """Run the module."""
    module = SecretiveModule(argument_spec=BACKUP_ARGUMENTS, supports_check_mode=True)
    try:
        result = BackupManager.of(module).run()
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
