#!/bin/sh
# Rootfs stage: copy a short list of packages, with everything they depend on, into an empty root.
# What is not on the list (apt, dpkg, perl, login, mount, …) never gets there, so nothing has to be purged.
# usage: rootfs.sh ROOT DEBIAN_PACKAGE…
set -eu
root=$1
shift
wanted=$*
# What a shell script may take for allowed.
seeds="base-files bash coreutils dash debianutils diffutils findutils grep gzip hostname libc-bin mawk sed tar $wanted"
# Only maintainer scripts need these, and they have run.
unneeded='debconf|cdebconf|dpkg|adduser|passwd|init-system-helpers|install-info'

# A base that was made on the build host has them all; one from a registry may not.
# shellcheck disable=SC2086 # a list of names
if [ "$(dpkg-query --show --showformat '${db:Status-Abbrev}\n' $seeds 2>/dev/null | grep -c '^ii')" -ne "$(echo $seeds | wc -w)" ]; then
  export DEBIAN_FRONTEND=noninteractive
  ca=/run/secrets/ca
  set -- -q -o Acquire::Retries=3
  if [ -s "$ca" ]; then
    cat /etc/ssl/certs/ca-certificates.crt "$ca" >/dev/shm/ca.pem 2>/dev/null || cat "$ca" >/dev/shm/ca.pem
    set -- "$@" -o Acquire::https::CaInfo=/dev/shm/ca.pem
  fi
  apt-get "$@" update
  apt-get "$@" install -y --no-install-recommends $seeds
fi

# closure PACKAGE…: the installed packages these need, one a line.
closure() {
  dpkg-query --show --showformat '${Package}\t${Provides}\t${Pre-Depends}, ${Depends}\n' |
    awk -F '\t' -v seeds="$*" -v unneeded="^($unneeded)\$" '
      function strip(text) { gsub(/\([^)]*\)|:any|[ \t]/, "", text); return text }
      {
        installed[$1] = 1; needs[$1] = strip($3)
        count = split(strip($2), provided, ","); for (i = 1; i <= count; i++) provider[provided[i]] = $1
      }
      END {
        size = split(seeds, queue, /[ \n]+/)
        for (head = 1; head <= size; head++) {
          name = queue[head]
          if (!(name in installed)) name = provider[name]
          if (name == "" || name in kept || name ~ unneeded) continue
          kept[name] = 1; print name
          # Of alternatives the first that is there: the base has the packages of the builder, too.
          count = split(needs[name], list, ",")
          for (i = 1; i <= count; i++) {
            ways = split(list[i], way, "|")
            for (j = 1; j <= ways; j++) if ((way[j] in installed) || (way[j] in provider)) { queue[++size] = way[j]; break }
          }
        }
      }'
}
# shellcheck disable=SC2086 # a list of names
kept=$(closure $seeds | sort)

mkdir -p "$root"
{
  # A merged /usr: these are links on every supported release, and must be there before what lies below them.
  for link in /bin /sbin /lib /lib32 /lib64 /libx32; do [ ! -L "$link" ] || echo "$link"; done
  # shellcheck disable=SC2086 # a list of names
  dpkg-query --listfiles $kept | grep -vE '^/(usr/share/(doc|man|info|locale|lintian|bug|doc-base|menu)(/|$)|\.$)'
  # What maintainer scripts made: alternatives (awk, which), certificates, name service settings, the linker's cache.
  find /etc/ssl/certs /etc/nsswitch.conf /etc/ld.so.cache /etc/localtime /etc/timezone 2>/dev/null || true
} | while IFS= read -r path; do
  if [ -e "$path" ] || [ -L "$path" ]; then printf '%s\n' "${path#/}"; fi
done | awk '!seen[$0]++' | tar --create --directory / --no-recursion --files-from - | tar --extract --directory "$root"

for alternative in /var/lib/dpkg/alternatives/*; do
  link=$(sed -n 2p "$alternative")
  target=$(readlink -f "$link" || true)
  if [ -n "$target" ] && [ -e "$root$target" ]; then
    mkdir -p "$root${link%/*}"
    ln -sf "$target" "$root$link"
  fi
done

# Scanners read this to tell which packages, and so which known flaws, are inside.
mkdir -p "$root/var/lib/dpkg/info"
awk -v kept="$(echo "$kept" | tr '\n' ' ')" '
  BEGIN { RS = ""; FS = "\n"; ORS = "\n\n"; count = split(kept, list, " "); for (i = 1; i <= count; i++) want[list[i]] = 1 }
  { name = $1; sub(/^Package: /, "", name); if (name in want) print }' /var/lib/dpkg/status >"$root/var/lib/dpkg/status"
for package in $kept; do
  for record in "/var/lib/dpkg/info/$package".list "/var/lib/dpkg/info/$package":*.list; do
    [ ! -e "$record" ] || cp -p "$record" "$root/var/lib/dpkg/info/"
  done
done

# One account that can run something, none that can log in.
cat >"$root/etc/passwd" <<'PASSWD'
root:x:0:0:root:/root:/usr/sbin/nologin
node:x:1000:1000:OpenClaw:/home/node:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
PASSWD
cat >"$root/etc/group" <<'GROUP'
root:x:0:
tty:x:5:
node:x:1000:
nogroup:x:65534:
GROUP
mkdir -p "$root/app" "$root/usr/local/bin" "$root/proc" "$root/sys" "$root/dev" "$root/run"
# Others may pass: the gateway may run with another uid than 1000, and its state is mounted below.
install -d -o 1000 -g 1000 -m 0755 "$root/home/node"
install -d -o 1000 -g 1000 -m 0700 "$root/home/node/.openclaw" "$root/home/node/.npm" "$root/home/node/.cache"
ln -s /app/openclaw.mjs "$root/usr/local/bin/openclaw"
find "$root" -xdev ! -type l -perm /6000 -exec chmod a-s {} +
