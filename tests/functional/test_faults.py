"""The misbehaving registry, a table: each behaviour has a test, which says what comes of it. What holds after all of them,
no credential with anybody else, nothing left over, a store that pulls again, is in FaultCase."""

import email.utils
import gzip
import json
import socket
import time
from http.server import BaseHTTPRequestHandler

from support.elsewhere import certificate
from support.faults import SHORT, FaultCase
from support.images import digest
from support.program import need_tools
from support.registry import free_port

OK = b"HTTP/1.1 200 OK\r\n"


class Connections(FaultCase):
    def test_a_connection_that_is_refused(self):
        host = f"127.0.0.1:{free_port()}"
        self.pull_fails(6, host, ref=f"{host}/image:latest")

    def test_a_server_that_never_answers(self):
        self.on_manifest(lambda handler: self.over.wait(60) or True)
        self.pull_fails(6, self.registry.host, "no reply within", flags=("--timeout", SHORT, "--retries", "0"))

    def test_a_port_that_takes_no_connection(self):
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        for _ in range(4):
            one = socket.socket()
            self.addCleanup(one.close)
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        host = "127.0.0.1:%d" % full.getsockname()[1]
        self.pull_fails(6, host, flags=("--timeout", SHORT, "--retries", "0"), ref=f"{host}/image:latest")

    def test_a_connection_that_closes_without_a_byte(self):
        self.on_manifest(lambda handler: handler.raw())
        self.pull_fails(6, self.registry.host)

    def test_a_connection_that_closes_without_a_byte_once(self):
        self.on_layer(lambda handler: handler.raw(), times=1)
        self.pull_ok()

    def test_a_header_that_is_cut(self):
        self.on_manifest(lambda handler: handler.raw(OK, b"Content-Type: applic"))
        self.pull_fails(6, self.registry.host, "ended within the reply's header")

    def test_a_header_that_is_cut_once(self):
        self.on_layer(lambda handler: handler.raw(OK, b"Content-Len"), times=1)
        self.pull_ok()

    def test_a_reset_in_the_header(self):
        self.on_manifest(lambda handler: (handler.raw(OK, b"Content-Ty"), handler.reset())[1])
        self.pull_fails(6, self.registry.host)

    def test_a_reset_in_the_body(self):
        self.on_layer(lambda handler: (self.registry.send(handler, self.body, length=len(self.body), cut=100_000), handler.reset())[1], times=1)
        self.pull_ok()

    def test_a_header_that_comes_a_byte_at_a_time_and_never_ends(self):
        def drip(handler):
            handler.wfile.write(OK)
            while not self.over.wait(0.05):
                handler.wfile.write(b"X-Drip: x\r\n")

        self.on_manifest(drip)
        self.pull_fails(6, "no reply within", flags=("--timeout", SHORT, "--retries", "0"))

    def test_an_answer_nobody_asked_for_on_an_idle_connection(self):
        def impatient(handler):
            media_type, text = self.registry.manifests["latest"]
            handler.answer(200, text, {"Content-Type": media_type, "Docker-Content-Digest": digest(text)})
            return handler.raw(b"HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n")

        self.on_manifest(impatient)
        self.pull_ok()

    def test_a_connection_that_is_closed_after_each_answer(self):
        def rule(handler, path):
            handler.close_connection = True
            handler.says_close = says_close

        self.rule = rule
        for says_close in (True, False):
            self.pull_ok()
            self.lade.ok("images", "rm", self.ref)

    def test_what_is_no_http(self):
        self.on_manifest(lambda handler: handler.raw(b"220 mail.example ESMTP\r\n" * 3))
        self.pull_fails(6, self.registry.host)

    def test_tls_spoken_to_a_plain_port(self):
        self.hosts(f'server = "https://{self.registry.host}"\n')
        self.pull_fails(6, f"https://{self.registry.host}")
        self.assertEqual(self.registry.requests, [])

    def test_plain_http_spoken_to_a_tls_port(self):
        need_tools("openssl")
        _, tls = certificate(self.scratch)
        other = self.other(tls=tls)
        self.hosts(f'server = "http://{other.host}"\n')
        self.pull_fails(6, f"http://{other.host}")
        self.assertEqual(other.requests, [])


