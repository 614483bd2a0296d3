"""Registries as people run them: the stock one behind TLS, client certificates, nginx and a pull-through mirror."""

import os

from support.authority import Authority
from support.images import Image, Layer
from support.nginx import Nginx
from support.program import Case, need_tools
from support.proxy import Proxy
from support.registry import StockRegistry


class Front(Case):
    def setUp(self):
        super().setUp()
        need_tools("skopeo", "openssl")
        self.certs = self.scratch / "certs.d"
        self.certs.mkdir()
        self.image = Image([Layer().file("f", "text"), Layer().file("big", os.urandom(600_000))])
        self.big = self.image.layers[1]["digest"]

    def stock(self, *flags, push=True, **how):
        registry = StockRegistry(**how)
        self.addCleanup(registry.stop)
        registry.start()
        if push:
            layout = self.scratch / "layout"
            if not layout.exists():
                self.image.write_layout(layout)
            registry.push(layout, "t", "team/app:1", *flags)
        return registry

    def authority(self):
        return Authority(self.scratch / "authority")

    def nginx(self):
        front = Nginx()
        self.addCleanup(front.stop)
        return front

    def hosts(self, domain, text):
        (self.certs / domain).mkdir(parents=True, exist_ok=True)
        (self.certs / domain / "hosts.toml").write_text(text)

    def pull(self, host, *more):
        """As team/app:1 of that registry."""
        return self.lade.run(
            "images", "pull", "--no-unpack", "--progress", "none", "--retries", "8", "--hosts-dir", self.certs, *more, f"{host}/team/app:1"
        )

    def pull_ok(self, host, *more):
        """With exactly the image in an empty store."""
        result = self.pull(host, *more)
        self.assertEqual(result.code, 0, result.err)
        held = {blob["digest"] for blob in self.lade.json("content", "ls")}
        self.assertEqual(held, {*self.image.blobs, *self.image.documents})
        self.assertEqual(self.lade.ingests(), [])

    def forget(self):
        for ref in self.lade.ok("images", "ls", "-q").out.split():
            self.lade.ok("images", "rm", ref)
        self.assertEqual(self.lade.json("content", "ls"), [])


class Tls(Front):
    def test_an_authority_of_ones_own(self):
        authority = self.authority()
        registry = self.stock(tls=authority.issue("registry", "127.0.0.1"))
        self.hosts(registry.host, f'server = "{registry.url}"\n')
        self.fails(self.pull(registry.host), 5, registry.host, "certificate")
        self.hosts(registry.host, f'server = "{registry.url}"\nca = "{authority.cert}"\n')
        self.pull_ok(registry.host)

    def test_by_the_flags_alone(self):
        authority, nginx = self.authority(), self.nginx()
        registry = self.stock(tls=authority.issue("registry", "127.0.0.1"))
        self.pull_ok(registry.host, "--tlscacert", authority.cert)
        self.forget()
        front = nginx.front(self.stock().host, tls=authority.issue("front", "127.0.0.1"), clients=authority.cert)
        nginx.start()
        self.fails(self.pull(front, "--tlscacert", authority.cert), 5, front, "400")
        cert, key = authority.issue("client")
        self.pull_ok(front, "--tlscacert", authority.cert, "--tlscert", cert, "--tlskey", key)

    def test_another_authority(self):
        registry = self.stock(tls=self.authority().issue("registry", "127.0.0.1"))
        self.hosts(registry.host, f'server = "{registry.url}"\nca = "{Authority(self.scratch / "other").cert}"\n')
        self.fails(self.pull(registry.host), 5, registry.host, "certificate")

    def test_a_certificate_for_another_name(self):
        authority = self.authority()
        registry = self.stock(tls=authority.issue("registry", "127.0.0.2"))
        self.hosts(registry.host, f'server = "{registry.url}"\nca = "{authority.cert}"\n')
        self.fails(self.pull(registry.host), 5, registry.host)

    def test_a_login_over_tls(self):
        authority = self.authority()
        registry = self.stock("--dest-creds", "me:secret", users={"me": "secret", "you": "other"}, tls=authority.issue("registry", "127.0.0.1"))
        self.hosts(registry.host, f'server = "{registry.url}"\nca = "{authority.cert}"\n')
        self.fails(self.pull(registry.host), 7, registry.host)
        self.fails(self.pull(registry.host, "-u", "me:other"), 7, registry.host, "not accepted")
        self.pull_ok(registry.host, "-u", "you:other")

    def test_client_certificates_behind_nginx(self):
        authority, nginx = self.authority(), self.nginx()
        front = nginx.front(self.stock().host, tls=authority.issue("front", "127.0.0.1"), clients=authority.cert)
        nginx.start()
        text = f'server = "https://{front}"\nca = "{authority.cert}"\n'
        self.hosts(front, text)
        self.fails(self.pull(front), 5, front, "400")
        cert, key = Authority(self.scratch / "other").issue("stranger")
        self.hosts(front, text + f'client = [["{cert}", "{key}"]]\n')
        self.fails(self.pull(front), 5, front, "400")
        cert, key = authority.issue("client")
        self.hosts(front, text + f'client = [["{cert}", "{key}"]]\n')
        self.pull_ok(front)
        self.assertEqual({status for _, status, _, _ in nginx.requests(front)}, {200, 400})


