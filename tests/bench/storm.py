"""Boot storm: 1,000 guests do cloud-init's whole crawl at once; nginx has the same tree as files."""

import functools
import statistics

from generator import interleave, measure, quiet, stat
from instances import address, from_file, write_instances
from processes import BenchError, get, put_token
from servers import FILE_SETTINGS, LISTING

VERSION = "/2021-03-23"  # the newest that cloud-init asks for
DYNAMIC = f"{VERSION}/dynamic/instance-identity"  # which it asks for without a slash
TOKEN_PATH = "/latest/api/token"
FIGURES = ("cpu_us", "rate", "p50_us", "p99_us", "server_busy", "load_busy")
TRIALS = 1
FEWER_ROUNDS = 3
SAME_BYTES = 0.02
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43
MORE = (
    ", publicKeys: {my-key: '" + KEY + " me'}, userData: '#cloud-config " + "#" * 1000 + "'"
)


def storm(bench, options, say):
    guests = options.guests
    directory = bench.directory("storm")
    instances = from_file(write_instances(directory / "instances.yaml", guests, MORE))
    say(f"storm: {guests} guests' requests")
    with bench.telltale_start(directory, instances) as server:
        tree = Tree(server, guests)
    tree.write(directory)
    out = {"guests": guests, "requests": len(tree.steps), "errors": 0}
    runs = {"telltale": functools.partial(booting, bench, directory, instances, tree)}
    nginx = None
    try:
        if "nginx" not in options.skip:
            nginx, out["nginx"] = best_nginx(bench, tree, say)
            runs["nginx"] = functools.partial(one_storm, bench, nginx, tree.one_guest, tree)
    except BenchError as error:
        out["missing"] = str(error)
    try:
        rounds = max(1, min(options.rounds, FEWER_ROUNDS))
        return out | summary(interleave(runs, rounds, say, "storm"))
    finally:
        if nginx:
            nginx.stop()


class Tree:
    """What cloud-init asks for, and what it gets."""

    def __init__(self, server, guests):
        self.guests = guests
        self.port = server.port
        first = self.crawl(0)
        self.steps, self.bodies = first
        own = [self.names(i) for i in range(guests)]
        self.scripts = [self.renamed(own[0], names) for names in own]
        if self.crawl(guests - 1)[0] != self.scripts[-1]:
            raise BenchError("instances' paths differ in more than their names")

    def names(self, index):
        """What is in an instance's paths and in no other's."""
        token = put_token(self.port, address(index))
        found = []
        for leaf in ("mac", "public-ipv4"):
            path = f"{VERSION}/meta-data/{leaf}"
            status, body = get(self.port, path, address(index), token)
            if status == 200:
                found.append(body.decode())
        return found

    def renamed(self, own, others):
        steps = "\n".join(self.steps)
        for old, new in zip(own, others):
            steps = steps.replace(old, new)
        return steps.split("\n")

    def crawl(self, index):
        """cloud-init's requests of one boot, in its order: (lines for storm.c, {path: body})."""
        token = put_token(self.port, address(index))
        steps, bodies = [f"PUT {TOKEN_PATH} 200"], {}

        def ask(path):
            status, body = get(self.port, path, address(index), token)
            steps.append(f"GET {path} {status}")
            if status == 200:
                bodies[path] = body
            elif path != f"{VERSION}/user-data":
                raise BenchError(f"{path} was answered with {status}")
            return body.decode() if status == 200 else ""

        ask(f"{VERSION}/meta-data/instance-id")
        ask(f"{VERSION}/user-data")
        walk(ask, f"{VERSION}/meta-data/", f"{VERSION}/meta-data/")
        walk(ask, DYNAMIC, f"{DYNAMIC}/")
        return steps, bodies

    def write(self, directory):
        """The guests' requests as files for storm.c, and the tree as files for nginx."""
        self.all_guests = directory / "guests"
        self.one_guest = directory / "guest"
        self.root = directory / "root"
        self.all_guests.write_text("\n\n".join("\n".join(s) for s in self.scripts) + "\n")
        self.one_guest.write_text("\n".join(self.steps) + "\n")
        for path, body in self.bodies.items():
            is_list = path.endswith("/") or path == DYNAMIC
            file = self.root / path.strip("/")
            file = file / LISTING if is_list else file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)


def walk(ask, path, base):
    """As cloud-init's MetadataMaterializer does: folders first, then leaves; no credentials."""
    leaves, folders = [], []
    for line in ask(path).splitlines():
        name = line.strip().rstrip("/")
        if name in ("", "security-credentials"):
            continue
        number = name.partition("=")[0]
        if line.strip().endswith("/"):
            folders.append(name)
        elif "=" in name and number.isdigit():
            leaves.append(f"{number}/openssh-key")
        else:
            leaves.append(name)
    for name in folders:
        walk(ask, f"{base}{name}/", f"{base}{name}/")
    for name in leaves:
        ask(base + name)


def one_storm(bench, server, script, tree):
    argv = [bench.build / "storm", server.port, address(0), tree.guests, script]
    return measure(bench, server, None, argv)


def booting(bench, directory, instances, tree):
    """A daemon that was never asked: nothing is compiled or signed; and the same storm again."""
    with bench.telltale_start(directory, instances) as server:
        first = one_storm(bench, server, tree.all_guests, tree)
        return first | {"again": one_storm(bench, server, tree.all_guests, tree)}


def best_nginx(bench, tree, say):
    """nginx in the setting that gets through the storm with the least CPU; and all that were tried."""
    trials = {}
    for setting in FILE_SETTINGS:
        say(f"storm: nginx's settings, {setting}")
        with bench.nginx_files(setting, tree.root, DYNAMIC) as server:
            rounds = [one_storm(bench, server, tree.one_guest, tree) for _ in range(TRIALS)]
            trials[setting] = statistics.median(r["cpu_us"] for r in rounds)
    best = min(trials, key=trials.get)
    return bench.nginx_files(best, tree.root, DYNAMIC), {"setting": best, "trials": trials}


def summary(results):
    results = dict(results)
    if "telltale" in results:
        results["telltale, again"] = [r["again"] for r in results["telltale"]]
    out = {"servers": {}, "ratios": {}}
    for label, rounds in results.items():
        every = {key: stat(r[key] for r in rounds) for key in FIGURES}
        every["total_ms"] = stat(r["wall_ns"] / 1e6 for r in rounds)
        every["guest_p99_ms"] = stat(r["all"]["guest_p99_ns"] / 1e6 for r in rounds)
        every["body_bytes"] = rounds[0]["all"]["body_bytes"]
        out["servers"][label] = every
    check_bytes(out["servers"])
    for label in ("telltale", "telltale, again"):
        if "nginx" in results:
            pairs = list(zip(results[label], results["nginx"]))
            out["ratios"][label] = {
                key: stat(a[key] / b[key] for a, b in pairs)
                for key in ("wall_ns", "cpu_us", "p99_us")
            }
    return out | quiet([r for rounds in results.values() for r in rounds])


def check_bytes(servers):
    """All must have given the same tree."""
    sizes = [row["body_bytes"] for row in servers.values()]
    if max(sizes) > min(sizes) * (1 + SAME_BYTES):
        raise BenchError(f"the servers' bodies differ in size: {sizes}")
