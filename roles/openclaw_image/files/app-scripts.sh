#!/bin/sh
# Builder stage: run the lifecycle scripts of what was fetched, those that package.json allows. Production has a read-only
# root, where they could not run. This step has no network, no login and no cache to leave something in.
set -eu
npm rebuild --offline --no-audit --no-fund --loglevel=warn
