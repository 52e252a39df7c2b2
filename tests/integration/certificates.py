"""certificates - key pairs for servers on loopback addresses, made by openssl."""

import shutil
import ssl
import subprocess


def openssl(*args, stdin=None):
    done = subprocess.run(["openssl", *map(str, args)], input=stdin, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Pair:
    """A self-signed certificate for loopback addresses, and its key."""

    def __init__(self, folder, name, *key):
        self.certificate = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        openssl(
            "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-newkey", *(key or ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")),
            "-addext", "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost",
            "-keyout", self.key, "-out", self.certificate,
        )  # fmt: skip

    def install(self, service, certificate=True, key=True):
        """As the daemon's files, each replaced at once."""
        for source, name in ((self.certificate, "server.pem"), (self.key, "server.key")):
            if (certificate, key)[name.endswith("key")]:
                scratch = service.directory / (name + ".new")
                shutil.copyfile(source, scratch)
                scratch.chmod(0o600)
                scratch.rename(service.directory / name)

    def trusted(self):
        return ssl.create_default_context(cafile=self.certificate)
