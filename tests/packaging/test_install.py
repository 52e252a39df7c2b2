"""`meson install` where there is no package, and the static build: one file to copy."""

import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
import daemon as daemon_module  # noqa: E402
import samples  # noqa: E402

ID = "/latest/meta-data/instance-id"


def run(*argv, **options):
    done = subprocess.run(
        list(map(str, argv)), capture_output=True, text=True, timeout=600, cwd=ROOT, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(name):
    if not shutil.which("meson"):
        pytest.skip("NO meson HERE, NOT TESTED")
    run("script/setup", "--build", name)
    return ROOT / "build" / name


# --- meson install -------------------------------------------------------------------------------


def install(folder):
    return run("meson", "install", "-C", build("release"), "--no-rebuild", "--destdir", folder)


def test_install_brings_all_that_a_system_needs(tmp_path):
    install(tmp_path)
    prefix = tmp_path / "usr/local"
    for name in (
        "bin/telltale",
        "etc/telltale/telltale.yaml",
        "etc/telltale/instances.d",
        "share/man/man1/telltale.1",
        "share/man/man5/telltale.yaml.5",
        "share/bash-completion/completions/telltale",
        "share/doc/telltale/examples/telltale.yaml",
        "share/doc/telltale/examples/telltale.service.d/netns.conf",
        "share/doc/telltale/examples/telltale.service.d/setup.conf",
        "share/telltale/libvirt/qemu",
        "lib/sysusers.d/telltale.conf",
    ):
        assert (prefix / name).exists(), name
    # As the unit starts it.
    (unit,) = prefix.rglob("telltale.service")
    (start,) = [s for s in unit.read_text().splitlines() if s.startswith("ExecStart=")]
    assert start == (
        "ExecStart=/usr/local/bin/telltale serve -c /usr/local/etc/telltale/telltale.yaml"
    )
    assert "/usr/bin/telltale" not in unit.read_text()
    run(prefix / "bin/telltale", "config", "check", prefix / "etc/telltale/telltale.yaml")


def test_libvirts_hook_runs_from_where_it_is_installed(tmp_path):
    install(tmp_path)
    folder = tmp_path / "instances.d"
    folder.mkdir()
    domain = (ROOT / "tests/packaging/domains/web-1.xml").read_text()
    run(
        tmp_path / "usr/local/share/telltale/libvirt/qemu", "web-1", "prepare", "begin", "-",
        input=domain, env={**os.environ, "TELLTALE_LIBVIRT_INSTANCES": str(folder)},
    )  # fmt: skip
    (file,) = folder.iterdir()
    assert '"name": "web-1"' in file.read_text()


def test_an_operators_configuration_is_never_written_over(tmp_path):
    install(tmp_path)
    path = tmp_path / "usr/local/etc/telltale/telltale.yaml"
    path.write_text("region: eu-north-1\n")
    install(tmp_path)
    assert path.read_text() == "region: eu-north-1\n"


def test_the_units_can_be_left_out(tmp_path):
    run("meson", "setup", tmp_path / "b", "-Dtests=false", "-Dsystemd_unit_dir=no")
    assert "systemd" not in run("meson", "introspect", tmp_path / "b", "--install-plan")
    assert not list(tmp_path.rglob("telltale.service"))


# --- the static build ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def static():
    return build("static") / "telltale"


@pytest.fixture
def service(monkeypatch, static):
    """A daemon of the static build, not started yet."""
    monkeypatch.setattr(daemon_module, "BINARY", static)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tt-"))  # short, for the socket's path
    folder.chmod(0o777)
    made = daemon_module.Daemon(folder, {"instances": [samples.plain()]})
    yield made
    made.close()
    shutil.rmtree(folder)


def test_the_static_binary_needs_no_library(static):
    assert "statically linked" in run("ldd", static)
    if shutil.which("file"):
        kind = run("file", "-b", static)
        assert "static" in kind and "pie" in kind and "dynamically" not in kind, kind


def test_the_static_binary_serves(service):
    service.start()
    assert service.client().get(ID).status == 200
    service.cli("options", "web-1", "--http-tokens", "required").ok()
    assert service.client().get(ID).status == 401
    service.restart()
    assert service.client().get(ID).status == 401
    got = daemon_module.run_binary("get", "meta-data/", "--endpoint", f"http://localhost:{service.port}")
    assert got.code == 1 and "404" in got.err  # found by name; and 127.0.0.1 is no instance


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT HERE, `user:` NOT TESTED")
def test_the_static_binary_becomes_its_user(service):
    service.write_config({"user": "nobody", "instances": [samples.plain()]})
    service.start()
    status = pathlib.Path(f"/proc/{service.process.pid}/status").read_text()
    assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}\t" in status
    assert service.client().get(ID).status == 200
