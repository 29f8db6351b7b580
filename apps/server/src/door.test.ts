import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { type Answer, problem } from "./answer.js"
import { openDoor } from "./door.js"
import { ServerError } from "./error.js"
import type { Call } from "./gate.js"
import { Tally } from "./tally.js"

const ends: (() => unknown)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

/** A door behind which every request has this answer. */
async function doorTo(answer: () => Promise<Answer>): Promise<{ url: string; tally: Tally }> {
  const tally = new Tally()
  const server = createServer(
    openDoor({
      gate: (req) => ({ req, method: "GET", path: "" }) as unknown as Call,
      submit: undefined,
      viaExpress: answer,
      refuse: problem,
      tally,
      isStopping: () => false,
    }),
  )
  ends.push(() => server.close().closeAllConnections())
  await once(server.listen(0, "127.0.0.1"), "listening")
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, tally }
}

describe("what is counted", () => {
  it.each<[string, () => Promise<Answer>, number]>([
    ["an answer", async () => ({ status: 201, headers: [], body: "made" }), 201],
    ["a refusal", async () => Promise.reject(new ServerError("SERVER_NOT_YOURS", "no")), 403],
    [
      "an answer for which there is no room",
      async () => ({ status: 200, headers: [], body: new Uint8Array(256 * 1024 * 1024 + 1) }),
      503,
    ],
  ])("is what was sent: %s", async (_, answer, status) => {
    const { url, tally } = await doorTo(answer)
    expect((await fetch(url)).status).toBe(status)
    expect([...tally.answers]).toEqual([[status, 1]])
  })
})
