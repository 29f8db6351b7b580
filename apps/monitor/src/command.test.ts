import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { createSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { parsePolicy } from "@prooflog/tlog/policy"
import { formatAddCheckpoint, originHash } from "@prooflog/tlog/witness-request"
import { parseAccusation, verifyAccusation } from "@prooflog/verifier/accusation"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import {
  logOf,
  ORIGIN,
  opaqueEntries,
  opaqueEvent,
  POLICY_TEXT,
  START_MS,
} from "../../../packages/verifier/fixtures/small-log.js"
import { configOf, ServedLog, serveHttp, temporaryFolder } from "../fixtures/served-log.js"
import { CONFIG_TEMPLATE } from "./config-template.js"
import { type RunningMonitor, runMonitor, startMonitor } from "./main.js"

const COMMAND = fileURLToPath(new URL("../bin/prooflog-monitor.js", import.meta.url))

describe("prooflog-monitor", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let log: ServedLog
  let config = ""
  const closers: (() => Promise<void>)[] = []

  beforeEach(async () => {
    folder = await temporaryFolder()
    log = await ServedLog.start(logOf(opaqueEntries(600)))
    config = join(folder.path, "monitor.yaml")
    await writeFile(join(folder.path, "policy"), POLICY_TEXT)
    const entry = `{ url: "${log.url}", policy: policy, poll: 200ms, clock: 9999d }`
    await writeFile(config, `folder: state\nlisten: 127.0.0.1:0\nlogs: [${entry}]\n`)
  })

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
    await log.close()
    await folder.remove()
  })

  function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [COMMAND, ...args],
        { cwd: folder.path },
        (_, stdout, stderr) => {
          resolve({ code: child.exitCode ?? -1, stdout, stderr })
        },
      )
    })
  }

  it("looks once: 0 where nothing is wrong, 1 where something is, 2 where nobody could tell", async () => {
    expect(await run("run", config, "--once")).toMatchObject({
      code: 0,
      stdout: `${ORIGIN}: 600 leaves read, nothing is wrong\n`,
    })
    log.show(logOf([...opaqueEntries(599), opaqueEvent(9000)]))
    const caught = await run("run", config, "--once", "--json")
    expect(caught.code).toBe(1)
    const { logs } = JSON.parse(caught.stdout)
    expect(logs).toMatchObject([
      { audited_size: 600, findings: [{ kind: "forked", accusation: expect.any(String) }] },
    ])
    const accusation = await readFile(
      join(folder.path, "state/accusations", logs[0].findings[0].accusation),
      "utf8",
    )
    expect(JSON.parse(accusation)).toMatchObject({ format: "prooflog-accusation/1", kind: "same-size" })
  })

  it("could not tell of a log that does not answer", async () => {
    log.answer = (_, __, res) => {
      res.writeHead(503, { "retry-after": "0" }).end()
      return true
    }
    expect(await run("run", config, "--once")).toMatchObject({
      code: 2,
      stdout: expect.stringContaining("unreachable"),
    })
  })

  it("writes a config, never over another, and says what one means", async () => {
    expect(await run("init")).toMatchObject({ code: 0, stdout: CONFIG_TEMPLATE })
    expect(await run("init", "new.yaml")).toMatchObject({ code: 0 })
    expect(await run("init", "new.yaml")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("stays as it is"),
    })
    expect(await run("check", "new.yaml")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("https://log.example/access/"),
    })
    await writeFile(config, "folder: s\nlogs: [{ polcy: x }]\n")
    expect(await run("run", config)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("monitor.yaml:2:10: "),
    })
  })

  it.each([
    [[]],
    [["watch"]],
    [["run"]],
    [["run", "a", "b"]],
    [["run", "--never"]],
    [["run", "nowhere.yaml"]],
  ])("answers %j with usage or words, and 2", async (args) => {
    const { code, stderr } = await run(...args)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^prooflog-monitor: /)
    expect(stderr).not.toMatch(/^ {4}at /m)
  })

  it("killed again and again goes on where it was, with its folder", async () => {
    let audited = 0
    for (const size of [600, 900, 1300]) {
      log.show(logOf(opaqueEntries(size)))
      const child = spawn(process.execPath, [COMMAND, "run", config], { cwd: folder.path, stdio: "ignore" })
      const state = join(folder.path, "state/logs", `${originHash(ORIGIN)}.json`)
      const nextLeaf = async () => {
        const text = await readFile(state, "utf8").catch(() => "{}")
        return JSON.parse(JSON.parse(text).audited?.cursor ?? '{"next_leaf":0}').next_leaf as number
      }
      await expect.poll(nextLeaf, { timeout: 20_000 }).toBe(size)
      child.kill("SIGKILL")
      await once(child, "exit")
      expect(size).toBeGreaterThan(audited)
      audited = size
    }
    const before = log.paths.length
    expect(await run("run", config, "--once")).toMatchObject({ code: 0 })
    expect(log.paths.slice(before).filter((path) => path.startsWith("tile/"))).toEqual([])
  })

  it("ends when it is told to, with what it found kept", async () => {
    const stopping = new AbortController()
    const running = runMonitor(configOf(join(folder.path, "own"), log.url), {
      signal: stopping.signal,
      logger: false,
    })
    setTimeout(() => stopping.abort(new Error("enough")), 300)
    expect(await running).toMatchObject({ logs: [{ log: { origin: ORIGIN } }] })
  })

  async function start(...args: Parameters<typeof configOf>): Promise<RunningMonitor> {
    const monitor = await startMonitor(configOf(...args), { logger: false, clock: () => START_MS + 60_000 })
    closers.push(() => monitor.close())
    return monitor
  }

  it("posts what it finds until it is taken, once, and when it is over", async () => {
    const taken: { kind: string; state: string; accusation?: { kind: string } }[] = []
    let posts = 0
    const hook = await serveHttp((req, res) => {
      const chunks: Buffer[] = []
      req.on("data", (chunk: Buffer) => chunks.push(chunk))
      req.on("end", () => {
        posts++
        if (posts > 1) taken.push(JSON.parse(Buffer.concat(chunks).toString()))
        res.writeHead(posts > 1 ? 204 : 500).end()
      })
    })
    closers.push(hook.close)
    const alarm = { webhook: hook.url, headers: {} }
    const monitor = await start(join(folder.path, "own"), log.url, { alarm })
    await monitor.pollNow()
    log.show(logOf(opaqueEntries(500)))
    await monitor.pollNow()
    await monitor.pollNow()
    await expect.poll(() => taken, { timeout: 10_000 }).toMatchObject([{ kind: "went-back", state: "open" }])
    log.show(logOf(opaqueEntries(600)))
    await monitor.pollNow()
    await expect.poll(() => taken.length).toBe(2)
    log.show(logOf([...opaqueEntries(599), opaqueEvent(9000)]))
    await monitor.pollNow()
    await expect.poll(() => taken.length).toBe(3)
    expect(taken.slice(1)).toMatchObject([
      { kind: "went-back", state: "settled" },
      { kind: "forked", state: "open", accusation: { kind: "same-size" } },
    ])
    await monitor.close()
    // Told is told, also after the next start.
    const again = await start(join(folder.path, "own"), log.url, { alarm })
    await again.pollNow()
    expect(taken).toHaveLength(3)
  })

  it("that only cosigns writes down a fork that it was sent, and counts what it answered", async () => {
    const signerKey = createSignerKey("w.example", new Uint8Array(32).fill(5), 0x04)
    const keys = parsePolicy(POLICY_TEXT).logs.map(({ key }) => key) as never
    const monitor = await start(join(folder.path, "own"), log.url, {
      logs: [],
      witness: { signerKey, logs: [{ origin: ORIGIN, keys }] },
    })
    const add = async (checkpoint: string, oldSize: number) => {
      const body = formatAddCheckpoint({ oldSize, proof: [], checkpoint })
      return (await fetch(`${monitor.url}add-checkpoint`, { method: "POST", body })).status
    }
    expect(await add(logOf(opaqueEntries(600)).checkpoint, 0)).toBe(200)
    const fork = logOf([...opaqueEntries(599), opaqueEvent(9000)]).checkpoint
    expect([await add(fork, 600), await add(fork, 600), await add(fork, 5)]).toEqual([422, 422, 409])
    const accusations = () => readdir(monitor.accusationsFolder)
    await expect.poll(accusations).toEqual([expect.stringMatching(/^same-size-[0-9a-f]{16}\.json$/)])
    const [file = ""] = await accusations()
    const accusation = parseAccusation(await readFile(join(monitor.accusationsFolder, file)))
    expect(verifyAccusation(accusation, parsePolicy(POLICY_TEXT)).accused).toBe(ORIGIN)
    const metricsNow = async () => (await fetch(`${monitor.url}metrics`)).text()
    // The file is there a moment before it is counted.
    await expect.poll(metricsNow).toContain(`witness_forks_total{origin="${ORIGIN}"} 1\n`)
    const metrics = await metricsNow()
    for (const line of [
      'prooflog_monitor_witness_requests_total{status="200"} 1',
      'prooflog_monitor_witness_requests_total{status="422"} 2',
      'prooflog_monitor_witness_requests_total{status="409"} 1',
      `prooflog_monitor_witness_forks_total{origin="${ORIGIN}"} 1`,
      `prooflog_monitor_witness_size{origin="${ORIGIN}"} 600`,
      `prooflog_monitor_witness_last_seconds{origin="${ORIGIN}"} ${Math.floor(START_MS / 1000) + 60}`,
    ]) {
      expect(metrics).toContain(`${line}\n`)
    }
    const page = await (await fetch(`${monitor.url}`)).text()
    expect(page).toContain("A log is caught: there is proof.")
    expect(page).toContain(`accusations/${file}`)
    expect(page).toContain("1 cosigned, refused 1 with 409, 2 with 422.")
  })

  it("cosigns, and accuses a log that sends its witness another tree", async () => {
    const signerKey = createSignerKey("w.example", new Uint8Array(32).fill(5), 0x04)
    const keys = parsePolicy(POLICY_TEXT).logs.map(({ key }) => key) as never
    const witness = { signerKey, logs: [{ origin: ORIGIN, keys }] }
    const monitor = await start(join(folder.path, "own"), log.url, { witness })
    await monitor.pollNow()
    const add = (checkpoint: string, oldSize = 0) =>
      fetch(`${monitor.url}add-checkpoint`, {
        method: "POST",
        body: formatAddCheckpoint({ oldSize, proof: [], checkpoint }),
      })
    const first = await add(logOf(opaqueEntries(600)).checkpoint)
    expect([first.status, await first.text()]).toEqual([200, expect.stringMatching(/^— w\.example /)])
    const got = await fetch(`${monitor.url}${originHash(ORIGIN)}/checkpoint`)
    expect(await got.text()).toContain("— w.example ")
    expect((await add(logOf([...opaqueEntries(599), opaqueEvent(9000)]).checkpoint, 600)).status).toBe(422)
    await expect.poll(() => monitor.report().findings.get(ORIGIN)).toMatchObject([{ kind: "forked" }])
    expect(await (await fetch(`${monitor.url}`)).text()).toContain(verifierKeyOf(signerKey).name)
  })
})
