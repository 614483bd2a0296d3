"""A small registry that serves one image from memory and misbehaves on request."""

import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.program import Case


class BrokenRegistry:
    """Set `fault` to a function of the handler and the path: it may answer by itself and return True, or change
    what is served and return anything else. `requests` records (method, path, headers)."""

    def __init__(self, address="127.0.0.1", tls=None):
        """`tls` is an ssl.SSLContext; https is spoken then."""
        self.blobs = {}      # digest -> bytes
        self.manifests = {}  # tag or digest -> (media type, bytes)
        self.requests = []
        self.referrers_page = None  # how many referrers the API tells at a time; None: there is no such API
        self.etags = False  # of manifests
        self.fault = None
        self.pause = 0       # seconds between pieces of a body
        self.piece = 64 * 1024
        self.lock = threading.Lock()
        owner = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # header and body go out as two writes
            says_close = True  # False: a connection that is closed behind an answer is closed without a word

            def log_message(self, *args):
                pass

            def do_HEAD(self):
                owner.serve(self)

            def do_GET(self):
                owner.serve(self)

            def do_POST(self):
                owner.serve(self)

            do_PUT = do_PATCH = do_DELETE = do_POST

            def handle(self):
                try:
                    super().handle()
                except (ssl.SSLError, ConnectionError):
                    pass

            def answer(self, status, body=b"", headers=()):
                self.send_response(status)
                headers = dict(headers)
                headers.setdefault("Content-Length", str(len(body)))
                if self.close_connection and self.says_close:
                    headers.setdefault("Connection", "close")
                for key, value in headers.items():
                    if value is not None:
                        self.send_header(key, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
                return True

            def raw(self, *pieces):
                """These bytes are the answer, and then the connection ends."""
                self.close_connection = True
                for piece in pieces:
                    self.wfile.write(piece)
                return True

            def reset(self):
                """The connection breaks at once, as with a server that died."""
                self.close_connection = True
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())
                return True

            def error(self, status, code="ERROR", message="made to fail", headers=()):
                body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
                return self.answer(status, body, {"Content-Type": "application/json", **dict(headers)})

        self.server = Server((address, 0), Handler)
        if tls:
            # The handshake is the handler's thread's business: a client that refuses must not hold up the others.
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.host = f"{address}:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def add(self, image, tag="latest"):
        """Takes an Image of images.py and returns its reference."""
        self.blobs.update(image.blobs)
        for digest, (media_type, text) in image.documents.items():
            self.manifests[digest] = (media_type, text)
        self.manifests[tag] = image.documents[image.root]
        return f"{self.host}/image:{tag}"

    def count(self, method, part):
        return sum(1 for m, path, _ in self.requests if m == method and part in path)

    def serve(self, handler):
        with self.lock:
            self.requests.append((handler.command, handler.path, dict(handler.headers)))
        path = urllib.parse.urlsplit(handler.path).path
        try:
            if self.fault and self.fault(handler, path) is True:
                return
            if path == "/v2/":
                handler.answer(200, b"{}")
            elif "/manifests/" in path:
                self.serve_manifest(handler, path.rsplit("/", 1)[1])
            elif "/blobs/" in path:
                self.serve_blob(handler, path.rsplit("/", 1)[1])
            elif "/referrers/" in path and self.referrers_page:
                self.serve_referrers(handler, path)
            else:
                handler.error(404, "NAME_UNKNOWN")
        except (BrokenPipeError, ConnectionResetError):
            pass

    def serve_manifest(self, handler, name):
        if name not in self.manifests:
            return handler.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, text = self.manifests[name]
        digest = "sha256:" + hashlib.sha256(text).hexdigest()
        return handler.answer(200, text, {"Content-Type": media_type, "Docker-Content-Digest": digest, "ETag": f'"{digest}"' if self.etags else None})

    def serve_referrers(self, handler, path):
        """By the subjects of the manifests; a page begins behind the digest `last`."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.path).query))
        found = []
        for name, (media_type, text) in sorted(self.manifests.items()):
            document = json.loads(text)
            kind = document.get("artifactType") or document.get("config", {}).get("mediaType")
            if name.startswith("sha256:") and document.get("subject", {}).get("digest") == path.rsplit("/", 1)[1]:
                found.append({"mediaType": media_type, "digest": name, "size": len(text), "artifactType": kind, "annotations": document.get("annotations", {})})
        headers = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
        if wanted := query.get("artifactType"):
            found = [one for one in found if one["artifactType"] == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        rest = [one for one in found if one["digest"] > query.get("last", "")]
        if len(rest) > self.referrers_page:
            query["last"] = rest[self.referrers_page - 1]["digest"]
            headers["Link"] = f'<{path}?{urllib.parse.urlencode(query)}>; rel="next"'
        return handler.answer(200, json.dumps({"schemaVersion": 2, "mediaType": headers["Content-Type"], "manifests": rest[: self.referrers_page]}).encode(), headers)

    def serve_blob(self, handler, digest):
        if digest not in self.blobs:
            return handler.error(404, "BLOB_UNKNOWN", "blob unknown")
        return self.send(handler, self.blobs[digest])

    def send(self, handler, body, ranges=True, length=None, cut=None, headers=()):
        """Sends a body in pieces, by range if asked, claiming `length` bytes and closing after `cut`."""
        start, status, headers = 0, 200, {"Content-Type": "application/octet-stream", **dict(headers)}
        wanted = handler.headers.get("Range")
        last = len(body) - 1
        if wanted and ranges:
            first, _, end = wanted.removeprefix("bytes=").partition("-")
            start, last = int(first), min(int(end or last), last)
            status = 206
            headers["Content-Range"] = f"bytes {start}-{last}/{len(body)}"
        part = body[start : last + 1]
        headers["Content-Length"] = str(len(part) if length is None else length)
        if handler.close_connection and handler.says_close:
            headers["Connection"] = "close"
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.end_headers()
        if handler.command == "HEAD":
            return True
        end = len(part) if cut is None else cut
        for at in range(0, end, self.piece):
            handler.wfile.write(part[at : min(at + self.piece, end)])
            if self.pause:
                handler.wfile.flush()
                time.sleep(self.pause)
        if cut is not None or length not in (None, len(part)):
            handler.close_connection = True
        return True


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class RegistryCase(Case):
    """A test with a registry of its own, whose every request can be counted."""

    def setUp(self):
        super().setUp()
        self.registry = BrokenRegistry()
        self.addCleanup(self.registry.stop)
