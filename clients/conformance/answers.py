"""What the scripted servers answer: one method for each action of a scenario. README.md lists them."""

import json

MAX_ID = 2**63 - 1
ENDLESS = b" " * 65536


class Answer:
    """One answer: plays an action on a connection, and says whether the connection stays open."""

    def __init__(self, server, request, connection):
        self.server, self.fleet, self.request, self.connection = server, server.fleet, request, connection

    def play(self, action):
        name, argument = (action, None) if isinstance(action, str) else next(iter(action.items()))
        if self.request.path != self.server.path:
            return self.send(404, {"errno": -1, "msg": "no such path", "id": 0, "code": "not_found"})
        return getattr(self, "do_" + name)(argument)

    def do_serve(self, _, headers=None, usable=True):
        with self.server.answering:
            if self.connection not in self.server.connections:
                return False
            first, count = self.fleet.claim(self.request.tag, self.request.count, self.server), self.request.count
            if usable:
                self.fleet.grant(self.server.number, self.request.tag, first, count)
            return self.send(200, self.success(first, count), headers)

    def do_serve_and_close(self, _):
        """A whole answer that promises to keep the connection, which is then closed."""
        self.do_serve(None)
        return False

    def do_serve_other_format(self, _):
        """Ids as strings to who asked for numbers, and the other way round."""
        first, count = self.fleet.claim(self.request.tag, self.request.count, self.server), self.request.count
        self.fleet.grant(self.server.number, self.request.tag, first, count)
        return self.send(200, self.success(first, count, self.request.query.get("format") != "string"))

    def do_serve_cached(self, _):
        """What a shared cache adds to an answer that it kept, so it may have been given to somebody else."""
        return self.do_serve(None, {"Age": "7"}, usable=False)

    def do_hold(self, gate):
        """Serves when the scenario says so."""
        return self.fleet.wait(lambda: gate in self.fleet.released) and self.do_serve(None)

    def do_hang(self, _):
        self.fleet.wait(lambda: False)
        return False

    def do_close(self, _):
        return False

    def do_repeat(self, _):
        """The last answer of this tag again, byte for byte, as a cache would give it."""
        self.connection.sendall(self.server.last_answer[self.request.tag])
        return self.done()

    def do_overlap(self, ids):
        """As many ids as were asked for, of which the first `ids` have been handed out before."""
        first = self.fleet.claimed_to(self.request.tag, self.server) - ids
        return self.send(200, self.success(first, self.request.count))

    def do_refuse(self, how):
        headers = {"Retry-After": str(how["retry_after"])} if "retry_after" in how else {}
        return self.send(how["status"], {"errno": -1, "msg": how["msg"], "id": 0, "code": how["code"]}, headers)

    def do_raw(self, how):
        """Any body; $first and $count stand for a range that nobody may use, $max for the largest id there is."""
        first, count = self.fleet.claim(self.request.tag, self.request.count, self.server), self.request.count
        body = how.get("body", "").replace("$first", str(first)).replace("$count", str(count))
        body = body.replace("$max", str(MAX_ID)).replace("$more", str(count + 1)).replace("$less", str(count - 1))
        return self.send(how.get("status", 200), body.encode(), how.get("headers"))

    def do_cut(self, where):
        """A good answer that breaks off; the range counts as lost."""
        first, count = self.fleet.claim(self.request.tag, self.request.count, self.server), self.request.count
        body = json.dumps(self.success(first, count)).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        framed = head + b"Content-Length: %d\r\n\r\n" % len(body)
        first_chunk = b"%x\r\n%s" % (len(body), body)
        broken = {
            "in_the_head": framed[: len(head) + 8],
            "before_the_body": framed,
            "in_the_body": framed + body[: len(body) // 2],
            "before_the_last_byte": framed + body[:-1],
            "whole_json_but_more_announced": head + b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body,
            "unframed": head + b"Connection: close\r\n\r\n" + body[:-2],
            "in_a_chunk": head + b"Transfer-Encoding: chunked\r\n\r\n" + first_chunk[:-4],
            "before_the_last_chunk": head + b"Transfer-Encoding: chunked\r\n\r\n" + first_chunk + b"\r\n",
        }
        self.connection.sendall(broken[where])
        return False

    def do_endless(self, _):
        """An answer that never ends; returns when the client has had enough."""
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        while not self.fleet.stopping:
            self.connection.sendall(ENDLESS)
        return False

    def success(self, first, count, as_text=None):
        as_text = self.request.query.get("format") == "string" if as_text is None else as_text
        wanted = str if as_text else int
        return {"errno": 0, "msg": "success", "first": wanted(first), "count": wanted(count)}

    def send(self, status, body, headers=None):
        body = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        lines = {"Content-Type": "application/json", "Cache-Control": "no-store", "Content-Length": len(body)}
        lines.update(headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        whole = f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode("latin-1") + body
        if status == 200:
            self.server.last_answer[self.request.tag] = whole
        self.connection.sendall(whole)
        return self.done()

    def done(self):
        with self.fleet.changed:
            self.request.answered = True
            self.fleet.changed.notify_all()
        return True
