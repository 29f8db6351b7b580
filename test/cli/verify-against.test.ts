/**
 * `prooflog verify --against`: a promise of the log, held against the log as it is now. What convicts it lies in a file.
 */

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { formatEvidence } from "@prooflog/verifier/evidence"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { ServedLog } from "../../apps/monitor/fixtures/served-log.js"
import { forkedLog, receiptOf } from "../../packages/verifier/fixtures/accusations.js"
import {
  event,
  evidenceOf,
  genesis,
  logOf,
  opaqueEntries,
  opaqueLog,
  POLICY_TEXT,
  type SmallLog,
  signHead,
  WITNESSED_POLICY_TEXT,
} from "../../packages/verifier/fixtures/small-log.js"
import { temporaryFolder } from "../running-log.js"
import { prooflog, prooflogHere } from "./prooflog.js"

/** When a witness of the policy cosigned, seconds. */
const COSIGNED = 1_700_000_000

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let log: ServedLog
/** Each test works in a folder of its own. */
let dir = ""
let n = 0

const at = (name: string) => join(dir, name)
const verify = (file: string, ...more: readonly string[]) =>
  prooflogHere(["verify", at(file), "--policy", at("policy"), "--against", log.url, ...more], {})

/** A log of sealed events; from leaf `fork` on, they are others. */
function sealedLog(size: number, fork = size): SmallLog {
  const events = Array.from({ length: size - 1 }, (_, i) => event(i + 1 < fork ? i + 1 : i + 1001))
  return logOf([genesis(), ...events.map(({ entry }) => entry)])
}

async function evidence(log: SmallLog, ...leaves: readonly number[]): Promise<string> {
  return formatEvidence(await evidenceOf(log, new Map(leaves.map((i) => [i, event(i).record]))))
}

beforeAll(async () => {
  folder = await temporaryFolder()
  log = await ServedLog.start(opaqueLog(7))
})

afterAll(async () => {
  await log.close()
  await folder.remove()
})

beforeEach(async () => {
  dir = join(folder.path, String(++n))
  await mkdir(dir)
  await writeFile(at("policy"), POLICY_TEXT)
  await writeFile(at("witnessed"), WITNESSED_POLICY_TEXT)
  await writeFile(at("receipt"), await receiptOf(opaqueLog(7), 3))
  await writeFile(at("evidence"), await evidence(sealedLog(7), 2, 4))
  log.answer = () => false
})

const FILES = ["policy", "witnessed", "receipt", "evidence"].sort()
const newFiles = async () => (await readdir(dir)).filter((name) => !FILES.includes(name))

describe("the log still contains it", () => {
  it.each([
    ["it has grown", 300, "its head of 300 leaves extends the one in the file, of 7 leaves."],
    ["nothing came after it", 7, "its head is still the one in the file, of 7 leaves."],
  ])("and says so of a receipt and of evidence: %s", async (_why, size, words) => {
    for (const [file, now] of [
      ["receipt", opaqueLog(size)],
      ["evidence", sealedLog(size)],
    ] as const) {
      log.show(now)
      const { verdict, out, err } = await verify(file)
      expect({ verdict, err }).toEqual({ verdict: 0, err: "" })
      expect(out).toMatch(/^✓ verified: /)
      expect(out.split("\n").at(-2)).toBe(`The log still contains it: ${words}`)
      const json = JSON.parse((await verify(file, "--json")).out)
      expect(json).toMatchObject({ verdict: "verified", still_contained: { tree_size: size } })
    }
    expect(await newFiles()).toEqual([])
  })
})

