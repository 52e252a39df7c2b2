"""namespaces - user, mount and network namespaces, without root where the kernel allows it.

A holder process lives inside; it makes sockets there and hands them out as descriptors, runs
commands, and ends when its end of the socket pair closes. As a program this file is that holder.
"""

import array
import fcntl
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1


class Unavailable(Exception):
    """This machine does not let us make namespaces; the message says why."""


def _loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(probe, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def _serve(channel):
    while True:
        text = channel.recv(65536)
        if not text:
            return
        call = json.loads(text)
        try:
            if call["op"] == "socket":
                with socket.socket(call["family"], call["type"], call["proto"]) as made:
                    fds = array.array("i", [made.fileno()])
                    channel.sendmsg(
                        [b'{"ok": true}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
                    )
            elif call["op"] == "run":
                done = subprocess.run(call["argv"], capture_output=True, timeout=30)
                answer = {
                    "ok": done.returncode == 0,
                    "out": done.stdout.decode("utf-8", "replace")[-20000:],
                    "error": f"{call['argv']}: {done.stderr.decode('utf-8', 'replace')[-2000:]}",
                }
                channel.send(json.dumps(answer).encode())
        except Exception as error:  # the other side must hear of it, whatever it is
            channel.send(json.dumps({"ok": False, "error": repr(error)}).encode())


class Namespace:
    """User and mount namespaces, and a network namespace with its own loopback if asked.

    inside: another Namespace, in whose user namespace this one is made, so that interfaces can be
    moved between the two.
    users: no user namespace, where there is one user alone; only root can have that.
    """

    def __init__(self, network, inside=None, users=False):
        for tool in ("unshare", "nsenter"):
            if shutil.which(tool) is None:
                raise Unavailable(f"{tool} (util-linux) is not installed")
        self.outer = inside.prefix if inside else []
        flags = "-mn" if network else "-m"
        attempts = [f"-Ur{flags[1:]}"] + ([flags] if os.geteuid() == 0 else [])
        reasons = []
        for attempt in [flags] if inside or users else attempts:
            reason = self._try(attempt, network)
            if reason is None:
                return
            reasons.append(f"unshare {attempt}: {reason}")
        raise Unavailable("; ".join(reasons))

    def _try(self, flags, network):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(40)
        holder = pathlib.Path(__file__).resolve()
        argv = [*self.outer, "unshare", flags, sys.executable, str(holder)]
        argv += [str(theirs.fileno()), "network" if network else "mounts"]
        self.process = subprocess.Popen(
            argv, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        theirs.close()
        hello = ours.recv(65536)
        if not hello:
            reason = self.process.communicate(timeout=20)[1].decode("utf-8", "replace").strip()
            ours.close()
            return reason.splitlines()[-1] if reason else "no reason given"
        self.channel = ours
        pid = str(self.process.pid)
        user = ["-U", "--preserve-credentials"] if "U" in flags else []
        net = ["-n"] if network else []
        self.prefix = [*self.outer, "nsenter", "-t", pid, *user, "-m", *net]
        return None

    def _call(self, **call):
        self.channel.send(json.dumps(call).encode())
        answer, fds, _, _ = socket.recv_fds(self.channel, 65536, 1)
        answer = json.loads(answer)
        return answer, fds

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        """A socket that lives in this network namespace."""
        answer, fds = self._call(op="socket", family=int(family), type=int(kind), proto=proto)
        if not answer["ok"]:
            raise OSError(answer["error"])
        return socket.socket(fileno=fds[0])

    def run(self, *argv):
        """Run a command inside; fails if it fails. Returns its output."""
        answer, _ = self._call(op="run", argv=[str(a) for a in argv])
        if not answer["ok"]:
            raise RuntimeError(answer["error"])
        return answer["out"]

    @property
    def pid(self):
        return self.process.pid

    def close(self):
        self.channel.close()
        self.process.communicate(timeout=20)


def main():
    channel = socket.socket(fileno=int(sys.argv[1]))
    if sys.argv[2] == "network":
        _loopback_up()
    channel.send(b"ready")
    _serve(channel)


if __name__ == "__main__":
    main()
