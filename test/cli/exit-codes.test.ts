/**
 * Exit code 1 is an accusation: nothing but a verdict may say it.
 */

import { readFile, writeFile } from "node:fs/promises"
import { createServer as createHttpServer } from "node:http"
import { type AddressInfo, createServer } from "node:net"
import { join } from "node:path"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { post, sampleEvent, startLog, temporaryFolder } from "../running-log.js"
import { prooflog, prooflogHere } from "./prooflog.js"

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let log: Awaited<ReturnType<typeof startLog>>
let policy: string
let evidence: string

const at = (name: string) => join(folder.path, name)

beforeAll(async () => {
  folder = await temporaryFolder()
  log = await startLog()
  policy = join(log.dir, "policy")
  evidence = at("evidence.json")
  const { body } = await post(`${log.url}v1/events?wait=receipt`, log.writerKey, sampleEvent(1))
  await writeFile(evidence, JSON.stringify(body.evidence))
  await writeFile(at("answer.json"), JSON.stringify(body))
  const problem = { type: "about:blank", title: "Unauthorized", status: 401, code: "SERVER_NO_KEY" }
  await writeFile(at("problem.json"), JSON.stringify(problem))
  await writeFile(at("receipt.tlog-proof"), await (await fetch(`${log.url}v1/receipts/1`)).text())
})

afterAll(async () => {
  await log.close()
  await folder.remove()
})

