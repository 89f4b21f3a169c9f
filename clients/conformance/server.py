"""The scripted servers of one scenario: HTTP servers that answer /range exactly as a scenario says.

A `Fleet` is all servers of a scenario. They share one counter per tag, as real servers share a database, so no two
honest answers overlap. Each server has a script (one action per request, then `otherwise`), which `set_mode` overrides
until further notice. Everything that is asked is kept in `Fleet.requests`, and every range that a client may use in
`Fleet.granted`. README.md lists the actions.

To look at a client by hand, play the servers of one scenario alone; their addresses are printed first:

    python3 server.py outages/next_server_refused
"""

import dataclasses
import json
import socket
import sys
import threading
import time
import urllib.parse

MAX_ID = 2**63 - 1
ENDLESS = b" " * 65536


@dataclasses.dataclass
class Request:
    """One request as it arrived; `answered` turns true once the whole answer was handed to the kernel."""

    server: int
    tag: str
    count: int
    method: str
    path: str
    query: dict
    headers: dict
    connection: int
    at: float
    answered: bool = False


@dataclasses.dataclass
class Grant:
    """Ids that a client may use: they were answered whole, and to nobody else."""

    server: int
    tag: str
    first: int
    count: int


class Fleet:
    """All servers of a scenario, on 127.0.0.1 and free ports."""

    def __init__(self, scenario):
        self.changed = threading.Condition(threading.RLock())
        self.stopping = False
        self.first_id = int(scenario.get("first_id", 1))
        self.counters = {}
        self.requests = []
        self.granted = []
        self.released = set()
        self.servers = [Server(self, number, script) for number, script in enumerate(scenario["servers"])]

    @property
    def addresses(self):
        return [server.address for server in self.servers]

    def claim(self, tag, count, server=None):
        """The next `count` ids of a tag, as a database would hand them out; from `server`'s own if it has such."""
        with self.changed:
            first = self.claimed_to(tag, server)
            self.counters[self._counter(tag, server)] = first + count
            return first

    def claimed_to(self, tag, server=None):
        """The id that the next claim of `tag` begins with."""
        with self.changed:
            own = server.first_id if server is not None else None
            return self.counters.get(self._counter(tag, server), self.first_id if own is None else own)

    @staticmethod
    def _counter(tag, server):
        return (tag, None if server is None or server.first_id is None else server.number)

    def grant(self, server, tag, first, count):
        with self.changed:
            self.granted.append(Grant(server, tag, first, count))

    def release(self, gate):
        with self.changed:
            self.released.add(gate)
            self.changed.notify_all()

    def wait(self, condition, seconds=None):
        """Waits until `condition()` holds; False if it never did, or the fleet stopped."""
        with self.changed:
            return self.changed.wait_for(lambda: self.stopping or condition(), seconds) and not self.stopping

    def stop(self):
        with self.changed:
            self.stopping = True
            self.changed.notify_all()
        for server in self.servers:
            server.down()
            server.reserve.close()


class Server:
    """One address. `down` refuses connections and closes those that exist; `up` listens at the same port again."""

    def __init__(self, fleet, number, script):
        self.fleet, self.number = fleet, number
        self.script = list(script.get("script", []))
        self.otherwise = script.get("otherwise", "serve")
        self.tags = {tag: dict(own, script=list(own.get("script", []))) for tag, own in script.get("tags", {}).items()}
        self.max_count = script.get("max_count")
        # As a server that has a segment in memory from before: ids from here on instead of the shared counter's.
        self.first_id = script.get("first_id")
        self.mode = None
        # Held for an honest answer and for going down: an answer is whole, or its ids were never claimed.
        self.answering = threading.RLock()
        self.last_answer = {}
        self.connections, self.accepted = set(), 0
        self.reserve = bound(0)
        self.port = self.reserve.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}{script.get('path', '')}"
        self.path = script.get("path", "") + "/range"
        self.listener = None
        if not script.get("down"):
            self.up()

    def up(self):
        # A second socket is bound to the port before the first one listens, so that nobody else gets the port while
        # this server is down.
        self.listener, self.reserve = self.reserve, bound(self.port)
        self.listener.listen(64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def down(self):
        with self.answering:
            if self.listener is not None:
                hang_up(self.listener)
                self.listener = None
            for connection in list(self.connections):
                self.connections.discard(connection)
                hang_up(connection)

    def next_action(self, tag, count):
        """What to do with this request. Called once for each, in order of arrival, under the fleet's lock."""
        if self.mode is not None:
            return self.mode
        source = self.tags.get(tag)
        script = self.script if source is None else source["script"]
        if script:
            return script.pop(0)
        if source is not None:
            return source.get("otherwise", "serve")
        if self.max_count is not None and count > self.max_count:
            return {
                "refuse": {
                    "status": 400,
                    "code": "invalid_count",
                    "msg": f"count is a whole number from 1 to {self.max_count}",
                }
            }
        return self.otherwise

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.add(connection)
            if self.fleet.stopping or self.listener is not listener:
                hang_up(connection)
            self.accepted += 1
            threading.Thread(target=self._talk, args=(connection, self.accepted), daemon=True).start()

    def _talk(self, connection, number):
        try:
            with connection, connection.makefile("rb") as reader:
                while (request := self._read(reader, number)) is not None:
                    with self.fleet.changed:
                        action = self.next_action(request.tag, request.count)
                        self.fleet.requests.append(request)
                        self.fleet.changed.notify_all()
                    keep_open = Answer(self, request, connection).play(action)
                    if not keep_open:
                        # Says goodbye without a reset, which could destroy an answer still on its way.
                        connection.shutdown(socket.SHUT_WR)
                        return
        except OSError:
            pass
        finally:
            self.connections.discard(connection)

    def _read(self, reader, number):
        line = reader.readline().decode("latin-1").split()
        if len(line) != 3:
            return None
        at = time.monotonic()
        headers = {}
        while (header := reader.readline().decode("latin-1").strip()) != "":
            name, _, value = header.partition(":")
            headers[name.strip().lower()] = value.strip()
        reader.read(int(headers.get("content-length", 0)))
        target = urllib.parse.urlsplit(line[1])
        query = dict(urllib.parse.parse_qsl(target.query, keep_blank_values=True))
        count = query.get("count", "")
        return Request(
            self.number,
            query.get("biz_tag", ""),
            int(count) if count.isascii() and count.isdigit() else 0,
            line[0],
            target.path,
            query,
            headers,
            number,
            at,
        )


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


def bound(port):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    return server


def hang_up(connection):
    """Ends a socket that another thread may be waiting on."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


def main():
    import scenario

    if len(sys.argv) != 2:
        sys.exit("usage: server.py SCENARIO (`run.py --list` lists them)")
    fleet = Fleet(scenario.find(sys.argv[1]))
    print(json.dumps({"servers": fleet.addresses}), flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        fleet.stop()


if __name__ == "__main__":
    main()
