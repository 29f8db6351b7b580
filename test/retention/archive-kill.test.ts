/** A server that is killed while it archives, destroys and erases, at some of its steps. The long one takes them all. */

import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Deed, KilledLogs } from "./archive-kill.js"

/** Before what it is killed. */
const STEPS: readonly (readonly [deed: Deed, what: string, n: number])[] = [
  ["archive", "link .*parquet\\.json$", 1],
  ["archive", "ask withdraw", 2],
  ["destroy", "ask forget", 2],
  ["destroy", "unlink .*parquet$", 1],
  ["erase", "ask withdraw", 1],
]

let logs: KilledLogs
beforeAll(async () => {
  logs = await KilledLogs.make()
})
afterAll(() => logs.remove())

describe.each(["archive", "destroy", "erase"] as const)(
  "a server that is killed while it is to %s",
  (deed) => {
    let expected: Awaited<ReturnType<KilledLogs["undisturbed"]>>
    beforeAll(async () => {
      expected = await logs.undisturbed(deed)
    })

    it.each(STEPS.filter(([each]) => each === deed))(
      "%s: goes on, killed before %s (%i)",
      async (_, what, n) => {
        expect(await logs.killed(deed, n, what, expected)).toMatch(new RegExp(what))
      },
    )
  },
)
