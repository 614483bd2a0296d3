"""Registries that are not on loopback: https, certificates, and what may not be told to whom."""

import json

from support.broken import BrokenRegistry, basic
from support.elsewhere import Elsewhere, certificate
from support.images import Image, Layer
from support.program import Case, need_root, need_tools


class Remote(Case):
    def setUp(self):
        super().setUp()
        need_root()
        need_tools("openssl", "ip", "nsenter")
        self.elsewhere = Elsewhere()
        self.addCleanup(self.elsewhere.stop)
        self.cert, self.tls = certificate(self.scratch)
        self.image = Image([Layer().file("f", "text")])

    def serve(self, address=Elsewhere.addresses[0], tls=True):
        registry = self.elsewhere.call(lambda: BrokenRegistry(address, self.tls if tls else None))
        self.addCleanup(registry.stop)
        registry.add(self.image)
        return registry

    def pull(self, registry, *more, env=None, prefix=()):
        return self.lade.run(
            "images", "pull", "--no-unpack", "--progress", "none", "--retries", "0", *more, f"{registry.host}/image:latest",
            env=env, prefix=(*self.elsewhere.prefix, *prefix),
        )

    def trusting(self):
        return {"SSL_CERT_FILE": str(self.cert)}


class Certificates(Remote):
    def test_https_is_spoken_and_verified(self):
        registry = self.serve()
        self.fails(self.pull(registry), 5, registry.host, "certificate")
        self.assertEqual(registry.requests, [])
        self.assertEqual(self.pull(registry, env=self.trusting()).code, 0)

    def test_the_systems_roots_are_trusted(self):
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        prefix = ("unshare", "--mount", "sh", "-c", f'mount --bind "$0" {bundle} && exec "$@"', self.cert)
        result = self.pull(self.serve(), prefix=prefix)
        self.assertEqual(result.code, 0, result.err)

    def test_a_certificate_for_another_host_is_refused(self):
        unnamed = self.serve(Elsewhere.addresses[2])
        self.fails(self.pull(unnamed, env=self.trusting()), 5, unnamed.host, "name")
        self.assertEqual(unnamed.requests, [])

    def test_skip_verify(self):
        self.assertEqual(self.pull(self.serve(), "-k").code, 0)

    def test_https_is_not_given_up_for_http(self):
        registry = self.serve(tls=False)
        self.fails(self.pull(registry), 6, registry.host)
        self.assertEqual(registry.requests, [])
        self.assertEqual(self.pull(registry, "--plain-http").code, 0)

    def test_on_loopback_https_needs_no_certificate(self):
        result = self.pull(self.serve("127.0.0.1"))
        self.assertEqual(result.code, 0, result.err)


