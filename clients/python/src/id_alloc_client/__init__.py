"""Unique, increasing 64-bit ids from id-alloc servers, counted in memory.

A client keeps, for each tag, a current range of ids and one in reserve, which it fetches in the background. So `next` takes
from memory, and an outage of the servers goes unnoticed while ids are there. Ids are unique; those of one client and
tag rise as long as they come from one server, and in trend across servers. Ids in memory are lost when the process ends:
gaps are normal.

    from id_alloc_client import Client

    with Client(["http://127.0.0.1:8880"]) as client:
        order = client.tag("order")
        print(order.next(), order.next_many(3))

`AsyncClient` is the same for asyncio. Inside: `_tag.py` hands ids out and fetches ranges, `_pace.py` says how large they are,
`_line.py` which server is asked and when, `_wire.py` what is a good answer, `_seen.py` that none is used twice.
"""

from ._aio import AsyncClient, AsyncTag
from ._errors import Exhausted, IdAllocError, Unauthorized, Unavailable, UnknownTag
from ._sync import Client, Tag

__all__ = [
    "AsyncClient",
    "AsyncTag",
    "Client",
    "Exhausted",
    "IdAllocError",
    "Tag",
    "Unauthorized",
    "Unavailable",
    "UnknownTag",
]
