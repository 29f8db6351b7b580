/** A server in a process of its own, at a given time: `fork("serve-at.mjs", [DIR, MS])`. It says where it listens, and ends when it is told to. */

import { startServer } from "@prooflog/server"

const [dir, timeMs] = process.argv.slice(2)
const begunMs = Date.now()
const server = await startServer({
  dir,
  port: 0,
  logger: false,
  alerts: false,
  follow: process.env.FOLLOW !== "0",
  publishEveryMs: 20,
  clock: () => Number(timeMs) + (Date.now() - begunMs),
})
process.once("message", async () => {
  await server.close()
  process.disconnect()
})
process.send({ url: server.url })
