#!/bin/sh
# Builds the bus' benchmark optimised, and runs it against a nats-server of its own.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build
place=$(mktemp -d build/bench-bus-XXXXXX)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$place"' EXIT
${CC:-cc} -std=c11 -O2 -g -D_GNU_SOURCE -I. -o "$place/bench_bus" bench/bus/bench_bus.c host/bus/*.c \
    host/loop/*.c host/obs/log.c base/*.c \
    -luv -lnats -lsodium -lpthread
"${NATS_SERVER:-nats-server}" -a 127.0.0.1 -p -1 --ports_file_dir "$PWD/$place" -l "$place/log" &
server=$!
tries=0
until url=$(grep -o 'nats://127.0.0.1:[0-9]*' "$place"/*.ports 2>/dev/null); do
    tries=$((tries + 1))
    [ $tries -lt 500 ] || { cat "$place/log"; exit 1; }
    sleep 0.02
done
"$place/bench_bus" "$url"
