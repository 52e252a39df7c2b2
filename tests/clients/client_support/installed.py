"""Where the clients are. Where one is not, its test is skipped with the reason; in CI it fails."""

import os
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
NODE_MODULES = HERE / "node_modules"
PROGRAMS = HERE / "programs"  # our own, which drive the SDKs

# Debian's Python with Debian's modules, whatever other Python comes first in the caller's PATH.
PYTHON = "/usr/bin/python3"
DIST_PACKAGES = Path("/usr/lib/python3/dist-packages")
GEMS = Path("/usr/share/rubygems-integration/all/gems")

# Debian's own programs come first; /usr/local/bin is for a node that is installed by hand.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"


def program(name, package):
    if shutil.which(name, path=PATH) is None:
        missing(f"{name} (Debian package {package})")


def file(path, package):
    if not Path(path).exists():
        missing(f"{path} (Debian package {package})")


def python_module(name, package):
    if not (DIST_PACKAGES / name).exists():
        missing(f"Python module {name} (Debian package {package})")


def ruby_gem(name, package):
    program("ruby", "ruby")
    if not list(GEMS.glob(f"{name}-*")):
        missing(f"Ruby gem {name} (Debian package {package})")


def npm_package(name):
    program("node", "nodejs")
    if not (NODE_MODULES / name / "package.json").exists():
        missing(f"npm package {name}")


def missing(what):
    reason = f"missing: {what}; see tests/clients/README.md"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
