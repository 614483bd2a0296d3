"""The stock registry, on a free loopback port with a folder of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class StockRegistry:
    def __init__(self, extra=""):
        if shutil.which("docker-registry") is None:
            raise unittest.SkipTest("docker-registry is not installed")
        self.scratch = Path(tempfile.mkdtemp(prefix="lade-registry-"))
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        config = self.scratch / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.scratch}/data}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: 127.0.0.1:{self.port}}}\n{extra.replace('SCRATCH', str(self.scratch))}"
        )
        self.process = None
        self.config = config

    def start(self):
        self.process = subprocess.Popen(
            ["docker-registry", "serve", str(self.config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://{self.host}/v2/", timeout=5)
                return self
            except urllib.error.HTTPError:
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the registry did not start")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

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
