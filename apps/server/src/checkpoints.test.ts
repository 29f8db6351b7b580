import { EventEmitter } from "node:events"
import { expect, it } from "vitest"
import { checkpointRoutes } from "./checkpoints.js"
import type { Call } from "./gate.js"
import type { ServedLog } from "./served-log.js"

it("takes so many unfinished bodies, in room of its own, and more when those have ended", async () => {
  const comparing = { compare: async () => ({ relation: "same", checkpoint: "ours" }) }
  // The room for events is full.
  const log = { comparing, budget: { take: () => expect.unreachable() } } as unknown as ServedLog
  const [route] = checkpointRoutes(log)
  let timeMs = 0
  const begin = () => {
    const req = Object.assign(new EventEmitter(), { headers: {}, socket: {}, complete: false, resume() {} })
    timeMs += 100
    const answer = Promise.resolve(route?.handle({ req, timeMs } as unknown as Call, ""))
    answer.catch(() => {})
    req.emit("data", Buffer.alloc(65_536))
    return { req, answer }
  }
  const held = Array.from({ length: 64 }, begin)
  await expect(begin().answer).rejects.toMatchObject({ code: "SERVER_BUSY" })
  for (const { req } of held) req.emit("close")
  for (const { answer } of held) await expect(answer).rejects.toMatchObject({ code: "SERVER_BODY_ABORTED" })
  const { req, answer } = begin()
  Object.assign(req, { complete: true })
  req.emit("end")
  expect(await answer).toMatchObject({ status: 200 })
})
