import { ArchiveError } from "@prooflog/archive/error"
import { LedgerError } from "@prooflog/ledger/error"
import { ObjectsError } from "@prooflog/objects/error"
import { QueryError } from "@prooflog/query/error"
import { VerifierError } from "@prooflog/verifier/error"
import { describe, expect, it } from "vitest"
import { ServerError } from "../error.js"
import { farError, nearError } from "./far-error.js"

const KEY = "segments/routine/2026-03/7-42-0011223344556677.parquet"

describe("an error on its way to another process", () => {
  it.each([
    new QueryError("QUERY_SYNTAX", "not SQL", { line: 2, column: 7, hint: "SELECT" }),
    new LedgerError("LEDGER_MISSING_RECORD", "no record", { leafIndex: 7 }),
    new VerifierError("VERIFIER_TILE_REFUSED", "another tile", { path: "tile/0/000", leafIndex: 7 }),
    new ArchiveError("ARCHIVE_SEGMENT_REFUSED", "leaf 9", { key: KEY, leafIndex: 9 }),
    new ObjectsError("OBJECTS_NO_ROOM", "the device is full", { key: KEY }),
    new ObjectsError("OBJECTS_BAD_CREDENTIALS", "who are you?"),
    new ServerError("SERVER_HOLD_UNDECIDED", "a hold cannot be asked", { leafIndex: 3 }),
  ])("is the same there: $code", (error) => {
    const far: unknown = structuredClone(farError(error))
    const near = nearError(far as ReturnType<typeof farError>)
    expect(near).toBeInstanceOf(error.constructor)
    expect({ ...near, message: near.message }).toEqual({ ...error, message: error.message })
  })

  it("tells its causes, and its name where it has no code of ours", () => {
    const error = new TypeError("no", { cause: new Error("why") })
    expect(nearError(farError(error)).message).toBe("TypeError: no: why")
    const cause = new Error("EACCES: open '/mnt'", { cause: new Error("") })
    const twice = new ObjectsError("OBJECTS_ACCESS_DENIED", cause.message, { key: KEY, cause })
    expect(nearError(farError(twice)).message).toBe(`${KEY}: EACCES: open '/mnt'`)
  })
})
