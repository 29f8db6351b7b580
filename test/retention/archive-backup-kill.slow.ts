/** A backup of archived records that is killed at every step. */

import { afterAll, beforeAll, expect, it } from "vitest"
import { KilledBackups } from "./archive-backup-kill.js"

let backups: KilledBackups
beforeAll(async () => {
  backups = await KilledBackups.make()
})
afterAll(() => backups.remove())

it("a killed backup of archived records is whole, and completed by the next", async () => {
  const seen: string[] = []
  for (let n = 1; ; n++) {
    const there = await backups.killed(n)
    if (there === undefined) break
    seen.push(there)
  }
  expect(seen.length).toBeGreaterThan(5)
  expect(new Set(seen)).toEqual(new Set(["former", "next"]))
})
