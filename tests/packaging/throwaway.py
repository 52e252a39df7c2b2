"""throwaway - a machine with systemd that lasts as long as a test: boot.sh, and commands inside."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

BOOT = pathlib.Path(__file__).with_name("boot.sh")
SYSTEMD = "/lib/systemd/systemd"
START_S = 60.0
COMMAND_S = 120.0


class Unavailable(Exception):
    """No such machine can be had here; the message says why."""


class Machine:
    """Namespaces with a systemd of their own. The files are this machine's, and changes are lost."""

    def __init__(self):
        missing = [tool for tool in ("unshare", "nsenter", "ip") if not shutil.which(tool)]
        if os.geteuid() != 0:
            raise Unavailable("not root")
        if missing or not os.path.exists(SYSTEMD):
            raise Unavailable(f"no {', '.join(missing) or 'systemd'}")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="throwaway-"))
        self.cgroups = self.folder / "cgroups"
        self.log_path = self.folder / "log"
        self.process = None
        try:
            self._boot()
        except BaseException:
            self.close()
            raise

    def _boot(self):
        # Below a group of its own, so that this systemd never sees ours, nor any other process.
        self.cgroups.mkdir()
        mounted = subprocess.run(["mount", "-t", "cgroup2", "none", self.cgroups], capture_output=True)
        if mounted.returncode != 0:
            raise Unavailable(f"no control groups: {mounted.stderr.decode().strip()}")
        self.group = self.cgroups / self.folder.name
        self.group.mkdir()
        root = self.folder / "root"
        root.mkdir()
        kinds = ["--mount", "--pid", "--fork", "--net", "--cgroup", "--uts", "--ipc", "--kill-child"]
        enter = f'echo $$ > "{self.group}/cgroup.procs"; exec "$@"'
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", enter, "sh", "unshare", *kinds, BOOT, root],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + START_S
        while not self._is_up():
            if self.process.poll() is not None:
                raise Unavailable(self.log().strip().splitlines()[-1:] or "it ended at once")
            if time.monotonic() > end:
                raise Unavailable(f"systemd does not start:\n{self.log()[-2000:]}")
            time.sleep(0.05)

    def _first(self):
        """The number, out here, of its first process."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return children[0] if children else None

    def _is_up(self):
        first = self._first()
        if first is None or pathlib.Path(f"/proc/{first}/comm").read_text() != "systemd\n":
            return False
        done = self.run("systemctl", "is-active", "throwaway.target", check=False)
        return done.stdout == "active\n"

    def run(self, *argv, check=True, stdin=None):
        """Run a command inside to its end."""
        kinds = ["--mount", "--pid", "--net", "--cgroup", "--uts", "--ipc"]
        done = subprocess.run(
            ["nsenter", "--target", self._first(), *kinds, "--", *map(str, argv)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"},
        )
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done

    def write(self, path, text, mode="0644"):
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, stdin=text)

    def put(self, path, source):
        """Bring a file in."""
        with open(source, "rb") as file:
            subprocess.run(
                ["nsenter", "--target", self._first(), "--mount", "--", "sh", "-c", f"cat > {path}"],
                stdin=file,
                check=True,
            )

    def outside(self, pid):
        """A process of it as this side's numbers have it."""
        for task in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                status = (task / "status").read_text()
                if os.readlink(task / "ns/pid") != os.readlink(f"/proc/{self._first()}/ns/pid"):
                    continue
            except OSError:
                continue  # it has ended meanwhile
            (line,) = [line for line in status.splitlines() if line.startswith("NSpid:")]
            if line.split()[-1] == str(pid):
                return int(task.name)
        raise AssertionError(f"no process {pid} in there")

    def log(self):
        return self.log_path.read_text("utf-8", "replace")

    def close(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        end = time.monotonic() + 10
        while self.cgroups.exists() and getattr(self, "group", None) and self.group.exists():
            for folder, _, _ in os.walk(self.group, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    assert time.monotonic() < end, f"{folder} does not go"
                    time.sleep(0.02)  # the last processes are on their way out
        subprocess.run(["umount", self.cgroups], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)
