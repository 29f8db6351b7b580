/**
 * `prooflog policy check` and `prooflog monitor`: what a policy can bear, and what others were shown.
 */

import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { readConfig } from "@prooflog/monitor/config"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ServedLog } from "../../apps/monitor/fixtures/served-log.js"
import { forkedLog } from "../../packages/verifier/fixtures/accusations.js"
import { ORIGIN, opaqueLog, POLICY_TEXT } from "../../packages/verifier/fixtures/small-log.js"
import { temporaryFolder } from "../running-log.js"
import { prooflog, prooflogHere, type RunHere } from "./prooflog.js"

let folder: Awaited<ReturnType<typeof temporaryFolder>>

const at = (name: string) => join(folder.path, name)
const here = (...args: readonly string[]) => prooflogHere(args, {})

beforeAll(async () => {
  folder = await temporaryFolder()
})

afterAll(() => folder.remove())

describe("policy check", () => {
  const keys = ["a", "b", "c", "d"].map((name, i) => {
    const key = createSignerKey(`${name}.example`, new Uint8Array(32).fill(20 + i), 0x04)
    return formatVerifierKey(verifierKeyOf(key))
  })

  async function check(text: string, ...more: readonly string[]): Promise<RunHere> {
    await writeFile(at("checked"), text)
    return here("policy", "check", at("checked"), ...more)
  }

  /** @param names - of the witnesses, as the policy calls them */
  const witnessed = (threshold: number, names = ["a", "b", "c", "d"], url = "https://w.example/") =>
    [
      POLICY_TEXT.split("\n")[0],
      ...names.map((name, i) => `witness ${name} ${keys[i]}${name === "b" ? "" : ` ${url}`}`),
      `group q ${threshold} ${names.join(" ")}`,
      "quorum q",
      "",
    ].join("\n")

  it("says how many may collude, how many may be silent, and who has no URL", async () => {
    const { verdict, out, err } = await check(witnessed(3))
    expect({ verdict, err }).toEqual({ verdict: 0, err: "" })
    expect(out.split("\n")).toEqual([
      `log            ${ORIGIN}`,
      "witness        a, which signs as a.example, at https://w.example/",
      "witness        b, which signs as b.example, no URL",
      "witness        c, which signs as c.example, at https://w.example/",
      "witness        d, which signs as d.example, at https://w.example/",
      "group          q: 3 of 4: a b c d",
      "quorum         q: at least 3 of 4 witnesses must cosign",
      "may collude    1: it takes 2 that lie, together with the log, to show two clients different histories",
      "may be silent  1: 2 that are silent can stop new heads from being believed",
      "no URL         b: enough to verify by, but a log cannot ask them to cosign",
      "",
    ])
  })

  it.each([
    [
      "half of its witnesses",
      witnessed(2),
      /without a witness in common \(2 of 4/,
      { split_by: 0, stopped_by: 3 },
    ],
    ["all of them", witnessed(4), /One silent witness/, { needed: 4, split_by: 4, stopped_by: 1 }],
    ["one of one", witnessed(1, ["a"]), /One witness that colludes/, { split_by: 1, stopped_by: 1 }],
    ["nobody", POLICY_TEXT, /No cosignature is asked for/, { needed: 0, split_by: 0, stopped_by: null }],
    ["no log", "quorum none\n", /It names no log/, { logs: [] }],
  ])("warns, and does not accuse, where a policy asks for %s", async (_what, text, warning, json) => {
    const { verdict, out, err } = await check(text)
    expect(verdict).toBe(0)
    expect(err).toMatch(/^warning: /)
    expect(err).toMatch(warning)
    expect(out).not.toMatch(/warning/)
    const asJson = await check(text, "--json")
    expect({ verdict: asJson.verdict, err: asJson.err }).toEqual({ verdict: 0, err: "" })
    expect(JSON.parse(asJson.out)).toMatchObject({
      ...json,
      warnings: expect.arrayContaining([expect.stringMatching(warning)]),
    })
  })

  it("speaks of one as of one", async () => {
    const { out } = await check(witnessed(1, ["a"]))
    expect(out).toContain("0: it takes 1 that lies, together with the log, to show")
    expect(out).toContain("0: 1 that is silent can stop new heads")
  })

  it("lets no name of a policy move the cursor", async () => {
    const { out, err } = await check(witnessed(1, ["a", "\u202eb"], "https://w.example/\u202e"))
    expect(`${out}${err}`).toContain("\\u202eb")
    expect(`${out}${err}`).not.toContain("\u202e")
  })

  it("could not tell of what is no policy, and names the line", async () => {
    const { verdict, out, thrown } = await check(`${POLICY_TEXT.split("\n")[0]}\nwitness a\nquorum none\n`)
    expect({ verdict, out }).toEqual({ verdict: undefined, out: "" })
    expect(thrown).toMatchObject({ code: "CLI_FILE", message: expect.stringContaining("line 2: ") })
    expect((await here("policy", "check", at("nowhere"))).thrown).toMatchObject({ code: "CLI_FILE" })
  })
})

describe("monitor", () => {
  const honest = opaqueLog(600)
  let log: ServedLog

  beforeAll(async () => {
    log = await ServedLog.start(honest)
    await writeFile(at("policy"), POLICY_TEXT)
    const entry = `{ url: "${log.url}", policy: policy, clock: 9999d, compare: false }`
    await writeFile(at("config.yaml"), `folder: state\nlogs: [${entry}]\n`)
  })

  afterAll(() => log.close())

  it("init writes a config once, under the name it is given, into a folder that may be missing", async () => {
    const file = at("new/folder/mine.yaml")
    const made = await here("monitor", "init", file)
    expect(made).toMatchObject({ verdict: 0, out: `${file}\n`, thrown: undefined })
    expect(await readFile(file, "utf8")).toMatch(/^# .*: prooflog monitor THIS-FILE\n/)
    await writeFile(at("new/folder/policy"), POLICY_TEXT)
    // It is read by the very verb it names.
    expect(await readConfig(file)).toMatchObject({ name: "monitor.example" })
    const again = await here("monitor", "init", file)
    expect(again).toMatchObject({ verdict: undefined, thrown: { code: "CLI_FILE" } })
  })

  it("--once: 0 where nothing is wrong, 2 where nobody answers, 1 with proof where the log forked", async () => {
    const once = (...more: readonly string[]) => prooflog(["monitor", at("config.yaml"), "--once", ...more])
    const good = await once("--json")
    expect(good.code).toBe(0)
    expect(JSON.parse(good.out)).toMatchObject({
      exit_code: 0,
      logs: [{ origin: ORIGIN, audited_size: 600, findings: [] }],
    })

    log.answer = (_path, _request, response) => {
      response.writeHead(503, { "retry-after": "0" }).end()
      return true
    }
    expect(await once()).toMatchObject({ code: 2, out: expect.stringContaining("unreachable") })
    log.answer = () => false

    log.show(forkedLog(600, 599))
    const caught = await once()
    expect(caught.code).toBe(1)
    expect(caught.out).toContain(`${ORIGIN}: 600 leaves read, 1 finding\n`)
    expect(caught.out).toMatch(/^ {2}forked: .*\(proof: accusations\/same-size-\w+\.json\)$/m)
    expect(caught.err).toMatch(/^proof: .*same-size-\w+\.json \(prooflog verify-evidence checks it\)$/m)
    const [file = ""] = await readdir(at("state/accusations"))
    const proof = at(`state/accusations/${file}`)
    expect(await here("verify-evidence", proof, "--policy", at("policy"))).toMatchObject({ verdict: 0 })
  })

  it("run FILE is what FILE alone is", async () => {
    log.show(honest)
    const runs = await Promise.all(
      [["monitor"], ["monitor", "run"]].map(async (verb, i) => {
        await writeFile(
          at(`run-${i}.yaml`),
          (await readFile(at("config.yaml"), "utf8")).replace("state", `s${i}`),
        )
        return here(...verb, at(`run-${i}.yaml`), "--once")
      }),
    )
    for (const ran of runs)
      expect(ran).toMatchObject({ verdict: 0, out: `${ORIGIN}: 600 leaves read, nothing is wrong\n` })
  })

  it("check says what a config means, and does nothing", async () => {
    const asked = log.paths.length
    const checked = await here("monitor", "check", at("config.yaml"))
    expect(checked).toMatchObject({ verdict: 0, thrown: undefined })
    expect(checked.out.split("\n")).toEqual([
      `State in ${at("state")}`,
      `Watches ${ORIGIN} at ${log.url}, quorum none`,
      "Does not listen",
      "Has no webhook",
      "",
    ])
    expect(log.paths).toHaveLength(asked)
  })

  it("could not tell of a config that is wrong, and names the place", async () => {
    await writeFile(at("wrong.yaml"), "folder: s\nlogs: [{ polcy: x }]\n")
    for (const args of [
      ["check", at("wrong.yaml")],
      [at("wrong.yaml"), "--once"],
    ]) {
      const { verdict, out, thrown } = await here("monitor", ...args)
      expect({ verdict, out }).toEqual({ verdict: undefined, out: "" })
      expect(thrown).toMatchObject({ message: expect.stringContaining("wrong.yaml:2:10: ") })
    }
  })

  it("runs until it is stopped, and then has no verdict to give", async () => {
    log.show(honest)
    const { code, out } = await prooflog(["monitor", at("config.yaml")], {
      during: (child) => {
        const looked = log.paths.length
        const stopLater = setInterval(() => {
          if (log.paths.length === looked) return
          clearInterval(stopLater)
          child.kill("SIGTERM")
        }, 20)
        child.once("exit", () => clearInterval(stopLater))
      },
    })
    expect(code).toBe(0)
    expect(out).toContain(ORIGIN)
  })
})
