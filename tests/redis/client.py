"""Takes ids with redis-py and prints them: python client.py HOST PORT NAME TOKEN. Fails where an answer is not what it should be."""

import sys

import redis

host, port, name, token = sys.argv[1:]


def refused(kind, call):
    try:
        answer = call()
    except kind as error:
        return str(error)
    raise AssertionError(f"answered {answer!r}")


def take(protocol):
    client = redis.Redis(host, int(port), username=name, password=token, protocol=protocol, client_name="redis-py")
    assert client.ping()
    ids = [client.incr("test") for _ in range(100)]
    last = client.incrby("test", 50)
    ids += range(last - 49, last + 1)
    for transaction in (True, False):
        pipeline = client.pipeline(transaction)
        for _ in range(100):
            pipeline.incr("test")
        ids += pipeline.execute()
    assert ids == sorted(set(ids))
    assert int(client.get("test")) == ids[-1]
    assert client.get("nosuch") is None
    assert (client.exists("test"), client.exists("nosuch")) == (1, 0)
    assert client.client_getname() is not None
    assert client.info()["loading"] == 0
    for change in (
        lambda: client.set("test", 1),
        lambda: client.decr("test"),
        lambda: client.delete("test"),
        lambda: client.expire("test", 5),
    ):
        assert "is refused: ids only go up" in refused(redis.ResponseError, change)
    assert "unknown biz_tag" in refused(redis.ResponseError, lambda: client.incr("nosuch"))
    assert "from 1 to" in refused(redis.ResponseError, lambda: client.incrby("test", 0))
    stranger = redis.Redis(host, int(port), username=name, password="wrong", protocol=protocol)
    refused(redis.AuthenticationError, stranger.ping)
    nobody = redis.Redis(host, int(port), protocol=protocol)
    refused(redis.AuthenticationError, nobody.ping)
    return ids


for protocol in (2, 3):
    print(*take(protocol), sep="\n")
