"""The scripted servers of one scenario: HTTP servers that answer /range exactly as a scenario says.

A `Fleet` is all servers of a scenario. They share one counter per tag, as real servers share a database, so no two
honest answers overlap. Each server has a script (one action per request, then `otherwise`), which `mode` overrides
until further notice; answers.py plays them. Everything that is asked is kept in `Fleet.requests`, and every range that a
client may use in `Fleet.granted`.

To look at a client by hand, play the servers of one scenario alone; their addresses are printed first:

    python3 server.py outages/retry_after
"""

import dataclasses
import json
import socket
import sys
import threading
import time
import urllib.parse

from answers import Answer


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
