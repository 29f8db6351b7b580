/**
 * The verifier in a browser: bundled into one script, in a page that may do nothing else, without a network.
 *
 * Needs a Chromium: `CHROMIUM` names it, else /usr/bin/chromium is taken. Where `CI=true` a missing one is
 * installed by `apt-get install -y chromium` (as root) or the test fails; elsewhere it is skipped.
 */

import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { proveInclusion } from "@prooflog/tlog/inclusion"
import { formatReceipt } from "@prooflog/tlog/receipt"
import { tileReader } from "@prooflog/verifier/source"
import { build } from "esbuild"
import { type BrowserContext, chromium, type Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  defined,
  logOf,
  OTHER_POLICY_TEXT,
  opaqueEntries,
  POLICY_TEXT,
  smallEvidence,
} from "../packages/verifier/fixtures/small-log.js"

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium"
const INSTALL = "apt-get update && apt-get install -y chromium"
const isCi = process.env.CI === "true"
const isSkipped = !existsSync(CHROMIUM) && !isCi
if (isSkipped)
  console.log(`skipped: no Chromium at ${CHROMIUM} (apt-get install -y chromium, or set CHROMIUM)`)

/** What the page offers to this test: verdicts as plain values, refusals as their codes. */
const ENTRY = `
import { parsePolicy } from "@prooflog/tlog/policy"
import { evidenceToJson, logToJson, receiptToJson } from "@prooflog/verifier/report"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { verifyLog } from "@prooflog/verifier/verify-log"
import { verifyReceipt } from "@prooflog/verifier/verify-receipt"
import { advance } from "@prooflog/verifier/advance"
import { httpSource } from "@prooflog/verifier/source-http"

const verdict = async (check) => {
  try {
    return await check()
  } catch (error) {
    return { verdict: "refused", code: error.code, message: error.message }
  }
}

globalThis.prooflog = {
  advance,
  httpSource,
  evidence: (text, policy) => verdict(() => evidenceToJson(verifyEvidence(text, parsePolicy(policy)))),
  receipt: (text, policy) => verdict(() => receiptToJson(verifyReceipt(text, parsePolicy(policy)))),
  log: (files, policy) => {
    const read = async (path) => (path in files ? Uint8Array.from(files[path]) : undefined)
    return verdict(async () => logToJson(await verifyLog({ read }, parsePolicy(policy))))
  },
}
`

type Verdict = Record<string, unknown>

declare global {
  /** What the bundle puts into the page; `injected` is what must not get there. */
  var prooflog: Record<string, (given: unknown, policy: string) => Promise<Verdict>>
  var injected: boolean | undefined
}

