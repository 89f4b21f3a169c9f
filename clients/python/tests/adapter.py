"""The adapter of the conformance suite (../../conformance/README.md); with --asyncio that of AsyncClient, with --fault NAME
that of a client which has a fault (faults.py).

    python3 ../conformance/run.py -- python3 tests/adapter.py [--asyncio]
"""

import asyncio
import copy
import inspect
import json
import os
import pathlib
import pickle
import sys
import threading
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))
import id_alloc_client

# A process with threads that forks is what is tested here.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
output = threading.Lock()


class ManualClock:
    """A clock that stands still unless told."""

    now = 1000.0

    def __call__(self):
        return self.now


class Adapter:
    """Written once for both clients: what has to be awaited is."""

    def __init__(self, client_type):
        self.client_type, self.clients, self.clocks = client_type, {}, {}

    async def answer(self, command):
        try:
            reply = await getattr(self, command["do"])(command)
        except Exception as error:
            reply = {"failed": repr(error)}
        say({"id": command["id"], **reply})

    async def open(self, command):
        options = {name: command[name] for name in ("token", "max_range") if name in command}
        for name in ("range_duration", "deadline"):
            if f"{name}_ms" in command:
                options[name] = command[f"{name}_ms"] / 1000
        client = self.client_type(command["servers"], **options)
        if command.get("manual_clock"):
            client._core.now = self.clocks[command["client"]] = ManualClock()
        self.clients[command["client"]] = client
        return {}

    async def next(self, command):
        tag, times = self.clients[command["client"]].tag(command["tag"]), command["times"]
        if not command.get("count_waits"):
            return await draw(tag, times)
        ids, waited = [], 0
        try:
            for _ in range(times):
                with tag._lock:
                    waited += tag._next >= tag._end and tag._reserve is None
                ids.append(await awaited(tag.next()))
        except id_alloc_client.IdAllocError as error:
            return {"runs": runs(ids), "waited": waited, "error": told(error)}
        return {"runs": runs(ids), "waited": waited}

    async def next_many(self, command):
        tag = self.clients[command["client"]].tag(command["tag"])
        try:
            return {"runs": runs(await awaited(tag.next_many(command["n"])))}
        except id_alloc_client.IdAllocError as error:
            return {"runs": [], "error": told(error)}

    async def threads(self, command):
        client, name, times = self.clients[command["client"]], command["tag"], command["times"]
        if self.client_type is id_alloc_client.AsyncClient:
            results = await asyncio.gather(*[draw(client.tag(name), times) for _ in range(command["threads"])])
        else:
            results = [None] * command["threads"]

            def work(at):
                results[at] = asyncio.run(draw(client.tag(name), times))

            threads = [threading.Thread(target=work, args=(at,)) for at in range(command["threads"])]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        errors = [result["error"] for result in results if "error" in result]
        reply = {"by_thread": [result["runs"] for result in results]}
        return {**reply, "error": errors[0]} if errors else reply

    async def elsewhere(self, command):
        client, how = self.clients[command["client"]], command["how"]
        if how == "fork":
            return forked(lambda: asyncio.run(draw(client.tag(command["tag"]), command["times"])))
        take_along = {"copy": copy.copy, "pickle": lambda client: pickle.loads(pickle.dumps(client))}[how]
        try:
            elsewhere = take_along(client)
        except TypeError as error:
            return {"refused": str(error)}
        return await draw(elsewhere.tag(command["tag"]), command["times"])

    async def clock(self, command):
        self.clocks[command["client"]].now += command["advance_ms"] / 1000
        return {}

    async def close(self, command):
        await awaited(self.clients[command["client"]].close())
        return {}


def forked(work):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writing, "w") as pipe:
                json.dump(work(), pipe)
        except BaseException as error:
            print(f"in the child: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(said) if status == 0 else {"failed": f"the child ended with {status}"}


async def draw(tag, times):
    ids = []
    try:
        for _ in range(times):
            ids.append(await awaited(tag.next()))
    except id_alloc_client.IdAllocError as error:
        return {"runs": runs(ids), "error": told(error)}
    return {"runs": runs(ids)}


async def awaited(value):
    return await value if inspect.isawaitable(value) else value


def runs(ids):
    found = []
    for id in ids:
        if found and found[-1][0] + found[-1][1] == id:
            found[-1][1] += 1
        else:
            found.append([id, 1])
    return [[str(first), count] for first, count in found]


def told(error):
    return {"type": type(error).__name__, "message": str(error)}


def say(reply):
    with output:
        print(json.dumps(reply), flush=True)


async def in_one_loop(adapter):
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def read():
        for line in sys.stdin:
            asyncio.run_coroutine_threadsafe(adapter.answer(json.loads(line)), loop)
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=read, daemon=True).start()
    await over.wait()


def in_threads(adapter):
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "open":
            asyncio.run(adapter.answer(command))
        else:
            threading.Thread(target=lambda c=command: asyncio.run(adapter.answer(c)), daemon=True).start()


if __name__ == "__main__":
    if "--fault" in sys.argv:
        import faults

        faults.FAULTS[sys.argv[sys.argv.index("--fault") + 1]][0](id_alloc_client)
    say({"hello": {"can": ["manual_clock", "count_waits", "copy", "pickle", *(["fork"] if hasattr(os, "fork") else [])]}})
    if "--asyncio" in sys.argv:
        asyncio.run(in_one_loop(Adapter(id_alloc_client.AsyncClient)))
    else:
        in_threads(Adapter(id_alloc_client.Client))
