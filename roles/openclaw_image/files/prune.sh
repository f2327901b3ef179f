#!/bin/sh
# Take out of the application what only developers read, and make the rest root's and unwritable.
set -eu
app=$1
find "$app" -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.tsbuildinfo' \) -delete
# What npm and pnpm note for themselves names the registry that the packages came from.
rm -f "$app/package-lock.json" "$app/node_modules/.package-lock.json" "$app/node_modules/.modules.yaml" \
  "$app/node_modules/.pnpm-workspace-state-v1.json"
rm -rf "$app/node_modules/.cache"
find "$app" -type d -empty -delete
chown -hR 0:0 "$app"
chmod -R a-st,go-w,a+rX "$app"
