#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A web hook on loopback: checks the signature, names devices after their UUID. Put it behind your TLS front.

usage: web-hook.py PORT SECRET_FILE DOMAIN
"""
import hashlib
import hmac
import http.server
import json
import sys
import time

OLDEST_S = 300  # a request that somebody kept and sends again later is refused


def signed_well(header, body, secret):
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    if not parts.get("t", "").isdigit() or abs(time.time() - int(parts["t"])) > OLDEST_S:
        return False
    right = hmac.new(secret, parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(right, parts.get("v1", ""))


class Hook(http.server.BaseHTTPRequestHandler):
    secret, domain = b"", ""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not signed_well(self.headers.get("Muster-Signature", ""), body, self.secret):
            self.send_error(403, "signed wrong, or too old")
            return
        answer = {}
        if self.headers["Muster-Moment"] == "on-hello":
            answer = {"fqdn": f"pc-{json.loads(body)['uuid'][-12:]}.{self.domain}"}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with open(sys.argv[2], "rb") as f:
        Hook.secret = f.read().removesuffix(b"\n")
    Hook.domain = sys.argv[3]
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
