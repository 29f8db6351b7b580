import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { createProgram } from "../program.js"
import type { Surroundings } from "../verb.js"

let server: Server | undefined
afterEach(() => void server?.close())

type Say = readonly [status: number, body: object, headers?: Record<string, string>]

const FOLLOWING = { state: "following", through: 7, tree_size: 7 }
const BUSY = { code: "QUERY_UNAVAILABLE", detail: "the query process is not ready" }

/** Runs the verb against a server that answers `v1/reindex` as it is told, one after another. */
async function reindexed(posts: readonly Say[], reading: object = FOLLOWING) {
  let asked = 0
  const answer = ({ method, url }: IncomingMessage, response: ServerResponse) => {
    const isPost = method === "POST" && url === "/v1/reindex"
    const [status, body, headers] = isPost ? (posts[asked++] as Say) : [200, reading]
    response.writeHead(status, headers).end(JSON.stringify(body))
  }
  server = createServer(answer)
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const out: string[] = []
  const err: string[] = []
  const surroundings: Surroundings = {
    terminal: {
      print: (text) => void out.push(text),
      say: (text) => void err.push(text),
      paint: (_, text) => text,
      isLive: false,
    },
    environment: { PROOFLOG_URL: `http://127.0.0.1:${port}/`, PROOFLOG_KEY: "k" },
    verdict: undefined,
  }
  const program = await createProgram(["reindex"], surroundings, "0")
  const error = await program.parseAsync(["reindex"], { from: "user" }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return { asked, out, err, error, verdict: surroundings.verdict }
}

describe("reindex", () => {
  it("waits for a server that is busy for now, and says so", async () => {
    const again = [503, BUSY, { "retry-after": "0" }] as const
    const { asked, out, err, error, verdict } = await reindexed([again, again, [202, FOLLOWING]])
    expect({ asked, error, verdict }).toEqual({ asked: 3, error: undefined, verdict: 0 })
    expect(out).toEqual([expect.stringMatching(/^reindexed 7 leaves in /)])
    expect(err[0]).toMatch(/^reindex: waits: the server is busy \(503\); trying again in /)
  })

  it.each<[string, Say]>([
    ["a refusal that does not say when to come again", [503, BUSY]],
    ["a gateway's answer: the server behind it may have begun", [502, {}, { "retry-after": "0" }]],
    ["a key without the role", [403, { code: "SERVER_WRONG_ROLE" }, { "retry-after": "0" }]],
  ])("is not asked for twice after %s", async (_, say) => {
    const { asked, error } = await reindexed([say, [202, FOLLOWING]])
    expect(asked).toBe(1)
    expect(error).toMatchObject({ code: "CLI_REFUSED" })
  })

  it("is not asked for at all where nothing is followed", async () => {
    const { asked, error } = await reindexed([], { ...FOLLOWING, state: "off" })
    expect(asked).toBe(0)
    expect(error).toMatchObject({ code: "CLI_REFUSED", message: expect.stringContaining("without a reader") })
  })

  it("ends where the log stops being followed: nobody waits for ever", async () => {
    const stopped = { state: "stopped", through: 3, tree_size: 7 }
    const { error } = await reindexed([[202, stopped]])
    expect(error).toMatchObject({
      code: "CLI_REFUSED",
      message: expect.stringContaining("3 leaves are read"),
    })
  })
})
