"""A server for tests: hands out ranges of any tag but "nope", and may be told to hold its answers."""

import http.server
import json
import pathlib
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Clients that are closed hang up; that is part of the tests."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """`with Server() as server`: `server.address`, and `server.hold()` and `server.go()` for its answers."""

    def __init__(self, first=1):
        self.next, self.lock, self.going = first, threading.Lock(), threading.Event()
        self.going.set()
        self.asked = threading.Semaphore(0)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.asked.release()
                outer.going.wait()
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                if query["biz_tag"] == ["nope"]:
                    self.reply(404, {"errno": -1, "msg": "unknown biz_tag", "id": 0, "code": "unknown_tag"})
                    return
                count = int(query["count"][0])
                with outer.lock:
                    first = outer.next
                    outer.next += count
                self.reply(200, {"errno": 0, "msg": "success", "first": first, "count": count})

            def reply(self, status, body):
                body = json.dumps(body).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # who asked is gone

            def log_message(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def hold(self):
        self.going.clear()

    def go(self):
        self.going.set()

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.go()
        self.server.shutdown()
        self.server.server_close()
