/** A server that is killed while it archives, destroys and erases, at one of its steps. The long one takes them all. */

import { afterAll, beforeAll, expect, it } from "vitest"
import { type Deed, KilledLogs } from "./archive-kill.js"

let logs: KilledLogs
beforeAll(async () => {
  logs = await KilledLogs.make()
})
afterAll(() => logs.remove())

it.each<[deed: Deed, what: string, n: number]>([
  ["archive", "ask withdraw", 2],
  ["destroy", "unlink .*parquet$", 1],
  ["erase", "ask withdraw", 1],
])("a server that is killed while it is to %s goes on: before %s (%i)", async (deed, what, n) => {
  expect(await logs.killed(deed, n, what)).toMatch(new RegExp(what))
})