describe.skipIf(isSkipped)(
  "the verifier in a browser, offline, under a strict content security policy",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "prooflog-browser-"))
    let context: BrowserContext
    let page: Page
    const requests: string[] = []

    beforeAll(async () => {
      if (!existsSync(CHROMIUM)) execFileSync("sh", ["-c", INSTALL], { stdio: "inherit" })
      const html = join(folder, "verify.html")
      writeFileSync(html, pageOf(await bundle()))
      context = await chromium.launchPersistentContext(join(folder, "profile"), {
        executablePath: CHROMIUM,
        headless: true,
        chromiumSandbox: false,
        args: [
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
          "--host-resolver-rules=MAP * ~NOTFOUND",
        ],
      })
      await context.setOffline(true)
      page = await context.newPage()
      page.on("request", (request) => requests.push(request.url()))
      await page.goto(pathToFileURL(html).href)
    }, 600_000)

    afterAll(async () => {
      await context?.close()
      rmSync(folder, { recursive: true, force: true })
    })

    function ask(what: "evidence" | "receipt", text: string, policy = POLICY_TEXT): Promise<Verdict> {
      return page.evaluate(
        ([name, given, trusted]) => globalThis.prooflog[name]?.(given, trusted) ?? Promise.resolve({}),
        [what, text, policy] as const,
      )
    }

    it("verifies evidence and names what was withheld", async () => {
      const verdict = await ask("evidence", await smallEvidence())
      expect(verdict).toMatchObject({
        verdict: "verified",
        tree_size: 5,
        events: [
          { leaf_index: 2, core: { result: "success" }, fields: { user_id: "U2" }, withheld: ["ip_address"] },
          { leaf_index: 4, withheld: ["ip_address"] },
        ],
      })
    })

    it("refuses altered evidence", async () => {
      const good = await smallEvidence()
      const refusals: [string, string][] = [
        [good.replace('"success"', '"denied"'), "VERIFIER_DISCLOSURE_REFUSED"],
        [good.replace('"leaf_index":2', '"leaf_index":3'), "VERIFIER_NOT_IN_TREE"],
        [good.replace("\\n5\\n", "\\n6\\n"), "VERIFIER_CHECKPOINT_REFUSED"],
        [good.replace('"format"', '"title":"","format"'), "VERIFIER_MALFORMED_EVIDENCE"],
      ]
      for (const [text, code] of refusals) {
        expect(text).not.toBe(good)
        expect(await ask("evidence", text)).toMatchObject({ verdict: "refused", code })
      }
      expect(await ask("evidence", good, OTHER_POLICY_TEXT)).toMatchObject({
        code: "VERIFIER_CHECKPOINT_REFUSED",
      })
    })

    it("verifies a receipt, and refuses it for another leaf", async () => {
      const log = logOf(opaqueEntries(300))
      const path = await proveInclusion(7, 300, tileReader(log.source, 300))
      const receipt = formatReceipt({
        leafIndex: 7,
        path,
        checkpoint: log.checkpoint,
        extra: defined(log.entries[7]),
      })
      expect(await ask("receipt", receipt)).toMatchObject({ verdict: "verified", leaf_index: 7 })
      expect(await ask("receipt", receipt.replace("index 7", "index 6"))).toMatchObject({
        code: "VERIFIER_NOT_IN_TREE",
      })
    })

    it("audits a whole log", async () => {
      const log = logOf(opaqueEntries(600))
      const files = Object.fromEntries([...log.files].map(([path, bytes]) => [path, [...bytes]]))
      const audit = () =>
        page.evaluate(([all, trusted]) => globalThis.prooflog.log?.(all, trusted) ?? Promise.resolve({}), [
          files,
          POLICY_TEXT,
        ] as const)
      expect(await audit()).toMatchObject({ verdict: "verified", tree_size: 600 })
      defined(files["tile/entries/001"])[100] = (files["tile/entries/001"]?.[100] as number) ^ 1
      expect(await audit()).toMatchObject({ verdict: "refused", code: "VERIFIER_BUNDLE_REFUSED" })
    })

    it("did so in a page that may not evaluate text, and asked the network for nothing", async () => {
      const evaluation = await page.evaluate(async () => {
        const script = document.createElement("script")
        script.textContent = "globalThis.injected = true"
        document.head.append(script)
        const network = await fetch("https://log.example/checkpoint").then(
          () => "reached",
          () => "refused",
        )
        return { injected: globalThis.injected === true, network }
      })
      expect(evaluation).toEqual({ injected: false, network: "refused" })
      expect(requests.filter((url) => !url.startsWith("file:"))).toEqual([])
      expect(requests).toHaveLength(1)
    })
  },
)

async function bundle(): Promise<string> {
  const result = await build({
    stdin: { contents: ENTRY, resolveDir: fileURLToPath(new URL(".", import.meta.url)), loader: "js" },
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    target: "es2022",
    minify: true,
  })
  return defined(result.outputFiles[0]).text
}

/** One page, one script, named by its hash; nothing else may run or load. */
function pageOf(script: string): string {
  const safe = script.replaceAll("</script", "<\\/script")
  const hash = createHash("sha256").update(safe).digest("base64")
  const policy = `default-src 'none'; script-src 'sha256-${hash}'`
  return `<!doctype html><html><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><script>${safe}</script></head></html>`
}
