#!/bin/sh
# Builder stage: build the OpenClaw source tree in the working directory, by its own build contract.
# usage: app-checkout.sh PNPM_VERSION ("" = the tree's packageManager field)
set -eu
here=$(dirname "$0")
# shellcheck source=/dev/null
. "$here/npm-settings.sh"

# packageManager reads "pnpm@VERSION+sha512.HEX"; the hash is checked when it is there.
wanted=$(node -p 'JSON.parse(fs.readFileSync("package.json", "utf8")).packageManager ?? ""')
version=${1:-}
digest=
if [ -z "$version" ]; then
  version=${wanted#pnpm@}
  case $wanted in *+sha512.*) digest=${wanted##*+sha512.} ;; esac
  version=${version%%+*}
fi
case $version in
  [0-9]*.[0-9]*.[0-9]*) ;;
  *)
    echo "package.json: found packageManager '$wanted', needed pnpm@X.Y.Z; set openclaw_image_pnpm_version" >&2
    exit 2
    ;;
esac
(
  cd /opt
  npm pack --silent "pnpm@$version" >/dev/null
  if [ -n "$digest" ]; then echo "$digest  pnpm-$version.tgz" | sha512sum -c -; fi
  npm install --global --silent --prefix /usr/local "./pnpm-$version.tgz"
  rm "pnpm-$version.tgz"
)

export CI=true OPENCLAW_PREFER_PNPM=1 OPENCLAW_A2UI_SKIP_MISSING=1 npm_config_manage_package_manager_versions=false
pnpm config set --location=user store-dir /var/cache/pnpm
pnpm install --frozen-lockfile
pnpm build
pnpm ui:build
pnpm prune --prod

# What upstream's own image takes along; sources, tests and build settings stay behind.
find . -mindepth 1 -maxdepth 1 \
  ! -name node_modules ! -name dist ! -name package.json ! -name openclaw.mjs ! -name LICENSE \
  ! -name extensions ! -name skills ! -name assets ! -name docs ! -name packages ! -name pnpm-workspace.yaml \
  -exec rm -rf {} +
