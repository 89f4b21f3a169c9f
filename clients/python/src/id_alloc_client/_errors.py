"""What callers may be told. Every error says what the server said."""

from __future__ import annotations


class IdAllocError(Exception):
    """Base of all errors of this library; itself for what has no class of its own, such as a closed client."""

    def __init__(
        self,
        text: str,
        *,
        tag: str | None = None,
        server: str | None = None,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(text)
        #: The tag whose ids were wanted.
        self.tag = tag
        #: The server that refused, with its HTTP status and code (`unknown_tag`, …); None where no single answer was the reason.
        self.server = server
        self.status = status
        self.code = code


class UnknownTag(IdAllocError):
    """The tag does not exist. Create it (`id-alloc tag create`)."""


class Exhausted(IdAllocError):
    """No ids are left below the server's allocation.id_limit."""


class Unauthorized(IdAllocError):
    """The token is missing, wrong, or good for other tags only."""


class Unavailable(IdAllocError):
    """No ids came within the deadline. Another attempt later may succeed."""


def closed(tag: str) -> IdAllocError:
    return IdAllocError(f"tag {tag!r}: the client is closed", tag=tag)
