#!/usr/bin/env bash
# The one test command: ./test/run.sh [fast | unit] [PYTEST OPTIONS]
#
#   (no lane)  format, types, coverage and all tests; installs missing system packages, as root only
#   unit       the same without the whole-program tests, the suites and the benchmark
#   fast       format, types and the tests of the pure core with few examples: under 20 s
#
# Coverage: the tests of core and of service reach each branch of their room, see test/README.rst.
# It is left out with pytest's options, which usually select tests.
#
# Prints pytest's closing line; on failure, the complete output of the step that failed.
set -euo pipefail
cd "$(dirname "$0")/.."
lane=all
case "${1-}" in
    fast | unit)
        lane=$1
        shift
        ;;
esac
mkdir -p .cache
log=.cache/test.log

quietly() {
    if ! "$@" >"$log" 2>&1; then
        cat "$log"
        echo "test/run.sh: failed: $*" >&2
        exit 1
    fi
}

install_commands() {
    # command:package, for each command that the tests start.
    commands=(watchman:watchman chromium:chromium tmux:tmux node:nodejs unshare:util-linux git:git
        gcc:gcc python3:python3 wrk:wrk h2load:nghttp2-client nginx:nginx go:golang-go zsh:zsh
        fish:fish curl:curl certutil:libnss3-tools openssl:openssl
        pg_lsclusters:postgresql redis-server:redis-server npm:npm unzip:unzip
        bsdtar:libarchive-tools zip:zip)
    missing=()
    for pair in "${commands[@]}"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    # pywatchman is compiled here: it needs the headers of libc and of Python.
    [ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
    header='import os, sysconfig; print(os.path.join(sysconfig.get_path("include"), "Python.h"))'
    if ! command -v python3 >/dev/null; then
        missing+=(python3-dev python3-venv)
    else
        [ -e "$(python3 -c "$header")" ] || missing+=(python3-dev)
        python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        if [ "$(id -u)" -ne 0 ]; then
            echo "test/run.sh: install these first, or run as root: ${missing[*]}" >&2
            exit 1
        fi
        quietly apt-get update
        DEBIAN_FRONTEND=noninteractive quietly apt-get install --yes --no-install-recommends \
            "${missing[@]}"
    fi
    # Optional: browsers of the tests take three quarters of the time with it, see test/browser.py.
    if [ "$(id -u)" -eq 0 ] && ! command -v chromium-headless-shell >/dev/null; then
        (apt-get update && DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install --yes \
            --no-install-recommends chromium-headless-shell) >"$log" 2>&1 || true
    fi
}

[ $lane = fast ] || install_commands
[ -x .venv/bin/python ] || quietly python3 -m venv .venv
export PATH="$PWD/.venv/bin:$PATH"
if ! cmp --silent pyproject.toml .venv/installed.toml; then
    quietly pip install --upgrade --editable '.[test,lint,watchman]'
    cp pyproject.toml .venv/installed.toml
fi

fetch_test_data() {
    # llhttp's test vectors: the release of aiohttp is pinned so that the vectors stay the same.
    if [ ! -d .cache/llhttp ]; then
        quietly pip download --no-binary=aiohttp --no-deps --dest .cache aiohttp==3.12.15
        mkdir -p .cache/llhttp.new
        quietly tar --extract --file .cache/aiohttp-3.12.15.tar.gz --directory .cache/llhttp.new \
            --strip-components=5 --wildcards '*/vendor/llhttp/test/request/*.md'
        mv .cache/llhttp.new .cache/llhttp
    fi

    # React, Vue and htmx as published, from Python packages that carry them: Debian's nodejs comes
    # without npm. The releases are pinned so that the files stay the same.
    if [ ! -d .cache/frameworks ]; then
        quietly pip download --only-binary=:all: --no-deps --dest .cache \
            dash==4.4.1 django-htmx==1.29.0 trame-client==4.1.4
        for files in 'dash-4.4.1-* dash/deps/*@1*.js' 'django_htmx-1.29.0-* *htmx-?.js' \
            'trame_client-4.1.4-* *vue3-www/vue.global.js'; do
            read -r wheel pattern <<<"$files"
            quietly unzip -joq .cache/$wheel.whl "$pattern" -d .cache/frameworks.new
        done
        mv .cache/frameworks.new .cache/frameworks
    fi

    # Vite, for the project of several services.
    if [ ! -d .cache/vite ]; then
        mkdir -p .cache/vite.new
        echo '{"private": true}' >.cache/vite.new/package.json
        quietly npm install --prefix .cache/vite.new --no-audit --no-fund --ignore-scripts \
            vite@6.4.6
        mv .cache/vite.new .cache/vite
    fi
}

[ $lane = fast ] || fetch_test_data
quietly ./reformat-source.sh --check

# Steps that run beside the tests, which wait a lot: nice leaves them the time that tests do not use.
steps=()
beside() {
    (log=.cache/$1.log && shift && quietly nice -n 19 "$@") &
    steps+=($!)
}

cover() {
    # Each branch of a room ($1) by its own tests. Without the examples of hypothesis: a branch that
    # random input reaches still needs a test that says what is right. Its ports are those of a
    # process of pytest-xdist ($2), beside the two below: see test/ports.py.
    # A shell ignores SIGINT in its background processes, and they inherit that.
    beside "coverage-$1" env --default-signal=INT "COVERAGE_FILE=.cache/coverage.$1" \
        "PYTEST_XDIST_WORKER=$2" PYTEST_XDIST_WORKER_COUNT=2 \
        pytest "test/$1" -p no:xdist -m "not slow and not hypothesis" \
        --cov="httpprocessproxy/$1" --cov-fail-under=100 --cov-report=term-missing:skip-covered
}

# Compiled once, for the hundreds of times that tests start the program.
unset PYTHONDONTWRITEBYTECODE
quietly python -m compileall -q httpprocessproxy

beside mypy mypy
if [ $lane != fast ] && [ $# -eq 0 ]; then
    cover core gw2
    cover service gw3
fi
case $lane in
    fast) selection=(test/core --hypothesis-profile=few) ;;
    unit) selection=(--ignore=test/whole --ignore=test/suites --ignore=test/test_benchmark.py) ;;
    all) selection=() ;;
esac
# In two processes, for tests wait a lot. The tests of a file stay together: they share programs.
failed=0
(quietly timeout --signal=INT 1500 pytest --numprocesses=2 --dist=loadfile \
    --no-loadscope-reorder "${selection[@]}" "$@") || failed=1
for step in "${steps[@]}"; do
    wait "$step" || failed=1
done
[ $failed = 0 ] || exit 1
tail --lines=1 "$log"
