// A client generated from /openapi.json makes, changes, uses and deletes a tag on a running server.
// Arguments: the server's address, a token of its admin API, one for /alloc. Run by scripts/openapi-test.
import assert from "node:assert/strict";
import { createClient } from "./generated/client";
import * as api from "./generated";

const [baseUrl, admin, alloc] = process.argv.slice(2);
const client = createClient({ baseUrl, auth: (scheme) => (scheme.key === "admin" ? admin : alloc) });
const path = { tag: "typescript/order" };

async function main(): Promise<void> {
  const made = await api.putTag({ client, path, body: { step: 1000, start: 500, description: "made by TypeScript" } });
  assert.equal(made.response?.status, 201);
  assert.equal(made.data?.max_id, 500);
  const again = await api.putTag({ client, path, headers: { "If-None-Match": "*" }, body: { step: 1 } });
  assert.equal(again.response?.status, 412);
  assert.equal(again.error?.code, "precondition_failed");

  // Two operations were called alike once, and a client could call only one of them.
  const shown = await api.showTag({ client, path, throwOnError: true });
  assert.equal(shown.data.description, "made by TypeScript");
  const server = await api.showServer({ client, throwOnError: true });
  assert.equal(server.data.database.status, "up");

  const changed = await api.patchTag({ client, path, body: { step: 2000 }, throwOnError: true });
  assert.equal(changed.data.step, 2000);
  const advanced = await api.advanceTag({ client, path, body: { by: 250 }, throwOnError: true });
  assert.equal(advanced.data.max_id, 750);

  const one = await api.allocGet({ client, query: { biz_tag: path.tag }, throwOnError: true });
  assert.ok(one.data.id >= 750, `${one.data.id}`);
  assert.equal(one.data.ids, undefined);
  const three = await api.allocPost({ client, body: { biz_tag: path.tag, count: 3 }, throwOnError: true });
  assert.equal(three.data.ids?.length, 3);
  assert.ok(three.data.id > one.data.id);
  const refused = await api.allocGet({ client, query: { biz_tag: "nobody" } });
  assert.equal(refused.error?.code, "unknown_tag");
  const loaded = await api.showLoadedTag({ client, path, throwOnError: true });
  assert.equal(loaded.data.biz_tag, path.tag);
  assert.ok(loaded.data.left > 0);
  const listed = await api.listLoadedTags({ client, query: { prefix: "typescript" }, throwOnError: true });
  assert.equal(listed.data.tags.length, 1);

  const page = await api.listTags({ client, query: { prefix: "typescript", order: "desc" }, throwOnError: true });
  assert.deepEqual(page.data.tags.map((tag) => tag.biz_tag), [path.tag]);
  const deleted = await api.deleteTag({ client, path, query: { confirm: path.tag }, throwOnError: true });
  assert.equal(deleted.data.retired, true);
  const health = await api.health({ client, throwOnError: true });
  assert.equal(health.data.errno, 0);

  const stranger = createClient({ baseUrl, auth: () => "ida_nobody" });
  const denied = await api.showTag({ client: stranger, path });
  assert.equal(denied.response?.status, 401);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
