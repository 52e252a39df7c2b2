"""Real guests: QEMU boots Debian, whose own cloud-init takes all it needs from telltale.

Everything is in a network namespace of the test's own: a bridge with 169.254.169.254, a tap for each
guest, and a DHCP server, as on a host. Nothing in the image is ours, and tokens are required. A
guest reports on its second serial port, by a command of its user data.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
import yaml

import daemon as daemon_module
import namespaces
import wire

HERE = pathlib.Path(__file__).resolve().parent
IMAGE_TIMEOUT_S = 1200
# With KVM a boot takes a quarter of a minute, without it minutes.
BOOT_TIMEOUT_S = 900
KVM_TIMEOUT_S = 4
KEYS = {
    "guest-1": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8xPc3Nw3nYl0ZoqYg1p0m8m0Qm1mJmQ2Z0dGVsbHRh one",
    "guest-2": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0xTBmyIuOLcBIbEuZDnbYTfG6Sa2HLpqhcl2N3d0nr two",
}
# What a guest tells of itself: what cloud-init made of what it was told.
REPORT = """\
#cloud-config
ssh_genkeytypes: [ed25519]  # making an RSA key takes an emulated processor many seconds
runcmd:
  - [python3, /run/report.py]
write_files:
  - path: /run/report.py
    content: |
      import base64, json, pathlib, subprocess
      def run(*argv):
          return subprocess.run(argv, capture_output=True, text=True).stdout.strip()
      def query(name):
          return run("cloud-init", "query", name)
      report = {name: query("v1." + name) for name in (
          "cloud_name", "instance_id", "local_hostname", "region", "availability_zone", "subplatform")}
      report["hostname"] = run("hostname")
      report["addresses"] = run("hostname", "-I").split()
      report["keys"] = pathlib.Path("/home/debian/.ssh/authorized_keys").read_text()
      report["user_data"] = query("userdata")
      report["word"] = "%(word)s"
      report["failures"] = [line for line in open("/var/log/cloud-init.log")
          if "WARNING" in line and ("DataSource" in line or "url_helper" in line)]
      with open("/dev/ttyS1", "w") as port:
          port.write(json.dumps(report) + "\\n")
