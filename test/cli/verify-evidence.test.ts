/**
 * `prooflog verify-evidence`: exit code 0 is the accusation here, so nothing but a conviction may say it.
 */

import { mkdir, readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { formatPolicy } from "@prooflog/tlog/policy"
import { ACCUSATION_KINDS, type Accusation, formatAccusation } from "@prooflog/verifier/accusation"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { forkedLog, trueAccusations } from "../../packages/verifier/fixtures/accusations.js"
import {
  OTHER_POLICY,
  POLICY,
  smallEvidence,
  WITNESSED_POLICY,
} from "../../packages/verifier/fixtures/small-log.js"
import { temporaryFolder } from "../running-log.js"
import { prooflog } from "./prooflog.js"

let folder: Awaited<ReturnType<typeof temporaryFolder>>

const at = (name: string) => join(folder.path, name)

/** What nobody may see on a terminal as it stands: it clears the screen and turns text around. */
const HOSTILE = "\u001b[2J\u202emonitor\u0007\n✓ convicts"

beforeAll(async () => {
  folder = await temporaryFolder()
  const good = await trueAccusations()
  await writeFile(at("policy"), formatPolicy(WITNESSED_POLICY))
  await writeFile(at("log-only"), formatPolicy(POLICY))
  await writeFile(at("other-policy"), formatPolicy(OTHER_POLICY))
  for (const kind of ACCUSATION_KINDS) await writeFile(at(kind), formatAccusation(good[kind]))
  const found = { at: "2023-10-21T15:40:00Z", by: HOSTILE }
  await writeFile(at("hostile"), formatAccusation({ ...good["same-size"], found }))
  const heads = [forkedLog(5, 5).checkpoint, forkedLog(5, 5).checkpoint] as const
  await writeFile(at("same-head"), formatAccusation({ ...good["same-size"], heads } as Accusation))
  const more = { ...JSON.parse(formatAccusation(good["same-size"])), [HOSTILE]: true }
  await writeFile(at("one-more"), JSON.stringify(more))
  await writeFile(at("evidence"), await smallEvidence())
  await writeFile(at("later"), formatAccusation(good["same-size"]).replace("accusation/1", "accusation/2"))
  await writeFile(at("empty"), "")
  await writeFile(at("large"), `${formatAccusation(good["same-size"])}${" ".repeat(8 * 1024 * 1024)}`)
})

afterAll(() => folder.remove())

const verify = (name: string, policy = "policy", ...more: string[]) =>
  prooflog(["verify-evidence", at(name), "--policy", at(policy), ...more])

describe.concurrent("exit code 0, it convicts", () => {
  it.each(ACCUSATION_KINDS)("%s", async (kind) => {
    const { code, out, err } = await verify(kind)
    expect({ code, err }).toEqual({ code: 0, err: "" })
    const [first = "", second = "", ...rest] = out.split("\n")
    expect(first).toMatch(/^✓ convicts: The (log|witness) ".*" (signed|cosigned).*\.$/)
    expect(second).toMatch(/^Not claimed: .*on purpose/)
    expect(rest.join("\n")).toMatch(new RegExp(`^ {2}kind {7}${kind}$`, "m"))
  })

  it("in JSON", async () => {
    const { code, out } = await verify("broken-receipt", "policy", "--json")
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      verdict: "convicts",
      accused: "log.example/access",
      kind: "broken-receipt",
      not_claimed: expect.stringMatching(/^Not claimed/),
      heads: [{ tree_size: 4 }, { tree_size: 7 }],
      leaf_indices: [2],
    })
  })

  it("in a folder that holds nothing but the file and the policy", async () => {
    await mkdir(at("alone"))
    const good = await trueAccusations()
    await writeFile(at("alone/file.json"), formatAccusation(good.inconsistent))
    await writeFile(at("alone/policy"), formatPolicy(POLICY))
    const run = await prooflog(["verify-evidence", "file.json", "--policy", "policy"], { cwd: at("alone") })
    expect(run.code).toBe(0)
    expect((await readdir(at("alone"))).sort()).toEqual(["file.json", "policy"])
  })

  it("says that when and by whom it was found is unproven, without letting it reach the terminal", async () => {
    const { code, out } = await verify("hostile")
    expect(code).toBe(0)
    expect(out).toContain("(not proven: the word of whoever wrote the file)")
    expect(out.split("\n").filter((line) => line.startsWith("✓"))).toHaveLength(1)
    const json = await verify("hostile", "policy", "--json")
    expect(JSON.parse(json.out).found).toEqual({ at: "2023-10-21T15:40:00Z", by: HOSTILE, proven: false })
    expect(`${out}${json.out}`).not.toMatch(/[\u001b\u202e\u0007]/)
  })
})

describe.concurrent("exit code 1, it does not convict", () => {
  it.each([
    ["two heads with one root", "same-head", "policy", "VERIFIER_ACCUSATION_REFUSED"],
    ["somebody else's key", "inconsistent", "other-policy", "VERIFIER_ACCUSATION_REFUSED"],
    [
      "a witness that the policy does not name",
      "witness-equivocation",
      "log-only",
      "VERIFIER_ACCUSATION_REFUSED",
    ],
    ["a member that proves nothing", "one-more", "policy", "VERIFIER_ACCUSATION_MALFORMED"],
  ])("%s", async (_why, name, policy, refusal) => {
    const { code, out, err } = await verify(name, policy)
    expect({ code, err }).toEqual({ code: 1, err: "" })
    expect(out).toMatch(/^✗ does not convict: /)
    expect(out).toContain(`(${refusal})`)
    expect(out).not.toMatch(/[\u001b\u202e\u0007]/)
    const json = await verify(name, policy, "--json")
    expect(json.code).toBe(1)
    expect(JSON.parse(json.out)).toMatchObject({ verdict: "does not convict", code: refusal })
  })
})

describe.concurrent("exit code 2, could not tell", () => {
  it.each([
    ["evidence of events", "evidence", "policy"],
    ["an accusation of a later version", "later", "policy"],
    ["an empty file", "empty", "policy"],
    ["a file without end", "large", "policy"],
    ["no file", "nowhere", "policy"],
    ["no policy", "inconsistent", "nowhere"],
    ["a policy that is none", "inconsistent", "evidence"],
    ["a folder", "", "policy"],
  ])("%s", async (_why, name, policy) => {
    const { code, out, err } = await verify(name, policy)
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toMatch(/^prooflog: /)
  })

  it("without a policy", async () => {
    expect((await prooflog(["verify-evidence", at("inconsistent")])).code).toBe(2)
  })
})
