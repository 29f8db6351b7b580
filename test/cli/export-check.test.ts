/**
 * `prooflog export-check`, of when an export was logged: on a witness's word if there is one, else on the operator's alone.
 */

import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { encodeEventEntry, stampEntryTime } from "@prooflog/event/entry"
import { normalizeEvent } from "@prooflog/event/event"
import { sealRecord } from "@prooflog/event/record"
import { formatEvidence } from "@prooflog/verifier/evidence"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { hexHash } from "../../apps/cli/dist/export-manifest.js"
import {
  evidenceOf,
  genesis,
  logOf,
  ORIGIN,
  POLICY_TEXT,
  START_MS,
  WITNESSED_POLICY_TEXT,
} from "../../packages/verifier/fixtures/small-log.js"
import { temporaryFolder } from "../running-log.js"
import { prooflogHere } from "./prooflog.js"

/** When the witnesses of the policy cosigned, seconds: 2023-11-14T22:13:20Z and a minute later. */
const COSIGNED = [1_700_000_000, 1_700_000_060]

const FILE = "leaf_index,user_id\r\n"

const MANIFEST = JSON.stringify({
  format: "prooflog-export/1",
  origin: ORIGIN,
  question: "SELECT leaf_index, user_id FROM access_logs",
  file_format: "csv",
  through: 1,
  rows: 0,
  bytes: FILE.length,
  sha256: hexHash(FILE),
})

let folder: Awaited<ReturnType<typeof temporaryFolder>>

const at = (name: string) => join(folder.path, name)

/** The evidence of an export's event, whose head was cosigned at these times. */
async function evidence(cosignedAtSeconds: readonly number[]): Promise<string> {
  const said = {
    timestamp: START_MS,
    event_id: "export-1",
    user_id: "k_01",
    action: "log.export",
    resource_accessed: "export/1",
    result: "success",
    attributes: { manifest_sha256: hexHash(MANIFEST) },
  } as const
  const normal = normalizeEvent(said, { source: "prooflog", source_key_id: "k_01" })
  const { record, commitment } = sealRecord(normal, new Uint8Array(32).fill(5))
  const entry = encodeEventEntry("routine", commitment)
  stampEntryTime(entry, 0, START_MS)
  const log = logOf([genesis(), entry], cosignedAtSeconds)
  return formatEvidence(await evidenceOf(log, new Map([[1, record]])))
}

beforeAll(async () => {
  folder = await temporaryFolder()
  await writeFile(at("u.csv"), FILE)
  await writeFile(at("u.csv.manifest.json"), MANIFEST)
  await writeFile(at("unseen"), await evidence([]))
  await writeFile(at("one"), await evidence(COSIGNED.slice(0, 1)))
  await writeFile(at("two"), await evidence(COSIGNED))
  await writeFile(at("none-asked"), POLICY_TEXT)
  await writeFile(at("one-of-two"), WITNESSED_POLICY_TEXT)
  await writeFile(at("both"), WITNESSED_POLICY_TEXT.replace("group both any", "group both all"))
})

afterAll(() => folder.remove())

const check = (evidence: string, policy: string, ...more: readonly string[]) =>
  prooflogHere(["export-check", at("u.csv"), "--policy", at(policy), "--evidence", at(evidence), ...more], {})

describe("export-check says when", () => {
  it.each([
    ["one", "one-of-two", "2023-11-14T22:13:20", "w0"],
    ["two", "one-of-two", "2023-11-14T22:13:20", "w0"],
    ["two", "both", "2023-11-14T22:14:20", "w1"],
  ])("a quorum had seen it: cosigned by %s, asked %s", async (cosigned, policy, time, witness) => {
    const { verdict, out } = await check(cosigned, policy)
    expect(verdict).toBe(0)
    const [first] = out.split("\n")
    expect(first).toMatch(
      /^✓ verified: the file is the one that the log ".*" says was exported; not later than /,
    )
    expect(first).toContain(time)
    const json = JSON.parse((await check(cosigned, policy, "--json")).out)
    expect(json.cosigned).toEqual({ witness, time_seconds: Date.parse(`${time}Z`) / 1000 })
  })

  it("it was, on the operator's word, where no witness of the policy cosigned", async () => {
    for (const cosigned of ["unseen", "two"]) {
      const { verdict, out } = await check(cosigned, "none-asked")
      expect(verdict).toBe(0)
      expect(out.split("\n")[0]).toMatch(/ says was exported; when, is the operator's word$/)
      const json = JSON.parse((await check(cosigned, "none-asked", "--json")).out)
      expect(json).not.toHaveProperty("cosigned")
    }
  })

  it("nothing at all where the quorum is missing", async () => {
    const { verdict, out, thrown } = await check("one", "both")
    expect({ verdict, out }).toEqual({ verdict: undefined, out: "" })
    expect(thrown).toMatchObject({
      code: "VERIFIER_NO_QUORUM",
      message: expect.stringContaining('needs "w1"'),
    })
  })
})
