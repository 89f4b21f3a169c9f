// A server for tests: hands out ranges of any tag but "nope", and may be told to hold its answers.

import { EventEmitter, once } from "node:events";
import http from "node:http";

export async function startServer({ first = 1n } = {}) {
  let next = first;
  let going = Promise.resolve();
  let go = () => {};
  const asked = new EventEmitter();
  const server = http.createServer(async (request, response) => {
    asked.emit("asked");
    await going;
    const query = new URL(request.url, "http://server").searchParams;
    response.setHeader("Content-Type", "application/json");
    if (query.get("biz_tag") === "nope") {
      response.statusCode = 404;
      response.end('{"errno":-1,"msg":"unknown biz_tag","id":0,"code":"unknown_tag"}');
      return;
    }
    const count = BigInt(query.get("count"));
    response.end(`{"errno":0,"msg":"success","first":"${next}","count":"${count}"}`);
    next += count;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    asked: () => once(asked, "asked"),
    hold() {
      going = new Promise((resolve) => (go = resolve));
    },
    go: () => go(),
    async close() {
      go();
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** A server and a client of it, both closed at the end of a test. */
export async function serverFor(test, options) {
  const server = await startServer(options);
  test.after(() => server.close());
  return server;
}
