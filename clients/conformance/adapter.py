"""Talks with a client's adapter: a program that drives one client library by lines of JSON on stdin and stdout.

Each command has a number, which its reply repeats; replies may come in any order, since some commands wait.
"""

import json
import queue
import subprocess
import threading

PATIENCE = 60.0


class Broken(Exception):
    """The adapter ended, hung, or answered nonsense."""


class Adapter:
    """One running adapter process."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.replies, self.lock, self.number, self.errors = {}, threading.Lock(), 0, []
        self.hello_queue = queue.Queue()
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self._read, self._read_errors)]
        for reader in self.readers:
            reader.start()

    def hello(self):
        """What this adapter can do."""
        return self._take(self.hello_queue, "its first line")["hello"]

    def send(self, do, **arguments):
        """Sends a command, and returns the queue in which its reply will be."""
        with self.lock:
            self.number += 1
            reply = self.replies[self.number] = queue.Queue()
            line = json.dumps({"id": self.number, "do": do, **arguments}, ensure_ascii=False)
            try:
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()
            except OSError as error:
                raise Broken(f"the adapter is gone: {error}\n{self.stderr()}") from error
        return reply

    def call(self, do, **arguments):
        return self.finish(self.send(do, **arguments), do)

    def finish(self, reply, what):
        answer = self._take(reply, f"an answer to {what!r}")
        if "failed" in answer:
            raise Broken(f"the adapter failed at {what!r}: {answer['failed']}")
        return answer

    def end(self):
        """Closes stdin; the adapter has to end by itself, with exit code 0."""
        self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise Broken("the adapter did not end when its stdin was closed: something of the client lives on") from error
        if code != 0:
            raise Broken(f"the adapter ended with exit code {code}\n{self.stderr()}")

    def kill(self):
        """Makes sure that nothing of it remains; of no effect after `end`."""
        self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except OSError:
                pass

    def stderr(self):
        return "".join(self.errors[-50:])

    def _take(self, source, what):
        try:
            answer = source.get(timeout=PATIENCE)
        except queue.Empty as error:
            raise Broken(f"{what} did not come within {PATIENCE:.0f} s\n{self.stderr()}") from error
        if answer is None:
            raise Broken(f"the adapter ended before {what} came\n{self.stderr()}")
        return answer

    def _read(self):
        for line in self.process.stdout:
            try:
                answer = json.loads(line)
                target = self.hello_queue if "hello" in answer else self.replies[answer["id"]]
            except (ValueError, KeyError, TypeError):
                self.errors.append(f"not a reply: {line}")
                continue
            target.put(answer)
        with self.lock:
            for waiting in [self.hello_queue, *self.replies.values()]:
                waiting.put(None)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)
