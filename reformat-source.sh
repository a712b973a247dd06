#!/bin/sh
# Format and lint the source; with --check only say what would change (for CI).
set -eu
cd "$(dirname "$0")"
case "${1-}" in
"") ruff check --quiet --fix . && ruff format --quiet . ;;
--check) ruff check --quiet . && ruff format --quiet --check . ;;
*) echo "usage: ./reformat-source.sh [--check]" >&2 && exit 2 ;;
esac
