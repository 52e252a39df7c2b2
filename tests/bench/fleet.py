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
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "build/release/tests/bench_fleet"
CHECK_S = 30  # how often a host asks when nobody tells it anything (daemon/fleet_link.h)


class Server:
    """PostgreSQL on a port of its own, by a user who may run it."""

    def __init__(self, folder, connections):
        binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        if not binaries:
            sys.exit("fleet.py: PostgreSQL is not installed: apt-get install postgresql")
        self.bin, self.data = binaries[-1], folder / "data"
        self.port = random.randrange(20000, 32000)
        self.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(folder, "postgres")
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "telltale")
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "max_connections": connections + 60,
            "shared_buffers": "1GB",
            "max_wal_size": "8GB",
        }
        words = " ".join(f"-c {name}={value}" for name, value in options.items())
        self.run("pg_ctl", "-D", self.data, "-w", "-l", folder / "log", "-o", words, "start")
        self.run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "telltale", "telltale")
        self.url = f"postgresql://telltale@127.0.0.1:{self.port}/telltale"

    def run(self, name, *args):
        argv = [*self.user, str(self.bin / name), *map(str, args)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=120, cwd="/")

    def size_bytes(self):
        ask = "SELECT pg_database_size('telltale')"
        argv = ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "telltale", "-Atc", ask, "telltale"]
        return int(subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout)

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")


def bench(server, *words):
    """One measurement, as a dictionary."""
    done = subprocess.run([str(BENCH), server.url, *map(str, words)], stdout=subprocess.PIPE, check=True, timeout=1800)
    return json.loads(done.stdout)


def ms(times):
    return f"{times['median']:.1f} ms; p99 {times['p99']:.1f}"


def measure(server, args):
    """Rows of the table: what, and what it was."""
    hosts, each, seconds = args.hosts, args.instances // args.hosts, args.seconds
    filled = bench(server, "fill", hosts, args.instances, 4)
    yield "made, some hundred in a transaction", f"{filled['per_second']:,} instances/s"
    yield "database", f"{server.size_bytes() / args.instances:,.0f} bytes an instance, with indexes"
    for writers in (1, 4, 16):
        one = bench(server, "change", hosts, writers, seconds, each)
        yield f"changes of instances by {writers} at once, each its own transaction", (
            f"{one['per_second']:,} a second; each {ms(one['ms'])}"
        )
    one = bench(server, "change", hosts, 16, seconds, each, "one")
    yield "the same by 16 at once, all of one host", f"{one['per_second']:,} a second; each {ms(one['ms'])}"
    heard = bench(server, "hear", hosts, args.listeners, 500, each)
    yield f"from commit until the host is told, {args.listeners:,} hosts listening", f"{ms(heard['told'])}; lost {heard['lost']}"
    started = bench(server, "start", hosts, 1, 300)
    yield f"a host's start: two connections, its {each} instances", ms(started["ms"])
    started = bench(server, "start", hosts, 16, 100)
    yield "starts by 16 at once", f"{started['per_second']:,} hosts a second"
    asked = bench(server, "check", hosts, 16, seconds)
    yield f"a host's question every {CHECK_S} s, by 16 at once", (
        f"{asked['per_second']:,} hosts a second, enough for {asked['per_second'] * CHECK_S:,}"
    )
    points = bench(server, "points", hosts, 16, seconds)
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
    folder = pathlib.Path(tempfile.mkdtemp(prefix="telltale-fleet-"))
    server = None
    try:
        server = Server(folder, args.listeners)
        print(f"{args.hosts:,} hosts, {args.instances:,} instances\n\n| what | measured |\n| --- | --- |")
        for what, measured in measure(server, args):
            print(f"| {what} | {measured} |", flush=True)
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
