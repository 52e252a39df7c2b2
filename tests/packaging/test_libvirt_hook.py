"""packaging/libvirt/qemu, called as libvirt calls it, with sample domains; what it writes telltale takes."""

import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HOOK = ROOT / "packaging" / "libvirt" / "qemu"
BINARY = pathlib.Path(os.environ.get("TELLTALE_BIN", ROOT / "build" / "debug" / "telltale")).resolve()
WEB_1 = "libvirt-ec2f00d0-1234-4abc-9def-0123456789ab.json"


class Libvirt:
    def __init__(self, directory):
        self.directory = directory
        self.folder = directory / "instances.d"
        self.folder.mkdir()
        (directory / "networks").mkdir()
        shutil.copy(HERE / "domains" / "default.network.xml", directory / "networks" / "default.xml")
        self.conf = directory / "libvirt.conf"
        self.conf.write_text(f"# of the test\nINSTANCES={self.folder}\n\nNETWORKS = {directory}/networks\n")

    def call(self, xml, operation, sub="begin", python=(), **environment):
        """What it says on standard error. Nothing is for libvirt to read, and no guest is refused."""
        done = subprocess.run(
            [*python, HOOK, "some-name", operation, sub, "-"],
            input=xml.encode() if isinstance(xml, str) else xml,
            env={"PATH": os.environ["PATH"], "TELLTALE_LIBVIRT_CONF": str(self.conf), **environment},
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done
        assert done.stdout == b""
        return done.stderr.decode()

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())

    def only(self):
        (name,) = self.files()
        return json.loads((self.folder / name).read_text())

    def check(self):
        """telltale takes the folder."""
        config = self.directory / "telltale.yaml"
        config.write_text(f"instances: {self.folder}\n")
        done = subprocess.run([BINARY, "config", "check", config], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def libvirt(tmp_path):
    return Libvirt(tmp_path)


def domain(name):
    return (HERE / "domains" / f"{name}.xml").read_text()


def without_metadata(xml):
    return re.sub(r"<metadata>.*</metadata>", "", xml, flags=re.S)


def with_metadata(xml, text):
    element = f'<telltale:instance xmlns:telltale="urn:telltale:instance:1">{text}</telltale:instance>'
    return re.sub(r"<metadata>.*</metadata>", lambda _: f"<metadata>{element}</metadata>", xml, flags=re.S)


def test_a_guest_that_is_prepared_is_told_of(libvirt):
    assert libvirt.call(domain("web-1"), "prepare") == ""
    assert libvirt.files() == [WEB_1]
    assert libvirt.only() == {
        "name": "web-1",
        "instanceId": "i-c9def0123456789ab",
        "match": {"mac": "52:54:00:aa:bb:01", "addresses": ["172.26.2.10"]},
        "privateIpAddress": "172.26.2.10",
        "blueprintId": "debian_12",
        "tags": {"env": "prod"},
        "publicKeys": {"ops": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0xTBmyIuOLcBIbEuZDnbYTfG6Sa2HLpqhcl2N3d0nr ops"},
        "metadataOptions": {"httpTokens": "required"},
        "userData": "#cloud-config\nhostname: web-1\n",
    }
    assert "1 instance" in libvirt.check()


@pytest.mark.parametrize("operation", ["prepare", "started", "reconnect"])
def test_it_is_there_until_it_is_released(libvirt, operation):
    libvirt.call(domain("web-1"), operation)
    for between in ("start", "stopped", "migrate", "restore", "attach"):
        libvirt.call(domain("web-1"), between, "begin")
        libvirt.call(domain("web-1"), between, "end")
    assert libvirt.files() == [WEB_1]
    libvirt.call(domain("web-1"), "release", "end")
    assert libvirt.files() == []
    assert libvirt.call(domain("web-1"), "release", "end") == ""


def test_other_operations_make_nothing(libvirt):
    for operation in ("start", "stopped", "migrate", "restore", "attach"):
        libvirt.call("", operation)
    assert libvirt.files() == []


@pytest.mark.parametrize(
    "settings,match",
    [
        ({"INTERFACE": "tap"}, {"interface": "vnet4"}),
        ({"INTERFACE": "bridge"}, {"interface": "virbr0"}),
        ({"NETWORK": "source"}, {"network": "default"}),
        ({"NETWORK": "tenant-a"}, {"network": "tenant-a"}),
        ({"INTERFACE": "none", "NETWORK": "none"}, {}),
    ],
)
def test_taps_and_networks(libvirt, settings, match):
    libvirt.call(domain("web-1"), "started", **{f"TELLTALE_LIBVIRT_{k}": v for k, v in settings.items()})
    found = libvirt.only()["match"]
    assert {key: found[key] for key in found if key in ("interface", "network")} == match
    libvirt.check()


def test_a_tap_that_is_not_there_yet_is_added_when_it_is(libvirt):
    early = domain("web-1").replace("<target dev='vnet4'/>", "")
    libvirt.call(early, "prepare", TELLTALE_LIBVIRT_INTERFACE="tap")
    assert "interface" not in libvirt.only()["match"]
    libvirt.check()
    libvirt.call(domain("web-1"), "started", TELLTALE_LIBVIRT_INTERFACE="tap")
    assert libvirt.only()["match"]["interface"] == "vnet4"


def test_a_bridge_and_yaml(libvirt):
    pytest.importorskip("yaml")
    said = libvirt.call(domain("bridged"), "started", TELLTALE_LIBVIRT_INTERFACE="tap")
    assert "must begin with ec2" in said and said.count("\n") == 1
    spec = libvirt.only()
    assert spec["name"] == "Web-Server-old-ec2a0000"
    assert spec["match"] == {
        "mac": "52:54:00:00:00:02", "interface": "tap-old", "addresses": ["172.26.2.11", "2001:db8::11"],
    }  # fmt: skip
    assert spec["location"] == {"availabilityZone": "us-west-2b"}
    libvirt.check()


def test_the_address_of_a_filter(libvirt):
    libvirt.call(without_metadata(domain("bridged")), "started")
    assert libvirt.only()["match"]["addresses"] == ["172.26.2.12"]
    assert libvirt.only()["privateIpAddress"] == "172.26.2.12"
    libvirt.check()


def test_a_guest_of_which_little_is_known(libvirt):
    said = libvirt.call(domain("plain"), "prepare")
    assert "must begin with ec2" in said and "no address is known" in said
    assert libvirt.only()["name"] == "x-6f1c1d2e"
    libvirt.check()


@pytest.mark.parametrize(
    "change",
    [
        lambda xml: xml.replace("<smbios mode='sysinfo'/>", ""),
        lambda xml: xml.replace("<entry name='serial'>ec2", "<entry name='serial'>ec3"),
        lambda xml: xml.replace("<entry name='serial'>ec2f00d0-1234-4abc-9def-0123456789ab</entry>", ""),
        lambda xml: xml.replace("EC2f00d0", "6f1c1d2e"),
    ],
    ids=["no-smbios", "another-serial", "no-serial", "no-ec2"],
)
def test_a_guest_that_cloud_init_would_not_take_for_one_of_ec2(libvirt, change):
    assert "must begin with ec2" in libvirt.call(change(domain("web-1")), "prepare")
    libvirt.check()


def test_the_same_name_made_anew_is_another_instance(libvirt):
    libvirt.call(domain("web-1"), "prepare")
    first = libvirt.only()
    libvirt.call(domain("web-1"), "release", "end")
    libvirt.call(domain("web-1").replace("0123456789ab", "0123456789ac"), "prepare")
    assert libvirt.only()["name"] == first["name"]
    assert libvirt.only()["instanceId"] != first["instanceId"]


def test_a_domain_names_no_file_of_the_host(libvirt):
    extra = {
        "userDataFile": "/etc/shadow",
        "role": {"name": "R", "credentials": {"file": "/etc/telltale/operator.key"}},
        "tags": {"a": "b"},
    }
    said = libvirt.call(with_metadata(domain("web-1"), json.dumps(extra)), "prepare")
    assert "userDataFile is left out" in said and "credentials.file is left out" in said
    spec = libvirt.only()
    assert spec["role"] == {"name": "R"} and spec["tags"] == {"a": "b"} and "userDataFile" not in spec
    assert "/etc" not in json.dumps(spec)
    libvirt.check()


@pytest.mark.parametrize("text", ["{oops", "[1, 2]", "a: b: c", "!!python/object/apply:os.system [id]"])
def test_what_is_no_map_changes_nothing(libvirt, text):
    libvirt.call(domain("web-1"), "prepare")
    before = libvirt.only()
    assert "telltale:instance" in libvirt.call(with_metadata(domain("web-1"), text), "started")
    assert libvirt.only() == before and libvirt.files() == [WEB_1]


@pytest.mark.parametrize("xml", ["", "<domain>", "<domain/>", "<domain><uuid>../../x</uuid></domain>", "\0"])
def test_what_is_no_domain_is_said_and_the_guest_starts(libvirt, xml):
    for operation, sub in (("prepare", "begin"), ("release", "end")):
        said = libvirt.call(xml, operation, sub)
        assert said.startswith("telltale: some-name: ") and said.count("\n") == 1
    assert libvirt.files() == []


def test_a_folder_that_is_not_there_is_said_and_the_guest_starts(libvirt):
    libvirt.folder.rmdir()
    assert "instances.d" in libvirt.call(domain("web-1"), "prepare")
    libvirt.conf.write_text("colour=blue\n")
    assert "not KEY=VALUE" in libvirt.call(domain("web-1"), "prepare")


@pytest.mark.parametrize("mode,wanted", [(0o755, 0o644), (0o750, 0o640), (0o700, 0o600)])
def test_a_file_is_read_by_those_who_read_the_folder(libvirt, mode, wanted):
    libvirt.folder.chmod(mode)
    if os.geteuid() == 0:
        os.chown(libvirt.folder, -1, 65534)  # as the package's is telltale's
    libvirt.call(domain("web-1"), "prepare")
    made = (libvirt.folder / WEB_1).stat()
    assert stat.S_IMODE(made.st_mode) == wanted
    assert made.st_gid == libvirt.folder.stat().st_gid


def test_without_yaml_it_says_what_is_missing(libvirt):
    extra = with_metadata(domain("web-1"), "tags: {a: b}")
    assert "python3-yaml is missing" in libvirt.call(extra, "prepare", python=[sys.executable, "-S", "-I"])
    assert libvirt.files() == []
    libvirt.call(domain("web-1"), "prepare", python=[sys.executable, "-S", "-I"])
    assert libvirt.files() == [WEB_1]


def test_the_way_to_call_it():
    done = subprocess.run([HOOK, "name"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "usage" in done.stderr
