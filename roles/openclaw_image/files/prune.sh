#!/bin/sh
# Take out of the application what only developers read, and make the rest root's and unwritable.
set -eu
app=$1
find "$app" -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.tsbuildinfo' \) -delete
# npm's own record names the registry the packages came from.
rm -f "$app/node_modules/.package-lock.json" "$app/package-lock.json"
rm -rf "$app/node_modules/.cache"
find "$app" -type d -empty -delete
chown -hR 0:0 "$app"
chmod -R a-st,go-w,a+rX "$app"
