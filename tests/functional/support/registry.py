"""The stock registry, on a free loopback port with a folder of its own."""

import os
import random
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path


def free_port():
    """One that nobody else takes before its server does: below the ports that the kernel hands out by itself, and of a
    range for each of the processes that run tests."""
    first = 14_000 + 4_000 * int(os.environ.get("LADE_TEST_WORKER", 0))
    while True:
        port = random.randrange(first, first + 4_000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class StockRegistry:
    """`extra` goes into its configuration, with SCRATCH for its folder. `users`: names with passwords, one of which it wants;
    `tls`: certificate and key; `mirror_of`: another one, which this is a pull-through cache of."""

    def __init__(self, extra="", users=None, tls=None, mirror_of=None):
        if shutil.which("docker-registry") is None:
            raise unittest.SkipTest("docker-registry is not installed")
        if users and shutil.which("htpasswd") is None:
            raise unittest.SkipTest("htpasswd is not installed")
        self.scratch = Path(tempfile.mkdtemp(prefix="lade-registry-"))
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        secure = f", tls: {{certificate: {tls[0]}, key: {tls[1]}}}" if tls else ""
        config = self.scratch / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.scratch}/data}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: 127.0.0.1:{self.port}{secure}}}\n{self.auth(users)}"
            + (f"proxy: {{remoteurl: '{mirror_of.url}'}}\n" if mirror_of else "")
            + extra.replace("SCRATCH", str(self.scratch))
        )
        self.process = None
        self.config = config

    def auth(self, users):
        if not users:
            return ""
        lines = [subprocess.run(["htpasswd", "-Bbn", *user], capture_output=True, text=True, check=True).stdout for user in users.items()]
        (self.scratch / "htpasswd").write_text("".join(line.strip() + "\n" for line in lines))
        return f"auth: {{htpasswd: {{realm: stock, path: {self.scratch}/htpasswd}}}}\n"

    def start(self):
        self.process = subprocess.Popen(
            ["docker-registry", "serve", str(self.config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self.url}/v2/", timeout=5, context=anybody).close()
                return self
            except urllib.error.HTTPError:
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the registry did not start")

    def halt(self):
        """Nobody answers any more; what it holds stays until stop()."""
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def stop(self):
        self.halt()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def put(self, name, image, tag=None):
        """Uploads an Image as a client of the API does, without any tool that would change it."""
        base = f"http://{self.host}/v2/{name}"

        def send(method, url, data, media_type):
            request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": media_type})
            return urllib.request.urlopen(request, timeout=30)

        for digest, data in image.blobs.items():
            location = send("POST", f"{base}/blobs/uploads/", b"", "application/octet-stream").headers["Location"]
            send("PUT", location + ("&" if "?" in location else "?") + f"digest={digest}", data, "application/octet-stream")
        for digest, (media_type, text) in image.documents.items():
            send("PUT", f"{base}/manifests/{digest}", text, media_type)
        if tag:
            self.put_manifest(name, tag, *image.documents[image.root])
        return f"{self.host}/{name}:{tag}" if tag else f"{self.host}/{name}@{image.root}"

    def put_manifest(self, name, tag, media_type, text):
        request = urllib.request.Request(f"http://{self.host}/v2/{name}/manifests/{tag}", data=text, method="PUT", headers={"Content-Type": media_type})
        urllib.request.urlopen(request, timeout=30)

    def push(self, layout, tag, name, *flags):
        """Copies LAYOUT:tag to this registry and returns the reference."""
        ref = f"{self.host}/{name}"
        subprocess.run(
            ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", *flags, f"oci:{layout}:{tag}", f"docker://{ref}"],
            check=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(self.scratch)},
        )
        return ref
