"""The programs that other people have, each with a place of its own: nobody's credentials, nobody's store."""

import json
import os
import shutil
import subprocess
import tempfile
import time


class Tool:
    """Programs whose home is the directory `home`."""

    def __init__(self, home):
        self.home = home

    def run(self, *command, **more):
        """What it says on standard output; AssertionError with what it says otherwise when it fails."""
        env = {**os.environ, "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home / "run")}
        done = subprocess.run([*map(str, command)], **{"capture_output": True, "text": True, "errors": "surrogateescape", "stdin": subprocess.DEVNULL, "env": env, **more})
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr}")
        return done.stdout


class Podman(Tool):
    """A store below `place`. What it needs while it runs has to have a short name, and so lies elsewhere."""

    def __init__(self, place, driver="vfs"):
        super().__init__(place)
        self.place, self.driver = place, driver
        place.mkdir(exist_ok=True)
        self.runroot = tempfile.mkdtemp(prefix="run-")
        self.command = ["podman", "--root", str(place / "root"), "--runroot", self.runroot, "--storage-driver", driver, "--events-backend", "none"]

    def podman(self, *args):
        return self.run(*self.command, *args)

    def inspect(self, name):
        (told,) = json.loads(self.podman("image", "inspect", name))
        return told

    def close(self):
        """It leaves a mount on its store."""
        subprocess.run(["umount", "-q", str(self.place / "root" / self.driver)], capture_output=True)
        shutil.rmtree(self.runroot, ignore_errors=True)


class Containerd(Tool):
    """The daemon, running, with everything below `place`, and its client."""

    def __init__(self, place):
        super().__init__(place)
        place.mkdir(exist_ok=True)
        (place / "config.toml").write_text(
            f'version = 2\nroot = "{place}/root"\nstate = "{place}/state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{place}/sock"\n'
        )
        self.process = subprocess.Popen(
            ["containerd", "-c", str(place / "config.toml")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.command = ["ctr", "--address", str(place / "sock")]
        deadline = time.monotonic() + 120
        while subprocess.run([*self.command, "version"], capture_output=True).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise AssertionError("containerd did not start")
            time.sleep(0.05)

    def ctr(self, *args):
        return self.run(*self.command, *args)

    def targets(self):
        """Digest of each image by its name."""
        return {line.split()[0]: line.split()[2] for line in self.ctr("images", "ls").splitlines()[1:]}

    def content(self, digest):
        """The bytes of a blob."""
        return self.run(*self.command, "content", "get", digest, text=False, errors=None)

    def close(self):
        self.process.terminate()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
