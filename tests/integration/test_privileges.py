"""A daemon started as root keeps only what it needs, and becomes somebody else if told to."""

import os
import pwd
import re
import resource
import shutil
import signal
import subprocess

import pytest

import samples
from daemon import BINARY
from managed import threads

ID = "/latest/meta-data/instance-id"

# Bits of capabilities(7) that nothing here needs.
NEVER = {
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_KILL": 5,
    "CAP_SETPCAP": 8,
    "CAP_SYS_MODULE": 16,
    "CAP_SYS_RAWIO": 17,
    "CAP_SYS_CHROOT": 18,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_BOOT": 22,
    "CAP_SYS_TIME": 25,
    "CAP_MKNOD": 27,
    "CAP_MAC_ADMIN": 33,
    "CAP_BPF": 39,
}


def status_of(pid):
    fields = {}
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        for line in status:
            name, _, value = line.partition(":")
            fields[name] = value.split()
    return fields


def held(fields):
    """The capabilities of NEVER that the process has, or could get back."""
    sets = [int(fields[name][0], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")]
    return {name for name, bit in NEVER.items() if any(one >> bit & 1 for one in sets)}


def test_a_daemon_started_as_root_drops_what_it_does_not_need(workshop):
    space = workshop.namespace(network=False)  # root there, whoever we are here
    service = workshop.daemon({"instances": [samples.plain()]}, prefix=space.prefix)
    fields = status_of(service.process.pid)
    assert held(fields) == set()
    assert fields["NoNewPrivs"] == ["1"]
    assert service.client().get(ID).status == 200
    service.cli("options", "web-1", "--http-tokens", "required").ok()


def test_the_table_of_descriptors_is_there_from_the_start(workshop):
    """It must not grow while connections come: with several threads that takes the kernel 10 ms."""
    service = workshop.daemon({"instances": [samples.plain()]})
    pid = service.process.pid
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = 65536 if limit == resource.RLIM_INFINITY else min(limit, 65536)
    assert int(status_of(pid)["FDSize"][0]) >= most
    assert max(map(int, os.listdir(f"/proc/{pid}/fd"))) < 256  # and nothing is left in it


def filters_of(pid, tid):
    """How many filters of system calls a thread has: the surroundings may have given some to all."""
    fields = status_of(f"{pid}/task/{tid}")
    return int(fields["Seccomp"][0]), int(fields["Seccomp_filters"][0])


def test_workers_have_a_filter_of_system_calls(workshop):
    config = {"workers": 2, "logLevel": "debug", "instances": [samples.plain()]}
    service = workshop.daemon(config)
    assert service.client().get(ID).status == 200
    if "made with sanitizers" in service.log():
        pytest.skip("MADE WITH SANITIZERS, NO FILTER TO TEST")
    pid = service.process.pid
    _, common = filters_of(pid, pid)
    workers = {name: tid for name, tid in threads(pid).items() if name.startswith("data-")}
    assert set(workers) == {"data-0", "data-1"}
    for name, tid in workers.items():
        assert filters_of(pid, tid) == (2, common + 1), name
        assert f"msg=confined worker={name}" in service.log()
    for tid in map(int, os.listdir(f"/proc/{pid}/task")):
        if tid not in workers.values():
            assert filters_of(pid, tid)[1] == common, tid


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT HERE, `user:` NOT TESTED")
def test_a_daemon_started_as_root_becomes_its_user(workshop):
    nobody = pwd.getpwnam("nobody")
    service = workshop.daemon(None, start=False, fresh=True)
    for folder in (workshop.root, service.directory):
        folder.chmod(0o755)
    store = service.directory / "store"
    store.mkdir()
    os.chown(store, nobody.pw_uid, nobody.pw_gid)
    service.database = store / "telltale.db"
    service.socket_path = store / "control.sock"
    service.write_config({"user": "nobody", "instances": [samples.plain()]})
    service.start()
    fields = status_of(service.process.pid)
    assert set(fields["Uid"]) == {str(nobody.pw_uid)}
    assert set(fields["Gid"]) == {str(nobody.pw_gid)}
    assert set(fields["Groups"]) <= {str(nobody.pw_gid)}
    assert held(fields) == set()
    assert service.client().get(ID).status == 200
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    assert service.client().get(ID).status == 401
    for path in store.iterdir():
        assert path.stat().st_uid == nobody.pw_uid, path
    service.restart()
    assert service.client().get(ID).status == 401


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT HERE, `user:` NOT TESTED")
def test_a_daemon_that_is_its_user_already_is_content(workshop):
    """As a service manager starts it; anybody else can't become the user, and is told."""
    ids = {"nobody": (pwd.getpwnam("nobody").pw_uid, 0), "daemon": (pwd.getpwnam("daemon").pw_uid, 1)}
    workshop.root.chmod(0o755)
    for user, (uid, warnings) in ids.items():
        service = workshop.daemon(None, start=False, fresh=True)
        copy = service.directory / "telltale"
        shutil.copy(BINARY, copy)
        service.write_config({"user": "nobody", "instances": [samples.plain()]})
        os.chown(service.directory, uid, uid)
        service.launcher = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        service.launcher += ["sh", "-c", 'shift; exec "$0" "$@"', str(copy)]
        service.start()
        assert status_of(service.process.pid)["Uid"] == [str(uid)] * 4
        assert service.log().count("user: is ignored") == warnings


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT HERE, `user:` NOT TESTED")
def test_a_user_that_does_not_exist_is_said_in_one_line(workshop):
    from daemon import error_lines

    service = workshop.daemon({"user": "no-such-user", "instances": []}, start=False)
    service.allow_errors("no-such-user")
    code, log = service.fails_to_start()
    assert code == 1
    (line,) = error_lines(log)
    assert "no-such-user" in line


def kept(service):
    """What the log says that was kept: at first, and by all that serves."""
    pattern = r"level=debug src=daemon msg=\"privileges [^\"]+\" uid=(\d+) gid=\d+ kept=(\"[^\"]*\"|\S+)"
    return [(int(uid), set(names.strip('"').split())) for uid, names in re.findall(pattern, service.log())]


@pytest.mark.parametrize(
    "more,wanted",
    [
        ({}, {"none"}),
        ({"port": 80}, {"CAP_NET_BIND_SERVICE"}),
        ({"interface": "lo"}, {"CAP_NET_RAW"}),
        ({"port": 80, "interface": "lo"}, {"CAP_NET_BIND_SERVICE", "CAP_NET_RAW"}),
        ({"interface": "lo", "setUp": True}, {"CAP_NET_RAW", "CAP_NET_ADMIN"}),
    ],
)
def test_what_was_kept_is_said_at_debug_level(workshop, more, wanted):
    space = workshop.namespace(network=True)  # root there, whoever we are here
    service = workshop.daemon(None, start=False, prefix=space.prefix, make_socket=space.socket)
    ready = {"address": "127.0.0.1", "port": service.port}
    listen = [ready, {"address": "127.0.0.2", "port": service.port + 1, **more}]
    service.write_config({"listen": listen, "logLevel": "debug", "instances": [samples.plain()]})
    service.start()
    first, later = kept(service)
    assert first[1] == wanted
    assert later[1] == (wanted - {"CAP_NET_ADMIN"} or {"none"})
    held = int(status_of(service.process.pid)["CapEff"][0], 16)
    names = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
    assert held == sum(1 << names[name] for name in later[1] - {"none"})
    service.stop()
    service.write_config({"listen": listen, "instances": [samples.plain()]})
    service.start()
    assert len(kept(service)) == 2  # not said otherwise


def dumps_core(start):
    """Whether the system writes a core dump of a process when a fault ends it."""
    pid = start()
    os.kill(pid, signal.SIGSEGV)
    return os.WCOREDUMP(os.waitpid(pid, 0)[1])


def test_no_core_is_dumped_with_the_secrets_in_it(workshop):
    """The kernel says of each process that ends whether it has dumped it."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    folder = os.getcwd()
    os.chdir(workshop.root)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
        if not dumps_core(lambda: subprocess.Popen(["sleep", "60"]).pid):
            pytest.skip("NO CORE DUMPS ON THIS MACHINE, NOT TESTED")
        service = workshop.daemon({"logLevel": "debug", "instances": [samples.plain()]})
        assert service.client().put_token()
        if "made with sanitizers" in service.log():
            pytest.skip("MADE WITH SANITIZERS, WHICH WANT TO BE LOOKED AT")
        process, service.process = service.process, None
        assert not dumps_core(lambda: process.pid)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
        os.chdir(folder)
