/** A backup of archived records that is killed, at two of its steps. The long one takes them all. */

import { afterAll, beforeAll, expect, it } from "vitest"
import { KilledBackups } from "./archive-backup-kill.js"

let backups: KilledBackups
beforeAll(async () => {
  backups = await KilledBackups.make()
})
afterAll(() => backups.remove())

it.each([2, 8])(
  "a killed backup of archived records is whole, and completed by the next: step %i",
  async (n) => {
    expect(await backups.killed(n)).toMatch(/^(?:former|next)$/)
  },
)
