"""The servers that are measured side by side, and how each is set up."""

import pathlib
import shutil

from processes import LOOPBACK, BenchError, Server, free_port, put_token

INSTANCE_ID = "i-0123456789abcdef0"  # as long as every instance id
SAMPLE_TOKEN = "AQAEAGJlbmNoIHNhbXBsZSB0b2tlbiwgbm90aGluZyBzZWNyZXQgISE="
assert len(SAMPLE_TOKEN) == 56

NGINX = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {directory}/nginx.pid;
error_log {directory}/error.log crit;
events {{ use epoll; worker_connections {connections}; }}
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
    server {{
        listen {address}:{port} backlog=4096{reuseport};
        location / {{ return 200 "{body}"; }}
        location = /latest/api/token {{ return 200 "{token}"; }}
    }}
}}
"""

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

    def __init__(self, build, scratch, telltale, server_core, load_core, descriptors):
        self.build = pathlib.Path(build)
        self.scratch = pathlib.Path(scratch)
        self.telltale = telltale
        self.server_core = server_core
        self.load_core = load_core
        self.descriptors = descriptors
        self.connections = min(descriptors - 200, 30000)
        self.count = 0

    def directory(self, name):
        """A new directory of that name."""
        self.count += 1
        path = self.scratch / f"{self.count}-{name}"
        path.mkdir(parents=True)
        return path

    def start(self, name, argv, port, directory):
        server = Server(name, argv, port, directory, self.server_core)
        try:
            server.wait_ready()
        except BaseException:
            server.stop()
            raise
        return server

    def bare(self, name="bare", body=INSTANCE_ID, closes=False):
        port = free_port()
        argv = [self.build / "bare", LOOPBACK, port, body] + (["close"] if closes else [])
        return self.start(name, argv, port, self.directory(name))

    def nginx(self, reuseport=False):
        program = find("nginx")
        if program is None:
            raise BenchError("nginx is not installed (Debian: nginx-light)")
        name = "nginx-reuseport" if reuseport else "nginx"
        directory, port = self.directory(name), free_port()
        config = NGINX.format(
            directory=directory,
            address=LOOPBACK,
            port=port,
            descriptors=self.descriptors,
            connections=self.connections,
            reuseport=" reuseport" if reuseport else "",
            body=INSTANCE_ID,
            token=SAMPLE_TOKEN,
        )
        (directory / "nginx.conf").write_text(config)
        argv = [program, "-p", directory, "-e", directory / "error.log"]
        return self.start(name, [*argv, "-c", directory / "nginx.conf"], port, directory)

    def h2o(self):
        program = find("h2o")
        if program is None:
            raise BenchError("h2o is not installed")
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

    def telltale_start(self, directory=None, instances=ONE_INSTANCE):
        server = self.telltale_launch(directory or self.directory("telltale"), instances)
        try:
            server.wait_ready()
        except BaseException:
            server.stop()
            raise
        return server


def token_for(server):
    """The token the load sends: telltale's own, or one of the same size for those who ignore it."""
    return put_token(server.port) if server.name == "telltale" else SAMPLE_TOKEN
