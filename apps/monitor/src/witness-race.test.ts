/** Many at once, on two inconsistent histories: of one step that is not atomic, this finds the seam. */

import { mkdtemp, readFile, rm } from "node:fs/promises"
import { Agent, createServer, request, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { parseNote } from "@prooflog/tlog/note"
import { originHash, parseSizeConflict } from "@prooflog/tlog/witness-request"
import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openWitness, type Witness } from "./witness.js"
import { type Branch, LOG, TWO_BRANCHES, witnessKey } from "./witness-branches.js"
import { witnessDoor } from "./witness-door.js"

const HASH = originHash(LOG.origin)

interface Cosigned {
  readonly branch: Branch
  readonly size: number
}

/** Pairs of heads of which neither begins with the other: what may never be. Roots are compared, not what we think. */
function inconsistent(cosigned: readonly Cosigned[]): [Cosigned, Cosigned][] {
  return cosigned.flatMap((one) =>
    cosigned
      .filter(
        ({ branch, size }) =>
          size <= one.size && !Buffer.from(one.branch.root(size)).equals(branch.root(size)),
      )
      .map((other): [Cosigned, Cosigned] => [one, other]),
  )
}

const sizeOf = (note: string | undefined) =>
  note === undefined ? 0 : parseCheckpoint(parseNote(note).text).treeSize

/** Whether no number is smaller than the one before. */
const isRising = (sizes: readonly number[]) =>
  sizes.every((size, i) => i === 0 || size >= (sizes[i - 1] as number))

let folder: string
let witness: Witness

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "witness-race-"))
  witness = await openWitness({ folder, signerKey: witnessKey, logs: [LOG] })
})

afterEach(() => rm(folder, { recursive: true, force: true }))

describe("concurrent requests", () => {
  /** A step asks for `grow` leaves more than what its sender thinks the witness knows. */
  const senders = fc.array(
    fc.record({
      isLeft: fc.boolean(),
      startsAt: fc.nat(8),
      grow: fc.array(fc.nat(4), { minLength: 1, maxLength: 8 }),
    }),
    { minLength: 2, maxLength: 12 },
  )

  it("never have two inconsistent checkpoints cosigned, and never take the witness back", async () => {
    const total = { cosigned: 0, conflicts: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(senders, async (senders) => {
        await rm(folder, { recursive: true, force: true })
        witness = await openWitness({ folder, signerKey: witnessKey, logs: [LOG] })
        const cosigned: Cosigned[] = []
        const known: number[] = []
        await Promise.all(
          senders.map(async ({ isLeft, startsAt, grow }) => {
            const branch = TWO_BRANCHES[isLeft ? 0 : 1]
            let old = startsAt
            for (const leaves of grow) {
              const size = old + leaves
              const { status, body } = await witness.addCheckpoint(await branch.request(old, size))
              known.push(sizeOf(witness.latest(HASH)))
              if (status === 200) {
                total.cosigned++
                cosigned.push({ branch, size })
                old = size
              } else if (status === 409) {
                total.conflicts++
                old = parseSizeConflict(body) as number
              } else {
                total.refused++
                expect(status).toBe(422)
              }
            }
          }),
        )
        expect(inconsistent(cosigned)).toEqual([])
        expect(isRising(known)).toBe(true)
        const stored = await readFile(join(folder, HASH), "utf8").catch(() => undefined)
        expect(stored).toBe(witness.latest(HASH))
        expect(sizeOf(stored)).toBe(Math.max(0, ...cosigned.map(({ size }) => size)))
      }),
      { numRuns: 60 },
    )
    // All three happened, or nothing was tried.
    expect(Math.min(...Object.values(total))).toBeGreaterThan(0)
  })
})

describe("hundreds of concurrent requests over HTTP", () => {
  const SENDERS = 48
  const STEPS = 10
  let server: Server
  let agent: Agent
  const failures: unknown[] = []

  beforeEach(async () => {
    const door = witnessDoor({ witness, onError: (error) => failures.push(error) })
    server = createServer((req, res) => {
      if (!door(req, res)) res.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    agent = new Agent({ keepAlive: true })
  })

  afterEach(async () => {
    agent.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  function ask(method: "GET" | "POST", path: string, body = ""): Promise<{ status: number; text: string }> {
    const { port } = server.address() as AddressInfo
    return new Promise((resolve, reject) => {
      const req = request({ host: "127.0.0.1", port, method, path, agent }, (res) => {
        res.setEncoding("utf8")
        let text = ""
        res.on("data", (chunk) => {
          text += chunk
        })
        res.on("end", () => resolve({ status: res.statusCode ?? 0, text }))
        res.on("error", reject)
      })
      req.on("error", reject)
      req.end(body)
    })
  }

  it("have one history cosigned, whose size never goes back for anyone who looks", async () => {
    const cosigned: Cosigned[] = []
    const statuses = new Map<number, number>()
    let isOver = false

    async function send(branch: Branch): Promise<void> {
      const sizes: number[] = []
      let old = 0
      for (let step = 0; step < STEPS; step++) {
        const size = Math.min(old + (step % 3), 255)
        const { status, text } = await ask("POST", "/add-checkpoint", await branch.request(old, size))
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        if (status === 200) cosigned.push({ branch, size })
        if (status === 409) sizes.push(parseSizeConflict(text) as number)
        old = status === 200 ? size : (sizes.at(-1) ?? old)
      }
      expect(isRising(sizes)).toBe(true)
    }

    async function look(): Promise<void> {
      const sizes: number[] = []
      while (!isOver) {
        const { status, text } = await ask("GET", `/${HASH}/checkpoint`)
        sizes.push(status === 200 ? sizeOf(text) : 0)
      }
      expect(isRising(sizes)).toBe(true)
    }

    const looking = [look(), look()]
    await Promise.all(Array.from({ length: SENDERS }, (_, i) => send(TWO_BRANCHES[i % 2 === 0 ? 0 : 1])))
    isOver = true
    await Promise.all(looking)

    expect(failures).toEqual([])
    expect(inconsistent(cosigned)).toEqual([])
    expect([...statuses.keys()].sort()).toEqual([200, 409, 422])
    expect([...statuses.values()].reduce((a, b) => a + b)).toBe(SENDERS * STEPS)
    // Both branches were tried beyond the fork, and one was followed.
    expect(Math.max(...cosigned.map(({ size }) => size))).toBeGreaterThan(5)
    expect(sizeOf(witness.latest(HASH))).toBe(Math.max(...cosigned.map(({ size }) => size)))
  })
})
