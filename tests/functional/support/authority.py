"""A certificate authority of the tests' own."""

import subprocess


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, stdin=subprocess.DEVNULL)


class Authority:
    """`cert` is its certificate, in FOLDER, which is made."""

    KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.cert, self.key = folder / "ca.pem", folder / "ca.key"
        openssl("req", "-x509", *self.KEY, "-days", "2", "-subj", "/CN=an authority of a test of lade", "-keyout", self.key, "-out", self.cert)

    def issue(self, name, *addresses):
        """The certificate and the key of a server with these addresses, or, without any, of a client."""
        cert, key, request, extensions = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        openssl("req", *self.KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        names = ",".join(f"IP:{address}" for address in addresses)
        extensions.write_text(f"extendedKeyUsage = serverAuth\nsubjectAltName = {names}\n" if names else "extendedKeyUsage = clientAuth\n")
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", cert)
        return cert, key
