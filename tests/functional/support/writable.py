"""The registry that misbehaves on request, writable: uploads in one or in pieces, mounts, manifests."""

import hashlib
import json
import urllib.parse

from support.broken import BrokenRegistry


class WritableRegistry(BrokenRegistry):
    """Knows what each repository has. What a fault does not answer is done right."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.has = {}            # repository -> digests
        self.uploads = {}        # id -> bytes so far
        self.mounts = True
        self.min_chunk = None    # OCI-Chunk-Min-Length
        self.largest_body = None  # 413 above
        self.absolute = None     # the host that uploads go to, if it is another one
        self.received = 0        # bytes of blobs

    def repository(self, path):
        return path.removeprefix("/v2/").split("/blobs/")[0].split("/manifests/")[0]

    def body(self, handler, limit=None):
        length = int(handler.headers.get("Content-Length") or 0)
        data = handler.rfile.read(length if limit is None else min(limit, length))
        handler.unread = length - len(data)
        return data

    def drain(self, handler):
        """What was not read of a body. A connection that is closed before breaks, and with it the answer may be lost."""
        try:
            while handler.unread > 0 and (data := handler.rfile.read(min(handler.unread, 1 << 16))):
                handler.unread -= len(data)
        except (OSError, ValueError):
            pass  # it is gone already

    def serve(self, handler):
        with self.lock:
            self.requests.append((handler.command, handler.path, dict(handler.headers)))
        handler.unread = int(handler.headers.get("Content-Length") or 0)
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        try:
            # What a fault does not read of a body would be taken for the next request.
            kept, handler.close_connection = handler.close_connection, handler.close_connection or handler.command in ("PUT", "PATCH")
            if self.fault and self.fault(handler, url.path) is True:
                self.drain(handler)
                return
            handler.close_connection = kept
            if self.largest_body is not None and int(handler.headers.get("Content-Length") or 0) > self.largest_body:
                handler.close_connection = True
                handler.error(413, "SIZE_INVALID", "too large")
                self.drain(handler)
            elif "/blobs/uploads/" in url.path:
                self.serve_upload(handler, url.path, query)
            elif handler.command == "PUT" and "/manifests/" in url.path:
                self.take_manifest(handler, url.path)
            elif handler.command in ("GET", "HEAD") and "/manifests/" in url.path:
                self.serve_manifest(handler, url.path.rsplit("/", 1)[1])
            elif handler.command in ("GET", "HEAD") and "/blobs/" in url.path:
                digest = url.path.rsplit("/", 1)[1]
                if digest in self.has.get(self.repository(url.path), ()):
                    self.serve_blob(handler, digest)
                else:
                    handler.error(404, "BLOB_UNKNOWN", "blob unknown")
            elif "/referrers/" in url.path and self.referrers_page:
                self.serve_referrers(handler, url.path)
            else:
                handler.answer(200 if url.path == "/v2/" else 404, b"{}")
        except (BrokenPipeError, ConnectionResetError):
            pass

    def add(self, image, tag="latest", repository="image"):
        super().add(image, tag)
        self.has.setdefault(repository, set()).update(image.blobs)
        return f"{self.host}/{repository}:{tag}"

    def location(self, repository, name):
        root = f"http://{self.absolute}" if self.absolute else ""
        return f"{root}/v2/{repository}/blobs/uploads/{name}?_state=a%2Fb%3D%3D&z=1&a=2"

    def serve_upload(self, handler, path, query):
        repository, name = self.repository(path), path.rsplit("/", 1)[1]
        held = self.has.setdefault(repository, set())
        if handler.command == "POST":
            if self.mounts and query.get("mount") in self.has.get(query.get("from"), ()):
                held.add(query["mount"])
                return handler.answer(201, b"", {"Location": f"/v2/{repository}/blobs/{query['mount']}"})
            with self.lock:
                name = f"upload-{len(self.requests)}"
                self.uploads[name] = b""
            headers = {"Location": self.location(repository, name), "Range": "0-0"}
            if self.min_chunk:
                headers["OCI-Chunk-Min-Length"] = str(self.min_chunk)
            return handler.answer(202, b"", headers)
        if name not in self.uploads:
            self.body(handler)
            return handler.error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload")
        if handler.command == "DELETE":
            del self.uploads[name]
            return handler.answer(204, headers={"Content-Length": None})
        told = {"Location": self.location(repository, name), "Range": f"0-{max(len(self.uploads[name]) - 1, 0)}"}
        if handler.command == "GET":
            return handler.answer(204, headers={**told, "Content-Length": None})
        data = self.body(handler)
        self.received += len(data)
        if name not in self.uploads:
            return handler.error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload any more")
        if handler.command == "PATCH":
            start = int(handler.headers["Content-Range"].split("-")[0])
            if start != len(self.uploads[name]):
                return handler.error(416, "RANGE_INVALID", "not in order")
            if self.min_chunk and not data:
                return handler.error(416, "RANGE_INVALID", "too small")
        self.uploads[name] += data
        if handler.command == "PATCH":
            return handler.answer(202, b"", {**told, "Range": f"0-{len(self.uploads[name]) - 1}"})
        whole = self.uploads.pop(name)
        digest = "sha256:" + hashlib.sha256(whole).hexdigest()
        if query.get("digest") != digest:
            return handler.error(400, "DIGEST_INVALID", "another digest")
        self.blobs[digest] = whole
        held.add(digest)
        return handler.answer(201, b"", {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})

    def take_manifest(self, handler, path):
        text, name = self.body(handler), path.rsplit("/", 1)[1]
        digest = "sha256:" + hashlib.sha256(text).hexdigest()
        with self.lock:
            wanted, held = handler.headers.get("If-Match"), self.manifests.get(name)
            if self.etags and wanted and (held is None or wanted != f'"sha256:{hashlib.sha256(held[1]).hexdigest()}"'):
                return handler.error(412, "PRECONDITION_FAILED", "it is another one now")
            self.manifests[name] = self.manifests[digest] = (handler.headers["Content-Type"], text)
        headers = {"Location": path, "Docker-Content-Digest": digest}
        subject = json.loads(text).get("subject")
        if subject and self.referrers_page:
            headers["OCI-Subject"] = subject["digest"]
        return handler.answer(201, b"", headers)
