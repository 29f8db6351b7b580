import { execFile, execFileSync } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { proveInclusion } from "@prooflog/tlog/inclusion"
import { formatReceipt } from "@prooflog/tlog/receipt"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ERASED, retentionLog, shownLeaf } from "../fixtures/retention-log.js"
import {
  defined,
  logOf,
  opaqueEntries,
  POLICY_TEXT,
  smallEvidence,
  WITNESSED_POLICY_TEXT,
} from "../fixtures/small-log.js"
import { formatCertificate } from "./certificate.js"
import { main } from "./prooflog-verify.js"
import { tileReader } from "./source.js"

const BIN = fileURLToPath(new URL("../bin/prooflog-verify.js", import.meta.url))

interface Outcome {
  readonly exit: number
  readonly out: string
  readonly err: string
}

describe("prooflog-verify", () => {
  let folder = ""
  const at = (name: string) => join(folder, name)

  /** In this process: what `main` returns is the exit code. */
  async function verify(...args: string[]): Promise<Outcome> {
    const texts = { out: "", err: "" }
    const exit = await main(args, {
      out: (text) => {
        texts.out += text
      },
      err: (text) => {
        texts.err += text
      },
    })
    return { exit, ...texts }
  }

  function spawned(args: string[], bin = BIN): Promise<Outcome> {
    return new Promise((resolve) => {
      const child = execFile(process.execPath, [bin, ...args], (_error, out, err) => {
        resolve({ exit: child.exitCode ?? -1, out, err })
      })
    })
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "prooflog-verify-"))
    const evidence = await smallEvidence()
    writeFileSync(at("policy"), POLICY_TEXT)
    writeFileSync(at("witnessed"), WITNESSED_POLICY_TEXT)
    writeFileSync(at("good.json"), evidence)
    writeFileSync(at("cosigned.json"), await smallEvidence([1_700_000_000]))
    writeFileSync(at("bad.json"), evidence.replace('"success"', '"denied"'))
    writeFileSync(at("cut.json"), evidence.slice(0, 500))
    writeFileSync(at("garbage"), "hello")
    writeFileSync(at("other.json"), '{"name":"@prooflog/verifier"}')
    writeFileSync(at("later.json"), evidence.replace("evidence/1", "evidence/2"))
    writeFileSync(at("escaped.json"), evidence.replace("evidence/1", "evidence\\/1"))
    writeFileSync(at("later.tlog-proof"), "c2sp.org/tlog-proof@v2\nindex 2\n")
    writeFileSync(at("cut.tlog-proof"), "c2sp.org/tlog-proof@v1\nindex 2\n")
    symlinkSync("/dev/zero", at("endless"))
    writeFileSync(at("empty"), "")
    const log = logOf(opaqueEntries(5))
    const path = await proveInclusion(2, 5, tileReader(log.source, 5))
    const receipt = formatReceipt({
      leafIndex: 2,
      path,
      checkpoint: log.checkpoint,
      extra: defined(log.entries[2]),
    })
    writeFileSync(at("good.tlog-proof"), receipt)
    writeFileSync(at("bad.tlog-proof"), receipt.replace("index 2", "index 3"))
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  it("verifies an evidence file and says what was withheld", async () => {
    const { exit, out, err } = await verify(at("good.json"), "--policy", at("policy"))
    expect(exit).toBe(0)
    expect(out).toMatch(/^verified: These 2 events are in the log "log.example\/access"/)
    expect(out.match(/ip_address +\(withheld\)/g)).toHaveLength(2)
    expect(err).toBe("")
  })

  it("verifies nothing without the quorum of the policy, and says what is missing", async () => {
    expect(await verify(at("cosigned.json"), "--policy", at("witnessed"))).toMatchObject({
      exit: 0,
      out: expect.stringMatching(/^ +cosigned by +w0, 2023-11-14T22:13:20/m),
    })
    for (const file of ["good.json", "good.tlog-proof"]) {
      expect(await verify(at(file), "--policy", at("witnessed"))).toEqual({
        exit: 2,
        out: "",
        err: expect.stringMatching(
          /^could not tell: .*cosigned by no witness of the policy, .*"both" needs 1 of/,
        ),
      })
    }
  })

  it("verifies a receipt", async () => {
    const { exit, out } = await verify(at("good.tlog-proof"), "--policy", at("policy"))
    expect([exit, out.split("\n")[0]]).toEqual([
      0,
      'verified: This entry is leaf 2 of the log "log.example/access".',
    ])
  })

  it("verifies a certificate of erasure, and refuses what a changed one says", async () => {
    const log = retentionLog()
    const proof = ERASED.prove(0)
    const notice = await shownLeaf(log, 6)
    const item = { ...(await shownLeaf(log, proof.leafIndex)), ...proof }
    const text = formatCertificate({ checkpoint: log.checkpoint, notice, items: [item] })
    writeFileSync(at("erased.json"), text)
    const { exit, out } = await verify(at("erased.json"), "--policy", at("policy"))
    expect([exit, out.split("\n")[0]]).toEqual([
      0,
      expect.stringMatching(
        /^verified: The log "log.example\/access" has announced as leaf 6 that 3 records are erased/,
      ),
    ])
    expect(
      JSON.parse((await verify(at("erased.json"), "--policy", at("policy"), "--json")).out),
    ).toMatchObject({
      verdict: "verified",
      notice: { leaf_index: 6, count: 3 },
    })
    writeFileSync(at("erased-bad.json"), text.replace(/"position":0/, '"position":1'))
    expect((await verify(at("erased-bad.json"), "--policy", at("policy"))).exit).toBe(1)
    const required = await verify(at("erased.json"), "--policy", at("policy"), "--require", "user_id")
    expect([required.exit, required.err]).toEqual([2, expect.stringContaining("shows no fields")])
    // Cut short, it may have been anything.
    writeFileSync(at("erased-cut.json"), text.slice(0, 300))
    expect((await verify(at("erased-cut.json"), "--policy", at("policy"))).exit).toBe(2)
  })

  it("takes evidence that quotes the format of a certificate for evidence", async () => {
    const quoting = readFileSync(at("good.json"), "utf8").replace('"success"', '"prooflog-certificate/1"')
    writeFileSync(at("quoting.json"), quoting)
    const { exit, err } = await verify(at("quoting.json"), "--policy", at("policy"))
    expect([exit, err]).toEqual([1, expect.not.stringContaining("not a certificate")])
  })

  it("reads evidence however its JSON was written, and from a pipe", async () => {
    expect((await verify(at("escaped.json"), "--policy", at("policy"))).exit).toBe(0)
    if (process.platform === "win32") return
    execFileSync("mkfifo", [at("pipe")])
    const writing = writeFile(at("pipe"), readFileSync(at("good.json")))
    expect((await verify(at("pipe"), "--policy", at("policy"))).exit).toBe(0)
    await writing
  })

  it("reads no more of a file than one can have", async () => {
    const { err } = await verify(at("good.json"), "--policy", at("endless"))
    expect(err).toMatch(/larger than 1048576 bytes/)
  })

  it("speaks JSON, whatever the verdict", async () => {
    const good = await verify(at("good.json"), "--policy", at("policy"), "--json")
    expect(JSON.parse(good.out)).toMatchObject({
      verdict: "verified",
      events: [{ withheld: ["ip_address"] }, {}],
    })
    const receipt = await verify(at("good.tlog-proof"), "--policy", at("policy"), "--json")
    expect(JSON.parse(receipt.out)).toMatchObject({ verdict: "verified", leaf_index: 2 })
    const bad = await verify("--json", at("bad.json"), "--policy", at("policy"))
    expect(JSON.parse(bad.out)).toMatchObject({
      verdict: "not verified",
      code: "VERIFIER_DISCLOSURE_REFUSED",
      leaf_index: 2,
    })
    const missing = await verify("--json", at("none.json"), "--policy", at("policy"))
    expect(JSON.parse(missing.out)).toMatchObject({ verdict: "could not tell" })
  })

  it.each([
    ["an altered value", ["bad.json", "policy"]],
    ["a receipt for another leaf", ["bad.tlog-proof", "policy"]],
    ["a file that was cut", ["cut.json", "policy"]],
    ["a receipt that was cut", ["cut.tlog-proof", "policy"]],
  ] as [string, [string, string]][])("exits 1, on purpose, for %s", async (_, [file, policy]) => {
    const { exit, out, err } = await verify(at(file), "--policy", at(policy))
    expect([exit, out]).toEqual([1, ""])
    expect(err).toMatch(/^not verified: /)
  })

  it("exits 0 when every required name is shown, 2 when one is not", async () => {
    const require = (names: string) => verify(at("good.json"), "--policy", at("policy"), "--require", names)
    expect((await require("user_id,result")).exit).toBe(0)
    const { exit, err } = await require("user_id,ip_address")
    expect([exit, err]).toEqual([2, "could not tell: leaf 2: ip_address is withheld\n"])
    const twice = await verify(
      at("good.json"),
      "--policy",
      at("policy"),
      "--require",
      "user_id",
      "--require",
      "tags",
    )
    expect(twice.exit).toBe(2)
    const receipt = await verify(at("good.tlog-proof"), "--policy", at("policy"), "--require", "user_id")
    expect(receipt.exit).toBe(2)
  })

  it.each<[string, string[]]>([
    ["no arguments", []],
    ["no policy", ["good.json"]],
    ["two files", ["good.json", "bad.json", "--policy", "policy"]],
    ["an unknown flag", ["good.json", "--policy", "policy", "--trust-me"]],
    ["a flag without its value", ["good.json", "--policy"]],
    ["garbage for names", ["good.json", "--policy", "policy", "--require", "User ID"]],
    ["a missing file", ["none.json", "--policy", "policy"]],
    ["a missing policy", ["good.json", "--policy", "none"]],
    ["a directory as file", [".", "--policy", "policy"]],
    ["a directory as policy", ["good.json", "--policy", "."]],
    ["a policy that is none", ["good.json", "--policy", "garbage"]],
    ["a file that is neither", ["garbage", "--policy", "policy"]],
    ["an empty file", ["empty", "--policy", "policy"]],
    ["a policy without end", ["good.json", "--policy", "endless"]],
    ["JSON of another kind", ["other.json", "--policy", "policy"]],
    ["evidence of a later format", ["later.json", "--policy", "policy"]],
    ["a receipt of a later format", ["later.tlog-proof", "--policy", "policy"]],
    ["two policies", ["good.json", "--policy", "policy", "--policy", "witnessed"]],
    ["a call for help", ["--help"]],
  ])("exits 2 for %s", async (_, args) => {
    const isFile = (arg: string) => arg !== "--policy" && existsSync(at(arg))
    const { exit, err } = await verify(
      ...args.map((arg) => (isFile(arg) || /^none/.test(arg) ? at(arg) : arg)),
    )
    expect(exit).toBe(2)
    if (args[0] !== "--help") expect(err).toMatch(/^could not tell: /)
  })

  it("gives the shell the same codes", async () => {
    const policy = ["--policy", at("policy")]
    const outcomes = await Promise.all(
      [[at("good.json"), ...policy], [at("bad.json"), ...policy], ["--trust-me"]].map((args) =>
        spawned(args),
      ),
    )
    expect(outcomes.map(({ exit }) => exit)).toEqual([0, 1, 2])
  })

  it("exits 2 when it cannot even be loaded", async () => {
    mkdirSync(at("broken/bin"), { recursive: true })
    writeFileSync(at("broken/package.json"), '{"type":"module"}')
    cpSync(BIN, at("broken/bin/prooflog-verify.js"))
    const missing = await spawned(
      [at("good.json"), "--policy", at("policy")],
      at("broken/bin/prooflog-verify.js"),
    )
    expect([missing.exit, missing.err]).toEqual([2, expect.stringContaining("could not tell")])
    mkdirSync(at("broken/dist"))
    for (const main of [
      "export const main = () => { throw new Error('bug') }",
      "export const main = async () => { setTimeout(() => { throw new Error('bug') }); await new Promise(() => {}) }",
      "export const main = async () => { Promise.reject(new Error('bug')); await new Promise((r) => setTimeout(r, 500)); return 1 }",
      "export const main = () => new Promise(() => {})",
    ]) {
      writeFileSync(at("broken/dist/prooflog-verify.js"), main)
      expect((await spawned([], at("broken/bin/prooflog-verify.js"))).exit, main).toBe(2)
    }
  })
})