/** A URL of this machine at which nobody listens any more. */
async function deadUrl(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}/`
}

describe.concurrent("exit code 2, could not tell", () => {
  it.each([
    ["no verb", []],
    ["an unknown verb", ["frobnicate"]],
    ["a verb that every JavaScript object has", ["constructor"]],
    ["help on an unknown verb", ["help", "frobnicate"]],
    ["an unknown flag", ["verify", "x", "--policy", "y", "--frobnicate"]],
    ["a missing flag", ["verify", "x"]],
    ["a missing argument", ["audit", "--policy", "y"]],
    ["an unknown format", ["import", "x", "--format", "csv"]],
    ["a leaf that is no number", ["prove", "one"]],
    ["an address that is none", ["serve", "x", "--listen", "nowhere"]],
    ["a URL that is none", ["audit", "file:///etc/passwd", "--policy", "POLICY"]],
    ["a missing policy", ["verify", "EVIDENCE", "--policy", "/nowhere/policy"]],
    ["a policy that is none", ["verify", "EVIDENCE", "--policy", "EVIDENCE"]],
    ["a missing file", ["verify", "/nowhere/evidence", "--policy", "POLICY"]],
    ["a directory as file", ["verify", "DIRECTORY", "--policy", "POLICY"]],
    ["a directory as policy", ["verify", "EVIDENCE", "--policy", "DIRECTORY"]],
    ["a file that is neither evidence nor a receipt", ["verify", "POLICY", "--policy", "POLICY"]],
    [
      "a withheld name that is required",
      ["verify", "EVIDENCE", "--policy", "POLICY", "--require", "user_email"],
    ],
    [
      "a receipt that should show a name",
      ["verify", "RECEIPT", "--policy", "POLICY", "--require", "user_id"],
    ],
    ["a folder to import where there is a file", ["import", "DIRECTORY", "--format", "combined"]],
    ["nothing to prove", ["prove"]],
    ["a query that nobody asks", ["query"]],
    ["an export to nowhere", ["export", "user_id=U1", "--format", "csv"]],
    ["a file that was not exported", ["export-check", "EVIDENCE", "--policy", "POLICY"]],
    ["a verb of policy that is none", ["policy", "frobnicate"]],
    ["a policy to explain that is none", ["policy", "check", "EVIDENCE"]],
    ["a monitor of nothing", ["monitor"]],
    ["a monitor's config that is none", ["monitor", "POLICY", "--once"]],
    ["a head file that is none", ["audit", "URL", "--policy", "POLICY", "--head", "EVIDENCE"]],
    ["an empty list of names to withhold", ["prove", "1", "--withhold", ""]],
    ["a name to withhold that is no field", ["prove", "1", "--withhold", "ip_adress"]],
    ["an empty list of names to require", ["verify", "EVIDENCE", "--policy", "POLICY", "--require", ""]],
    ["an answer that refused the event", ["verify", "PROBLEM", "--policy", "POLICY"]],
    [
      "a key that shall expire at no time",
      ["key", "create", "--dir", "LOG", "--role", "writer", "--expires", ""],
    ],
    ["both a server and a folder", ["key", "list", "--dir", "LOG", "--url", "http://127.0.0.1:8080"]],
    ["an origin that is empty", ["init", "NEW", "--origin", ""]],
    ["a folder that is a file", ["init", "EVIDENCE"]],
    ["a log that is served already", ["serve", "LOG", "--listen", "127.0.0.1:0"]],
    ["no admin key", ["key", "list"]],
    ["no writer key", ["import", "EVIDENCE", "--format", "ndjson"]],
    ["a folder that is no log", ["key", "list", "--dir", "DIRECTORY"]],
    ["a folder that holds something else", ["init", "DIRECTORY"]],
    ["a folder that holds a log", ["init", "LOG"]],
  ])("is said for %s", async (_what, args) => {
    const names: Record<string, string> = {
      POLICY: policy,
      EVIDENCE: evidence,
      RECEIPT: at("receipt.tlog-proof"),
      DIRECTORY: folder.path,
      LOG: log.dir,
      NEW: at("never"),
      URL: log.url,
      PROBLEM: at("problem.json"),
    }
    const { code, out, err } = await prooflog(
      args.map((arg) => names[arg] ?? arg),
      {
        env: {
          PROOFLOG_URL: log.url,
          ...(args[0] === "import" && args[1] === "DIRECTORY" && { PROOFLOG_KEY: log.writerKey }),
        },
      },
    )
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).not.toBe("")
    expect(err).not.toMatch(/^\s+at /m)
  })

  it.each([
    ["audit", "URL", "--policy", "POLICY"],
    ["prove", "1"],
    ["query", "SELECT 1"],
    ["tail"],
    ["export", "user_id=U1", "--format", "csv", "-o", "NEW"],
    ["reindex"],
    ["import", "EVIDENCE", "--format", "ndjson"],
    ["key", "list"],
  ])("is said by %s where nobody answers", async (...args) => {
    const url = await deadUrl()
    const names: Record<string, string> = {
      URL: url,
      POLICY: policy,
      EVIDENCE: evidence,
      NEW: at("never"),
    }
    const { code, out, err } = await prooflog(
      args.map((arg) => names[arg] ?? arg),
      {
        env: { PROOFLOG_URL: url, PROOFLOG_KEY: "pl_00000000_00" },
      },
    )
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toContain("ECONNREFUSED")
  })

  it("never shows the key, whatever is wrong with it", async () => {
    const env = { PROOFLOG_URL: log.url, PROOFLOG_KEY: "pl_secret\n" }
    const { code, err } = await prooflog(["key", "list"], { env })
    expect(code).toBe(2)
    expect(err).toContain("PROOFLOG_KEY is no API key")
    expect(err).not.toContain("secret")
  })

  describe("by a server", () => {
    /** Does something with a server that always says the same. */
    async function answered<Done>(
      status: number,
      body: string,
      ask: (env: { PROOFLOG_URL: string; PROOFLOG_KEY: string }) => Promise<Done>,
    ): Promise<Done> {
      const server = createHttpServer((_request, response) => void response.writeHead(status).end(body))
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      try {
        return await ask({ PROOFLOG_URL: url, PROOFLOG_KEY: "k" })
      } finally {
        server.close()
      }
    }

    it("whose words would move the cursor: they are shown escaped", async () => {
      const body = JSON.stringify({ detail: "\u001b[2Jverified\u202e", code: "X" })
      const { url, code, err } = await answered(403, body, async (env) => ({
        url: env.PROOFLOG_URL,
        ...(await prooflog(["prove", "1"], { env })),
      }))
      expect(code).toBe(2)
      expect(err).toBe(`prooflog: ${url}v1/evidence answered 403: \\u001b[2Jverified\\u202e (X)\n`)
    })

    it.each([
      ["prove", "1"],
      ["prove", "--event-id", "e"],
      ["query", "SELECT 1"],
      ["tail"],
      ["export", "user_id=U1", "--format", "csv", "-o", "NEW"],
      ["reindex"],
      ["key", "list"],
      ["key", "create", "--role", "writer"],
      ["key", "revoke", "00000000"],
      ["import", "EVIDENCE", "--format", "ndjson"],
    ])("that is no log's, to %s %s", async (...args) => {
      const named = args.map((arg) => (arg === "EVIDENCE" ? evidence : arg === "NEW" ? at("never") : arg))
      const words = /did not answer (.*as a log does|with evidence)|got other results back/
      const { code, out, err } = await answered(200, "<html>Welcome</html>", (env) =>
        prooflog(named, { env }),
      )
      expect({ code, out }).toEqual({ code: 2, out: "" })
      expect(err).toMatch(words)
      for (const body of ["null", "{}"]) {
        const { thrown, ...rest } = await answered(200, body, (env) => prooflogHere(named, env))
        expect(rest).toMatchObject({ verdict: undefined, out: "" })
        expect(thrown).toMatchObject({ message: expect.stringMatching(words) })
      }
    })
  })

  it("is said by a server whose port is taken, in words", async () => {
    const { code, err } = await prooflog(["serve", at("new"), "--listen", new URL(log.url).host])
    expect(code).toBe(2)
    expect(err).toContain("is taken by another process")
  })

  it("is said with a verdict as JSON where that was asked for", async () => {
    const args = ["verify", evidence, "--policy", policy, "--require", "user_email", "--json"]
    const { code, out } = await prooflog(args)
    expect(code).toBe(2)
    expect(JSON.parse(out)).toMatchObject({
      verdict: "could not tell",
      code: "VERIFIER_NOT_DISCLOSED",
      leaf_index: 1,
    })
  })
})

describe.concurrent("exit code 1, not verified", () => {
  const altered = async (what: string, edit: (text: string) => string) => {
    const path = at(`altered in ${what}.json`)
    await writeFile(path, edit(await readFile(evidence, "utf8")))
    return prooflog(["verify", path, "--policy", policy])
  }

  it.each([
    ["a value", (text: string) => text.replace('"U1"', '"U2"')],
    ["a result", (text: string) => text.replace('"success"', '"denied"')],
    ["the leaf index", (text: string) => text.replace('"leaf_index":1', '"leaf_index":0')],
    [
      "the tree size",
      (text: string) => text.replace(/\\n(\d+)\\n/, (_, size) => `\\n${Number(size) + 1}\\n`),
    ],
    ["a member that proves nothing", (text: string) => text.replace("{", '{"title":"complete list",')],
    ["its end", (text: string) => text.slice(0, -20)],
  ])("is said of evidence that differs in %s", async (what, edit) => {
    const { code, out, err } = await altered(what, edit)
    expect({ code, err }).toEqual({ code: 1, err: "" })
    expect(out).toMatch(/^✗ not verified: /)
  })

  it("is said of a log that is another one's", async () => {
    const stranger = createSignerKey("stranger.example/log", new Uint8Array(32).fill(7), 0x01)
    const path = at("stranger.policy")
    await writeFile(path, `log ${formatVerifierKey(verifierKeyOf(stranger))}\nquorum none\n`)
    for (const args of [
      ["verify", evidence],
      ["audit", log.url],
    ]) {
      const { code, out } = await prooflog([...args, "--policy", path, "--json"])
      expect(code).toBe(1)
      expect(JSON.parse(out)).toMatchObject({ verdict: "not verified" })
    }
  })
})

describe.concurrent("exit code 0, verified", () => {
  it("is said of evidence, of an answer that holds it, and of a receipt", async () => {
    for (const file of [evidence, at("answer.json"), at("receipt.tlog-proof")]) {
      const { code, out, err } = await prooflog(["verify", file, "--policy", policy])
      expect({ code, err }).toEqual({ code: 0, err: "" })
      expect(out).toMatch(/^✓ verified: /)
      expect(out).toContain("Not claimed: ")
    }
  })

  it("is said of a whole log, with a second opinion", async () => {
    const { code, out } = await prooflog(["audit", log.url, "--policy", policy, "--cross-check", "--json"])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ verdict: "verified", tree_size: 2, cross_checked_tiles: 1 })
  })

  it("is said of help and version", async () => {
    for (const args of [["--help"], ["help"], ["import", "--help"], ["--version"]]) {
      expect((await prooflog(args)).code).toBe(0)
    }
  })
})