class Statuses(FaultCase):
    def passes(self, status, **headers):
        """It fails twice, for the manifest and for a layer, and is asked again."""
        failed = []

        def rule(handler, path):
            if handler.command + path in failed or "/v2/image/" not in path:
                return None
            failed.append(handler.command + path)
            return handler.error(status, "BUSY", "for a moment", {name.replace("_", "-"): value for name, value in headers.items()})

        self.rule = rule
        self.pull_ok()
        self.assertEqual(len(failed), 5)  # HEAD and GET of the manifest, the config and two layers

    def stays(self, status, code, *words):
        self.rule = lambda handler, path: handler.error(status, "DENIED", "made to fail")
        self.pull_fails(code, self.registry.host, str(status), *words)

    def asked(self):
        return self.registry.count("", "/v2/image/")

    def test_408_that_passes(self):
        self.passes(408)

    def test_429_that_passes(self):
        self.passes(429)

    def test_429_with_retry_after_in_seconds(self):
        self.on_layer(lambda handler: handler.error(429, "TOOMANYREQUESTS", headers={"Retry-After": "1"}), times=1)
        self.pull_ok()

    def test_429_with_retry_after_of_no_time(self):
        self.passes(429, Retry_After="0")

    def test_429_with_retry_after_as_a_date(self):
        date = email.utils.formatdate(time.time() + 1, usegmt=True)
        self.on_layer(lambda handler: handler.error(429, "TOOMANYREQUESTS", headers={"Retry-After": date}), times=1)
        self.pull_ok()

    def test_429_with_retry_after_as_a_date_long_ago(self):
        self.passes(429, Retry_After="Thu, 01 Jan 1970 00:00:01 GMT")

    def test_429_with_a_negative_retry_after(self):
        self.passes(429, Retry_After="-5")

    def test_429_with_a_retry_after_that_is_garbage(self):
        self.passes(429, Retry_After="soon\x01, or so")

    def test_429_with_a_retry_after_of_years_on_a_mirror_leads_to_the_registry(self):
        for absurd in ("1000000000", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"):
            with self.subTest(absurd):
                self.mirror(lambda handler, path: handler.error(429, "TOOMANYREQUESTS", headers={"Retry-After": absurd}))
                self.pull_ok()
                self.lade.ok("images", "rm", self.ref)

    def test_429_that_stays(self):
        self.on_layer(lambda handler: handler.error(429, "TOOMANYREQUESTS", "You have reached your pull rate limit."))
        self.pull_fails(6, self.digest, "429", "You have reached your pull rate limit.", "3 attempts")

    def test_500_that_passes(self):
        self.passes(500)

    def test_502_that_passes(self):
        self.passes(502)

    def test_503_that_passes(self):
        self.passes(503)

    def test_504_that_passes(self):
        self.passes(504)

    def test_503_that_stays(self):
        self.stays(503, 6, "3 attempts")

    def test_403(self):
        self.stays(403, 7)

    def test_404(self):
        self.stays(404, 3)

    def test_418(self):
        self.stays(418, 5)

    def test_204_to_a_request_for_a_manifest(self):
        self.on_manifest(lambda handler: handler.answer(204, headers={"Content-Length": None}))
        self.pull_fails(5, self.registry.host)

    def test_304_to_no_condition(self):
        self.on_layer(lambda handler: handler.answer(304, headers={"Content-Length": None}))
        self.pull_fails(5, "304")

    def test_401_without_a_challenge(self):
        self.registry.fault = lambda handler, path: handler.error(401)
        self.pull_fails(7, "401")

    def test_401_with_a_challenge_that_is_garbage(self):
        self.registry.fault = lambda handler, path: handler.error(401, headers={"WWW-Authenticate": 'Bearer realm="http://[", =,,"'})
        self.pull_fails(5, self.registry.host)

    def test_401_with_schemes_that_are_not_known(self):
        self.registry.fault = lambda handler, path: handler.error(401, headers={"WWW-Authenticate": 'Negotiate, NTLM abc==, Digest realm="x", nonce="y"'})
        self.pull_fails(7, "401")

    def test_407_of_no_proxy(self):
        self.registry.fault = lambda handler, path: handler.error(407, headers={"Proxy-Authenticate": 'Basic realm="x"'})
        self.pull_fails(7, "407")
        self.assertEqual([headers.get("Proxy-Authorization") for _, _, headers in self.registry.requests], [None] * len(self.registry.requests))

    def test_401_for_ever(self):
        self.registry.fault = lambda handler, path: handler.error(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        self.pull_fails(7, "401", "not accepted")
        self.assertLessEqual(len(self.registry.requests), 4)

    def test_401_for_a_layer_only(self):
        self.on_layer(lambda handler: handler.error(401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
        self.pull_fails(7, "401", self.digest)

    def test_a_status_with_a_page_of_html(self):
        page = b"<html><head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>nginx</body></html>"
        self.rule = lambda handler, path: handler.answer(503, page, {"Content-Type": "text/html"})
        result = self.pull_fails(6, "503")
        self.assertNotIn("<", result.err)

    def test_an_error_message_with_nul_and_escape_sequences(self):
        told = "a\0b\x1b[2J\x1b]0;title\x07\r\n\x9b31m\u202ereversed"
        self.rule = lambda handler, path: handler.error(403, "DE\x1bNIED", told)
        self.pull_fails(7, "a", "title")

    def test_an_error_message_that_is_endless(self):
        def endless(handler):
            handler.wfile.write(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                handler.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

        self.on_manifest(endless)
        self.pull_fails(7, "403")

    def test_an_error_message_that_comes_a_byte_at_a_time_and_never_ends(self):
        def drip(handler):
            handler.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000\r\n\r\n")
            while not self.over.wait(0.05):
                handler.wfile.write(b"x")

        self.on_layer(drip)
        self.pull_fails(7, self.digest, "403", flags=("--stall-timeout", SHORT))


class Headers(FaultCase):
    def test_a_header_of_a_mebibyte(self):
        self.on_manifest(lambda handler: handler.raw(OK, b"X-Large: " + b"x" * 2**20 + b"\r\n\r\n"))
        self.pull_fails(9, self.registry.host, "header")

    def test_ten_thousand_headers(self):
        self.on_manifest(lambda handler: handler.raw(OK, b"".join(b"X-Header-%d: many of these\r\n" % number for number in range(10_000)), b"\r\n"))
        self.pull_fails(9, self.registry.host, "header")

    def test_interim_answers_without_end(self):
        def interim(handler):
            while True:
                handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)

        self.on_manifest(interim)
        self.pull_fails(9, self.registry.host, "header")

    def test_interim_answers_now_and_then_without_end(self):
        def interim(handler):
            while not self.over.wait(0.05):
                handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")

        self.on_manifest(interim)
        self.pull_fails(6, "no reply within", flags=("--timeout", SHORT, "--retries", "0"))

    def test_an_interim_answer_before_the_answer(self):
        def interim(handler):
            handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\nDocker-Content-Digest: sha256:x\r\n\r\n")

        self.on_manifest(interim)
        self.pull_ok()

    def told(self, **headers):
        """On every answer."""
        for name, value in headers.items():
            self.registry.server.RequestHandlerClass.end_headers = self.adding(name.replace("_", "-"), value)

    @staticmethod
    def adding(name, value):
        def end_headers(handler):
            handler.send_header(name, value)
            BaseHTTPRequestHandler.end_headers(handler)

        return end_headers

    def test_cookies_are_not_kept(self):
        self.told(Set_Cookie="track=me; Path=/")
        self.pull_ok()
        self.assertEqual({headers.get("Cookie") for _, _, headers in self.registry.requests}, {None})

    def test_another_service_is_not_gone_to(self):
        other = self.other()
        self.told(Alt_Svc=f'http/1.1="{other.host}", h2="{other.host}"; ma=86400')
        self.pull_ok()
        self.assertEqual(other.requests, [])

    def test_a_body_after_head(self):
        media_type, text = self.registry.manifests["latest"]
        head = f"Content-Type: {media_type}\r\nContent-Length: {len(text)}\r\nDocker-Content-Digest: {digest(text)}\r\n\r\n".encode()

        def rule(handler, path):
            if handler.command == "HEAD":
                handler.wfile.write(OK + head + text)
                return True
            return None

        self.rule = rule
        self.pull_ok()

    def test_two_lengths_that_differ(self):
        self.on_layer(lambda handler: handler.raw(OK, b"Content-Length: 5\r\nContent-Length: 300000\r\n\r\n", self.body))
        self.pull_fails(8, self.digest, "sends 5 bytes")

    def test_header_names_and_values_with_odd_bytes(self):
        def odd(handler):
            handler.send_response(200)
            handler.wfile.write(b"".join(handler._headers_buffer) + b"X-\xff\x80: \x1b[31m\r\n: nameless\r\n")
            handler._headers_buffer = []
            return self.finish(handler)

        self.on_manifest(odd)
        self.pull_ok()

    def finish(self, handler):
        media_type, text = self.registry.manifests["latest"]
        for name, value in {"Content-Type": media_type, "Content-Length": len(text), "Docker-Content-Digest": digest(text)}.items():
            handler.send_header(name, str(value))
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(text)
        return True


class Tokens(FaultCase):
    """The registry wants a token, from a server that belongs to it."""

    def setUp(self):
        super().setUp()
        self.challenge = 'Bearer realm="{}",service="reg",scope="repository:image:pull"'
        self.tokens = self.other()
        self.others.remove(self.tokens)  # it may know
        self.good = self.token
        self.realm = f"http://{self.tokens.host}/token"
        self.gives({"token": self.token})

    def guard(self, handler, path):
        if handler.headers.get("Authorization") != f"Bearer {self.good}":
            return handler.error(401, headers={"WWW-Authenticate": self.challenge.format(self.realm)})
        return self.rule and self.rule(handler, path)

    def answers(self, action, times=None):
        left = [times]
        usual = self.tokens.fault

        def fault(handler, path):
            if left[0] == 0:
                return usual(handler, path)
            if left[0] is not None:
                left[0] -= 1
            if handler.command == "POST":
                handler.rfile.read(int(handler.headers["Content-Length"]))
            return action(handler)

        self.tokens.fault = fault

    def gives(self, document, times=None):
        self.answers(lambda handler: handler.answer(200, document if isinstance(document, bytes) else json.dumps(document).encode()), times)

    def fails_as_long_as_the_server_does(self, code, *words, flags=()):
        result = self.pull_fails(code, *words, flags=flags)
        self.gives({"token": self.token})
        return result

    def test_several_challenges_in_one_header(self):
        self.challenge = 'Basic realm="a, Bearer b=\\"c\\"", Negotiate, Bearer realm="{}" , service=reg,scope="repository:image:pull", Digest qop="auth,auth-int"'
        self.pull_ok()

    def test_several_headers_with_challenges(self):
        self.registry.fault = lambda handler, path: (
            self.rule and self.rule(handler, path)
            if handler.headers.get("Authorization") == f"Bearer {self.good}"
            else handler.raw(
                b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: ",
                self.challenge.format(self.realm).encode(), b"\r\nConnection: close\r\n\r\n",
            )
        )
        self.pull_ok()

    def test_a_token_server_that_fails_once(self):
        self.answers(lambda handler: handler.error(500), times=1)
        self.pull_ok()

    def test_a_token_server_that_is_busy_for_a_moment(self):
        self.answers(lambda handler: handler.error(429, headers={"Retry-After": "0"}), times=2)
        self.pull_ok()

    def test_a_token_server_that_always_fails(self):
        self.answers(lambda handler: handler.error(503))
        self.fails_as_long_as_the_server_does(6, self.tokens.host, "503")

    def test_a_token_server_that_is_down(self):
        self.realm = f"http://127.0.0.1:{free_port()}/token"
        self.pull_fails(6, self.realm)
        self.realm = f"http://{self.tokens.host}/token"

    def test_a_token_server_that_never_answers(self):
        self.answers(lambda handler: self.over.wait(60) or True)
        self.fails_as_long_as_the_server_does(6, self.tokens.host, "no reply within", flags=("--timeout", SHORT, "--retries", "0"))

    def test_a_token_server_that_answers_garbage(self):
        for garbage in (b"", b"garbage", b"[]", b'{"token": 5}', b'{"token": ""}', b'{"token": "x", "expires_in": "soon"}', b"\x00\x1b[2J", b"<html>", b'{"token": "%s", "token": "x"}' % self.token.encode()):
            with self.subTest(garbage):
                self.gives(garbage)
                result = self.fails_as_long_as_the_server_does(2, self.tokens.host, "token")
                self.assertNotIn(self.token, result.err)

    def test_a_token_that_would_be_two_headers(self):
        self.gives({"token": self.token + "\r\nX-Evil: 1"})
        result = self.fails_as_long_as_the_server_does(2, self.tokens.host, "no header value")
        self.assertNotIn(self.token, result.err)

    def test_a_token_that_is_refused(self):
        self.gives({"token": "stale"})
        self.fails_as_long_as_the_server_does(7, self.registry.host, "401")
        self.assertLessEqual(self.tokens.count("POST", "/token"), 2)

    def test_a_token_that_expires_at_once(self):
        for expires in (0, 1, -1, 2**62):
            with self.subTest(expires):
                self.gives({"token": self.token, "expires_in": expires})
                self.pull_ok()
                self.lade.ok("images", "rm", self.ref)

    def test_a_token_of_two_mebibytes(self):
        self.gives({"token": "x" * 2**21})
        self.fails_as_long_as_the_server_does(9, self.tokens.host)

    def test_a_reply_of_the_token_server_that_is_endless(self):
        def endless(handler):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                handler.wfile.write(b" " * 0x10000)

        self.answers(endless)
        self.fails_as_long_as_the_server_does(9, self.tokens.host)

    def test_a_token_server_on_another_site(self):
        other = self.other(lambda handler, path: handler.answer(200, json.dumps({"token": "anonymous"}).encode()))
        self.realm = f"http://localhost:{other.host.split(':')[1]}/token"
        self.pull_fails(7, "another site")
        self.assertGreater(len(other.requests), 0)
        self.realm = f"http://{self.tokens.host}/token"

    def test_a_token_server_that_sends_us_on(self):
        other = self.other(lambda handler, path: handler.answer(200, json.dumps({"token": self.good}).encode()))
        self.answers(lambda handler: handler.answer(307, headers={"Location": f"http://{other.host}/token"}))
        self.fails_as_long_as_the_server_does(7, other.host, "redirect")
        self.assertEqual(other.requests, [])

    def test_a_challenge_whose_realm_is_a_file(self):
        self.realm = "file:///etc/passwd"
        self.pull_fails(5, "no usable token server")
        self.realm = f"http://{self.tokens.host}/token"


class Bodies(FaultCase):
    def cut_once(self, at):
        self.on_layer(lambda handler: self.registry.send(handler, self.body, cut=at), times=1)
        self.pull_ok()
        self.assertEqual(self.ranges(), [0, at])

    def cut_and_then(self, action):
        """The first answer is cut after 100,000 bytes, and `action` answers all others."""
        first = []

        def rule(handler):
            if first:
                return action(handler)
            first.append(True)
            return self.registry.send(handler, self.body, cut=100_000)

        self.on_layer(rule)

    def test_a_body_cut_before_its_first_byte(self):
        self.cut_once(0)

    def test_a_body_cut_in_the_middle(self):
        self.cut_once(150_000)

    def test_a_body_cut_before_its_last_byte(self):
        self.cut_once(len(self.body) - 1)

    def test_a_body_cut_again_and_again(self):
        self.on_layer(lambda handler: self.registry.send(handler, self.body, cut=60_000), times=4)
        self.pull_ok()
        self.assertEqual(self.ranges(), [0, 60_000, 120_000, 180_000, 240_000])

    def test_a_body_always_cut_before_its_first_byte(self):
        self.on_layer(lambda handler: self.registry.send(handler, self.body, cut=0))
        self.pull_fails(6, self.digest, "3 attempts")

    def test_a_manifest_that_is_cut(self):
        text = self.registry.manifests["latest"][1]
        self.on(lambda handler, path: "/manifests/" in path and handler.command == "GET", lambda handler: self.registry.send(handler, text, cut=100), times=1)
        self.pull_ok()

    def test_a_body_that_stalls(self):
        def stall(handler):
            self.registry.send(handler, self.body, cut=150_000)
            self.over.wait(60)

        self.on_layer(stall, times=1)
        self.pull_ok("--stall-timeout", SHORT)
        self.assertEqual(self.ranges(), [0, 150_000])

    def test_a_body_that_always_stalls(self):
        def stall(handler):
            handler.raw(OK, b"Content-Length: %d\r\n\r\n" % len(self.body))
            self.over.wait(60)

        self.on_layer(stall)
        self.pull_fails(6, self.digest, "not a byte for", flags=("--stall-timeout", SHORT, "--retries", "1"))

    def test_a_body_that_is_too_long(self):
        self.on_layer(lambda handler: self.registry.send(handler, self.body + b"x"))
        self.pull_fails(8, self.digest)

    def test_a_body_without_a_length_that_is_too_long(self):
        self.on_layer(lambda handler: handler.raw(OK, b"\r\n", self.body, b"x"))
        self.pull_fails(8, self.digest)

    def test_a_body_without_a_length_that_is_endless(self):
        def endless(handler):
            handler.wfile.write(OK + b"\r\n")
            while True:
                handler.wfile.write(self.body)

        self.on_layer(endless)
        self.pull_fails(8, self.digest)

    def test_a_body_without_a_length_and_without_an_end(self):
        def rule(handler):
            handler.raw(OK, b"\r\n", self.body)
            return self.over.wait(60) or True

        self.on_layer(rule)
        self.pull_ok("--stall-timeout", SHORT)
        self.assertEqual(self.ranges(), [0])

    def test_a_body_that_is_too_short(self):
        self.on_layer(lambda handler: self.registry.send(handler, self.body[:-1]))
        self.pull_fails(8, self.digest)

    def test_a_body_that_is_too_short_for_the_right_length(self):
        self.on_layer(lambda handler: self.registry.send(handler, self.body, ranges=False, cut=len(self.body) - 1))
        self.pull_fails(6, self.digest)

    def test_a_body_of_wrong_bytes(self):
        wrong = bytearray(self.body)
        wrong[1000] ^= 1
        self.on_layer(lambda handler: self.registry.send(handler, bytes(wrong)))
        self.pull_fails(8, self.digest)
        self.assert_not_kept()

    def test_a_body_of_zeros(self):
        self.on_layer(lambda handler: self.registry.send(handler, bytes(len(self.body))))
        self.pull_fails(8, self.digest)
        self.assert_not_kept()

    def test_an_empty_body(self):
        self.on_layer(lambda handler: handler.answer(200))
        self.pull_fails(8, self.digest)

    def assert_not_kept(self):
        self.assertEqual([row["ref"] for row in self.lade.json("content", "active") if self.digest in row["ref"]], [])

    def test_wrong_bytes_at_the_beginning_and_then_a_cut(self):
        self.on_layer(lambda handler: self.registry.send(handler, bytes(len(self.body)), cut=100_000), times=1)
        self.pull_fails(8, self.digest)
        self.assert_not_kept()

    def test_a_length_that_is_a_lie(self):
        self.on_layer(lambda handler: self.registry.send(handler, self.body, length=len(self.body) + 1000))
        self.pull_fails(8, self.digest, str(len(self.body) + 1000))

    def test_a_length_that_is_no_number(self):
        self.on_layer(lambda handler: handler.raw(OK, b"Content-Length: many\r\n\r\n", self.body))
        self.pull_fails(6, self.digest, flags=("--retries", "0"))

    def chunked(self, body, end=True):
        def answer(handler):
            handler.raw(OK, b"Transfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), 10_000):
                part = body[at : at + 10_000]
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            if end:
                handler.wfile.write(b"0\r\n\r\n")
            return True

        return answer

    def test_a_body_in_chunks_without_a_length(self):
        self.on_layer(self.chunked(self.body))
        self.pull_ok()

    def test_a_body_in_chunks_that_is_cut(self):
        self.on_layer(self.chunked(self.body[:100_000], end=False), times=1)
        self.pull_ok()
        self.assertEqual(self.ranges(), [0, 100_000])

    def test_a_body_in_chunks_that_ends_too_early(self):
        self.on_layer(self.chunked(self.body[:100_000]), times=1)
        self.pull_ok()
        self.assertEqual(self.ranges(), [0, 100_000])

    def test_chunks_whose_sizes_are_garbage(self):
        self.on_layer(lambda handler: handler.raw(OK, b"Transfer-Encoding: chunked\r\n\r\n", b"zzz\r\n", self.body))
        self.pull_fails(6, self.digest)

    def test_a_body_encoded_though_nobody_asked(self):
        packed = gzip.compress(self.body)
        self.on_layer(lambda handler: handler.answer(200, packed, {"Content-Encoding": "gzip"}))
        self.pull_fails(8, self.digest)
        self.assertEqual({headers["Accept-Encoding"] for _, _, headers in self.registry.requests}, {"identity"})

    def test_a_body_called_encoded_that_is_as_it_should_be(self):
        self.on_layer(lambda handler: handler.answer(200, self.body, {"Content-Encoding": "gzip"}))
        self.pull_ok()

    # Ranges.

    def part(self, handler, told, body, status=206, **headers):
        fields = {"Content-Type": "application/octet-stream", **({"Content-Range": told} if told else {}), **headers}
        return handler.answer(status, body, fields)

    def test_200_to_a_range(self):
        self.cut_and_then(lambda handler: self.registry.send(handler, self.body, ranges=False))
        self.pull_ok()

    def refuses_ranges(self, handler):
        return handler.answer(416, headers={"Content-Range": f"bytes */{len(self.body)}"}) if "Range" in handler.headers else None

    def test_a_range_that_is_refused(self):
        self.cut_and_then(self.refuses_ranges)
        self.assertNotIn("anew", self.pull_ok().err)
        self.assertEqual(self.ranges(), [0, 100_000, 0])

    def test_a_range_that_is_refused_when_another_process_goes_on(self):
        self.on_layer(lambda handler: self.registry.send(handler, self.body, cut=100_000))
        self.pull_fails(6, self.digest, flags=("--retries", "0"))
        self.on_layer(self.refuses_ranges)
        self.registry.requests.clear()
        self.assertNotIn("anew", self.pull_ok().err)
        self.assertEqual(self.ranges(), [100_000, 0])

    def test_206_with_another_range(self):
        size = len(self.body)
        for told, body in (
            (f"bytes 0-{size - 1}/{size}", self.body),
            (f"bytes 100001-{size - 1}/{size}", self.body[100_001:]),
            (f"bytes 100000-{size - 1}/{size + 5}", self.body[100_000:]),
            (f"bytes 100000-{size}/{size + 1}", self.body[100_000:] + b"x"),
            ("bytes 100000-99999/*", b""),
            ("garbage\x01", self.body[100_000:]),
            (None, self.body[100_000:]),
        ):
            with self.subTest(told):
                self.cut_and_then(lambda handler: self.part(handler, told, body))
                self.pull_fails(8, self.digest)
                self.lade.ok("gc")

    def test_206_with_another_range_and_then_the_whole(self):
        size = len(self.body)
        answers = [lambda handler: self.registry.send(handler, self.body, cut=100_000), lambda handler: self.part(handler, f"bytes 0-{size - 1}/{size}", self.body)]
        self.on_layer(lambda handler: answers.pop(0)(handler) if answers else None)
        self.pull_ok()
        self.assertEqual(self.ranges(), [0, 100_000, 0])

    def test_206_to_a_request_for_the_whole(self):
        size = len(self.body)
        self.on_layer(lambda handler: self.part(handler, f"bytes 0-{size - 1}/{size}", self.body))
        self.pull_ok()

    def test_206_with_a_part_of_what_was_asked_for(self):
        size = len(self.body)
        self.cut_and_then(lambda handler: self.part(handler, f"bytes 100000-199999/{size}", self.body[100_000:200_000]) if handler.headers["Range"].startswith("bytes=100000-") else None)
        self.pull_ok()
        self.assertEqual(self.ranges(), [0, 100_000, 200_000])

    def test_206_with_several_parts(self):
        size = len(self.body)
        part = b"--x\r\nContent-Range: bytes 100000-%d/%d\r\n\r\n%s\r\n--x--\r\n" % (size - 1, size, self.body[100_000:])
        self.cut_and_then(lambda handler: handler.answer(206, part, {"Content-Type": "multipart/byteranges; boundary=x"}))
        self.pull_fails(8, self.digest)

    def test_206_whose_bytes_are_from_somewhere_else(self):
        size = len(self.body)
        self.cut_and_then(lambda handler: self.part(handler, f"bytes 100000-{size - 1}/{size}", self.body[: size - 100_000]))
        self.pull_fails(8, self.digest)
        self.assert_not_kept()


class Redirects(FaultCase):
    def to(self, location, status=307, times=None):
        self.on_layer(lambda handler: handler.answer(status, headers={"Location": location(handler) if callable(location) else location}), times)

    def test_a_redirect_to_another_host(self):
        other = self.other()
        self.to(lambda handler: f"http://{other.host}{handler.path}?signature=abc")
        self.pull_ok()
        self.assertEqual(other.count("GET", self.digest + "?signature=abc"), 1)

    def test_each_kind_of_redirect(self):
        other = self.other()
        for status in (301, 302, 303, 307, 308):
            with self.subTest(status):
                self.to(lambda handler: f"http://{other.host}{handler.path}", status)
                self.pull_ok()
                self.lade.ok("images", "rm", self.ref)
        self.assertEqual(other.count("GET", self.digest), 5)

    def test_a_redirect_to_a_host_by_another_name(self):
        port = self.registry.host.split(":")[1]
        seen = []

        def guard(handler, path):
            if handler.headers["Host"].startswith("localhost"):
                seen.append(handler.headers.get("Authorization"))
                return None
            return self.guard(handler, path)

        self.registry.fault = guard
        self.to(lambda handler: f"http://localhost:{port}{handler.path}")
        self.pull_ok()
        self.assertEqual(seen, [None])

    def test_a_relative_redirect(self):
        self.on_layer(lambda handler: handler.answer(307, headers={"Location": f"../blobs/./{self.digest}?again"}) if "again" not in handler.path else None)
        self.pull_ok()

    def test_a_redirect_to_a_place_with_spaces_and_other_letters(self):
        self.on_layer(lambda handler: None if "signed" in handler.path else handler.raw(
            b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\nLocation: ", handler.path.encode(), b"?signed=a b\xc3\xa9#there\r\n\r\n"
        ))
        self.pull_ok()
        self.assertEqual(self.registry.count("GET", self.digest + "?signed=a%20b%c3%a9"), 1)

    def test_a_redirect_that_loops(self):
        self.to(lambda handler: handler.path)
        self.pull_fails(5, self.digest, "more than 10 redirects")

    def test_two_hosts_that_point_at_each_other(self):
        other = self.other(lambda handler, path: "/blobs/" in path and handler.answer(307, headers={"Location": f"http://{self.registry.host}{path}"}))
        self.to(lambda handler: f"http://{other.host}{handler.path}")
        self.pull_fails(5, self.digest, "more than 10 redirects")

    def hops(self, count):
        def rule(handler):
            at = int((handler.path.split("?")[1:] or ["0"])[0])
            return None if at == count else handler.answer(302, headers={"Location": f"{handler.path.split('?')[0]}?{at + 1}"})

        self.on_layer(rule)

    def test_ten_redirects(self):
        self.hops(10)
        self.pull_ok()

    def test_eleven_redirects(self):
        self.hops(11)
        self.pull_fails(5, self.digest, "more than 10 redirects")

    def test_a_redirect_to_nowhere(self):
        host = f"127.0.0.1:{free_port()}"
        self.to(lambda handler: f"http://{host}{handler.path}")
        self.pull_fails(6, host)

    def test_a_redirect_without_a_place(self):
        self.on_layer(lambda handler: handler.answer(307))
        self.pull_fails(5, self.digest, "a redirect to no usable place")

    def test_a_redirect_to_a_file(self):
        self.to("file:///etc/passwd")
        self.pull_fails(5, self.digest, "a redirect to no usable place")

    def test_a_redirect_to_a_place_that_is_garbage(self):
        for place in ("http://", "http://[::1", "http://a\\@b/", "http://a:0/", "http://a:99999/", "gopher://x/", "http://" + "x" * 20_000 + "/"):
            with self.subTest(place[:40]):
                self.to(place)
                self.pull_fails(5, self.digest, "a redirect to no usable place")

    def test_a_redirect_that_brings_a_login(self):
        other = self.other()
        self.to(lambda handler: f"http://{self.user}:other@{other.host}{handler.path}")
        self.pull_ok()

    def test_a_redirect_to_a_host_that_wants_a_login(self):
        other = self.other(lambda handler, path: handler.error(401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
        self.to(lambda handler: f"http://{other.host}{handler.path}")
        self.pull_fails(7, other.host, "401")
        self.assertEqual(other.count("GET", self.digest), 1)

    def test_a_redirect_to_a_host_that_wants_a_token(self):
        tokens = self.other(lambda handler, path: handler.answer(200, b'{"token": "x"}'))
        other = self.other(lambda handler, path: handler.error(401, headers={"WWW-Authenticate": f'Bearer realm="http://{tokens.host}/token"'}))
        self.to(lambda handler: f"http://{other.host}{handler.path}")
        self.pull_fails(7, other.host, "401")
        self.assertEqual(tokens.requests, [])

    def test_a_redirect_to_a_host_that_cuts(self):
        other = self.other()
        cut = []

        def fault(handler, path):
            if cut:
                return None
            cut.append(True)
            return other.send(handler, self.body, cut=100_000)

        other.fault = fault
        self.to(lambda handler: f"http://{other.host}{handler.path}")
        self.pull_ok()
        self.assertEqual(self.ranges(), [0, 100_000])

    def test_a_redirect_from_https_to_http(self):
        need_tools("openssl")
        _, tls = certificate(self.scratch)
        other = self.other()
        secure = self.other(lambda handler, path: "/blobs/" in path and handler.answer(307, headers={"Location": f"http://{other.host}{path}"}), tls=tls)
        self.pull_fails(5, other.host, "https", ref=f"{secure.host}/image:latest")
        self.assertEqual(other.requests, [])

    def test_a_redirect_of_a_manifest(self):
        other = self.other()
        self.on_manifest(lambda handler: handler.answer(307, headers={"Location": f"http://{other.host}{handler.path}"}))
        self.pull_ok()


class Manifests(FaultCase):
    @property
    def manifest(self):
        return self.registry.manifests["latest"]

    def serves(self, text, media_type=None, told=True):
        """Under the tag and the digest, as a registry would that holds this."""
        media_type = media_type or self.manifest[0]
        headers = {"Content-Type": media_type, **({"Docker-Content-Digest": digest(text)} if told else {})}
        self.on_manifest(lambda handler: handler.answer(200, text, headers))

    def test_another_digest_than_was_asked_for(self):
        ref = self.ref.replace(":latest", "@" + self.image.root)
        self.on_manifest(lambda handler: handler.answer(200, self.manifest[1], {"Content-Type": self.manifest[0], "Docker-Content-Digest": "sha256:" + "0" * 64}))
        self.pull_fails(8, self.image.root, ref=ref)

    def test_a_tag_whose_digest_is_another_ones(self):
        wrong = "sha256:" + "0" * 64
        self.on_manifest(lambda handler: handler.answer(200, self.manifest[1], {"Content-Type": self.manifest[0], "Docker-Content-Digest": wrong}))
        self.pull_fails(8, wrong)

    def test_a_digest_that_is_garbage(self):
        for garbage in ("garbage", "sha256:" + "0" * 63, "sha256:" + "x" * 64, "md5:" + "0" * 32, "sha256:../../../etc/passwd"):
            with self.subTest(garbage):
                self.on_manifest(lambda handler: handler.answer(200, self.manifest[1], {"Content-Type": self.manifest[0], "Docker-Content-Digest": garbage}))
                self.pull_fails(8, self.registry.host, "no digest")

    def test_wrong_bytes_under_the_right_digest(self):
        wrong = self.manifest[1].replace(b"schemaVersion", b"schemaversion")
        self.on(lambda handler, path: "/manifests/sha256" in path and handler.command == "GET", lambda handler: handler.answer(200, wrong, {"Content-Type": self.manifest[0]}))
        self.pull_fails(8, self.image.root)

    def test_another_type_than_head_told(self):
        index = self.manifest[0].replace("manifest", "index")
        self.on(lambda handler, path: handler.command == "GET" and "/manifests/" in path, lambda handler: handler.answer(200, self.manifest[1], {"Content-Type": index}))
        self.pull_fails(8, index)

    def test_no_digest(self):
        self.serves(self.manifest[1], told=False)
        self.pull_ok()

    def test_a_manifest_that_is_gone_after_head(self):
        self.on(lambda handler, path: handler.command == "GET" and "/manifests/" in path, lambda handler: handler.error(404, "MANIFEST_UNKNOWN"))
        self.pull_fails(3, self.image.root, "404")

    def test_no_answer_to_head(self):
        self.on(lambda handler, path: handler.command == "HEAD", lambda handler: handler.error(405))
        self.pull_ok()

    def test_head_without_a_length(self):
        self.on(lambda handler, path: handler.command == "HEAD", lambda handler: handler.raw(OK, b"Content-Type: %s\r\n\r\n" % self.manifest[0].encode()))
        self.pull_ok()

    def test_head_with_a_length_of_zero(self):
        self.on(lambda handler, path: handler.command == "HEAD", lambda handler: handler.answer(200, b"", {"Content-Type": self.manifest[0], "Docker-Content-Digest": self.image.root}))
        self.pull_ok()

    def test_head_with_a_length_that_is_not_the_manifests(self):
        self.on(
            lambda handler, path: handler.command == "HEAD",
            lambda handler: handler.answer(200, b"x" * 77, {"Content-Type": self.manifest[0], "Docker-Content-Digest": self.image.root}),
        )
        self.pull_fails(8, self.image.root)

    def test_a_manifest_that_is_too_large(self):
        self.serves(self.manifest[1] + b" " * 2**23)
        self.pull_fails(9, self.registry.host, "at most")
        self.assertEqual(self.registry.count("GET", "/manifests/"), 0)

    def test_a_manifest_that_is_endless(self):
        def endless(handler):
            handler.wfile.write(OK + b"Content-Type: %s\r\n\r\n" % self.manifest[0].encode())
            handler.close_connection = True
            while handler.command == "GET":
                handler.wfile.write(b" " * 0x10000)
            return True

        self.on_manifest(endless)
        self.pull_fails(9, self.registry.host)

    def test_a_page_of_html_instead_of_a_manifest(self):
        page = b"<html><body>Please log in to the hotel's network</body></html>"
        self.on_manifest(lambda handler: handler.answer(200, page, {"Content-Type": "text/html; charset=utf-8"}))
        self.pull_fails(5, "text/html")

    def test_a_manifest_without_a_content_type(self):
        self.on_manifest(lambda handler: handler.answer(200, self.manifest[1], {"Docker-Content-Digest": self.image.root}))
        self.pull_fails(5, self.registry.host, "content type")

    def test_a_manifest_under_a_wrong_content_type(self):
        self.serves(self.manifest[1], "application/vnd.oci.image.index.v1+json")
        self.pull_fails(2, self.image.root)

    def test_an_empty_manifest(self):
        self.serves(b"")
        self.pull_fails(2, self.registry.host)

    def test_a_manifest_that_is_no_json(self):
        self.serves(b"{garbage\x1b[2J")
        self.pull_fails(2, digest(b"{garbage\x1b[2J"))

    def test_a_manifest_with_a_key_twice(self):
        text = self.manifest[1].replace(b'"schemaVersion"', b'"schemaVersion": 2, "schemaVersion"')
        self.serves(text)
        self.pull_fails(2, digest(text), "schemaVersion")

    def test_a_manifest_nested_too_deeply(self):
        text = b"[" * 100_000 + b"]" * 100_000
        self.serves(text)
        self.pull_fails(2, digest(text))

    def test_a_manifest_of_negative_sizes(self):
        changed = json.loads(self.manifest[1])
        changed["layers"][0]["size"] = -1
        text = json.dumps(changed).encode()
        self.serves(text)
        self.pull_fails(2, digest(text), "size")

    def test_a_manifest_with_a_layer_of_an_exabyte(self):
        changed = json.loads(self.manifest[1])
        changed["layers"][0]["size"] = 2**60
        text = json.dumps(changed).encode()
        self.serves(text)
        self.pull_fails(8, self.registry.host, str(2**60))

    def test_a_config_that_is_too_large(self):
        changed = json.loads(self.manifest[1])
        changed["config"]["size"] = 2**24
        text = json.dumps(changed).encode()
        self.serves(text)
        self.pull_fails(9, self.image.config["digest"], "at most")
        self.assertEqual(self.registry.count("GET", self.image.config["digest"]), 0)


class Mirrors(FaultCase):
    def test_a_mirror_that_wants_a_login(self):
        mirror = self.mirror(lambda handler, path: handler.error(401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
        self.pull_ok()
        self.assertGreater(len(mirror.requests), 0)

    def test_a_mirror_that_names_its_own_token_server(self):
        tokens = self.other(lambda handler, path: handler.answer(200, b'{"token": "x"}'))
        mirror = self.mirror()
        mirror.fault = lambda handler, path: handler.headers.get("Authorization") != "Bearer x" and handler.error(401, headers={"WWW-Authenticate": f'Bearer realm="http://{tokens.host}/token"'})
        self.others.remove(mirror)  # it is shown the token that it asked for, which is nobody's
        self.pull_ok()
        self.assertEqual(self.registry.requests, [])
        for _, _, headers in mirror.requests:
            self.assertIn(headers.get("Authorization", "Bearer x"), ("Bearer x",))

    def test_a_mirror_that_sends_to_a_host_that_wants_a_login(self):
        other = self.other(lambda handler, path: handler.error(401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
        self.mirror(lambda handler, path: handler.answer(307, headers={"Location": f"http://{other.host}{path}"}))
        self.pull_ok()
        self.assertGreater(len(other.requests), 0)

    def test_a_mirror_that_serves_half_of_it(self):
        mirror = self.mirror()
        mirror.fault = lambda handler, path: path.endswith(self.digest) and mirror.send(handler, self.body, cut=max(0, 150_000 - int((handler.headers.get("Range") or "=0-").split("=")[1].split("-")[0])))
        self.pull_ok("--retries", "0")
        self.assertEqual(set(self.ranges()), {150_000})

    def test_a_mirror_that_hangs(self):
        self.mirror(lambda handler, path: self.over.wait(60) or True)
        self.pull_ok("--timeout", SHORT)

    def test_a_mirror_that_has_manifests_and_no_blobs(self):
        self.mirror().blobs.clear()
        self.pull_ok()

    def test_a_mirror_that_answers_with_pages_of_html(self):
        self.mirror(lambda handler, path: handler.answer(200, b"<html>no mirror any more</html>", {"Content-Type": "text/html"}))
        self.pull_ok()

    def test_a_mirror_with_blobs_of_another_length(self):
        mirror = self.mirror()
        mirror.fault = lambda handler, path: path.endswith(self.digest) and mirror.send(handler, self.body + b"x")
        self.pull_ok()

    def serves(self, mirror, part, body):
        mirror.fault = lambda handler, path: part in path and handler.command == "GET" and mirror.send(handler, body)

    def test_a_mirror_with_a_wrong_manifest(self):
        mirror = self.mirror()
        self.serves(mirror, "/manifests/sha256", self.registry.manifests["latest"][1].replace(b"layers", b"Layers"))
        self.pull_ok()
        self.assertEqual(self.registry.count("GET", "/blobs/"), 0)

    def test_a_mirror_with_a_wrong_config(self):
        mirror = self.mirror()
        digest = self.image.config["digest"]
        self.serves(mirror, digest, self.image.blobs[digest].replace(b"linux", b"Linux"))
        self.pull_ok()
        self.assertEqual(self.registry.count("GET", self.digest), 0)

    def test_a_mirror_with_wrong_bytes(self):
        mirror = self.mirror()
        self.serves(mirror, self.digest, self.body[:-1] + bytes([self.body[-1] ^ 1]))
        self.pull_ok()

    def test_a_mirror_with_zeros(self):
        mirror = self.mirror()
        self.serves(mirror, self.digest, bytes(len(self.body)))
        self.pull_ok()

    def test_a_mirror_and_a_registry_with_wrong_bytes(self):
        for one in (self.mirror(), self.registry):
            usual = one.fault
            one.fault = lambda handler, path, one=one, usual=usual: (usual and usual(handler, path)) or (
                path.endswith(self.digest) and one.send(handler, bytes(len(self.body)))
            )
        self.pull_fails(8, self.digest)
