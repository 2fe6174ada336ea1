#!/usr/bin/env bash
# Installs what the tests that start real servers need, on Debian 12. Run it as often as you like:
# what is present is left alone, and nothing at all is done when all of it is.
#
# Invariants: no installed service is started; no package is removed (an installed exim4 makes this
# fail rather than go away); a policy-rc.d that was there before is not touched.
set -euo pipefail
shopt -s nullglob
PATH=$PATH:/usr/sbin:/sbin

missing=()
need() { # need PACKAGE FILE...: any one of the files will do
  local package=$1 file
  shift
  for file in "$@"; do [ -e "$file" ] && return; done
  missing+=("$package")
}
# shellcheck disable=SC2046 # the globs are meant to expand, to nothing where nothing matches
need postgresql /usr/lib/postgresql/*/bin/initdb
need postfix /usr/sbin/postfix
need bind9 /usr/sbin/named
need ejabberd /usr/sbin/ejabberdctl
need dovecot-imapd /usr/lib/dovecot/imap
need postfix-pgsql /usr/lib/postfix/postfix-pgsql.so
need dovecot-lmtpd /usr/lib/dovecot/lmtp
need dovecot-pgsql /usr/lib/dovecot/modules/auth/libdriver_pgsql.so
need opendkim /usr/sbin/opendkim
need kamailio-tls-modules /usr/lib/*/kamailio/modules/tls.so
need kamailio-postgres-modules /usr/lib/*/kamailio/modules/db_postgres.so
need baresip-core /usr/bin/baresip
need chromium /usr/bin/chromium
need p7zip-full /usr/bin/7z /usr/bin/7zz
need poppler-utils /usr/bin/pdftoppm
need fonts-dejavu-core /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
need util-linux /usr/bin/setpriv
need erlang-p1-pgsql /usr/lib/erlang/lib/p1_pgsql-*
need bind9-utils /usr/sbin/rndc
need pebble /usr/bin/pebble

[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null && exec sudo -- "$BASH" "$0" "$@"
  echo "install.sh: missing ${missing[*]}: run this as root, or install sudo" >&2
  exit 1
fi
command -v apt-get >/dev/null || {
  echo "install.sh: missing ${missing[*]}: there is no apt-get here, install them by hand" >&2
  exit 1
}

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
# Read only where postfix is among the packages to come; harmless otherwise.
echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
apt=(apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -q)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends --no-remove "${missing[@]}"
echo "install.sh: installed ${missing[*]}"