describe("the log has broken its word", () => {
  it.each([
    ["a receipt", "receipt", forkedLog(300, 3), /a receipt for an entry as leaf 3/],
    ["evidence", "evidence", sealedLog(300, 4), /a receipt for an entry as leaf 4/],
    ["a receipt, in a tree of the same size", "receipt", forkedLog(7, 3), /leaf 3.* a tree of 7 leaves/],
    ["a receipt, in a smaller tree", "receipt", forkedLog(5, 3), /leaf 3.* a tree of 5 leaves/],
  ])("given by %s: it is convicted anywhere by the file beside it", async (_what, file, now, proven) => {
    log.show(now)
    const { verdict, out } = await verify(file)
    expect(verdict).toBe(1)
    const proof = `${at(file)}.accusation-broken-receipt.json`
    expect(out).toMatch(/^✗ not verified: The log ".*" signed .* is another\. \(CLI_NOT_VERIFIED\)$/m)
    expect(out).toMatch(proven)
    expect(out).toContain(`  proof of it        ${proof} (prooflog verify-evidence checks it)\n`)
    expect(await newFiles()).toEqual([`${file}.accusation-broken-receipt.json`])

    await mkdir(at("alone"))
    await writeFile(at("alone/accusation.json"), await readFile(proof))
    await writeFile(at("alone/policy"), POLICY_TEXT)
    const alone = ["verify-evidence", "accusation.json", "--policy", "policy", "--json"]
    const { code, out: said } = await prooflog(alone, { cwd: at("alone") })
    expect(code).toBe(0)
    expect(JSON.parse(said)).toMatchObject({
      verdict: "convicts",
      kind: "broken-receipt",
      found: { by: "prooflog", proven: false },
    })
  })

  it("to others: where the entry is in its place, the two heads convict", async () => {
    log.show(forkedLog(300, 5))
    const { verdict, out } = await verify("receipt", "--accuse", at("mine"), "--json")
    expect(verdict).toBe(1)
    expect(JSON.parse(out)).toMatchObject({
      verdict: "not verified",
      code: "CLI_NOT_VERIFIED",
      kind: "inconsistent",
      accusation: at("mine"),
      message: expect.stringContaining("does not begin with the tree of 7 leaves"),
    })
    expect(await newFiles()).toEqual(["mine"])
    const convicts = await prooflogHere(["verify-evidence", at("mine"), "--policy", at("policy")], {})
    expect(convicts).toMatchObject({ verdict: 0 })
  })

  it("and is convicted though the heads lack a quorum, which alone would prove nothing", async () => {
    log.show(forkedLog(300, 3))
    const witnessed = (...more: readonly string[]) =>
      prooflogHere(["verify", at("receipt"), "--policy", at("witnessed"), "--against", log.url, ...more], {})
    expect(await witnessed()).toMatchObject({ verdict: 1, out: expect.stringContaining("leaf 3 is another") })
    log.show(opaqueLog(300))
    const none = { verdict: undefined, out: "" }
    // First the receipt lacks it, then only the head that the log shows.
    expect(await witnessed()).toMatchObject({ ...none, thrown: { code: "VERIFIER_NO_QUORUM" } })
    await writeFile(at("receipt"), await receiptOf(logOf(opaqueEntries(7), [COSIGNED]), 3))
    expect(await witnessed()).toMatchObject({
      ...none,
      thrown: {
        code: "CLI_CANNOT_TELL",
        message: expect.stringMatching(/still contains it: .* yet: cosigned by no witness/),
      },
    })
    log.show(logOf(opaqueEntries(300), [COSIGNED]))
    expect(await witnessed()).toMatchObject({ verdict: 0 })
  })

  it("and what convicts it is printed where it cannot be written: the log may not show it again", async () => {
    log.show(forkedLog(300, 3))
    const { verdict, out, err } = await verify("receipt", "--accuse", at("no such folder/mine"))
    expect(verdict).toBe(1)
    expect(out).not.toContain("proof of it")
    const [why, text = ""] = err.split("\n")
    expect(why).toContain("there is no such folder")
    await writeFile(at("from-stderr"), text)
    const convicts = await prooflogHere(["verify-evidence", at("from-stderr"), "--policy", at("policy")], {})
    expect(convicts).toMatchObject({ verdict: 0 })
  })
})

describe("could not tell", () => {
  const withHead = ({ files }: SmallLog, note: string) => {
    log.files = new Map(files).set("checkpoint", new TextEncoder().encode(note))
  }

  it.each([
    ["an older head", () => log.show(opaqueLog(5)), /older head, of 5 leaves; that in the file has 7 leaves/],
    [
      "an older head of the same tree",
      () => withHead(opaqueLog(7), opaqueLog(5).checkpoint),
      /older head, of 5 leaves; that in the file has 7 leaves/,
    ],
    ["no head", () => log.files.delete("checkpoint"), /does not serve checkpoint/],
    ["no head of this log", () => withHead(opaqueLog(7), "nothing\n"), /checkpoint refused/],
    [
      "tiles that are not those of its head",
      () => withHead(opaqueLog(300), signHead(300, new Uint8Array(32).fill(9))),
      /tiles do not make the root/,
    ],
    ["no tiles", () => withHead({ ...opaqueLog(7), files: new Map() }, opaqueLog(300).checkpoint), /tile\//],
  ])("by a log that shows %s: nobody is accused", async (_what, show, why) => {
    log.show(opaqueLog(7))
    show()
    const { verdict, out, thrown } = await verify("receipt")
    expect({ verdict, out }).toEqual({ verdict: undefined, out: "" })
    expect(thrown).toMatchObject({ code: "CLI_CANNOT_TELL", message: expect.stringMatching(why) })
    expect(JSON.parse((await verify("receipt", "--json")).out)).toMatchObject({ verdict: "could not tell" })
    expect(await newFiles()).toEqual([])
  })

  it("by the head of another log, though the policy names that one, too", async () => {
    const other = createSignerKey("log.example/other", new Uint8Array(32).fill(5), 0x01)
    await writeFile(at("policy"), `log ${formatVerifierKey(verifierKeyOf(other))}\n${POLICY_TEXT}`)
    const head = { origin: other.name, treeSize: 2, rootHash: new Uint8Array(32), extensions: [] }
    withHead(opaqueLog(7), signCheckpoint(head, other))
    const { verdict, thrown } = await verify("receipt")
    expect(verdict).toBeUndefined()
    expect(thrown).toMatchObject({
      code: "CLI_CANNOT_TELL",
      message: expect.stringMatching(/one head is of "log\.example\/\w+", one of "log/),
    })
  })

  it("by a log that does not answer, by what is no URL, or for --accuse alone", async () => {
    const receipt = ["verify", at("receipt"), "--policy", at("policy")]
    for (const [more, code] of [
      [["--against", "http://127.0.0.1:9/"], "CLI_CANNOT_TELL"],
      [["--against", "log.example"], "CLI_USAGE"],
      [["--accuse", at("mine")], "CLI_USAGE"],
    ] as const) {
      const { verdict, thrown } = await prooflogHere([...receipt, ...more], {})
      expect(verdict).toBeUndefined()
      expect(thrown).toMatchObject({ code })
    }
  })
})

it("refuses a file that proves nothing before the log is asked", async () => {
  await writeFile(at("evidence"), (await readFile(at("evidence"), "utf8")).replace('"success"', '"denied"'))
  log.paths.length = 0
  const { verdict, out } = await verify("evidence")
  expect(verdict).toBe(1)
  expect(out).toContain("VERIFIER_DISCLOSURE_REFUSED")
  expect(log.paths).toEqual([])
  expect(await newFiles()).toEqual([])
})
