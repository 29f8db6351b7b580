import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parsePolicy } from "@prooflog/tlog/policy"
import { parseFollowCursor } from "@prooflog/verifier/follow"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openSmallLedger, type SmallLedger } from "../../fixtures/small-ledger.js"
import { LogReader } from "../log-reader.js"
import { MovedRecords } from "../retention/moved-records.js"
import type { ServerCalls } from "./calls.js"
import { farLeaves } from "./far-leaves.js"
import { type FeedOptions, feed } from "./feed.js"
import type { Link } from "./link.js"
import { readRecords, readSigned } from "./served-leaves.js"

const NO_ARCHIVE = { records: () => Promise.reject(new Error("bug: nothing was moved")) }

describe("feeding", () => {
  let base: string
  let log: SmallLedger
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), "prooflog-feed-"))
    log = await openSmallLedger(join(base, "log"))
    for (let i = 0; i < 5; i++) await log.submit(3_400)
    while (log.ledger.signedHead.treeSize < 17_001) await new Promise((resolve) => setTimeout(resolve, 20))
  })
  afterAll(async () => {
    await log.ledger.close()
    await rm(base, { recursive: true })
  })

  function fed(options: Pick<FeedOptions, "append" | "signal"> & Partial<FeedOptions>): Promise<void> {
    const reader = new LogReader(log.ledger.storage, new MovedRecords(NO_ARCHIVE))
    const answers = {
      read: (path: string) => readSigned(log.ledger, path),
      records: (range: { start: number; end: number }) => readRecords(log.ledger, reader, range),
    }
    const ask = (name: "read" | "records", value: never) => answers[name](value)
    return feed({
      source: farLeaves({ ask, tell: () => {} } as unknown as Link<ServerCalls>),
      policy: parsePolicy(`log ${log.folder.verifierKey}\nquorum none\n`),
      from: undefined,
      pollMs: 10,
      onHead: () => {},
      ...options,
    })
  }

  it("hands over every leaf once, from where it is told to begin, until it is ended", async () => {
    const end = new AbortController()
    const firsts: number[] = []
    let next = 0
    let cursor = ""
    const append: FeedOptions["append"] = async (page) => {
      expect(page.firstLeaf).toBe(next)
      next += page.count
      cursor = page.cursor
      firsts.push(page.firstLeaf)
      if (next === 17_001) end.abort()
    }
    const half = new AbortController()
    await fed({
      signal: half.signal,
      append: async (page) => {
        await append(page)
        if (firsts.length === 2) half.abort()
      },
    })
    expect(next).toBeLessThan(17_001)
    next = parseFollowCursor(cursor).nextLeaf
    await fed({ signal: end.signal, append, from: parseFollowCursor(cursor) })
    expect(next).toBe(17_001)
  })

  it("has three pages on their way, and no fourth", async () => {
    const end = new AbortController()
    const waiting: (() => void)[] = []
    const feeding = fed({
      signal: end.signal,
      append: () => new Promise((resolve) => void waiting.push(resolve)),
    })
    for (const released of [0, 1, 2]) {
      while (waiting.length < 3 + released) await new Promise((resolve) => setTimeout(resolve, 10))
      // A fourth would come now, if it were to come.
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(waiting).toHaveLength(3 + released)
      waiting[released]?.()
    }
    end.abort()
    for (const release of waiting) release()
    await feeding
  })

  it("ends when a page is not taken, though no other comes", async () => {
    const cause = new Error("no room")
    const append: FeedOptions["append"] = ({ firstLeaf, count }) =>
      firstLeaf + count === 17_001 ? Promise.reject(cause) : Promise.resolve()
    const feeding = fed({ signal: new AbortController().signal, append })
    await expect(feeding).rejects.toMatchObject({ name: "NotTaken", cause })
  })
})
