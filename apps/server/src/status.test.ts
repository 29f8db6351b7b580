import { EVENT_ERROR_CODES, EVENT_PROBLEM_CODES } from "@prooflog/event/error"
import { LEDGER_ERROR_CODES } from "@prooflog/ledger/error"
import { QUERY_ERROR_CODES } from "@prooflog/query/error"
import { TLOG_ERROR_CODES } from "@prooflog/tlog/error"
import { VERIFIER_ERROR_CODES } from "@prooflog/verifier/error"
import { describe, expect, it } from "vitest"
import { problem } from "./answer.js"
import { SERVER_ERROR_CODES, ServerError } from "./error.js"
import { type AnsweredCode, statusOf } from "./status.js"

const CODES: readonly AnsweredCode[] = [
  ...SERVER_ERROR_CODES,
  ...EVENT_ERROR_CODES,
  ...EVENT_PROBLEM_CODES,
  ...LEDGER_ERROR_CODES,
  ...TLOG_ERROR_CODES,
  ...VERIFIER_ERROR_CODES,
  ...QUERY_ERROR_CODES,
]

describe("the status table", () => {
  it.each(CODES)("knows %s", (code) => {
    const { status, title, retryAfterSeconds } = statusOf(code)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(600)
    expect(title).not.toBe("")
    // Who is told to come back is told when.
    expect(retryAfterSeconds !== undefined).toBe(status === 503 || status === 429)
  })

  it("gives one code one meaning", () => {
    expect(new Set(CODES).size).toBe(CODES.length)
  })
})

describe("a problem", () => {
  it("hides the words of a bug", () => {
    const { status, body } = problem(new TypeError("U12345 is not a function"))
    expect(status).toBe(500)
    expect(body).toContain('"code":"SERVER_BUG"')
    expect(body).not.toContain("U12345")
  })

  it("goes by the code of an event's first broken rule, and tells the others", () => {
    const problems = [
      { code: "missing_field", pointer: "/user_id", message: "user_id is missing" },
      { code: "bad_ip", pointer: "/ip_address", message: "no address" },
    ] as const
    const { status, body } = problem(new ServerError("SERVER_REFUSED_EVENT", "refused", { problems }))
    expect(status).toBe(422)
    expect(JSON.parse(String(body))).toMatchObject({
      code: "missing_field",
      pointer: "/user_id",
      errors: problems,
    })
  })
})
