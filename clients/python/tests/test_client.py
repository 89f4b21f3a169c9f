"""What is particular to Python; the rest is in the conformance suite."""

import asyncio
import copy
import gc
import multiprocessing
import pickle
import threading
import unittest
import unittest.mock
import warnings
import weakref

from support import Server

from id_alloc_client import AsyncClient, Client, IdAllocError, Unavailable, UnknownTag


class OptionsTest(unittest.TestCase):
    def test_what_cannot_work_is_refused(self):
        good = ["http://127.0.0.1:8880"]
        for servers, options in (
            ([], {}),
            ("http://127.0.0.1:8880", {}),
            (["127.0.0.1:8880"], {}),
            (["ftp://127.0.0.1"], {}),
            (["http://"], {}),
            (["http://127.0.0.1:8880?a=b"], {}),
            (["http://127.0.0.1:port"], {}),
            (["http://user:password@127.0.0.1:8880"], {}),
            (["http://127.0.0.1:8880\r\n"], {}),
            ([*good, "nonsense"], {}),
            (good, {"max_range": 0}),
            (good, {"deadline": 0}),
            (good, {"deadline": float("nan")}),
            (good, {"range_duration": -1}),
            (good, {"token": "token\n"}),
            (good, {"token": ""}),
        ):
            with self.subTest(servers=servers, **options), self.assertRaises(ValueError):
                Client(servers, **options)


class ClientTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server())
        self.client = self.enterContext(Client([self.server.address]))

    def test_errors_say_what_the_server_said(self):
        with self.assertRaises(UnknownTag) as caught:
            self.client.tag("nope").next()
        error = caught.exception
        self.assertIsInstance(error, IdAllocError)
        self.assertEqual((error.tag, error.status, error.code), ("nope", 404, "unknown_tag"))
        self.assertEqual(str(error), f"tag 'nope': {self.server.address} answered 404 unknown_tag: unknown biz_tag")

    def test_errors_can_be_sent_to_another_process(self):
        with self.assertRaises(UnknownTag) as caught:
            self.client.tag("nope").next()
        again = pickle.loads(pickle.dumps(caught.exception))
        self.assertIsInstance(again, UnknownTag)
        self.assertEqual((str(again), again.code), (str(caught.exception), "unknown_tag"))

    def test_each_who_waits_gets_an_error_of_its_own(self):
        self.server.hold()
        errors = []

        def work():
            try:
                self.client.tag("nope").next()
            except UnknownTag as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        self.server.asked.acquire()
        self.server.go()
        for thread in threads:
            thread.join()
        self.assertEqual(len({id(error) for error in errors}), 4)

    def test_the_handle_of_a_tag_is_always_the_same(self):
        self.assertIs(self.client.tag("order"), self.client.tag("order"))
        self.assertIsNot(self.client.tag("order"), self.client.tag("invoice"))

    def test_neither_client_nor_tag_can_be_copied_or_pickled(self):
        for thing in (self.client, self.client.tag("order")):
            for take in (copy.copy, copy.deepcopy, pickle.dumps):
                with self.subTest(thing=thing, take=take), self.assertRaises(TypeError):
                    take(thing)

    def test_next_many_wants_at_least_one(self):
        for n in (0, -1):
            with self.assertRaises(IdAllocError):
                self.client.tag("order").next_many(n)

    def test_a_tag_asked_for_after_close_is_closed(self):
        self.client.close()
        with self.assertRaisesRegex(IdAllocError, "closed"):
            self.client.tag("another").next()

    def test_close_leaves_no_thread(self):
        self.server.hold()
        waiting = threading.Thread(target=lambda: self.assertRaises(IdAllocError, self.client.tag("order").next))
        waiting.start()
        self.server.asked.acquire()
        threads = list(self.client._core.threads)
        self.assertEqual(len(threads), 1)
        self.client.close()
        waiting.join()
        threads[0].join()
        self.assertEqual(self.client._core.threads, set())

    def test_where_no_thread_is_to_be_had_ids_in_memory_still_come(self):
        tag = self.client.tag("order")
        with unittest.mock.patch("threading.Thread.start", side_effect=RuntimeError("can't start new thread")):
            with self.assertRaisesRegex(IdAllocError, "can't start new thread"):
                tag.next()
        tag.next()
        for thread in list(self.client._core.threads):
            thread.join()
        with unittest.mock.patch("threading.Thread.start", side_effect=RuntimeError("can't start new thread")):
            # The current range and the reserve.
            self.assertEqual([tag.next() for _ in range(31)], list(range(2, 33)))
            with self.assertRaises(IdAllocError):
                tag.next()
        self.assertEqual(tag.next(), 33)

    def test_a_client_that_is_dropped_is_freed(self):
        client = Client([self.server.address])
        client.tag("order").next()
        for thread in list(client._core.threads):
            thread.join()
        gone = weakref.ref(client)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # its connection was not closed
            del client
            gc.collect()
        self.assertIsNone(gone())

    def test_processes_of_a_pool_draw_from_the_client_they_inherited(self):
        global inherited
        inherited = self.client.tag("order")
        own = inherited.next_many(100)
        with multiprocessing.get_context("fork").Pool(4) as pool:
            drawn = pool.map(draw_inherited, [100] * 8)
        ids = [id for many in drawn for id in many] + own + inherited.next_many(100)
        self.assertEqual(len(set(ids)), 1000)


