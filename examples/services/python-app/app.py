"""A web server of the standard library."""
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(b"hello from python\n")


port = int(os.environ["PORT"])
server = ThreadingHTTPServer(("127.0.0.1", port), Hello)
print(f"listening on {port}")
server.serve_forever()
