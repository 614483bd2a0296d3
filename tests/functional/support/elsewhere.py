"""Addresses that are not loopback's, and certificates: what it takes to be a registry on some other machine."""

import ctypes
import os
import queue
import ssl
import subprocess
import threading

CLONE_NEWNET = 0x40000000


class Elsewhere:
    """A network namespace of its own, with addresses reserved for documentation. Nothing in it reaches the world."""

    addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    private = ("10.77.0.1", "10.77.0.2")  # of a private network

    def __init__(self):
        self.work = queue.Queue()
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.thread.start()
        for command in ("ip link set lo up", *(f"ip address add {address}/32 dev lo" for address in (*self.addresses, *self.private))):
            self.call(lambda command=command: subprocess.run(command.split(), check=True))

    def live(self):
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            self.broken = OSError(ctypes.get_errno(), "unshare")
        while (job := self.work.get()) is not None:
            job()

    def call(self, function):
        """Calls it in the namespace: sockets it makes stay there."""
        answer = queue.Queue()

        def job():
            try:
                if error := getattr(self, "broken", None):
                    raise error
                answer.put((function(), None))
            except BaseException as error:  # for the caller
                answer.put((None, error))

        self.work.put(job)
        value, error = answer.get()
        if error:
            raise error
        return value

    @property
    def prefix(self):
        """What runs a command in the namespace."""
        return ("nsenter", f"--net=/proc/{os.getpid()}/task/{self.thread.native_id}/ns/net")

    def stop(self):
        self.work.put(None)
        self.thread.join()


def certificate(folder, name="a test of lade"):
    """Makes FOLDER/cert.pem, good for loopback and all but the last address, and returns its path and a server's context."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    names = ",".join(f"IP:{address}" for address in ("127.0.0.1", *Elsewhere.addresses[:-1]))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context
