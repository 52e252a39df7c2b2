#!/usr/bin/python3
"""A fleet in one database: 10,000 hosts and a million instances, simulated by many light readers and writers.

    tests/bench/fleet.py                         ten thousand hosts, a million instances; some ten minutes
    tests/bench/fleet.py --hosts 100 --instances 10000 --seconds 2

Makes a PostgreSQL of its own (Debian's, fsync on) in a temporary folder, fills it, measures, prints one table in
Markdown, and ends it. Needs `ninja -C build/release tests/bench_fleet`. Everything shares this machine: the database, its
readers and its writers.
"""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

import postgres  # noqa: E402
BENCH = ROOT / "build/release/tests/bench_fleet"
CHECK_S = 30  # how often a host asks when nobody tells it anything (daemon/fleet_link.h)


SETTINGS = """
fsync = on
full_page_writes = on
autovacuum = on
log_connections = off
shared_buffers = 1GB
max_wal_size = 8GB
max_connections = {connections}
"""


def bench(url, *words):
    """One measurement, as a dictionary."""
    done = subprocess.run([str(BENCH), url, *map(str, words)], stdout=subprocess.PIPE, check=True, timeout=1800)
    return json.loads(done.stdout)


def ms(times):
    return f"{times['median']:.1f} ms; p99 {times['p99']:.1f}"


def measure(server, database, args):
    """Rows of the table: what, and what it was."""
    url = server.url(database)
    hosts, each, seconds = args.hosts, args.instances // args.hosts, args.seconds
    filled = bench(url, "fill", hosts, args.instances, 4)
    yield "made, some hundred in a transaction", f"{filled['per_second']:,} instances/s"
    ((size,),) = server.psql(f"select pg_database_size('{database}')")
    yield "database", f"{int(size) / args.instances:,.0f} bytes an instance, with indexes"
    for writers in (1, 4, 16):
        one = bench(url, "change", hosts, writers, seconds, each)
        yield f"changes of instances by {writers} at once, each its own transaction", (
            f"{one['per_second']:,} a second; each {ms(one['ms'])}"
        )
    one = bench(url, "change", hosts, 16, seconds, each, "one")
    yield "the same by 16 at once, all of one host", f"{one['per_second']:,} a second; each {ms(one['ms'])}"
    heard = bench(url, "hear", hosts, args.listeners, 500, each)
    yield f"from commit until the host is told, {args.listeners:,} hosts listening", f"{ms(heard['told'])}; lost {heard['lost']}"
    started = bench(url, "start", hosts, 1, 300)
    yield f"a host's start: two connections, its {each} instances", ms(started["ms"])
    started = bench(url, "start", hosts, 16, 100)
    yield "starts by 16 at once", f"{started['per_second']:,} hosts a second"
    asked = bench(url, "check", hosts, 16, seconds)
    yield f"a host's question every {CHECK_S} s, by 16 at once", (
        f"{asked['per_second']:,} hosts a second, enough for {asked['per_second'] * CHECK_S:,}"
    )
    points = bench(url, "points", hosts, 16, seconds)
    yield "minutes of an instance with calls that had no token, by 16 at once", (
        f"{points['per_second']:,} a second, {points['per_second'] * 60:,} in a minute; a batch of 100 {ms(points['ms'])}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=10000)
    parser.add_argument("--instances", type=int, default=1000000)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    args = parser.parse_args()
    args.listeners = min(args.listeners, args.hosts)
    if not BENCH.exists():
        sys.exit("fleet.py: no build/release/tests/bench_fleet: ninja -C build/release tests/bench_fleet")
    if not postgres.binaries():
        sys.exit("fleet.py: PostgreSQL is not installed: script/setup --test does that")
    server = postgres.Postgres(SETTINGS.format(connections=args.listeners + 60))
    try:
        database = server.new_database()
        print(f"{args.hosts:,} hosts, {args.instances:,} instances\n\n| what | measured |\n| --- | --- |")
        for what, measured in measure(server, database, args):
            print(f"| {what} | {measured} |", flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    main()
