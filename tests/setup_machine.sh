#!/bin/sh
# Makes sure the tests have what no Python wheel carries: a Chromium for the browser tests, nginx for the guide's
# proxy. Chromium is looked for where tests/services.py looks: $CHROMIUM, then the usual names. Root on a Debian
# machine gets Debian's packages; anyone else is told what will not run. In CI that is a failure. Chromium's headless
# build is fetched beside another one, too, because it is two fifths cheaper, and done without where it cannot be had.
set -eu

there() {
  for name in "$@"; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then return 0; fi
  done
  return 1
}

missing="" better=""
there "${CHROMIUM:-}" chromium-headless-shell chromium chromium-browser google-chrome || missing="chromium-headless-shell"
[ -n "$missing" ] || there "${CHROMIUM:-}" chromium-headless-shell || better="chromium-headless-shell"
there nginx || missing="$missing nginx-light"
[ -n "$missing$better" ] || exit 0

if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null 2>&1; then
  echo "not here yet: installing from Debian for the tests: $missing $better"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 - a list of words
  if apt-get update -qq && apt-get install -y -qq --no-remove --no-install-recommends $missing $better >/dev/null; then exit 0; fi
fi
[ -n "$missing" ] || exit 0

cat >&2 <<END
********************************************************************************
*  MISSING FOR SOME TESTS: $missing
*  Install it (Debian: apt-get install $missing), or set CHROMIUM to its path.
********************************************************************************
END
[ "${CI:-}" != true ]
