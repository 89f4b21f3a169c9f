"""One attempt at one server: the request, and what is a good answer."""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._errors import Exhausted, IdAllocError, Unauthorized, UnknownTag

MAX_ID = 2**63 - 1
# What is read of an answer; one with ids has about 60 bytes.
MAX_BODY = 64 * 1024
MAX_IDLE = 8
# How a kept connection shows that the server has closed it meanwhile.
STALE = (http.client.RemoteDisconnected, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


@dataclass
class Failure:
    """Why an attempt brought no ids."""

    server: str
    #: None where no whole answer came.
    status: int | None
    message: str
    code: str = ""
    retry_after: float = 0.0
    #: What to raise at once, as no other attempt would help.
    final: type[IdAllocError] | None = None
    #: The server permits fewer ids at once.
    too_many: bool = False

    def __str__(self) -> str:
        if self.status is None:
            return f"{self.server}: {self.message}"
        return f"{self.server} answered {self.status}{' ' * bool(self.code)}{self.code}: {self.message}"


class Server:
    """One address with its kept connections."""

    def __init__(self, address: str) -> None:
        try:
            url = urllib.parse.urlsplit(address)
            port = url.port
        except ValueError as error:
            raise ValueError(f"server address {address!r}: {error}") from None
        good = url.scheme in ("http", "https") and url.hostname and "@" not in url.netloc
        if not good or url.query or url.fragment or not address.isprintable() or " " in address:
            raise ValueError(f"server address {address!r}: want http://HOST:PORT or https://HOST:PORT, perhaps with a path")
        assert url.hostname is not None
        self.name = address.rstrip("/")
        self.path = urllib.parse.quote(url.path.rstrip("/"), safe="/%") + "/range"
        self.host, self.port = url.hostname, port
        self.tls = ssl.create_default_context() if url.scheme == "https" else None
        self.idle: list[http.client.HTTPConnection] = []
        #: It did not answer at all lately, so it is tried last until then, or until it answers.
        self.suspect_until = 0.0

    def connection(self) -> http.client.HTTPConnection:
        if self.tls is not None:
            return http.client.HTTPSConnection(self.host, self.port, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port)

    def ask(self, attempt: Attempt, tag: str, count: int, token: str | None) -> int | Failure:
        """Asks for a range once; the first id of it, or why there is none."""
        query = urllib.parse.urlencode({"biz_tag": tag, "count": count}, errors="surrogatepass")
        headers = {"Accept": "application/json", "Cache-Control": "no-store"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            response, body = self._exchange(attempt, f"{self.path}?{query}", headers)
        except (OSError, http.client.HTTPException) as error:
            text = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            return Failure(self.name, None, text)
        if response.status != 200:
            return self._refusal(response, body)
        if response.headers.get("Age") is not None:
            return self.bad("an answer from a cache (it has an Age header), which somebody else may have been given too")
        try:
            return parse(body, count)
        except ValueError as error:
            return self.bad(str(error))

    def _exchange(
        self, attempt: Attempt, target: str, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        while True:
            try:
                connection = self.idle.pop()
                kept = True
            except IndexError:
                connection = self.connection()
                kept = False
            try:
                response = attempt.send(connection, target, headers)
                body = response.read(MAX_BODY + 1)
                if len(body) > MAX_BODY:
                    raise http.client.HTTPException("the answer does not end")
                if response.length:
                    raise http.client.HTTPException("the answer broke off")
            except STALE:
                connection.close()
                if not kept:
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                if not response.isclosed() or response.will_close or len(self.idle) >= MAX_IDLE:
                    connection.close()
                else:
                    self.idle.append(connection)
                return response, body
            finally:
                attempt.over()

    def _refusal(self, response: http.client.HTTPResponse, body: bytes) -> Failure:
        """What a status other than 200 means."""
        failure = Failure(self.name, response.status, beginning(body))
        try:
            said = json.loads(body)
        except ValueError:
            said = None
        if isinstance(said, dict) and isinstance(said.get("msg"), str):
            failure.message, failure.code = said["msg"], str(said.get("code", ""))
        after = response.headers.get("Retry-After", "").strip()
        if after.isascii() and after.isdigit() and len(after) < 10:
            failure.retry_after = float(after)
        if response.status == 404 and failure.code == "unknown_tag":
            failure.final = UnknownTag
        elif failure.code == "tag_exhausted":
            failure.final = Exhausted
        elif response.status in (401, 403):
            failure.final = Unauthorized
        elif response.status in (400, 413, 414, 431):
            failure.final, failure.too_many = IdAllocError, failure.code == "invalid_count"
        return failure

    def bad(self, message: str) -> Failure:
        return Failure(self.name, 200, message)

    def close(self) -> None:
        while self.idle:
            self.idle.pop().close()


class Attempt:
    """The time that one attempt may take, and what `cancel` needs to end it from another thread.

    `running` is called with the socket between connecting and sending, so that a client which is being closed either knows
    the socket or prevents the request (it raises), and with None at the end.
    """

    def __init__(self, seconds: float, running: Callable[[socket.socket | None], None]) -> None:
        self.until = time.monotonic() + seconds
        self._running = running

    def send(
        self, connection: http.client.HTTPConnection, target: str, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        connection.timeout = self.left()
        if connection.sock is None:
            connection.connect()
        self._running(connection.sock)
        connection.sock.settimeout(self.left())
        connection.request("POST", target, b"", headers)
        connection.response_class = self._response  # type: ignore[assignment]
        return connection.getresponse()

    def over(self) -> None:
        self._running(None)

    def left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _response(self, sock: socket.socket, *args: Any, **more: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(Watched(sock, self), *args, **more)  # type: ignore[arg-type]


class Watched(io.RawIOBase):
    """Reads from a socket until an attempt's time is over, however many reads that takes."""

    def __init__(self, sock: socket.socket, attempt: Attempt) -> None:
        # Keeps the socket open until the answer is read, as http.client expects of a file made from it.
        self._sock, self._raw, self._attempt = sock, sock.makefile("rb", buffering=0), attempt

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._attempt.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def parse(body: bytes, count: int) -> int:
    """The first id of an answer that is exactly what was asked for; ValueError if it is not."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or type(answer.get("errno")) is not int or answer["errno"] != 0:
        raise ValueError(f"no answer with ids: {beginning(body)}")
    first, got = integer(answer.get("first")), integer(answer.get("count"))
    if first is None or got is None:
        raise ValueError(f"no answer with ids: {beginning(body)}")
    if got != count:
        raise ValueError(f"{got} ids, where {count} were asked for")
    if first + count - 1 > MAX_ID:
        raise ValueError(f"{count} ids from {first} on, which is past 64 bits")
    return first


def integer(value: object) -> int | None:
    """A JSON number without a fraction, or a string of digits."""
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        return int(value)
    return None


def beginning(body: bytes) -> str:
    """As much of a body as fits into a message."""
    text = " ".join(body[:1000].decode(errors="replace").split())
    return (text if len(text) <= 200 else text[:200] + "…") or "an empty body"
