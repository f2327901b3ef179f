#!/bin/sh
# Builder stage: fetch OpenClaw by the committed lock file into the working directory. Nothing of it runs yet.
set -eu
here=$(dirname "$0")
# shellcheck source=/dev/null
. "$here/npm-settings.sh"

npm ci --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=warn
ln -s node_modules/openclaw/openclaw.mjs openclaw.mjs
