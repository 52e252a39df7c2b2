"""Run a command in a network namespace that no packet leaves.

Most metadata clients have 169.254.169.254 built in. Giving the test machine that address would
need root and would shadow a real metadata service; letting the client ask whoever answers there
would be worse. So each client gets a network namespace with nothing in it but a loopback that
holds the addresses we forward. A client that falls back to any other address meets no one.

Forwarding needs no veth pair, no iptables and no file: the listening sockets are made inside the
namespace and their descriptors are passed out over a socket pair; this process accepts on them
and relays the bytes, unchanged, to the real address. A half-close is relayed as a half-close.

What this can not test: hop limit, TTL and source address, because the daemon's peer is the relay.

By hand:

    python3 -m client_support.netns 127.0.0.1:1338 curl -g 'http://[fd00:ec2::254]/latest/'
"""

import contextlib
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

LINK_LOCAL_V4 = ("169.254.169.254", 80)
LINK_LOCAL_V6 = ("fd00:ec2::254", 80)

# A private address in the range that Lightsail gives its instances. It has to exist for tools that
# look at the interface; nothing ever answers on its network.
INTERFACE_ADDRESS = "172.26.2.10/20"
INTERFACE_GATEWAY = "172.26.0.1"


@dataclass(frozen=True)
class Forward:
    """Connections to `inside` within the namespace come out at `outside`."""

    inside: tuple[str, int]
    outside: tuple[str, int]


def run(command, forwards, *, env, cwd=None, mac=None, timeout_s=60):
    """Run command to its end and return a CompletedProcess with its output as text.

    mac  also make an interface eth0 with this MAC, an address and a default route. It leads
         nowhere, so a client that tries the network waits in vain instead of failing at once:
         ask for it only where the client looks at its interface.

    Raises subprocess.TimeoutExpired after ending everything the command has started.
    """
    ours, theirs = socket.socketpair()
    plan = {
        "control": theirs.fileno(),
        "listen": [forward.inside for forward in forwards],
        "mac": mac,
    }
    with ours, subprocess.Popen(
        [*_unshare(), sys.executable, __file__, "--inside", json.dumps(plan), *command],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        pass_fds=[theirs.fileno()],
    ) as process:
        theirs.close()
        try:
            with contextlib.ExitStack() as relays:
                for listener, forward in zip(_receive_listeners(ours, forwards), forwards):
                    relays.enter_context(_relay(listener, forward.outside))
                stdout, stderr = process.communicate(timeout=timeout_s)
        except BaseException:
            # unshare --kill-child: the namespace's first process dies with it, and with that one
            # the kernel ends every other process in the namespace. None is left when the pipes end.
            process.kill()
            process.communicate()
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def available():
    """Whether this user may make such namespaces here; if not, the reason."""
    probe = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, check=False)
    return probe.returncode == 0, probe.stderr.strip()


def _unshare():
    """The prefix that gives a command new network, mount and process-id namespaces."""
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    return unshare


def _receive_listeners(control, forwards):
    """The listening sockets that the inside made; none if it failed, which its stderr explains."""
    control.settimeout(10)
    _, descriptors, _, _ = socket.recv_fds(control, 1, len(forwards))
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


@contextlib.contextmanager
def _relay(listener, outside):
    """Relay every connection to listener until the block ends."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self):
            # An outside that refuses closes the connection, as a dead service would.
            with contextlib.suppress(OSError), socket.create_connection(outside, 5) as upstream:
                upstream.settimeout(None)
                back = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
                back.start()
                _pump(self.request, upstream)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(outside, Connection, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = listener
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _inside(plan, command):
    """The part that runs within the new namespaces: network, listeners, then the command.

    The command is our child and not our successor: as the namespace's process 1 we can't be killed
    by the signals that a shell script may send its parent, and our end is everybody's end.
    """
    # /sys must show the interfaces of the new namespace. unshare(1) has made mounts private.
    subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=True)
    _ip("link", "set", "lo", "up")
    for host, _ in plan["listen"]:
        if host not in ("127.0.0.1", "::1"):
            _ip("address", "add", host, "dev", "lo", *(["nodad"] if ":" in host else []))
    if plan["mac"]:
        _make_interface(plan["mac"])

    listeners = [_listen(host, port) for host, port in plan["listen"]]
    with socket.socket(fileno=plan["control"]) as control:
        socket.send_fds(control, [b"!"], [listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()
    return subprocess.run(command, check=False).returncode


def _listen(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)


def _make_interface(mac):
    """A veth pair whose far end stays here too: every kernel has it, not every one has dummies."""
    _ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0-far-end")
    _ip("link", "set", "eth0-far-end", "up")
    _ip("link", "set", "eth0", "address", mac)
    _ip("address", "add", INTERFACE_ADDRESS, "dev", "eth0")
    _ip("link", "set", "eth0", "up")
    _ip("route", "add", "default", "via", INTERFACE_GATEWAY)


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def _main(arguments):
    if arguments[:1] == ["--inside"]:
        return _inside(json.loads(arguments[1]), arguments[2:])

    host, _, port = arguments[0].rpartition(":")
    outside = (host.strip("[]"), int(port))
    forwards = [Forward(LINK_LOCAL_V4, outside), Forward(LINK_LOCAL_V6, outside)]
    done = run(arguments[1:], forwards, env=dict(os.environ), timeout_s=600)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(f"usage: {Path(__file__).name} ADDRESS:PORT COMMAND...")
    sys.exit(_main(sys.argv[1:]))
