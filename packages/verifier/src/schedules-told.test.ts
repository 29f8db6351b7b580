import { expect, test } from "vitest"
import { FIRST, LATER, retentionLog } from "../fixtures/retention-log.js"
import { POLICY } from "../fixtures/small-log.js"
import { verifyLog } from "./verify-log.js"

test("schedules are told by an audit, all of them, also by one that goes on", async () => {
  const log = retentionLog()
  const told: [number, unknown][] = []
  const onSchedule = (leaf: number, schedule: unknown) => told.push([leaf, schedule])
  const { end } = await verifyLog(log.source, POLICY, { onSchedule })
  expect(told).toEqual([
    [0, FIRST],
    [3, LATER],
  ])
  await verifyLog(log.source, POLICY, { onSchedule, from: end })
  expect(told).toHaveLength(2)
})
