/** A server that is killed before each thing that lasts of an archive run, of a destruction, and of an erasure of archived records. */

import { afterAll, beforeAll, expect, it } from "vitest"
import { KilledLogs } from "./archive-kill.js"

let logs: KilledLogs
beforeAll(async () => {
  logs = await KilledLogs.make()
})
afterAll(() => logs.remove())

it.each(["archive", "destroy", "erase"] as const)(
  "goes on, killed before each step of what it is to %s",
  async (deed) => {
    const steps: string[] = []
    for (;;) {
      const what = await logs.killed(deed, steps.length + 1)
      if (what === undefined) break
      steps.push(what)
    }
    console.log(`${deed}, killed before:\n${steps.join("\n")}`)
    expect(steps.length).toBeGreaterThan(15)
  },
)
