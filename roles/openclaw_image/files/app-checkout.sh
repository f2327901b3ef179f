#!/bin/sh
# Builder stage: fetch pnpm, and what the OpenClaw source tree in the working directory needs. Nothing of it runs yet.
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
  npm install --global --ignore-scripts --silent --prefix /usr/local "./pnpm-$version.tgz"
  rm "pnpm-$version.tgz"
)

set --
# pnpm is run here, the tree is not: its .pnpmfile.cjs would have the login, unless the lock file was made with it.
grep -q '^pnpmfileChecksum' pnpm-lock.yaml || set -- --ignore-pnpmfile
export CI=true npm_config_manage_package_manager_versions=false
pnpm config set --location=user store-dir /var/cache/pnpm
pnpm install --frozen-lockfile --ignore-scripts "$@"
