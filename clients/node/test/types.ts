// Compiled, not run: the types of what is exported, as a caller in TypeScript meets them.

import { Client, IdAllocError, type Tag, UnknownTag } from "id-alloc-client";

export async function use(): Promise<bigint> {
  await using client = new Client({ servers: ["http://127.0.0.1:8880"], token: "…", rangeDuration: 10_000 });
  const tag: Tag = client.tag("order");
  const many: bigint[] = await tag.nextMany(3);
  const now: bigint | undefined = tag.tryNext();
  try {
    return now ?? many[0] ?? (await tag.next());
  } catch (error) {
    if (error instanceof UnknownTag) {
      const code: string | undefined = error.code;
      throw new Error(`create ${error.tag} first: ${code}`);
    }
    const base: boolean = error instanceof IdAllocError;
    throw new Error(String(base));
  }
}

// @ts-expect-error an id is not a number
export const wrong = async (tag: Tag): Promise<number> => tag.next();
// @ts-expect-error servers are needed
export const none = () => new Client({ token: "…" });
// @ts-expect-error handles come from a client
export const handle = () => new (null as unknown as typeof Tag)();
