"""A receiver of webhooks in Python, without anything but its standard library: verifies, then prints.

    WEBHOOK_SECRET=whsec_... python receive_webhook.py 8088

Answer 2xx when you have it for good, for else it comes again; `webhook-id` is the same then, so it can be told apart.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
MOST_SECONDS_OLD = 300
seen: set[str] = set()  # a real receiver keeps this where it keeps the alerts


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.is_genuine(body):
            self.send_error(401)
            return
        if self.headers["webhook-id"] not in seen:
            seen.add(self.headers["webhook-id"])
            alert = json.loads(body)
            print(alert["state"], alert["severity"], alert["id"], alert["number"], alert["summary"], flush=True)
        self.send_response(204)
        self.end_headers()

    def is_genuine(self, body: bytes) -> bool:
        """Whether somebody who has the secret signed this, and not long ago."""
        name, at = self.headers.get("webhook-id", ""), self.headers.get("webhook-timestamp", "0")
        signature = hmac.digest(KEY, f"{name}.{at}.".encode() + body, hashlib.sha256)
        expected = f"v1,{base64.b64encode(signature).decode()}"
        given = self.headers.get("webhook-signature", "").split()
        recent = abs(time.time() - int(at)) < MOST_SECONDS_OLD
        return recent and any(hmac.compare_digest(expected, one) for one in given)


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