class Secrets(Remote):
    def bearer(self, registry, realm):
        def fault(handler, path):
            if handler.headers.get("Authorization") != "Bearer t0ken":
                return handler.error(401, "UNAUTHORIZED", "token needed", {"WWW-Authenticate": f'Bearer realm="{realm}",service="reg"'})
            return None

        registry.fault = fault

    def token_server(self, *where, **how):
        server = self.serve(*where, **how)
        server.fault = lambda handler, path: handler.answer(200, json.dumps({"token": "t0ken"}).encode())
        return server

    def test_a_token_server_on_another_host(self):
        registry, tokens = self.serve(), self.token_server(Elsewhere.addresses[1])
        self.bearer(registry, f"https://{tokens.host}/token")
        self.assertEqual(self.pull(registry, env=self.trusting()).code, 0)
        self.assertGreater(len(tokens.requests), 0)

    def test_an_http_token_server_of_an_https_registry_is_refused(self):
        registry, tokens = self.serve(), self.token_server(Elsewhere.addresses[1], tls=False)
        self.bearer(registry, f"http://{tokens.host}/token")
        self.fails(self.pull(registry, "-u", "me:secret", env=self.trusting()), 7, tokens.host)
        self.assertEqual(tokens.requests, [])

    def test_a_token_server_on_loopback_of_a_registry_elsewhere_is_refused(self):
        registry, tokens = self.serve(tls=False), self.token_server("127.0.0.1", tls=False)
        self.bearer(registry, f"http://{tokens.host}/token")
        result = self.pull(registry, "--plain-http", "-u", "me:secret")
        self.fails(result, 7, tokens.host)
        self.assertEqual(tokens.requests, [])

    def test_skip_verify_does_not_reach_the_token_server(self):
        registry, tokens = self.serve(), self.token_server(Elsewhere.addresses[1])
        self.bearer(registry, f"https://{tokens.host}/token")
        self.fails(self.pull(registry, "-k", "-u", "me:secret"), 5, tokens.host, "certificate")
        self.assertEqual(tokens.requests, [])

    def test_a_token_server_may_not_send_us_on(self):
        registry, tokens, other = self.serve(), self.serve(Elsewhere.addresses[1]), self.token_server()
        tokens.fault = lambda handler, path: handler.answer(307, b"", {"Location": f"https://{other.host}/token"})
        self.bearer(registry, f"https://{tokens.host}/token")
        self.fails(self.pull(registry, "-u", "me:secret", env=self.trusting()), 7, tokens.host, other.host)
        self.assertEqual(other.requests, [])

    def test_a_redirect_from_https_to_http_is_refused(self):
        registry, other = self.serve(), self.serve(Elsewhere.addresses[1], tls=False)
        registry.fault = lambda handler, path: "/blobs/" in path and handler.answer(307, b"", {"Location": f"http://{other.host}{path}"})
        self.fails(self.pull(registry, env=self.trusting()), 5, other.host)
        self.assertEqual(other.requests, [])

    def test_a_redirect_to_another_port_of_the_same_host_gets_no_credentials(self):
        registry, other = self.serve(), self.serve()

        def fault(handler, path):
            if handler.headers.get("Authorization") != basic("me", "secret"):
                return handler.error(401, "UNAUTHORIZED", "login needed", {"WWW-Authenticate": 'Basic realm="x"'})
            if "/blobs/" in path:
                return handler.answer(307, b"", {"Location": f"https://{other.host}{path}"})
            return None

        registry.fault = fault
        self.assertEqual(self.pull(registry, "-u", "me:secret", env=self.trusting()).code, 0)
        self.assertGreater(len(other.requests), 0)
        for _, _, headers in other.requests:
            self.assertNotIn("Authorization", headers)


class Proxies(Remote):
    """The environment's proxy, which answers as if it had asked, and whom it is not for."""

    def setUp(self):
        super().setUp()
        self.registry, self.proxy = self.serve(tls=False), self.serve(Elsewhere.addresses[1], tls=False)

    def asked(self, registry=None, **env):
        """Who was: the registry, the proxy, or both."""
        self.registry.requests.clear()
        self.proxy.requests.clear()
        self.lade.run("images", "rm", f"{(registry or self.registry).host}/image:latest")
        self.lade.ok("gc")
        result = self.pull(registry or self.registry, "--plain-http", env={"http_proxy": f"http://{self.proxy.host}", **env})
        self.assertEqual(result.code, 0, result.err)
        return {name for name in ("registry", "proxy") if getattr(self, name).requests}

    def test_no_proxy_names_who_is_asked_directly(self):
        own = Elsewhere.addresses[0]
        for name, value in (("no_proxy", own), ("NO_PROXY", own), ("no_proxy", "*"), ("no_proxy", f" other.example , {own} "), ("no_proxy", "192.0.2.0/24")):
            with self.subTest((name, value)):
                self.assertEqual(self.asked(**{name: value}), {"registry"})
        for value in ("", "other.example,192.0.2.9", "192.0.3.0/24"):
            with self.subTest(value):
                self.assertEqual(self.asked(no_proxy=value), {"proxy"})
        for _, path, _ in self.proxy.requests:
            self.assertTrue(path.startswith(f"http://{self.registry.host}/"), path)

    def test_this_machine_is_never_asked_through_one(self):
        here = self.serve("127.0.0.1", tls=False)
        self.assertEqual(self.asked(here), set())
        self.assertGreater(len(here.requests), 0)
