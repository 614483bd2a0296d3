"""--tlscacert, --tlscert and --tlskey: for the image's own registry, in place of what else there is, and for nobody else."""

import ssl
import subprocess
import unittest

from support.broken import BrokenRegistry
from support.elsewhere import certificate
from support.images import Image, Layer
from support.nginx import Nginx
from support.program import Case, need_tools


class Tls(Case):
    def setUp(self):
        super().setUp()
        need_tools("openssl")
        self.image = Image([Layer().file("f", "text")])
        self.certs = self.scratch / "certs.d"
        self.certs.mkdir()
        self.mine, self.other = self.authority("mine"), self.authority("other")
        self.registry = self.serve(self.mine)
        self.ref = f"{self.registry.host}/image:latest"

    def authority(self, name):
        """The path of a certificate that is its own root."""
        folder = self.scratch / name
        folder.mkdir()
        return certificate(folder, name)[0]

    def serve(self, cert, clients=None, how=ssl.CERT_REQUIRED):
        """A registry with that certificate; `clients` is whose it wants to see."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, cert.parent / "key.pem")
        if clients:
            context.load_verify_locations(clients)
            context.verify_mode = how
        registry = BrokenRegistry(tls=context)
        self.addCleanup(registry.stop)
        registry.add(self.image)
        return registry

    def client(self, cert):
        return ("--tlscert", cert, "--tlskey", cert.parent / "key.pem")

    def configure(self, text):
        folder = self.certs / self.registry.host
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.toml").write_text(text)

    def pull(self, *flags, **env):
        return self.lade.run("images", "pull", "--no-unpack", "--progress", "none", "--retries", "0", "--hosts-dir", self.certs, *flags, self.ref, env=env)

    def pull_ok(self, *flags, **env):
        result = self.pull(*flags, **env)
        self.assertEqual(result.code, 0, result.err)
        self.lade.ok("images", "rm", self.ref)

    def refused(self, *flags, **env):
        self.registry.requests.clear()
        self.fails(self.pull(*flags, **env), 5, self.registry.host, "certificate")
        self.assertEqual(self.registry.requests, [])


class Flags(Tls):
    def test_a_root_verifies_the_registry_on_loopback_too(self):
        self.pull_ok("--tlscacert", self.mine)
        self.refused("--tlscacert", self.other)
        self.pull_ok("--tlscacert", self.other, "--skip-verify")

    def test_it_stands_in_for_the_machines_and_for_the_configured(self):
        folder = self.scratch / "roots"
        folder.mkdir()
        name = subprocess.run(["openssl", "x509", "-noout", "-hash", "-in", self.mine], check=True, capture_output=True, text=True).stdout.strip()
        (folder / f"{name}.0").symlink_to(self.mine)
        for env in ({"SSL_CERT_FILE": str(self.mine)}, {"SSL_CERT_DIR": str(folder)}):
            self.configure(f'ca = "{self.other}"\n')
            self.pull_ok(**env)
            self.refused("--tlscacert", self.other, **env)
        self.configure(f'ca = "{self.mine}"\n')
        self.pull_ok()
        self.refused("--tlscacert", self.other)
        self.configure(f'ca = "{self.other}"\n')
        self.refused()
        self.pull_ok("--tlscacert", self.mine)
        self.configure("skip_verify = true\n")
        self.refused("--tlscacert", self.other)

    def test_a_client_certificate(self):
        self.registry = self.serve(self.mine, clients=self.other)
        self.ref = f"{self.registry.host}/image:latest"
        self.assertNotEqual(self.pull().code, 0)
        trusting = ("--tlscacert", self.mine)
        self.assertNotEqual(self.pull(*trusting).code, 0)
        self.pull_ok(*trusting, *self.client(self.other))
        self.assertNotEqual(self.pull(*trusting, *self.client(self.mine)).code, 0)
        self.configure(f'client = [["{self.mine}", "{self.mine.parent}/key.pem"]]\n')
        self.assertNotEqual(self.pull(*trusting).code, 0)
        self.pull_ok(*trusting, *self.client(self.other))

    def test_a_mirror_has_nothing_of_it(self):
        shown = []
        mirror = self.serve(self.mine, clients=self.other, how=ssl.CERT_OPTIONAL)
        mirror.fault = lambda handler, path: shown.append(handler.connection.getpeercert(True))
        self.configure(f'[host."https://{mirror.host}"]\n')
        self.pull_ok("--tlscacert", self.mine, *self.client(self.other))
        self.assertEqual(mirror.requests, [], "it is not verified by a root that is the registry's")
        self.configure(f'[host."https://{mirror.host}"]\nca = "{self.mine}"\n')
        self.registry.requests.clear()
        self.pull_ok("--tlscacert", self.other, *self.client(self.other))
        self.assertEqual(self.registry.requests, [])
        self.assertEqual(set(shown), {None})

    def test_where_the_registry_sends_us(self):
        shown = []
        storage = self.serve(self.other, clients=self.mine, how=ssl.CERT_OPTIONAL)
        storage.fault = lambda handler, path: shown.append(handler.connection.getpeercert(True))
        self.registry.fault = lambda handler, path: "/blobs/" in path and handler.answer(307, b"", {"Location": f"https://{storage.host}{path}"})
        self.pull_ok("--tlscacert", self.mine, *self.client(self.mine), SSL_CERT_FILE=str(self.other))
        self.assertEqual(set(shown), {None})

    def test_registry_hosts_tells(self):
        host, = self.lade.json("registry", "hosts", "--hosts-dir", self.certs, "--tlscacert", self.mine, *self.client(self.other), self.ref)
        self.assertEqual((host["url"], host["verify"], host["triesHttps"]), (f"https://{self.registry.host}/v2", True, False))
        self.assertEqual((host["ca"], host["client"]), ([str(self.mine)], [{"certificate": str(self.other), "key": str(self.other.parent / "key.pem")}]))

    def test_what_makes_no_sense(self):
        absent, empty = self.scratch / "absent.pem", self.scratch / "empty.pem"
        empty.write_text("")
        self.fails(self.pull("--tlscert", self.mine), 2, "--tlskey")
        self.fails(self.pull("--tlskey", self.mine), 2, "--tlscert")
        self.fails(self.pull("--tlscacert", self.mine, "--plain-http"), 2, "--plain-http")
        self.fails(self.pull("--tlscacert", absent), 3, str(absent))
        self.fails(self.pull("--tlscacert", empty), 2, str(empty))
        self.fails(self.pull("--tlscert", absent, "--tlskey", self.mine), 3, str(absent))
        self.assertEqual(self.registry.requests, [])


class SeveralClients(Tls):
    """nginx names the issuers that it accepts, as servers do that have several."""

    def front(self, *accepted):
        """A registry behind it, which sees whose certificate was shown."""
        backend, nginx = BrokenRegistry(), Nginx()
        self.addCleanup(backend.stop)
        self.addCleanup(nginx.stop)
        backend.add(self.image)
        trusted = self.scratch / "accepted.pem"
        trusted.write_text("".join(cert.read_text() for cert in accepted))
        host = nginx.front(backend.host, tls=(self.mine, self.mine.parent / "key.pem"), clients=trusted)
        nginx.start()
        return host, backend

    def configure_clients(self, host, *certs):
        folder = self.certs / host
        folder.mkdir(exist_ok=True)
        pairs = ", ".join(f'["{cert}", "{cert.parent}/key.pem"]' for cert in certs)
        (folder / "hosts.toml").write_text(f'ca = "{self.mine}"\nclient = [{pairs}]\n')
        self.ref = f"{host}/image:latest"

    def shown(self, backend):
        return {headers["X-Shown"] for _, _, headers in backend.requests}

    def test_the_one_that_the_server_accepts_is_shown(self):
        third = self.authority("third")
        host, backend = self.front(self.other, third)
        for certs, name in (((self.mine, self.other), "other"), ((self.mine, third, self.other), "third"), ((self.other, self.mine), "other")):
            backend.requests.clear()
            self.configure_clients(host, *certs)
            self.pull_ok()
            self.assertEqual(self.shown(backend), {f"CN={name}"})
        backend.requests.clear()
        self.configure_clients(host, self.mine, self.authority("fourth"))
        self.fails(self.pull(), 5, host, "400")
        self.assertEqual(backend.requests, [])

    def test_a_server_that_names_nobody_sees_the_first(self):
        self.registry = self.serve(self.mine, clients=self.other)
        self.configure_clients(self.registry.host, self.other, self.mine)
        self.pull_ok()
        self.configure_clients(self.registry.host, self.mine, self.other)
        self.assertNotEqual(self.pull().code, 0)


if __name__ == "__main__":
    unittest.main()
