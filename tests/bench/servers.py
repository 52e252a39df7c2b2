"""The servers that are measured side by side, and how each is set up."""

import os
import pathlib
import shutil

from processes import LOOPBACK, BenchError, Server, free_port, put_token

INSTANCE_ID = "i-0123456789abcdef0"  # as long as every instance id
SAMPLE_TOKEN = "AQAEAGJlbmNoIHNhbXBsZSB0b2tlbiwgbm90aGluZyBzZWNyZXQgISE="
assert len(SAMPLE_TOKEN) == 56

NGINX = """\
daemon off;
worker_processes {workers};
worker_rlimit_nofile {descriptors};
pid {directory}/nginx.pid;
error_log {directory}/error.log crit;
events {{ use epoll; worker_connections {connections}; {events} }}
http {{
    access_log off;
    server_tokens off;
    default_type text/plain;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {http}
    server {{
        listen {address}:{port} backlog=4096 {listen};
        location = /latest/api/token {{ return 200 "{token}"; }}
        {locations}
    }}
}}
"""
NGINX_FIXED = 'location / {{ return 200 "{body}"; }}'
NGINX_FILES = """\
root {root};
        index {listing};
        location = {dynamic} {{ alias {root}{dynamic}/{listing}; }}
"""
LISTING = ".listing"

# nginx's settings that change what a request costs; of these the best one is taken for each work.
SETTINGS = {
    "plain": {},
    "reuseport": {"listen": "reuseport"},
    "deferred": {"listen": "deferred"},
    "multi_accept": {"events": "multi_accept on;"},
    "no delay, no linger": {"http": "tcp_nodelay off; lingering_close off;"},
    "all of these": {
        "listen": "reuseport deferred",
        "events": "multi_accept on;",
        "http": "tcp_nodelay off; lingering_close off;",
    },
}
FILE_SETTINGS = {
    "plain": {},
    "files kept open": {"http": "open_file_cache max=2000 inactive=1h; sendfile on;"},
    "files kept open, all of these": {
        "http": "open_file_cache max=2000 inactive=1h; tcp_nodelay off; lingering_close off;",
        "listen": "reuseport deferred",
        "events": "multi_accept on;",
    },
}

H2O = """\
num-threads: 1
max-connections: {connections}
pid-file: {directory}/h2o.pid
error-log: {directory}/error.log
user: {user}
http1-request-timeout: 3600
listen: {{host: {address}, port: {port}}}
hosts:
  default:
    paths:
      /: {{file.dir: {directory}/root}}
"""

TELLTALE = """\
listen: [{{address: {address}, port: {port}}}]
control: {{address: {address}, port: {control_port}, socket: {directory}/control.sock}}
store: sqlite:///{directory}/telltale.db
limits: {{connectionsPerInstance: {connections}}}
"""

ONE_INSTANCE = """\
instances:
  - {name: bench-1, match: {addresses: [127.0.0.1]}, metadataOptions: {httpTokens: required}}
"""


