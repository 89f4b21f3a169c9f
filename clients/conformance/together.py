"""All client libraries together on three real servers, of which one is killed while the database hangs: every id is distinct,
and no caller waited.

    python3 together.py --program PATH [--outage SECONDS] --client NAME=COMMAND …

PATH is id-alloc; COMMAND starts a library's adapter (README.md), which has to know `count_waits`. Needs MariaDB's programs;
starts a private one in a temporary folder, and leaves nothing behind.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from adapter import Adapter
from play import Ids

TAG = "order"
# Each client takes so many ids a second, in pieces; a range lasts about 4 s.
RATE, PIECE = 2000, 100
OPTIONS = {"range_duration_ms": 4000, "max_range": 20_000, "deadline_ms": 20_000}


class Database:
    """A private MariaDB."""

    def __init__(self, folder):
        self.folder, user = folder, ["--user=root"] if os.geteuid() == 0 else []
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", *user, f"--datadir={folder}/data", "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        # Whether a port is still free only the attempt to listen on it tells.
        for _ in range(5):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
            self.process = subprocess.Popen(
                ["mariadbd", "--no-defaults", *user, f"--datadir={folder}/data", f"--socket={folder}/s", f"--port={self.port}",
                 "--bind-address=127.0.0.1", "--skip-name-resolve", f"--log-error={folder}/log"],
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            until(lambda: self.answers() or self.process.poll() is not None)
            if self.process.poll() is None:
                break
        else:
            raise SystemExit(f"MariaDB did not start: {pathlib.Path(folder, 'log').read_text()}")
        self.run("create database ids")
        self.url = f"mysql://root@127.0.0.1:{self.port}/ids"

    def answers(self):
        ping = ["mariadb-admin", "--no-defaults", f"--socket={self.folder}/s", "--user=root", "ping"]
        return subprocess.run(ping, capture_output=True).returncode == 0

    def run(self, sql):
        subprocess.run(["mariadb", "--no-defaults", f"--socket={self.folder}/s", "--user=root", "-e", sql], check=True)

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.process.kill()
        self.process.wait()


class Server:
    """One id-alloc."""

    def __init__(self, program, url):
        environment = {**os.environ, "ID_ALLOC__SERVER__PORT": "0", "ID_ALLOC__DATABASE__URL": url}
        self.process = subprocess.Popen(
            [program, "serve"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        line = self.process.stdout.readline()
        self.address = re.search(r"listening on (http://[^,]*)", line)[1]

    def allocated(self):
        """How many ids it has handed out."""
        with urllib.request.urlopen(f"{self.address}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        counts = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("id_alloc_ids_allocated_total")]
        return sum(map(float, counts))

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Caller(threading.Thread):
    """Draws ids by one library, faster at first, until its ranges have their size; then at a steady rate."""

    def __init__(self, name, command, servers):
        super().__init__(name=name, daemon=True)
        self.adapter = Adapter(shlex.split(command))
        assert "count_waits" in self.adapter.hello()["can"], f"{name} cannot tell who waited"
        self.adapter.call("open", client="a", servers=servers, **OPTIONS)
        self.runs, self.drawn, self.waited, self.steady = [], 0, 0, 0
        self.error, self.over = None, threading.Event()

    def run(self):
        try:
            while self.drawn < 5 * OPTIONS["max_range"]:
                self.draw(PIECE * 10)
            # Those who wait are counted from here on, and so are the ids that come at a steady rate.
            self.waited, before = 0, self.drawn
            begun = time.monotonic()
            while not self.over.is_set():
                self.draw(PIECE)
                self.steady = self.drawn - before
                self.over.wait(max(0, begun + self.steady / RATE - time.monotonic()))
        except Exception as error:
            self.error = error
            self.over.set()

    def draw(self, times):
        answer = self.adapter.call("next", client="a", tag=TAG, times=times, count_waits=True)
        self.runs.extend((int(first), int(count)) for first, count in answer["runs"])
        self.drawn += sum(int(count) for _, count in answer["runs"])
        self.waited += answer["waited"]
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])

    def end(self):
        self.over.set()
        self.join()
        if self.error is None:
            self.adapter.call("close", client="a")
            self.adapter.end()
        self.adapter.kill()


def until(condition):
    """Waits for a condition, two minutes at most."""
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("what was waited for did not happen")
        time.sleep(0.02)


def all_drew(callers, ids):
    """Waits until each caller has had so many more ids at its steady rate, or an error."""
    marks = [caller.steady + ids for caller in callers]
    until(lambda: all(c.steady >= mark or c.error for c, mark in zip(callers, marks)))


def play(program, outage, clients):
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="id-alloc-together."))
        database = Database(folder)
        stack.callback(database.end)
        environment = {**os.environ, "ID_ALLOC__DATABASE__URL": database.url}
        for command in (["migrate", "up"], ["tag", "create", TAG, "--step", "1000000"]):
            subprocess.run([program, *command], check=True, env=environment, stdout=subprocess.DEVNULL)
        servers = []
        for _ in range(3):
            servers.append(Server(program, database.url))
            stack.callback(servers[-1].end)
        addresses = [server.address for server in servers]
        callers = []
        for at, (name, command) in enumerate(clients):
            # In different orders, so that each server is somebody's first.
            callers.append(Caller(name, command, addresses[at % 3 :] + addresses[: at % 3]))
            stack.callback(callers[-1].adapter.kill)
        for caller in callers:
            caller.start()
        until(lambda: all(caller.steady or caller.error for caller in callers))
        all_drew(callers, 4 * RATE)

        database.hang()
        stack.callback(database.go_on)
        before = sum(server.allocated() for server in servers[1:])
        servers[0].end()
        all_drew(callers, outage * RATE)
        meanwhile = sum(server.allocated() for server in servers[1:]) - before
        database.go_on()
        all_drew(callers, 4 * RATE)

        for caller in callers:
            caller.end()
        return judge(callers, meanwhile)


def judge(callers, meanwhile):
    """Prints what came of it; whether all is well."""
    good, ids = True, Ids()
    for caller in callers:
        fine = caller.error is None and caller.waited == 0
        print(f"{'ok    ' if fine else 'FAILED'}  {caller.name}: {caller.drawn} ids, {caller.waited} waited, {caller.error or 'no error'}")
        good = good and fine
        for first, count in caller.runs:
            ids.add(first, first + count)
    print(f"{ids.total} ids, all distinct; {meanwhile:.0f} of them from servers while the database hung and one server was dead")
    if meanwhile == 0:
        print("FAILED  no range was taken meanwhile, so nothing is shown")
    return good and meanwhile > 0


def main():
    parser = argparse.ArgumentParser(description="All client libraries together on three real servers.")
    parser.add_argument("--program", required=True)
    parser.add_argument("--outage", type=int, default=12, help="for how many seconds of ids the database hangs (12)")
    parser.add_argument("--client", action="append", required=True, metavar="NAME=COMMAND")
    arguments = parser.parse_args()
    clients = [client.split("=", 1) for client in arguments.client]
    return 0 if play(arguments.program, arguments.outage, clients) else 1


if __name__ == "__main__":
    sys.exit(main())
