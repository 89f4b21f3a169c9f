"""How many ids a second come from memory, beside a plain counter of the same language.

    python3 bench.py        in millions a second, on one thread and on two; the best of five rounds
"""

import asyncio
import http.server
import itertools
import json
import pathlib
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent / "src"))
from id_alloc_client import AsyncClient, Client

CALLS = 1_000_000
ROUNDS = 5


class Server(http.server.BaseHTTPRequestHandler):
    """Answers ranges, whatever is asked for."""

    next = 1

    def do_POST(self):
        count = int(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["count"][0])
        body = json.dumps({"errno": 0, "msg": "success", "first": Server.next, "count": count}).encode()
        Server.next += count
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class LockedCounter:
    """What a counter for threads looks like without a library."""

    def __init__(self):
        self.lock, self.value = threading.Lock(), 0

    def next(self):
        with self.lock:
            self.value += 1
            return self.value


def rate(call, threads=1):
    def work():
        for _ in itertools.repeat(None, CALLS):
            call()

    best = 0.0
    for _ in range(ROUNDS):
        workers = [threading.Thread(target=work) for _ in range(threads)]
        begun = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, threads * CALLS / (time.perf_counter() - begun) / 1e6)
    return best


async def rate_of_async(tag):
    best = 0.0
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in itertools.repeat(None, CALLS):
            await tag.next()
        best = max(best, CALLS / (time.perf_counter() - begun) / 1e6)
    return best


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    with Client([address]) as client:
        tag = client.tag("order")
        tag.next_many(1000)
        for threads in (1, 2):
            print(f"Client, {threads} thread(s):          {rate(tag.next, threads):6.2f} million/s")
            print(f"locked counter, {threads} thread(s):  {rate(LockedCounter().next, threads):6.2f} million/s")
        print(f"itertools.count:              {rate(itertools.count().__next__):6.2f} million/s")

    async def asynchronous():
        async with AsyncClient([address]) as client:
            print(f"AsyncClient:                  {await rate_of_async(client.tag('order')):6.2f} million/s")

    asyncio.run(asynchronous())


if __name__ == "__main__":
    main()
