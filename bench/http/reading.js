/** What the benchmarks of reading share: questions to a log, and waiting until its reader has seen everything. */

import { setTimeout as sleep } from "node:timers/promises"

/** Asks for JSON with the admin's key. */
export async function ask({ port, admin }, path, body) {
  const response = await fetch(`http://127.0.0.1:${port}/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${admin}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
  return JSON.parse(text)
}

/** Resolves when the reader has seen every leaf there is now; with how many those are. */
export async function level(server) {
  const { tree_size: treeSize } = (await ask(server, "v1/log")).published
  for (;;) {
    const { through } = await ask(server, "v1/reading")
    if (through >= treeSize) return treeSize
    await sleep(100)
  }
}
