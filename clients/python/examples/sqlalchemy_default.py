"""SQLAlchemy: primary keys from id-alloc, as a column's `default=`.

The default is called for each row that is inserted without an id, also by `add_all` and by bulk inserts; it takes from memory.
With SQLAlchemy's asyncio too: a default is a plain call, so use `Client` for it, not `AsyncClient`.
"""

import os

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from id_alloc_client import Client

ids = Client(os.environ.get("ID_ALLOC_SERVERS", "http://127.0.0.1:8880").split(","))


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, default=ids.tag("order").next)
    title: Mapped[str] = mapped_column(String(100))
