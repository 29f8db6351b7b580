/** Erasures of records that are hot and lie in a segment, too: gone from both, before that is said. */

import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { filesWith, followed, get, type Json, logFor, runNow, tell } from "./asked.js"
import { archiveJob, archiveOf, DAY_MS, LogAt } from "./log-at.js"

const BEGIN_MS = Date.parse("2026-03-01T12:00:00Z")

const SCHEDULE = `
classes:
  brief: { hot: 1d, archive: 300d }
  audit: { hot: 7y }
default: brief
`

const NEEDLE = "needle-of-one-person"

describe("an erased person", () => {
  let log: LogAt
  beforeEach(async () => {
    log = await LogAt.make(SCHEDULE)
    await log.at(BEGIN_MS)
  })
  afterEach(() => log.remove())

  it("whose records were made hot again is gone from the segment that others still lie in", async () => {
    await logFor(log, "U1", 5)
    const leaves = await logFor(log, "P1", 3, () => ({ user_agent: NEEDLE }))
    await logFor(log, "U1", 5)
    await log.at(BEGIN_MS + 3 * DAY_MS)
    await followed(log)
    expect(await archiveJob(log, "run")).toMatchObject({ state: "done", result: { archived: 13 } })
    const [from, to] = [leaves[0] as number, (leaves.at(-1) as number) + 1]
    expect(await archiveJob(log, "restore", { from_leaf: from, to_leaf: to })).toMatchObject({
      result: { records: 3, segments: 0 },
    })
    const { body } = await tell(log, "v1/erasures", { user_id: "P1", why: "request 17" })
    const { error } = await runNow(log)
    expect(error).toBeUndefined()
    expect((await get(log, `v1/erasures/${body.id}`)).body).toMatchObject({ state: "gone" })
    expect(await filesWith(log.dir, NEEDLE)).toEqual([])
    expect(await archiveJob(log, "verify")).toMatchObject({ result: { records: 10, faults: [] } as Json })
    expect(await archiveOf(log)).toMatchObject({ owed: { stale: 0, purge: false, rewrite: false } })
  })
})
