"""Four servers of id-alloc on three MariaDB servers with random failovers: no id comes twice.

One database server is the primary, the others follow it. Again and again one of them stops following, is left behind by
up to 28 seconds, and is promoted as the primary is killed; the others are then made its replicas anew. Servers are killed
and started, at failovers sometimes all of them, and steps change. Callers take ranges all the while. In the end all
ranges are compared. Python's standard library, and MariaDB's programs.

    python3 tests/failovers/run.py PROGRAM SECONDS [SEED]
"""

import http.client
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

STEPS = {"small": 1, "usual": 1000, "large": 100_000}
# Failovers are so far apart at least, and replicas at most so far behind (docs/guard.md).
APART, BEHIND = 31.0, 28.0


class Relay:
    """A port that leads to the present primary."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.target = None
        self.links = set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except (OSError, TypeError):
                client.close()
                continue
            server.settimeout(None)
            link = (client, server)
            self.links.add(link)
            for source, target in (link, link[::-1]):
                threading.Thread(target=self.pump, args=(source, target, link), daemon=True).start()

    def pump(self, source, target, link):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        self.cut(link)

    def cut(self, link):
        self.links.discard(link)
        for end in link:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def lead_to(self, port):
        self.target = port
        for link in list(self.links):
            self.cut(link)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Database:
    """A private MariaDB."""

    def __init__(self, folder, number):
        self.folder, self.number, self.port = f"{folder}/db{number}", number, free_port()
        os.mkdir(self.folder)
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start()

    def start(self):
        path = os.environ["PATH"] + ":/usr/sbin"
        user = ["--user=root"] if os.geteuid() == 0 else []
        log = open(f"{self.folder}/log", "ab")
        self.process = subprocess.Popen(
            [shutil.which("mariadbd", path=path), "--no-defaults", *user, f"--datadir={self.folder}/data",
             f"--socket={self.folder}/s", f"--port={self.port}", "--bind-address=127.0.0.1",
             f"--server-id={self.number + 1}", "--log-bin=binlog", "--log-slave-updates", "--binlog-format=ROW",
             "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--innodb-flush-method=nosync",
             "--skip-slave-start"],
            stdout=log, stderr=log)
        for _ in range(600):
            if self.sql("SELECT 1", check=False) == "1":
                return
            time.sleep(0.1)
        raise RuntimeError(f"no database: {self.folder}/log")

    def sql(self, text, check=True):
        done = subprocess.run(
            ["mariadb", "--no-defaults", "-uroot", f"--socket={self.folder}/s", "-N", "-B", "-e", text],
            capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def follow(self, primary):
        """Becomes a replica of the primary as that is now."""
        self.sql("STOP SLAVE; RESET SLAVE ALL; DROP DATABASE IF EXISTS ids; RESET MASTER; "
                 "SET GLOBAL gtid_slave_pos = ''")
        dump = subprocess.run(
            ["mariadb-dump", "--no-defaults", "-uroot", f"--socket={primary.folder}/s", "--single-transaction",
             "--gtid", "--master-data=1", "--databases", "ids"], check=True, capture_output=True)
        subprocess.run(["mariadb", "--no-defaults", "-uroot", f"--socket={self.folder}/s"], input=dump.stdout,
                       check=True)
        self.sql(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, MASTER_USER='follower', "
                 "MASTER_PASSWORD='follower', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; START SLAVE")

    def kill(self):
        self.process.kill()
        self.process.wait()


class Server:
    """A server of id-alloc."""

    def __init__(self, program, folder, url):
        self.program, self.folder, self.url = program, tempfile.mkdtemp(dir=folder), url
        self.process, self.port = None, None
        self.start()

    def start(self):
        settings = {"DATABASE__URL": self.url, "SERVER__PORT": "0", "SERVER__HOST": "127.0.0.1",
                    "SERVER__WORKERS": "1"}
        env = {**os.environ, **{f"ID_ALLOC__{key}": value for key, value in settings.items()}}
        log = open(f"{self.folder}/log", "ab")
        self.process = subprocess.Popen([self.program, "serve"], cwd=self.folder, env=env, stderr=log,
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.search(r"listening on http://[^ ]*:(\d+)", line).group(1))
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def kill(self):
        self.port = None
        self.process.kill()
        self.process.wait()


class Caller(threading.Thread):
    """Takes ranges of random sizes from random servers."""

    def __init__(self, servers, seed):
        super().__init__(daemon=True)
        self.servers, self.random = servers, random.Random(seed)
        self.ranges, self.answers, self.done = [], {}, threading.Event()

    def run(self):
        size = 1
        while not self.done.is_set():
            if self.random.random() < 0.02:
                size = self.random.choice([1, 10, 1000, 20_000, 500_000])
            tag = self.random.choice(list(STEPS))
            count = self.random.randint(1, size)
            port = self.random.choice(self.servers).port
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", f"/range?biz_tag={tag}&count={count}")
                answer = connection.getresponse()
                body = json.loads(answer.read())
                if answer.status == 200:
                    self.ranges.append((tag, body["first"], body["count"]))
                self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
                connection.close()
            except (OSError, TypeError, ValueError, http.client.HTTPException):
                self.answers["none"] = self.answers.get("none", 0) + 1
            self.done.wait(0.005)


class World:
    def __init__(self, program, folder, seed):
        self.program, self.random = program, random.Random(seed)
        self.databases = [Database(folder, number) for number in range(3)]
        self.primary = self.databases[0]
        for database in self.databases:
            database.sql("CREATE USER follower@'127.0.0.1' IDENTIFIED BY 'follower'; "
                         "GRANT REPLICATION SLAVE ON *.* TO follower@'127.0.0.1'; RESET MASTER")
        self.primary.sql("CREATE DATABASE ids")
        self.relay = Relay()
        self.relay.lead_to(self.primary.port)
        self.url = f"mysql://root@127.0.0.1:{self.relay.port}/ids"
        self.call("migrate", "up")
        for tag, step in STEPS.items():
            self.call("tag", "create", tag, "--step", str(step))
        for database in self.databases[1:]:
            database.follow(self.primary)
        self.servers = [Server(program, folder, self.url) for _ in range(4)]
        self.callers = [Caller(self.servers, f"{seed} {number}") for number in range(6)]
        self.lags, self.restarts, self.steps, self.promoted = [], 0, 0, time.monotonic()
        self.lock = threading.Lock()

    def call(self, *arguments):
        env = {**os.environ, "ID_ALLOC__DATABASE__URL": self.url}
        subprocess.run([self.program, *arguments], env=env, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, cwd="/")

    def fail_over(self):
        """A replica that has been behind for a while becomes the primary."""
        replica = self.random.choice([one for one in self.databases if one is not self.primary])
        lag = self.random.uniform(0, BEHIND)
        time.sleep(max(0.0, self.promoted + APART - lag - time.monotonic()))
        replica.sql("STOP SLAVE")
        behind = time.monotonic()
        time.sleep(lag)
        with self.lock:
            others = [one for one in self.databases if one is not replica]
            self.primary.kill()
            gone = [server for server in self.servers if self.random.random() < 0.3]
            if self.random.random() < 0.3:
                gone = list(self.servers)
            for server in gone:
                server.kill()
            replica.sql("RESET SLAVE ALL")
            self.relay.lead_to(replica.port)
            self.lags.append(time.monotonic() - behind)
            self.promoted, old, self.primary = time.monotonic(), self.primary, replica
            for server in gone:
                server.start()
                self.restarts += 1
            old.start()
            for other in others:
                other.follow(replica)

    def disturb(self, until):
        """Restarts servers and changes steps."""
        while time.monotonic() < until:
            time.sleep(self.random.uniform(2, 8))
            with self.lock:
                if self.random.random() < 0.5:
                    server = self.random.choice(self.servers)
                    server.kill()
                    server.start()
                    self.restarts += 1
                else:
                    tag = self.random.choice(list(STEPS))
                    step = self.random.choice([1, 10, 1000, 100_000, 3_000_000])
                    self.primary.sql(f"UPDATE ids.segments SET step = {step} WHERE biz_tag = '{tag}'")
                    self.steps += 1

    def run(self, seconds):
        until = time.monotonic() + seconds
        for caller in self.callers:
            caller.start()
        disturber = threading.Thread(target=self.disturb, args=(until,), daemon=True)
        disturber.start()
        while time.monotonic() < until:
            self.fail_over()
        disturber.join()
        for caller in self.callers:
            caller.done.set()
        for caller in self.callers:
            caller.join()

    def end(self):
        for process in [*self.servers, *self.databases]:
            process.process.send_signal(signal.SIGKILL)
            process.process.wait()


def twice(ranges):
    """How many ids are in more than one range."""
    found = 0
    for _, of_tag in itertools.groupby(sorted(ranges), key=lambda one: one[0]):
        end = 0
        for _, first, count in of_tag:
            found += max(0, min(end, first + count) - first)
            end = max(end, first + count)
    return found


def main():
    program, seconds = os.path.abspath(sys.argv[1]), float(sys.argv[2])
    seed = sys.argv[3] if len(sys.argv) > 3 else str(random.randrange(10**6))
    print("seed", seed, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        world = World(program, folder, seed)
        try:
            world.run(seconds)
        finally:
            world.end()
    ranges = [one for caller in world.callers for one in caller.ranges]
    answers = {}
    for caller in world.callers:
        for status, number in caller.answers.items():
            answers[str(status)] = answers.get(str(status), 0) + number
    lags = sorted(world.lags)
    print(f"{seconds:.0f} s, {len(lags)} failovers, replicas behind by {lags[0]:.1f} to {lags[-1]:.1f} s, "
          f"{world.restarts} restarts, {world.steps} steps changed")
    print(f"{sum(count for _, _, count in ranges)} ids in {len(ranges)} ranges; answers {answers}")
    found = twice(ranges)
    print(f"twice: {found}")
    sys.exit(1 if found or len(ranges) < 100 else 0)


if __name__ == "__main__":
    main()
