#!/bin/sh
# Renew the three lock files from pyproject.toml. Needs uv; add --upgrade for the newest versions.
#
# requirements.lock        what every start needs
# requirements-train.lock  what training needs besides; torch itself and its CUDA packages stay out,
#                          so that a machine takes the build that fits it (constraints.txt pins the version)
# requirements-dev.lock    what the tests need besides
set -eu
cd "$(dirname "$0")/.."

compile() { # compile OUTPUT EXTRA-ARGUMENT...
  output=$1
  shift
  uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
    --custom-compile-command packaging/lock.sh --no-annotate -c constraints.txt "$@" -o "$output" >/dev/null
}
without() { # the options that leave out every package that a lock file names already
  sed -n 's/^\([a-z0-9.-]*\)==.*/--no-emit-package \1/p' "$@" | sort -u
}

compile requirements.lock "$@"
whole=$(mktemp)
trap 'rm -f "$whole"' EXIT
uv pip compile pyproject.toml --universal --python-version 3.11 --quiet --no-annotate --no-header \
  -c constraints.txt -c requirements.lock --extra train --extra dev "$@" -o "$whole" >/dev/null
torch=$(sed -n 's/^\(torch\|triton\|nvidia-[a-z0-9-]*\|cuda-[a-z-]*\)==.*/--no-emit-package \1/p' "$whole" | sort -u)
# shellcheck disable=SC2046,SC2086
compile requirements-train.lock -c "$whole" --extra train $torch $(without requirements.lock)
# shellcheck disable=SC2046,SC2086
compile requirements-dev.lock -c "$whole" --extra dev $(without requirements.lock requirements-train.lock)
