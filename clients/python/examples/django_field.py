"""Django: a field whose values come from id-alloc.

    class Order(models.Model):
        id = IdAllocField("order", primary_key=True)
        title = models.CharField(max_length=100)

A row gets its id when it is inserted (`save`, `create`, `bulk_create`), not when the object is made, so forms and tests cost no
ids. Settings: ID_ALLOC = {"servers": ["http://127.0.0.1:8880"], "token": "…"}, whatever `Client` takes.
"""

import functools

from django.conf import settings
from django.db import models

from id_alloc_client import Client


@functools.cache
def client():
    """One per process; a process that a server like gunicorn forks takes ranges of its own."""
    return Client(**settings.ID_ALLOC)


class IdAllocField(models.BigIntegerField):
    """A BigIntegerField that takes an id of `biz_tag` where a new row has no value."""

    def __init__(self, biz_tag, *args, **kwargs):
        self.biz_tag = biz_tag
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        """For migrations."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, [self.biz_tag, *args], kwargs

    def get_pk_value_on_save(self, instance):
        """Called for a primary key without a value."""
        return client().tag(self.biz_tag).next()

    def pre_save(self, model_instance, add):
        """Called for every field of a row that is written."""
        value = super().pre_save(model_instance, add)
        if add and value is None:
            value = client().tag(self.biz_tag).next()
            setattr(model_instance, self.attname, value)
        return value
