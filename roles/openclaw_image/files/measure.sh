#!/bin/sh
# Write what this stage weighs, by the definition the module uses for production: bytes of regular files, hard links once.
# usage: measure.sh OUTPUT
set -eu
bytes=$(find / -xdev -type f -printf '%i %s\n' | sort -u | awk '{ sum += $2 } END { printf "%.0f", sum }')
packages=$(dpkg-query --show --showformat '${db:Status-Abbrev}\n' | grep -c '^ii')
printf '{"bytes": %s, "packages": %s}\n' "$bytes" "$packages" >"$1"
