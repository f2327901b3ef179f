# shellcheck shell=sh
# Settings of the build host reach npm, pnpm and Node.js for one step only: as files of a secret mount.
export npm_config_update_notifier=false
if [ -s /run/secrets/npmrc ]; then
  export npm_config_userconfig=/run/secrets/npmrc
fi
if [ -s /run/secrets/ca ]; then
  # npm trusts nothing beside its file, Node.js trusts what it knows, too.
  cat /etc/ssl/certs/ca-certificates.crt /run/secrets/ca >/dev/shm/ca.pem
  export npm_config_cafile=/dev/shm/ca.pem NODE_EXTRA_CA_CERTS=/run/secrets/ca
fi
