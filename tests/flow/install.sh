#!/usr/bin/env bash
# install - what `make install` puts in place works from there: a strategy is built with the installed SDK and backtested.
# test: plain
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
export BULKHEAD_HOME=$stage/home
count=0
failed=0

# step NAME COMMAND...: one TAP line; what the command says is shown when it fails
step() {
    local name=$1
    shift
    count=$((count + 1))
    if "$@" >"$stage/said" 2>&1; then
        echo "ok $count - $name"
    else
        failed=1
        echo "not ok $count - $name"
        sed 's/^/# /' "$stage/said"
    fi
}

author_builds() {
    export PKG_CONFIG_PATH=$stage/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$stage
    # the flags are words to be split
    # shellcheck disable=SC2046
    cc $(pkg-config --cflags bulkhead-sdk) -Wall -Wextra strategies/sma_cross.c -o "$stage/mine.so" $(pkg-config --libs bulkhead-sdk)
}

installed_backtest() {
    python3 tests/flow/generate_bars.py "$stage/bars.csv" --bars 2000
    (cd / && "$stage/usr/bin/bulkhead" backtest --strategy "$stage/mine.so" --data "$stage/bars.csv" --cash 1000000 \
        --policy "$stage/usr/share/bulkhead/policy/profiles/open" --json) | python3 -c '
import json, sys
got = json.load(sys.stdin)
sys.exit(0 if got["trades"] > 5 and not got["refusals"] else f"nothing was traded: {got}")'
}

echo "1..4"
step "make install" make -s BUILD="$build" PREFIX=/usr DESTDIR="$stage" install
step "a strategy is built with the installed SDK" author_builds
step "the installed program accepts it" "$stage/usr/bin/bulkhead" inspect "$stage/mine.so"
step "and backtests it" installed_backtest
exit "$failed"
