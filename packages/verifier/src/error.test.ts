import { describe, expect, it } from "vitest"
import { VERIFIER_ERROR_CODES, VerifierError, verdictOf, wordsOf } from "./error.js"

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
      "VERIFIER_NOT_DISCLOSED",
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

  it("quotes whatever was thrown", () => {
    expect(wordsOf(new Error("inner"))).toBe("inner")
    expect(wordsOf("text")).toBe("text")
  })
})