class PullThrough(Front):
    def mirrored(self, **how):
        origin = self.stock(**how)
        mirror = self.stock(push=False, mirror_of=origin)
        self.hosts(origin.host, f'[host."{mirror.url}"]\n')
        return origin, mirror

    def test_a_mirror_that_fills_itself(self):
        origin, mirror = self.mirrored()
        self.pull_ok(origin.host)
        self.forget()
        origin.halt()
        self.pull_ok(origin.host)
        # It was the mirror that had it, and nobody else.
        mirror.halt()
        self.forget()
        self.fails(self.pull(origin.host), 6, origin.host, mirror.host)

    def test_a_mirror_that_is_down(self):
        origin, mirror = self.mirrored()
        mirror.halt()
        self.pull_ok(origin.host)

    def test_a_mirror_whose_registry_went_before_it_was_filled(self):
        origin, mirror = self.mirrored()
        origin.halt()
        result = self.pull(origin.host)
        self.fails(result, result.code, mirror.host)
        self.assertIn(result.code, (3, 6))


class BehindNginx(Front):
    def front(self, upstream, **how):
        nginx = self.nginx()
        front = nginx.front(upstream, **how)
        return nginx.start(), front

    def asked(self, nginx, front):
        return [(status, wanted) for method, status, wanted, path in nginx.requests(front) if method == "GET" and path.endswith(self.big)]

    def test_blobs_on_another_port(self):
        registry, nginx = self.stock("--dest-creds", "me:secret", users={"me": "secret"}), self.nginx()
        open_one = self.stock()
        storage = nginx.front(open_one.host)
        front = nginx.front(registry.host, blobs_to=f"http://{storage}")
        nginx.start()
        self.pull_ok(front, "-u", "me:secret")
        blobs = {path.rsplit("/", 1)[1] for _, status, _, path in nginx.requests(storage) if status == 200}
        self.assertEqual(blobs, set(self.image.blobs))

    def test_ranges_that_are_lost_on_the_way(self):
        nginx, front = self.front(self.stock().host, ranges=False)
        proxy = Proxy(front, cut=200_000, cuts=1).start()
        self.addCleanup(proxy.stop)
        self.pull_ok(proxy.host)
        self.assertEqual(proxy.severed, 1)
        (first, again) = self.asked(nginx, front)
        self.assertEqual((first, again[0]), ((200, "-"), 200))
        self.assertRegex(again[1], r"^bytes=[1-9]")

    def test_ranges_that_arrive(self):
        nginx, front = self.front(self.stock().host)
        proxy = Proxy(front, cut=200_000).start()
        self.addCleanup(proxy.stop)
        self.pull_ok(proxy.host)
        (first, *again) = self.asked(nginx, front)
        self.assertEqual({status for status, _ in again}, {206})
        self.assertGreaterEqual(len(again), 3)
        # Nothing is fetched twice but what a cut connection took along.
        self.assertLess(proxy.passed, 2 * 600_000)

    def test_a_slow_line_is_not_a_stalled_one(self):
        nginx, front = self.front(self.stock().host, rate=150_000)
        self.pull_ok(front, "--stall-timeout", "2s")
        self.assertEqual(len(self.asked(nginx, front)), 1)

    def test_a_share_of_refusals(self):
        proxy = Proxy(self.stock().host, refuse=0.3, seed=2).start()
        self.addCleanup(proxy.stop)
        self.pull_ok(proxy.host)
        self.assertGreater(proxy.refused, 0)

    def test_a_long_way(self):
        proxy = Proxy(self.stock().host, round_trip=0.1).start()
        self.addCleanup(proxy.stop)
        self.pull_ok(proxy.host)