def find(program):
    """Debian keeps servers in /usr/sbin, which is not on every PATH."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


class Bench:
    """What every part needs: where things are, and which core is whose."""

    def __init__(self, build, scratch, telltale, all_cores, descriptors):
        self.build = pathlib.Path(build)
        self.scratch = pathlib.Path(scratch)
        self.telltale = telltale
        self.all_cores = all_cores
        self.server_core, self.load_core = all_cores[:2]
        self.descriptors = descriptors
        self.connections = min(descriptors - 200, 30000)
        self.count = 0

    def directory(self, name):
        """A new directory of that name."""
        self.count += 1
        path = self.scratch / f"{self.count}-{name}"
        path.mkdir(parents=True)
        return path

    def start(self, name, argv, port, directory, core=None):
        core = self.server_core if core is None else core
        server = Server(name, argv, port, directory, core)
        try:
            server.wait_ready()
        except BaseException:
            server.stop()
            raise
        return server

    def cores_of(self, server):
        """Where a server may run; its processes may have children that are somewhere else."""
        return set().union(*(os.sched_getaffinity(pid) for pid in server.pids))

    def program(self, name):
        """One of the bench's programs that are built with telltale, and measure its parts."""
        if self.telltale is None:
            raise BenchError("telltale is left out of this run")
        path = self.telltale.parent / "tests" / name
        if not os.access(path, os.X_OK):
            raise BenchError(f"{path} is not there; ninja builds it beside telltale")
        return path

    def bare(self, name="bare", body=INSTANCE_ID, option=None, flags=()):
        port = free_port()
        argv = [self.build / "bare", *flags, LOOPBACK, port, body]
        argv += [option] if option else []
        return self.start(name, argv, port, self.directory(name))

    def bare_on(self, cores):
        """One loop on each of the cores, all on one port."""
        port, first = free_port(), None
        argv = [self.build / "bare", LOOPBACK, port, INSTANCE_ID, "share"]
        try:
            for core in cores:
                server = self.start("bare", argv, port, self.directory("bare"), core)
                if first:
                    first.join(server)
                first = first or server
        except BaseException:
            if first:
                first.stop()
            raise
        return first

    def nginx(self, setting, workers=1, core=None):
        return self.nginx_start(
            SETTINGS[setting], NGINX_FIXED.format(body=INSTANCE_ID), workers, core
        )

    def nginx_files(self, setting, root, dynamic):
        """The files of a tree; dynamic is a folder that is asked for without its slash."""
        locations = NGINX_FILES.format(root=root, listing=LISTING, dynamic=dynamic)
        return self.nginx_start(FILE_SETTINGS[setting], locations)

    def nginx_start(self, setting, locations, workers=1, core=None):
        program = find("nginx")
        if program is None:
            raise BenchError("nginx is not installed (Debian: nginx-light)")
        directory, port = self.directory("nginx"), free_port()
        config = NGINX.format(
            directory=directory,
            address=LOOPBACK,
            port=port,
            workers=workers,
            descriptors=self.descriptors,
            connections=self.connections,
            token=SAMPLE_TOKEN,
            locations=locations,
            **{"events": "", "http": "", "listen": ""} | setting,
        )
        (directory / "nginx.conf").write_text(config)
        argv = [program, "-p", directory, "-e", directory / "error.log"]
        argv += ["-c", directory / "nginx.conf"]
        return self.start("nginx", argv, port, directory, core)

    def h2o(self):
        program = find("h2o")
        if program is None:
            raise BenchError("h2o is not installed (Debian: h2o)")
        directory, port = self.directory("h2o"), free_port()
        file = directory / "root/latest/meta-data/instance-id"
        file.parent.mkdir(parents=True)
        file.write_text(INSTANCE_ID)
        config = H2O.format(
            directory=directory,
            address=LOOPBACK,
            port=port,
            connections=self.connections,
            user=pathlib.Path("/proc/self").owner(),
        )
        (directory / "h2o.conf").write_text(config)
        argv = [program, "-m", "worker", "-c", directory / "h2o.conf"]
        return self.start("h2o", argv, port, directory)

    def telltale_config(self, directory, instances=ONE_INSTANCE):
        """Write a configuration into a directory that may hold a store already; its port."""
        port = free_port()
        config = TELLTALE.format(
            directory=directory,
            address=LOOPBACK,
            port=port,
            control_port=free_port(),
            connections=self.connections,
        )
        (directory / "telltale.yaml").write_text(config + instances)
        return port

    def telltale_launch(self, directory, instances=ONE_INSTANCE, workers=1, core=None):
        """Start the daemon without waiting for it."""
        if self.telltale is None:
            raise BenchError("telltale is left out of this run")
        port = self.telltale_config(directory, instances)
        argv = [self.telltale, "serve", "-c", directory / "telltale.yaml", "--workers", workers]
        core = self.server_core if core is None else core
        return Server("telltale", argv, port, directory, core)

    def telltale_start(self, directory=None, instances=ONE_INSTANCE, workers=1, core=None):
        directory = directory or self.directory("telltale")
        server = self.telltale_launch(directory, instances, workers, core)
        try:
            server.wait_ready()
        except BaseException:
            server.stop()
            raise
        return server


def token_for(server, source=None):
    """The token the load sends: telltale's own, or one of the same size for those who ignore it."""
    return put_token(server.port, source) if server.name == "telltale" else SAMPLE_TOKEN