"""


def lacking(reason):
    pytest.skip(f"{reason.upper()}, NOT TESTED")


@pytest.fixture(scope="module")
def image():
    for tool in ("qemu-system-x86_64", "dnsmasq", "debootstrap", "mke2fs"):
        if shutil.which(tool) is None:
            lacking(f"no {tool} here; script/setup --guest installs it")
    if os.geteuid() != 0:
        lacking("debootstrap needs root")
    begin = time.monotonic()
    done = subprocess.run(
        [HERE / "image.sh"], stdout=subprocess.PIPE, text=True, timeout=IMAGE_TIMEOUT_S, check=False
    )
    if done.returncode == 77:
        lacking("no image can be made here; image.sh has said why")
    assert done.returncode == 0, "image.sh has said why"
    print(f"the image: {time.monotonic() - begin:.0f} s")
    return pathlib.Path(done.stdout.strip())


def machine(image, accelerator):
    return [
        "qemu-system-x86_64", "-machine", f"q35,accel={accelerator}", "-m", "512",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        "-kernel", image / "vmlinuz", "-initrd", image / "initrd.img",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def accelerator(image, tmp_path_factory):
    """KVM where a kernel gets somewhere with it: there are machines whose /dev/kvm opens and that is all."""
    console = tmp_path_factory.mktemp("kvm") / "console"
    argv = [*machine(image, "kvm"), "-append", "console=ttyS0 earlyprintk=serial", "-serial", f"file:{console}"]
    probe = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + KVM_TIMEOUT_S
    found = "tcg"
    while found == "tcg" and probe.poll() is None and time.monotonic() < deadline:
        if console.exists() and b"Linux version" in console.read_bytes():
            found = "kvm"
        time.sleep(0.05)
    probe.kill()
    probe.wait()
    print(f"the machine: {found}")
    return found


class Host:
    """A hypervisor's host in a namespace: a bridge, taps, DHCP, telltale."""

    def __init__(self, directory):
        self.directory = directory
        self.guests = {}
        self.processes = []
        self.instances = directory / "instances.d"
        self.instances.mkdir()
        self.namespace = namespaces.Namespace(True)
        run = self.namespace.run
        run("ip", "link", "add", "br0", "type", "bridge")
        run("ip", "address", "add", "172.26.0.1/20", "dev", "br0")
        run("ip", "address", "add", "169.254.169.254/32", "dev", "br0")
        run("ip", "link", "set", "br0", "up")
        self.daemon = daemon_module.Daemon(
            directory / "telltale",
            {
                "listen": [{"address": "169.254.169.254", "port": 80, "interface": "br0"}],
                "instances": str(self.instances),
                "region": "us-west-2",
            },
            prefix=self.namespace.prefix,
            make_socket=self.namespace.socket,
        )
        self.daemon.is_ready = self.is_ready
        self.daemon.start()

    def is_ready(self):
        try:
            return self.daemon.control_get("/readyz").status == 200
        except (OSError, wire.Closed):
            return False

    def serve_addresses(self):
        hosts = [f"--dhcp-host={guest.mac},{guest.address}" for guest in self.guests.values()]
        self.spawn(
            "dnsmasq", "dnsmasq", "--conf-file=/dev/null", "--no-daemon", "--port=0", "--pid-file=",
            "--interface=br0", "--bind-interfaces", "--dhcp-range=172.26.0.0,static,255.255.240.0,1h",
            "--dhcp-option=3,172.26.0.1", "--dhcp-leasefile=" + str(self.directory / "leases"), *hosts,
        )  # fmt: skip

    def spawn(self, name, *argv):
        with open(self.directory / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [*self.namespace.prefix, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.processes.append((name, process))

    def check(self):
        """All of it still runs."""
        for name, process in self.processes:
            log = (self.directory / f"{name}.log").read_text("utf-8", "replace")
            assert process.poll() is None, f"{name} has ended:\n{log}"

    def close(self):
        for _, process in self.processes:
            process.terminate()
        for _, process in self.processes:
            process.wait(20)
        try:
            self.daemon.close()
        finally:
            self.namespace.close()


class Guest:
    def __init__(self, host, number):
        self.host = host
        self.name = f"guest-{number}"
        self.word = f"word-of-{self.name}"
        self.mac = f"02:aa:bb:cc:dd:{number:02x}"
        self.address = f"172.26.0.{10 + number}"
        self.tap = f"tap{number}"
        self.uuid = f"ec2{number:05x}-0000-4000-8000-{number:012x}"
        self.report_path = host.directory / f"{self.name}.report"
        self.console_path = host.directory / f"{self.name}.console"
        host.guests[self.name] = self

    def make_known(self):
        """A file in the folder that telltale watches."""
        spec = {
            "name": self.name,
            "match": {"addresses": [self.address], "mac": self.mac},
            "privateIpAddress": self.address,
            "blueprintId": "debian_12",
            "metadataOptions": {"httpTokens": "required"},
            "publicKeys": {"key": KEYS[self.name]},
            "userData": REPORT % {"word": self.word},
        }
        scratch = self.host.instances / ".scratch"
        scratch.write_text(yaml.safe_dump(spec))
        scratch.rename(self.host.instances / f"{self.name}.yaml")

    def boot(self, image, accelerator):
        run = self.host.namespace.run
        run("ip", "tuntap", "add", self.tap, "mode", "tap")
        run("ip", "link", "set", self.tap, "master", "br0", "up")
        self.host.spawn(
            self.name, *machine(image, accelerator),
            "-smbios", f"type=1,uuid={self.uuid},serial={self.uuid}",
            "-append", "root=LABEL=root ro console=ttyS0 quiet mitigations=off",
            "-drive", f"file={image / 'image.ext4'},format=raw,if=virtio,snapshot=on",
            "-netdev", f"tap,id=net,ifname={self.tap},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=net,mac={self.mac},romfile=",
            "-device", "virtio-rng-pci",
            "-serial", f"file:{self.console_path}", "-serial", f"file:{self.report_path}",
        )  # fmt: skip

    def has_reported(self):
        return self.report_path.exists() and self.report_path.read_text().endswith("\n")

    def report(self):
        return json.loads(self.report_path.read_text())

    def tail(self):
        text = self.console_path.read_text("utf-8", "replace") if self.console_path.exists() else ""
        log = (self.host.directory / f"{self.name}.log").read_text("utf-8", "replace")
        return f"{log}\n{text[-3000:]}"


@pytest.fixture(scope="module")
def host(image, accelerator):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="tt-guest-"))
    try:
        made = Host(directory)
    except namespaces.Unavailable as why:
        lacking(f"no namespaces here: {why}")
    try:
        guests = [Guest(made, 1), Guest(made, 2)]
        made.serve_addresses()
        for guest in guests:
            guest.make_known()
        begin = time.monotonic()
        for guest in guests:
            guest.boot(image, accelerator)
        while not all(guest.has_reported() for guest in guests):
            made.check()
            waited = time.monotonic() - begin
            assert waited < BOOT_TIMEOUT_S, "\n".join(guest.tail() for guest in guests)
            time.sleep(0.2)
        print(f"the boot of both: {time.monotonic() - begin:.0f} s")
        yield made
    finally:
        made.close()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["guest-1", "guest-2"])
def guest(host, request):
    return host.guests[request.param]


def told(host, guest):
    return json.loads(host.daemon.cli("instance", "show", guest.name, "--json").ok().out)["instance"]


def test_cloud_init_takes_the_way_of_ec2(guest):
    report = guest.report()
    assert report["cloud_name"] == "aws"
    assert report["subplatform"] == "metadata (http://169.254.169.254)"
    assert report["region"] == "us-west-2"
    assert report["failures"] == []


def test_the_guest_is_who_it_is(host, guest):
    report, shown = guest.report(), told(host, guest)
    assert report["instance_id"] == shown["instanceId"]
    assert report["availability_zone"] == shown["location"]["availabilityZone"]
    assert report["hostname"] == f"ip-{guest.address.replace('.', '-')}"
    assert guest.address in report["addresses"]


def test_the_guest_has_its_key_and_no_other(guest):
    keys = [line for line in guest.report()["keys"].splitlines() if line]
    assert keys == [KEYS[guest.name]]


def test_the_guest_has_run_its_user_data(guest):
    report = guest.report()
    assert report["word"] == guest.word
    assert report["user_data"].strip() == (REPORT % {"word": guest.word}).strip()


def test_two_guests_see_different_data(host):
    one, two = (host.guests[name].report() for name in ("guest-1", "guest-2"))
    for what in ("instance_id", "hostname", "keys", "user_data", "word"):
        assert one[what] != two[what]


def test_everything_was_asked_with_tokens(host):
    metrics = host.daemon.metrics()
    assert metrics.sum("telltale_tokens_issued_total") >= 2
    assert metrics.sum("telltale_metadata_no_token_total") == 0
    assert metrics.sum("telltale_metadata_no_token_rejected_total") == 0
    assert metrics.sum("telltale_unknown_callers_total") == 0
