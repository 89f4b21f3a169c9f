"""A client generated from /openapi.json makes, changes, uses and deletes a tag on a running server.

Arguments: the server's address, a token of its admin API, one for /alloc. Run by scripts/openapi-test, which has put the
generated package `generated` beside this file.
"""

import sys

from generated import AuthenticatedClient
from generated.api.admin import (
    advance_tag,
    delete_tag,
    list_loaded_tags,
    list_tags,
    patch_tag,
    put_tag,
    show_loaded_tag,
    show_server,
    show_tag,
)
from generated.api.ids import alloc_get, alloc_post
from generated.api.operations import health
from generated.models import Advance, Form, Order, PatchTag, Problem, PutTag, Refusal
from generated.types import UNSET


def main(base_url: str, admin: str, alloc: str) -> None:
    tag = "python/order"
    client = AuthenticatedClient(base_url, token=admin)
    caller = AuthenticatedClient(base_url, token=alloc)

    made = put_tag.sync_detailed(
        tag, client=client, body=PutTag(step=1000, start=500, description="made by Python")
    )
    assert made.status_code == 201, made
    assert made.parsed.max_id == 500, made
    again = put_tag.sync(tag, client=client, body=PutTag(step=1), if_none_match="*")
    assert isinstance(again, Problem) and again.code == "precondition_failed", again

    # Two operations were called alike once, and a client could call only one of them.
    assert show_tag.sync(tag, client=client).description == "made by Python"
    assert show_server.sync(client=client).database.status == "up"

    assert patch_tag.sync(tag, client=client, body=PatchTag(step=2000)).step == 2000
    assert advance_tag.sync(tag, client=client, body=Advance(by=250)).max_id == 750

    one = alloc_get.sync(client=caller, biz_tag=tag)
    assert one.id >= 750 and one.ids is UNSET, one
    three = alloc_post.sync(client=caller, body=Form(biz_tag=tag, count=3))
    assert len(three.ids) == 3 and three.ids == sorted(three.ids) and three.id > one.id, three
    refused = alloc_get.sync(client=caller, biz_tag="nobody")
    assert isinstance(refused, Refusal) and refused.code == "unknown_tag", refused
    loaded = show_loaded_tag.sync(tag, client=client)
    assert loaded.biz_tag == tag and loaded.left > 0, loaded
    assert len(list_loaded_tags.sync(client=client, prefix="python").tags) == 1

    page = list_tags.sync(client=client, prefix="python", order=Order.DESC)
    assert [one.biz_tag for one in page.tags] == [tag], page
    assert delete_tag.sync(tag, client=client, confirm=tag).retired is True
    assert health.sync(client=caller).errno == 0

    stranger = AuthenticatedClient(base_url, token="ida_nobody")
    assert show_tag.sync_detailed(tag, client=stranger).status_code == 401


if __name__ == "__main__":
    main(*sys.argv[1:])
