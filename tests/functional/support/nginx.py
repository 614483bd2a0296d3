"""Debian's nginx as people put it in front of a registry, on free loopback ports with a folder of its own."""

import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from support.registry import free_port


class Nginx:
    """Any number of fronts, declared by front() before start(). `log` has a line for each request: the front's port,
    method, status, the Range it came with or "-", and the path."""

    def __init__(self):
        if shutil.which("nginx") is None:
            raise unittest.SkipTest("nginx is not installed")
        self.scratch = Path(tempfile.mkdtemp(prefix="lade-nginx-"))
        self.log = self.scratch / "access.log"
        self.ports, self.servers, self.process = [], [], None

    def front(self, upstream, tls=None, clients=None, ranges=True, rate=None, blobs_to=None):
        """Returns host:port of a front of UPSTREAM (host:port). `tls`: certificate and key; `clients`: the authority whose
        certificates clients must show, and UPSTREAM sees in X-Shown whose it was; `ranges`: False takes them out of
        requests; `rate`: bytes a second for each answer; `blobs_to`: blobs are redirected to this URL."""
        port = free_port()
        lines = [f"listen 127.0.0.1:{port}{' ssl' if tls else ''};"]
        if tls:
            lines += [f"ssl_certificate {tls[0]};", f"ssl_certificate_key {tls[1]};"]
        if clients:
            lines += [f"ssl_client_certificate {clients};", "ssl_verify_client on;"]
        if rate:
            lines.append(f"limit_rate {rate};")
        if blobs_to:
            lines.append(f"location ~ /blobs/ {{ return 307 {blobs_to}$request_uri; }}")
        drop = "" if ranges else 'proxy_set_header Range ""; proxy_set_header If-Range "";'
        lines.append(
            f"location / {{ proxy_pass http://{upstream}; proxy_http_version 1.1; proxy_set_header Host $http_host;"
            f" proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Shown $ssl_client_s_dn; proxy_request_buffering off; {drop} }}"
        )
        self.servers.append("server { " + "\n".join(lines) + " }\n")
        self.ports.append(port)
        return f"127.0.0.1:{port}"

    def start(self):
        temporary = "".join(f"{kind}_temp_path {self.scratch}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = self.scratch / "nginx.conf"
        config.write_text(
            f"daemon off;\nmaster_process off;\npid {self.scratch}/pid;\nerror_log {self.scratch}/error.log;\nevents {{}}\n"
            "http {\nlog_format told '$server_port $request_method $status \"$http_range\" $request_uri';\n"
            f"access_log {self.log} told;\nclient_max_body_size 0;\nproxy_max_temp_file_size 0;\n{temporary}{''.join(self.servers)}}}\n"
        )
        self.process = subprocess.Popen(
            ["nginx", "-p", str(self.scratch), "-c", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for port in self.ports:
            self.wait_for(port)
        return self

    def wait_for(self, port):
        for _ in range(400):
            if self.process.poll() is not None:
                raise RuntimeError(f"nginx did not start: {self.process.stderr.read()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.025)
        raise RuntimeError("nginx did not start")

    def requests(self, host):
        """What a front was asked: (method, status, range or "-", path)."""
        port = host.rpartition(":")[2]
        asked = [line.split(" ", 4) for line in self.log.read_text().splitlines()]
        return [(method, int(status), wanted.strip('"') or "-", path) for at, method, status, wanted, path in asked if at == port]

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.communicate()
        shutil.rmtree(self.scratch, ignore_errors=True)
