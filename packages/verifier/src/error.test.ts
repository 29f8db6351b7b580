import { EventError } from "@prooflog/event/error"
import { TlogError } from "@prooflog/tlog/error"
import { describe, expect, it } from "vitest"
import { refusalBy, VERIFIER_ERROR_CODES, VerifierError, verdictOf, wordsOf } from "./error.js"

describe("a verifier error", () => {
  it("says where, with its cause", () => {
    const cause = new Error("inner")
    const heads = { known: "a", shown: "b" }
    const error = new VerifierError("VERIFIER_FORKED", "message", {
      cause,
      leafIndex: 5,
      path: "tile/0/000",
      heads,
    })
    expect(error).toMatchObject({
      name: "VerifierError",
      code: "VERIFIER_FORKED",
      leafIndex: 5,
      heads,
      cause,
    })
    expect(error.path).toBe("tile/0/000")
    expect(new VerifierError("VERIFIER_FORKED", "message")).not.toHaveProperty("cause")
  })

  it("refuses for every code but those that only failed to find out", () => {
    const unknown = VERIFIER_ERROR_CODES.filter(
      (code) => verdictOf(new VerifierError(code, "")) === "unknown",
    )
    expect(unknown).toEqual([
      "VERIFIER_NO_QUORUM",
      "VERIFIER_UNKNOWN_KEY_TYPE",
      "VERIFIER_NOT_DISCLOSED",
      "VERIFIER_MISSING_RECORD",
      "VERIFIER_MISSING",
      "VERIFIER_SOURCE_FAILED",
      "VERIFIER_LOG_TOO_LARGE",
    ])
  })

  it("never takes a crash for a refusal", () => {
    for (const error of [new Error("bug"), new RangeError("memory"), undefined, "text"]) {
      expect(verdictOf(error)).toBe("unknown")
    }
  })

  it("is made of what another room refused, and of nothing else that was thrown", () => {
    for (const cause of [
      new TlogError("TLOG_PROOF_REFUSED", "inner"),
      new EventError("EVENT_TOO_LARGE", "inner"),
    ]) {
      const error = refusalBy(cause, "VERIFIER_NOT_IN_TREE", "leaf 5", { leafIndex: 5 })
      expect(error).toMatchObject({
        code: "VERIFIER_NOT_IN_TREE",
        message: "leaf 5: inner",
        leafIndex: 5,
        cause,
      })
    }
    for (const thrown of [new RangeError("memory"), new VerifierError("VERIFIER_MISSING", ""), undefined]) {
      expect(refusalBy(thrown, "VERIFIER_NOT_IN_TREE", "leaf 5")).toBe(thrown)
    }
  })

  it("quotes whatever was thrown", () => {
    expect(wordsOf(new Error("inner"))).toBe("inner")
    expect(wordsOf("text")).toBe("text")
  })
})
