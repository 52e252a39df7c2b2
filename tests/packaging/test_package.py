"""The Debian package: what is in it, and its life on a machine, from installation to purge.

The life is led in a throw-away machine with a systemd of its own (throwaway.py), so that the unit is tried as it is.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest
import yaml

import throwaway

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from managed import frozen, threads  # noqa: E402

UNITS = ROOT / "packaging" / "systemd"
MOST_EXPOSURE = {None: 1.6, "netns.conf": 2.0, "setup.conf": 2.0}  # by drop-in
PATIENCE_S = 30.0


def need(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        pytest.skip(f"NO {', '.join(missing)} HERE, NOT TESTED")


@pytest.fixture(scope="module")
def deb():
    """The package, built from the tree as it is."""
    need("dpkg-buildpackage", "dh", "meson")
    done = subprocess.run([ROOT / "script/package"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (ROOT / "build/package").glob("telltale_*.deb")
    return path


@pytest.fixture(scope="module")
def unpacked(deb, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)
    return folder


# --- what is in it -----------------------------------------------------------------------------


def test_lintian_has_nothing_to_say(deb):
    need("lintian")
    (changes,) = deb.parent.glob("*.changes")
    argv = ["lintian", "--allow-root", "--fail-on", "error,warning", changes]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_everything_is_there(unpacked):
    files = {str(p.relative_to(unpacked)) for p in unpacked.rglob("*") if not p.is_dir()}
    assert files >= {
        "usr/bin/telltale",
        "etc/telltale/telltale.yaml",
        "lib/systemd/system/telltale.service",
        "lib/systemd/system/telltale.socket",
        "usr/lib/sysusers.d/telltale.conf",
        "usr/share/bash-completion/completions/telltale",
        "usr/share/man/man1/telltale.1.gz",
        "usr/share/man/man5/telltale.yaml.5.gz",
        "usr/share/doc/telltale/copyright",
        "usr/share/doc/telltale/examples/telltale.service.d/netns.conf",
        "usr/share/doc/telltale/examples/telltale.service.d/setup.conf",
        "usr/share/telltale/libvirt/qemu",
    }
    assert not [name for name in files if name.startswith(("var/", "run/", "usr/local/", "etc/libvirt/"))]
    assert (unpacked / "etc/telltale/instances.d").is_dir()
    binary = unpacked / "usr/bin/telltale"
    assert binary.stat().st_mode & 0o7777 == 0o755
    assert subprocess.run([binary, "--version"]).returncode == 0


def test_the_configuration_is_right_and_has_limits(unpacked):
    path = unpacked / "etc/telltale/telltale.yaml"
    done = subprocess.run(
        [unpacked / "usr/bin/telltale", "config", "check", path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    settings = yaml.safe_load(path.read_text())
    assert set(settings["limits"]) == {"requestsPerSecond", "burst", "connectionsPerInstance"}
    assert settings["user"] == "telltale"
    # What is written as a comment for an operator to uncomment is right as well.
    text = re.sub(r"^( *)#(?! \S)", r"\1", path.read_text(), flags=re.M)
    assert yaml.safe_load(text)["listen"][0]["address"] == "169.254.169.254"


# --- the unit ------------------------------------------------------------------------------------


def exposure(folder):
    unit = folder / "telltale.service"
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
    )
    match = re.search(r"Overall exposure level for telltale.service: ([0-9.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    return float(match.group(1))


@pytest.mark.parametrize("drop_in", MOST_EXPOSURE)
def test_the_unit_is_hardened(tmp_path, drop_in):
    need("systemd-analyze")
    shutil.copy(UNITS / "telltale.service", tmp_path)
    if drop_in:
        (tmp_path / "telltale.service.d").mkdir()
        shutil.copy(UNITS / "drop-ins" / drop_in, tmp_path / "telltale.service.d")
    assert exposure(tmp_path) <= MOST_EXPOSURE[drop_in]


def test_systemd_finds_no_fault_with_the_units(tmp_path):
    need("systemd-analyze")
    paths = []
    for name in ("telltale.service", "telltale.socket"):
        text = (UNITS / name).read_text().replace("/usr/bin/telltale", "/bin/true")
        paths.append(tmp_path / name)
        paths[-1].write_text(text)
    argv = ["systemd-analyze", "verify", "--man=no", *paths]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.returncode, "telltale" in done.stderr) == (0, False), done.stderr


# --- its life --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine():
    try:
        made = throwaway.Machine()
    except throwaway.Unavailable as why:
        pytest.skip(f"NO MACHINE TO THROW AWAY HERE, NOT TESTED: {why}")
    yield made
    made.close()


@pytest.fixture
def host(machine, deb):
    """With the package as it is when it has just been installed."""
    if machine.run("dpkg-query", "-W", "telltale", check=False).returncode != 0:
        machine.put("/root/telltale.deb", deb)
        machine.run("dpkg", "-i", "/root/telltale.deb")
    else:
        machine.run("systemctl", "stop", "telltale.socket", "telltale.service")
        machine.run("sh", "-c", "rm -rf /var/lib/telltale /etc/telltale/instances.d/*")
        machine.run("rm", "-rf", "/etc/systemd/system/telltale.service.d")
        machine.put("/etc/telltale/telltale.yaml", ROOT / "packaging/telltale.yaml")
        machine.run("systemctl", "daemon-reload")
        machine.run("journalctl", "--rotate", "--vacuum-time=1us")
        machine.run("systemctl", "start", "telltale.service")
    return machine


def service(host, *names):
    """Properties of the unit."""
    text = host.run("systemctl", "show", "telltale", *[f"-p{name}" for name in names]).stdout
    return dict(line.split("=", 1) for line in text.splitlines())


def status(host, url, *more):
    argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *more, url]
    return host.run(*argv, check=False).stdout


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


def configure(host, **changes):
    path = "/etc/telltale/telltale.yaml"
    settings = yaml.safe_load(host.run("cat", path).stdout)
    settings.update(changes)
    host.write(path, yaml.safe_dump(settings))


GUEST = json.dumps({"name": "web-1", "match": {"addresses": ["127.0.0.1"]}})
ID = "http://127.0.0.1:1338/latest/meta-data/instance-id"


def test_it_serves_as_soon_as_it_is_installed(host):
    state = service(host, "ActiveState", "UnitFileState", "StatusText", "MainPID", "WatchdogUSec")
    assert state["ActiveState"] == "active"
    assert state["UnitFileState"] == "enabled"
    assert state["StatusText"] == "Serving 0 instances"
    assert state["WatchdogUSec"] == "1min"
    assert status(host, ID) == "404"  # nobody is known yet
    host.write("/etc/telltale/instances.d/web-1.yaml", GUEST)
    host.run("systemctl", "reload", "telltale")
    wait_until(lambda: status(host, ID) == "200", "the guest")
    assert "web-1" in host.run("telltale", "instance", "list").stdout

    text = host.run("cat", f"/proc/{state['MainPID']}/status").stdout
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    uid = host.run("id", "-u", "telltale").stdout.strip()
    assert fields["Uid"].split() == [uid] * 4
    assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert fields["NoNewPrivs"] == "1"
    # Workers have one more filter than the unit gives to all.
    pattern = f"/proc/{state['MainPID']}/task/*/status"
    counts = host.run("sh", "-c", f"grep -h Seccomp_filters {pattern}").stdout.split()[1::2]
    assert len(set(counts)) == 2 and min(map(int, counts)) > 0, counts
    log = host.run("journalctl", "--no-pager", "-u", "telltale").stdout
    assert "level=warn" not in log and "level=error" not in log, log
    assert host.run("stat", "-c", "%U %a", "/var/lib/telltale").stdout == "telltale 700\n"
    assert host.run("systemd-analyze", "verify", "telltale.service", "telltale.socket").stderr == ""


def test_a_wrong_configuration_is_refused_by_a_reload(host):
    before = service(host, "MainPID")
    configure(host, limits={"burst": "many"})
    assert host.run("systemctl", "reload", "telltale", check=False).returncode != 0
    log = host.run("journalctl", "--no-pager", "-u", "telltale").stdout
    assert re.search(r"telltale\.yaml:\d+:\d+: limits\.burst", log), log
    assert service(host, "MainPID", "ActiveState") == {**before, "ActiveState": "active"}


def test_low_ports_at_an_interface(host):
    configure(
        host, listen=[{"address": "127.0.0.1", "port": 80, "interface": "lo"}], instances=[json.loads(GUEST)]
    )
    host.run("systemctl", "restart", "telltale")
    assert status(host, "http://127.0.0.1/latest/meta-data/instance-id") == "200"
    pid = service(host, "MainPID")["MainPID"]
    effective = re.search(r"CapEff:\s*(\w+)", host.run("cat", f"/proc/{pid}/status").stdout).group(1)
    assert int(effective, 16) == 1 << 10 | 1 << 13  # CAP_NET_BIND_SERVICE, CAP_NET_RAW


def test_a_service_that_hangs_is_started_again(host):
    host.write("/etc/systemd/system/telltale.service.d/quick.conf", "[Service]\nWatchdogSec=1\n")
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "restart", "telltale")
    first = service(host, "MainPID")["MainPID"]
    with frozen(threads(host.outside(first))["data-0"]):
        wait_until(lambda: service(host, "Result")["Result"] == "watchdog", "the watchdog")
    wait_until(lambda: service(host, "NRestarts")["NRestarts"] == "1", "another start")
    wait_until(lambda: status(host, ID) == "404", "an answer")
    assert service(host, "MainPID")["MainPID"] != first
    assert "workers hang" in host.run("journalctl", "--no-pager", "-u", "telltale").stdout


def test_libvirts_hook_tells_of_a_guest(host):
    """As docs/guests.md has it; libvirt itself is not here."""
    guide = (ROOT / "docs/guests.md").read_text()
    (line,) = re.findall(r"^    (install -D .* /etc/libvirt/hooks/\S+)$", guide, re.M)
    host.run(*line.split())
    domain = (ROOT / "tests/packaging/domains/web-1.xml").read_text()
    hook = ["/etc/libvirt/hooks/qemu.d/telltale", "web-1"]
    host.run(*hook, "prepare", "begin", "-", stdin=domain)
    wait_until(lambda: "web-1" in host.run("telltale", "instance", "list").stdout, "the guest")
    host.run(*hook, "release", "end", "-", stdin=domain)
    wait_until(lambda: "web-1" not in host.run("telltale", "instance", "list").stdout, "no guest")


def drop_in(host, name):
    """As the guide says it."""
    source = f"/usr/share/doc/telltale/examples/telltale.service.d/{name}"
    host.run("install", "-D", "-t", "/etc/systemd/system/telltale.service.d", source)
    host.run("systemctl", "daemon-reload")


@pytest.mark.parametrize("name", ["setup.conf", "netns.conf"])
def test_a_drop_in_gives_what_a_setting_needs(host, name):
    address = "169.254.169.254"
    listen = {"address": address, "port": 80, "interface": "lo"}
    if name == "setup.conf":
        listen["setUp"] = True
        inside = []
    else:
        host.run("ip", "netns", "add", "blue")
        inside = ["ip", "netns", "exec", "blue"]
        host.run(*inside, "ip", "link", "set", "lo", "up")
        host.run(*inside, "ip", "address", "add", f"{address}/32", "dev", "lo")
        listen["netns"] = "blue"
    configure(host, listen=[listen], instances=[{"name": "web-1", "match": {"addresses": [address]}}])
    assert host.run("systemctl", "restart", "telltale", check=False).returncode != 0
    host.run("systemctl", "reset-failed", "telltale")
    drop_in(host, name)
    host.run("systemctl", "restart", "telltale")
    url = f"http://{address}/latest/meta-data/instance-id"
    argv = [*inside, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url]
    wait_until(lambda: host.run(*argv, check=False).stdout == "200", "an answer there")
    pid = service(host, "MainPID")["MainPID"]
    pattern = f"/proc/{pid}/task/*/status"
    held = {int(one, 16) for one in host.run("sh", "-c", f"grep -h CapEff {pattern}").stdout.split()[1::2]}
    both = 1 << 10 | 1 << 13  # CAP_NET_BIND_SERVICE, CAP_NET_RAW
    more = {both | 1 << 12} if name == "setup.conf" else set()  # one thread: CAP_NET_ADMIN
    assert held <= {0, 1 << 10, both} | more and held >= more, held
    host.run("systemctl", "stop", "telltale")
    assert address not in host.run("ip", "address", "show", "dev", "lo").stdout


def test_systemd_can_listen_for_it(host):
    address = "169.254.169.254"
    configure(host, listen=[{"address": address, "port": 80}], instances=[
        {"name": "web-1", "match": {"addresses": [address]}}])
    host.run("systemctl", "stop", "telltale")
    host.run("systemctl", "start", "telltale.socket")  # before there is such an address
    host.run("ip", "address", "add", f"{address}/32", "dev", "lo")
    # The first caller starts it, and waits for its answer.
    assert status(host, f"http://{address}/latest/meta-data/instance-id") == "200"
    assert service(host, "ActiveState")["ActiveState"] == "active"
    log = host.run("journalctl", "--no-pager", "-u", "telltale").stdout
    assert "inherited sockets that no setting names are not served\" sockets=1" in log  # IPv6
    host.run("systemctl", "restart", "telltale")
    assert status(host, f"http://{address}/latest/meta-data/instance-id") == "200"


def upgraded(deb, folder):
    """The same with a higher version, and another default configuration."""
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    control = folder / "DEBIAN/control"
    text = re.sub(r"^Version: .*$", "Version: 99", control.read_text(), flags=re.M)
    control.write_text(text)
    with open(folder / "etc/telltale/telltale.yaml", "a", encoding="utf-8") as file:
        file.write("# new\n")
    path = folder.with_suffix(".deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder, path], check=True)
    return path


def test_data_outlives_an_upgrade_and_a_removal(host, deb, tmp_path):
    host.run("telltale", "instance", "put", "-", stdin=GUEST)
    host.run("telltale", "options", "web-1", "--http-tokens", "required")
    configure(host, region="eu-north-1")
    host.run("systemctl", "stop", "telltale.service")
    host.run("systemctl", "start", "telltale.service")
    before = service(host, "MainPID")
    host.put("/root/next.deb", upgraded(deb, tmp_path / "next"))
    host.run("dpkg", "--force-confold", "-i", "/root/next.deb")

    after = service(host, "MainPID", "ActiveState")
    assert after["ActiveState"] == "active" and after["MainPID"] != before["MainPID"]
    assert status(host, ID) == "401"
    assert "eu-north-1" in host.run("cat", "/etc/telltale/telltale.yaml").stdout

    host.run("dpkg", "-r", "telltale")
    assert host.run("pgrep", "-x", "telltale", check=False).stdout == ""
    assert host.run("cat", "/etc/telltale/telltale.yaml").stdout
    assert host.run("stat", "-c", "%s", "/var/lib/telltale/telltale.db").stdout

    host.run("dpkg", "-i", "/root/next.deb")
    assert status(host, ID) == "401"

    purged = host.run("dpkg", "-P", "telltale")
    assert "/var/lib/telltale is kept" in purged.stderr
    assert host.run("ls", "/etc/telltale/telltale.yaml", check=False).returncode != 0
    assert host.run("stat", "-c", "%s", "/var/lib/telltale/telltale.db").stdout
    assert host.run("systemctl", "cat", "telltale.service", check=False).returncode != 0
