#!/bin/sh
# Makes sure the browser tests have a Chromium. Looks where tests/services.py looks: $CHROMIUM, then the
# usual names. Root on a Debian machine without one gets Debian's package; anyone else is told what will
# not run. In CI that is a failure.
set -eu

for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
  if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then exit 0; fi
done

if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null 2>&1; then
  echo "no Chromium here: installing Debian's package for the browser tests"
  export DEBIAN_FRONTEND=noninteractive
  if apt-get update -qq && apt-get install -y -qq chromium >/dev/null; then exit 0; fi
fi

cat >&2 <<'END'
********************************************************************************
*  NO CHROMIUM: the browser tests cannot run.                                  *
*  Install it (Debian: apt-get install chromium), or set CHROMIUM to its path. *
********************************************************************************
END
[ "${CI:-}" != true ]
