/**
 * What the command believes of heads: none without the policy's quorum, and none that goes back behind the one it keeps.
 */

import { access, mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { formatPolicy } from "@prooflog/tlog/policy"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { ServedLog } from "../../apps/monitor/fixtures/served-log.js"
import { forkedLog } from "../../packages/verifier/fixtures/accusations.js"
import {
  logOf,
  opaqueEntries,
  opaqueLog,
  POLICY,
  smallEvidence,
  WITNESSED_POLICY,
} from "../../packages/verifier/fixtures/small-log.js"
import { temporaryFolder } from "../running-log.js"
import { prooflogHere } from "./prooflog.js"

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let log: ServedLog

const at = (name: string) => join(folder.path, name)
const run = (...args: readonly string[]) =>
  prooflogHere(args, { PROOFLOG_URL: log.url, PROOFLOG_KEY: "pl_stand_in" })

/** When a witness of the policy cosigned, seconds. */
const COSIGNED = 1_700_000_000

beforeAll(async () => {
  folder = await temporaryFolder()
  log = await ServedLog.start(opaqueLog(5))
  await writeFile(at("policy"), formatPolicy(POLICY))
  await writeFile(at("one"), formatPolicy(WITNESSED_POLICY))
  const groups = WITNESSED_POLICY.groups.map((group) => ({ ...group, threshold: 2 }))
  await writeFile(at("both"), formatPolicy({ ...WITNESSED_POLICY, groups }))
})

afterAll(async () => {
  await log.close()
  await folder.remove()
})

/** Answers as a log's server does whose events 2 and 4 are proven by `evidence`. */
function answerAsServer(evidence: string, treeSize: number): void {
  const rows = [[2], [4]]
  const columns = [{ name: "leaf_index", type: "BIGINT" }]
  const answers: Readonly<Record<string, string>> = {
    "v1/evidence": evidence,
    "v1/query": JSON.stringify({ columns, rows, truncated: false, through: treeSize, ms: 1 }),
    "v1/log": JSON.stringify({ signed: { tree_size: treeSize }, published: { tree_size: treeSize } }),
  }
  log.answer = (path, _request, response) => {
    const answer = answers[path]
    if (answer === undefined) return false
    response.writeHead(200).end(answer)
    return true
  }
}

const SQL = "SELECT leaf_index FROM access_logs"

describe("a head without a quorum", () => {
  /** Cosigned by one of the two witnesses. */
  let evidence = ""

  beforeAll(async () => {
    evidence = await smallEvidence([COSIGNED])
    await writeFile(at("evidence"), evidence)
    log.show(logOf(opaqueEntries(5), [COSIGNED]))
    answerAsServer(evidence, 5)
  })

  const ASKS: readonly (readonly [string, () => readonly string[]])[] = [
    ["verify", () => ["verify", at("evidence")]],
    ["query --verify", () => ["query", SQL, "--verify"]],
    ["query --verify --head", () => ["query", SQL, "--verify", "--head", at("never")]],
    ["audit", () => ["audit", log.url]],
    ["audit --head", () => ["audit", log.url, "--head", at("never")]],
  ]

  it.each(ASKS)(
    "could not be told of by %s, which says who cosigned and who is missing",
    async (_verb, ask) => {
      const { verdict, out, thrown } = await run(...ask(), "--policy", at("both"))
      expect(verdict).toBeUndefined()
      expect(out).not.toMatch(/verified|✓|✗/)
      expect(thrown).toMatchObject({
        code: "VERIFIER_NO_QUORUM",
        message: expect.stringMatching(/ yet: cosigned by "w0", which is no quorum: "both" needs "w1"$/),
      })
      const json = JSON.parse((await run(...ask(), "--policy", at("both"), "--json")).out)
      expect(json.verification ?? json).toMatchObject({
        verdict: "could not tell",
        code: "VERIFIER_NO_QUORUM",
        message: expect.stringContaining('needs "w1"'),
      })
      await expect(access(at("never"))).rejects.toThrow("ENOENT")
    },
  )

  it.each([
    ["audit", () => ["audit", log.url]],
    ["query --verify", () => ["query", SQL, "--verify"]],
  ])("is refused by %s --head where it contradicts the head known", async (verb, ask) => {
    const kept = at(`before-${verb}`)
    await writeFile(kept, forkedLog(5, 4, [COSIGNED]).checkpoint)
    const { verdict, out } = await run(...ask(), "--policy", at("both"), "--head", kept)
    expect(verdict).toBe(1)
    expect(out).toContain("(VERIFIER_FORKED)")
    expect(out).toContain("proof of it")
    expect(await readFile(kept, "utf8")).toBe(forkedLog(5, 4, [COSIGNED]).checkpoint)
  })

  it("could not be told of by prove, which writes nothing then", async () => {
    const prove = ["prove", "2", "4", "-o", at("proven")]
    const { verdict, out, thrown } = await run(...prove, "--policy", at("both"))
    expect({ verdict, out }).toEqual({ verdict: undefined, out: "" })
    expect(thrown).toMatchObject({
      code: "VERIFIER_NO_QUORUM",
      message: expect.stringContaining('"both" needs "w1"'),
    })
    await expect(access(at("proven"))).rejects.toThrow("ENOENT")
    const good = await run(...prove, "--policy", at("one"))
    expect(good).toMatchObject({ verdict: 0, out: "" })
    expect(good.err).toContain("verified: 2 events under the head of 5 leaves, cosigned by w0")
    expect(await readFile(at("proven"), "utf8")).toBe(evidence)
    const others = await run("prove", "2", "3", "--policy", at("one"))
    expect(others).toMatchObject({
      verdict: undefined,
      out: "",
      thrown: { code: "CLI_UNEXPECTED_ANSWER" },
    })
  })

  it("is believed by whoever asks for less", async () => {
    expect(await run("verify", at("evidence"), "--policy", at("one"))).toMatchObject({ verdict: 0 })
    expect(await run("audit", log.url, "--policy", at("one"))).toMatchObject({ verdict: 0 })
  })
})

describe("audit --head", () => {
  let n = 0
  /** A head file of its own for each test, in a folder of its own. */
  let kept = ""
  const audit = (...more: readonly string[]) =>
    run("audit", log.url, "--policy", at("policy"), "--head", kept, ...more)

  beforeEach(async () => {
    n += 1
    await mkdir(at(`heads-${n}`))
    kept = at(`heads-${n}/head`)
  })

  afterEach(() => {
    log.answer = () => false
  })

  const beside = async () => (await readdir(at(`heads-${n}`))).sort()

  it("trusts on first use and says so, then follows the log as it grows", async () => {
    log.show(opaqueLog(5))
    const first = await audit()
    expect(first.verdict).toBe(0)
    expect(first.err).toContain("no head was known: the one of 5 leaves is trusted on first use")
    expect(first.out).toContain(`  head               of 5 leaves, trusted on first use; ${kept} keeps it\n`)
    expect(await readFile(kept, "utf8")).toBe(opaqueLog(5).checkpoint)

    log.show(opaqueLog(700))
    const grown = await audit("--json")
    expect(grown).toMatchObject({ verdict: 0, err: "" })
    expect(JSON.parse(grown.out)).toMatchObject({
      tree_size: 700,
      head_file: kept,
      head_found: `extends the one of 5 leaves that ${kept} kept`,
    })
    expect((await audit()).verdict).toBe(0)
    expect(await readFile(kept, "utf8")).toBe(opaqueLog(700).checkpoint)
    expect(await beside()).toEqual(["head"])
  })

  it("refuses to go back, and keeps both heads; that alone convicts nobody", async () => {
    log.show(opaqueLog(700))
    await audit()
    log.show(opaqueLog(5))
    const { verdict, out } = await audit()
    expect(verdict).toBe(1)
    expect(out).toMatch(/^✗ not verified: the log went back from 700 leaves to 5 \(VERIFIER_WENT_BACK\)$/m)
    const [head, refused = "", ...others] = await beside()
    expect([head, others]).toEqual(["head", []])
    expect(out).toContain(`  both heads         ${at(`heads-${n}/${refused}`)}\n`)
    expect(JSON.parse(await readFile(at(`heads-${n}/${refused}`), "utf8"))).toMatchObject({
      known: opaqueLog(700).checkpoint,
      shown: opaqueLog(5).checkpoint,
    })
    expect(await readFile(kept, "utf8")).toBe(opaqueLog(700).checkpoint)
  })

  it.each([
    ["of the same size", 600, forkedLog(600, 599), "same-size"],
    ["that is larger", 500, forkedLog(600, 499), "inconsistent"],
  ])("refuses a fork %s, and writes what convicts the log", async (_what, before, fork, kind) => {
    log.show(opaqueLog(before))
    await audit()
    log.show(fork)
    const { verdict, out } = await audit("--json")
    expect(verdict).toBe(1)
    const { kept_files, ...said } = JSON.parse(out) as { kept_files: readonly string[] }
    expect(said).toMatchObject({ verdict: "not verified", code: "VERIFIER_FORKED", head_file: kept })
    expect(kept_files).toHaveLength(2)
    const proof = kept_files.find((file) => file.includes(".accusation-")) ?? ""
    expect(proof).toContain(kind)
    expect(await readFile(kept, "utf8")).toBe(opaqueLog(before).checkpoint)
    const convicts = await run("verify-evidence", proof, "--policy", at("policy"))
    expect(convicts).toMatchObject({ verdict: 0, out: expect.stringMatching(/^✓ convicts: /) })
    // Told again it makes no new file.
    expect((await audit()).out).toContain(
      `  proof of it        ${proof} (prooflog verify-evidence checks it)\n`,
    )
    expect(await beside()).toHaveLength(3)
  })

  it("keeps what was signed, also where the entries under it are refused", async () => {
    const fork = forkedLog(5, 4)
    log.show(opaqueLog(5))
    log.files.set("tile/entries/000.p/5", fork.files.get("tile/entries/000.p/5") ?? new Uint8Array())
    const { verdict, out } = await audit()
    expect(verdict).toBe(1)
    expect(out).toContain("VERIFIER_BUNDLE_REFUSED")
    expect(await readFile(kept, "utf8")).toBe(opaqueLog(5).checkpoint)
  })

  it("could not tell by a file that holds no head, or a folder that is not there", async () => {
    log.show(opaqueLog(5))
    await writeFile(kept, "no head\n")
    expect(await audit()).toMatchObject({
      verdict: undefined,
      out: "",
      thrown: { code: "CLIENT_HEAD_FILE" },
    })
    expect(await readFile(kept, "utf8")).toBe("no head\n")
    kept = at("no such folder/head")
    expect(await audit()).toMatchObject({ verdict: undefined, out: "", thrown: { code: "CLI_FILE" } })
  })

  it("is not gone around by query --verify", async () => {
    answerAsServer(await smallEvidence(), 5)
    const ask = ["query", SQL, "--verify", "--policy", at("policy"), "--head", kept]
    log.show(opaqueLog(5))
    expect((await audit()).verdict).toBe(0)
    // The evidence is of another log of five leaves, under the same key.
    const { verdict, out } = await run(...ask, "--json")
    expect(verdict).toBe(1)
    expect(JSON.parse(out)).toMatchObject({
      verification: {
        code: "VERIFIER_FORKED",
        head_file: kept,
        kept_files: [expect.any(String), expect.any(String)],
      },
    })
    kept = at(`heads-${n}/of-its-own`)
    const good = await run(...ask.slice(0, -1), kept)
    expect(good).toMatchObject({ verdict: 0 })
    expect(good.out).toContain("trusted on first use")
    expect(await run("query", SQL, "--head", kept)).toMatchObject({ thrown: { code: "CLI_USAGE" } })
  })
})
