"""A token server that signs what the stock registry verifies, and the registry that believes it."""

import base64
import json
import subprocess
import time
import urllib.parse
import uuid

from support.broken import BrokenRegistry, basic


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenServer(BrokenRegistry):
    """Knows one user. `asked` records (method, parameters) of each request; `lifetime` is what it says of its tokens."""

    user, password, refresh = "me", "secret", "refresh-1"

    def __init__(self, folder):
        super().__init__()
        self.key, self.cert, self.asked, self.lifetime = folder / "token.key", folder / "token.pem", [], 300
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens", "-keyout", self.key, "-out", self.cert],
            check=True, capture_output=True,
        )
        self.fault = self.token

    @property
    def config(self):
        """What a stock registry needs to believe it."""
        return f"auth: {{token: {{realm: 'http://{self.host}/token', service: stock, issuer: tokens, rootcertbundle: {self.cert}}}}}\n"

    def signed(self, access):
        der = subprocess.run(["openssl", "x509", "-in", self.cert, "-outform", "DER"], check=True, capture_output=True).stdout
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {"iss": "tokens", "sub": self.user, "aud": "stock", "exp": now + 300, "nbf": now - 10, "iat": now - 10, "jti": str(uuid.uuid4()), "access": access}
        text = b64url(json.dumps(header).encode()) + "." + b64url(json.dumps(claims).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True, capture_output=True).stdout
        return text + "." + b64url(signature)

    def token(self, handler, path):
        if path != "/token":
            return None
        if handler.command == "POST":
            form = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        else:
            form = urllib.parse.urlsplit(handler.path).query
        asked = {name: " ".join(values) for name, values in urllib.parse.parse_qs(form).items()}
        with self.lock:
            self.asked.append((handler.command, asked))
        if handler.command == "POST":
            good = (asked.get("username"), asked.get("password")) == (self.user, self.password) or asked.get("refresh_token") == self.refresh
        else:
            good = handler.headers.get("Authorization") == basic(self.user, self.password)
            asked["anonymous"] = "Authorization" not in handler.headers
        if not good and not asked.get("anonymous"):
            return handler.error(401, "UNAUTHORIZED", "wrong password")
        access = []
        for scope in asked.get("scope", "").split():
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",") if good else []})
        answer = {"token": self.signed(access), "expires_in": self.lifetime}
        answer["access_token"] = answer["token"]
        if asked.get("access_type") == "offline" or asked.get("offline_token") == "true":
            answer["refresh_token"] = self.refresh
        return handler.answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})
