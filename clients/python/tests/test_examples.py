"""The examples for SQLAlchemy and Django, with the real libraries, and the snippet of the README."""

import contextlib
import io
import os
import pathlib
import re
import sys
import unittest
import unittest.mock

from support import Server

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))


class ReadmeTest(unittest.TestCase):
    def test_snippets_run(self):
        snippets = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        self.assertEqual(len(snippets), 2)
        with Server(first=1001) as server, contextlib.redirect_stdout(io.StringIO()) as printed:
            for snippet in snippets:
                exec(re.sub(r'\["http[^]]*\]', repr([server.address]), snippet), {})
        *first, last = printed.getvalue().split()
        self.assertEqual(first, ["1001", "[1002,", "1003,", "1004]"])
        self.assertGreater(int(last), 1004)


class SqlalchemyTest(unittest.TestCase):
    def test_rows_get_ids(self):
        server = self.enterContext(Server(first=1001))
        with unittest.mock.patch.dict(os.environ, ID_ALLOC_SERVERS=server.address):
            import sqlalchemy_default as example
        from sqlalchemy import create_engine, insert, select
        from sqlalchemy.orm import Session

        self.addCleanup(example.ids.close)
        engine = create_engine("sqlite://")
        example.Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(example.Order(title="first"))
            session.flush()
            session.add_all([example.Order(title=f"more {number}") for number in range(50)])
            session.add(example.Order(id=5, title="with an id"))
            session.flush()
            session.execute(insert(example.Order), [{"title": "in bulk"} for _ in range(50)])
            ids = session.scalars(select(example.Order.id).order_by(example.Order.id)).all()
        engine.dispose()
        self.assertEqual(ids, [5, *range(1001, 1102)])


class DjangoTest(unittest.TestCase):
    def test_rows_get_ids(self):
        import django
        from django.conf import settings

        server = self.enterContext(Server(first=1001))
        settings.configure(
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            ID_ALLOC={"servers": [server.address]},
        )
        django.setup()
        from django.db import connection, migrations, models
        from django.db.migrations.writer import MigrationWriter
        from django_field import IdAllocField, client

        self.addCleanup(lambda: client().close())

        class Order(models.Model):
            id = IdAllocField("order", primary_key=True)
            number = IdAllocField("order", unique=True)
            title = models.CharField(max_length=100)

            class Meta:
                app_label = "shop"

        with connection.schema_editor() as editor:
            editor.create_model(Order)
        Order(title="not saved")
        order = Order.objects.create(title="first")
        self.assertEqual((order.id, order.number), (1001, 1002))
        order.title = "changed"
        order.save()
        self.assertEqual((order.id, order.number), (1001, 1002))
        Order.objects.bulk_create([Order(title=f"more {number}") for number in range(10)])
        Order.objects.create(id=5, number=6, title="with ids")
        ids = [id for row in Order.objects.values_list("id", "number") for id in row]
        self.assertEqual(sorted(ids), [5, 6, *range(1001, 1023)])

        again = Order._meta.get_field("number").clone()
        self.assertEqual((again.biz_tag, again.unique), ("order", True))
        operation = migrations.AddField("order", "number", again)
        migration = type("Migration", (migrations.Migration,), {"operations": [operation]})
        text = MigrationWriter(migration("0001_initial", "shop")).as_string()
        self.assertIn("django_field.IdAllocField('order'", text)


if __name__ == "__main__":
    unittest.main()
