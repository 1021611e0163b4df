#!/bin/sh
# Makes sure the tests have what no Python wheel carries: a Chromium for the browser tests, nginx for the guide's
# proxy. Chromium is looked for where tests/services.py looks: $CHROMIUM, then the usual names. Root on a Debian
# machine gets Debian's packages; anyone else is told what will not run. In CI that is a failure.
set -eu

there() {
  for name in "$@"; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then return 0; fi
  done
  return 1
}

missing=""
there "${CHROMIUM:-}" chromium chromium-browser google-chrome || missing="chromium"
there nginx || missing="$missing nginx-light"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null 2>&1; then
  echo "not here yet: installing from Debian for the tests: $missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 - a list of words
  if apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null; then exit 0; fi
fi

cat >&2 <<END
********************************************************************************
*  MISSING FOR SOME TESTS: $missing
*  Install it (Debian: apt-get install $missing), or set CHROMIUM to its path.
********************************************************************************
END
[ "${CI:-}" != true ]
