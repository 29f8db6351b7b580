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
  const begin = (remoteAddress: string) => {
    const socket = { remoteAddress }
    const req = Object.assign(new EventEmitter(), { headers: {}, socket, complete: false, resume() {} })
    timeMs += 100
    const answer = Promise.resolve(route?.handle({ req, timeMs } as unknown as Call, ""))
    answer.catch(() => {})
    req.emit("data", Buffer.alloc(65_536))
    return { req, answer }
  }
  const held = Array.from({ length: 32 }, () => begin("192.0.2.0"))
  await expect(begin("192.0.2.0").answer).rejects.toMatchObject({ code: "SERVER_TOO_MANY_REQUESTS" })
  // Neither can all addresses together fill more than there is.
  for (let i = 32; i < 256; i++) held.push(begin(`192.0.2.${i >> 5}`))
  await expect(begin("192.0.2.99").answer).rejects.toMatchObject({ code: "SERVER_BUSY" })
  for (const { req } of held) req.emit("close")
  for (const { answer } of held) await expect(answer).rejects.toMatchObject({ code: "SERVER_BODY_ABORTED" })
  const { req, answer } = begin("192.0.2.0")
  Object.assign(req, { complete: true })
  req.emit("end")
  expect(await answer).toMatchObject({ status: 200 })
})
