"""Answers each line with the same in capitals."""
import os
import socketserver
import sys


class Shout(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


path = sys.argv[1]
# Of a predecessor that was killed.
if os.path.exists(path):
    os.unlink(path)
with socketserver.ThreadingUnixStreamServer(path, Shout) as server:
    server.daemon_threads = True
    print(f"listening at {path}")
    server.serve_forever()
