import { LedgerError } from "@prooflog/ledger/error"
import { QueryError, type QueryErrorCode } from "@prooflog/query/error"
import type { Logger } from "pino"
import { describe, expect, it } from "vitest"
import { ServerError } from "./error.js"
import { openReport } from "./report.js"

describe("the operator", () => {
  function listen() {
    const told: string[] = []
    const logger = { error: ({ code }: { code: string }) => void told.push(code) } as unknown as Logger
    let nowMs = 0
    const later = (ms: number) => {
      nowMs += ms
    }
    return { told, report: openReport(logger, () => nowMs), later }
  }

  it.each<QueryErrorCode>(["QUERY_INTERRUPTED", "QUERY_BUSY", "QUERY_BEHIND", "QUERY_TIMEOUT"])(
    "is not told of %s: it passes, or is its asker's",
    (code) => {
      const { told, report } = listen()
      report(new QueryError(code, "no"))
      expect(told).toEqual([])
    },
  )

  it("is told of what has to be mended: of bugs each time, of what lasts once a minute", () => {
    const { told, report, later } = listen()
    for (let i = 0; i < 2; i++) {
      report(new Error("a bug"))
      report(new QueryError("QUERY_UNAVAILABLE", "no"))
      report(new LedgerError("LEDGER_DISK_FULL", "no"))
      report(new ServerError("SERVER_NOT_FOUND", "no"))
    }
    expect(told).toEqual(["SERVER_BUG", "QUERY_UNAVAILABLE", "LEDGER_DISK_FULL", "SERVER_BUG"])
    later(60_000)
    report(new QueryError("QUERY_UNAVAILABLE", "no"))
    expect(told.at(-1)).toBe("QUERY_UNAVAILABLE")
    expect(told).toHaveLength(5)
  })
})
