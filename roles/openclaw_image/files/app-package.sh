#!/bin/sh
# Builder stage: install OpenClaw from the committed lock file into the working directory.
set -eu
here=$(dirname "$0")
# shellcheck source=/dev/null
. "$here/npm-settings.sh"

# Lifecycle scripts run here: production has a read-only root, where they could not.
npm ci --omit=dev --no-audit --no-fund --loglevel=warn
ln -s node_modules/openclaw/openclaw.mjs openclaw.mjs
