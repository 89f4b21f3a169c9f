"""The servers that are compared, each on a free port of the loopback interface."""

from __future__ import annotations

import http.client
import itertools
import os
import pathlib
import socket
import subprocess
import time

from processes import CORES, Failed, Process, eventually

# Ids of ten digits from the first to the last: all bodies of a run are equally long.
START = 1_000_000_000
BODY = '{"errno":0,"msg":"success","id":1000000000}'

UNIT = pathlib.Path(__file__).parents[2] / "deploy/id-alloc.service"

_databases = itertools.count(1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(address: str, path: str) -> tuple[int, str]:
    """Status and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def allocator() -> dict[str, str]:
    """What the unit of systemd sets for the allocator of memory."""
    lines = UNIT.read_text().splitlines()
    words = " ".join(line.removeprefix("Environment=") for line in lines if line.startswith("Environment=")).split()
    return dict(word.split("=", 1) for word in words if word.startswith("MIMALLOC"))


class World:
    """Where the programs are, where they may write, and the database."""

    def __init__(self, work: pathlib.Path, target: pathlib.Path, mysql: str):
        self.work, self.target, self.mysql = work, target, mysql.rstrip("/")

    def environment(self, **settings: str) -> dict[str, str]:
        """Nothing inherited that could change what id-alloc does, the allocator's settings of production, and
        `database__url="…"` and so on."""
        ours = ("ID_ALLOC", "RUST_", "MIMALLOC")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return kept | allocator() | {f"ID_ALLOC__{key.upper()}": value for key, value in settings.items()}

    def client(self, database: str) -> list[str]:
        """The command that carries out SQL."""
        address = self.mysql.removeprefix("mysql://")
        user, _, place = address.rpartition("@")
        host, _, port = place.rpartition(":")
        place = [f"--host={host}", f"--port={port}", f"--user={user}", "--protocol=tcp"]
        return ["mariadb", "--no-defaults", *place, "--batch", "--skip-column-names", "--unbuffered", database]

    def sql(self, text: str, database: str = "") -> str:
        """Carries it out; what it selects, in columns."""
        done = subprocess.run(self.client(database), input=text, text=True, capture_output=True, timeout=120)
        if done.returncode:
            raise Failed(f"mariadb: {done.stderr}")
        return done.stdout

    def session(self, database: str) -> subprocess.Popen:
        """A session of its own, which ends when its input does."""
        return subprocess.Popen(self.client(database), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def database(self, rows: str = "") -> str:
        """URL of a new database whose table has what `rows` selects: biz_tag, max_id, step."""
        name = f"bench{next(_databases)}"
        self.sql(f"CREATE DATABASE {name}")
        url = f"{self.mysql}/{name}"
        call = [str(self.target / "id-alloc"), "migrate", "up"]
        done = subprocess.run(call, env=self.environment(database__url=url), text=True, capture_output=True, timeout=120)
        if done.returncode:
            raise Failed(f"migrate up: {done.stderr}")
        if rows:
            self.sql(f"INSERT INTO segments (biz_tag, max_id, step) {rows}", name)
        return url

    def add_tags(self, url: str, *tags: tuple[str, int]) -> None:
        """Rows with this name and step."""
        values = ", ".join(f"('{name}', {START}, {step})" for name, step in tags)
        self.sql(f"INSERT INTO segments (biz_tag, max_id, step) VALUES {values}", url.rpartition("/")[2])

    def id_alloc(self, url: str, program: pathlib.Path | None = None, **settings: str) -> "Server":
        """The server with its default settings: metrics and logging as in production."""
        env = self.environment(server__port="0", database__url=url, **settings)
        process = Process("id-alloc", [program or self.target / "id-alloc"], self.work, env)
        return Server(process, process.address())

    def panicking(self, url: str) -> "Server":
        """The same, but that the actor of its tag `panicking` panics over and over."""
        return self.id_alloc(url, self.target / "examples/panicking")

    def constant(self, *options: str) -> "Server":
        process = Process("constant", [self.target / "examples/constant", "0", *options], self.work)
        return Server(process, process.address())

    def delay(self, milliseconds: int) -> "Server":
        """A link to the database that holds each byte so long, in each direction."""
        target = self.mysql.rpartition("@")[2]
        process = Process("delay", [self.target / "examples/delay", target, str(milliseconds)], self.work)
        return Server(process, process.address())

    def nginx(self) -> "Server":
        """nginx that returns the same body, with a worker per core."""
        folder = self.work / "nginx"
        folder.mkdir(exist_ok=True)
        port = free_port()
        user = "user root;" if os.getuid() == 0 else ""
        temporary = "".join(
            f"{module}_temp_path {folder}/{module};" for module in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = folder / "nginx.conf"
        config.write_text(
            f"""{user} daemon off; pid {folder}/pid; error_log stderr; worker_processes {CORES};
            events {{ worker_connections 4096; }}
            http {{
                access_log off; {temporary} keepalive_requests 1000000000;
                server {{
                    listen 127.0.0.1:{port} backlog=4096;
                    location /alloc {{ default_type application/json; return 200 '{BODY}'; }}
                }}
            }}"""
        )
        process = Process("nginx", ["nginx", "-p", folder, "-c", config, "-e", "stderr"], self.work)
        server = Server(process, f"127.0.0.1:{port}")

        def stands():
            if process.child.poll() is not None:
                raise Failed(f"nginx ended: {process.log.read_text()[-2000:]}")
            try:
                return get(server.address, "/alloc") == (200, BODY)
            except OSError:
                return False

        eventually("nginx answers", stands)
        return server


class Server:
    """A process and where it listens."""

    def __init__(self, process: Process, address: str):
        self.process, self.address = process, address

    def url(self, path: str = "/alloc") -> str:
        return f"http://{self.address}{path}"

    def metric(self, name: str) -> float:
        body = get(self.address, "/metrics")[1]
        for line in body.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise Failed(f"no metric {name}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()


def until_first_answer(world: World, url: str, path: str) -> float:
    """Seconds from the start of the process to its first 200."""
    port = free_port()
    env = world.environment(server__port=str(port), database__url=url)
    began = time.monotonic()
    with Process("id-alloc", [world.target / "id-alloc"], world.work, env) as process:

        def answers():
            if process.child.poll() is not None:
                raise Failed(f"id-alloc ended: {process.log.read_text()[-2000:]}")
            try:
                return get(f"127.0.0.1:{port}", path)[0] == 200
            except OSError:
                return False

        eventually("the first answer", answers, pause=0.001)
        return time.monotonic() - began