def draw_inherited(n):
    return inherited.next_many(n)


class AsyncClientTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.server = self.enterContext(Server())

    async def test_a_task_that_is_cancelled_leaves_the_others_alone(self):
        async with AsyncClient([self.server.address]) as client:
            self.server.hold()
            tag = client.tag("order")
            cancelled, other = asyncio.ensure_future(tag.next()), asyncio.ensure_future(tag.next())
            await asyncio.to_thread(self.server.asked.acquire)
            cancelled.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await cancelled
            self.server.go()
            self.assertEqual(await other, 1)
            self.assertEqual(tag._waiting, 0)

    async def test_the_loop_goes_on_while_a_task_waits(self):
        async with AsyncClient([self.server.address], deadline=300) as client:
            self.server.hold()
            waiting = asyncio.ensure_future(client.tag("order").next())
            await asyncio.to_thread(self.server.asked.acquire)
            self.assertFalse(waiting.done())
            self.server.go()
            self.assertEqual(await waiting, 1)

    async def test_one_client_serves_several_loops(self):
        async with AsyncClient([self.server.address]) as client:
            tag = client.tag("order")
            drawn = [await asyncio.to_thread(lambda: asyncio.run(tag.next_many(50))) for _ in range(4)]
            ids = [id for many in drawn for id in many] + await tag.next_many(50)
            self.assertEqual(len(set(ids)), 250)

    async def test_who_gives_up_leaves_nothing_behind(self):
        async with AsyncClient([self.server.address], deadline=0.05) as client:
            self.server.hold()
            tag = client.tag("order")
            results = await asyncio.gather(*[tag.next() for _ in range(100)], return_exceptions=True)
            self.assertEqual({type(result) for result in results}, {Unavailable})
            self.assertEqual((tag._waiting, len(tag._refill.callbacks)), (0, 0))

    async def test_errors(self):
        async with AsyncClient([self.server.address]) as client:
            with self.assertRaises(UnknownTag):
                await client.tag("nope").next()
            with self.assertRaises(IdAllocError):
                await client.tag("order").next_many(0)

    async def test_deadline(self):
        async with AsyncClient([self.server.address], deadline=0.2) as client:
            self.server.hold()
            with self.assertRaisesRegex(Unavailable, "no ids within 0.2 s"):
                await client.tag("order").next_many(3)


if __name__ == "__main__":
    unittest.main()
