import { cp, readdir, readFile } from "node:fs/promises"
import { createServer as createTcpServer, type Socket } from "node:net"
import { join } from "node:path"
import { type RunningServer, startServer } from "@prooflog/server"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { leafHash } from "@prooflog/tlog/hash"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { parsePolicy } from "@prooflog/tlog/policy"
import { originHash } from "@prooflog/tlog/witness-request"
import { parseAccusation, verifyAccusation } from "@prooflog/verifier/accusation"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import {
  defined,
  genesis,
  logOf,
  ORIGIN,
  OTHER_POLICY,
  opaqueEntries,
  opaqueEvent,
  START_MS,
  signHead,
} from "../../../packages/verifier/fixtures/small-log.js"
import { configOf, ServedLog, serveHttp, temporaryFolder } from "../fixtures/served-log.js"
import { type RunningMonitor, runMonitor, startMonitor } from "./main.js"
import { formatReport, reportToJson } from "./report.js"

describe("two monitors", () => {
  const closers: (() => Promise<void>)[] = []
  let folder = ""

  beforeEach(async () => {
    const temporary = await temporaryFolder()
    closers.push(temporary.remove)
    folder = temporary.path
  })

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })

  async function start(...args: Parameters<typeof configOf>): Promise<RunningMonitor> {
    const monitor = await startMonitor(configOf(...args), { logger: false })
    closers.push(() => monitor.close())
    return monitor
  }

  async function serve(dir: string): Promise<{ server: RunningServer; writerKey: string }> {
    const server = await startServer({ dir, port: 0, follow: false, logger: false })
    closers.push(() => server.close())
    const writer = server.firstKeys?.find(({ apiKey }) => apiKey.roles.includes("writer"))
    return { server, writerKey: writer?.key ?? "" }
  }

  async function submit(url: string, writerKey: string, users: readonly string[]): Promise<void> {
    const events = users.map((user_id) => {
      return { timestamp: "2026-01-01T00:00:00Z", user_id, resource_accessed: "/secure", result: "success" }
    })
    const response = await fetch(`${url}v1/events?wait=receipt`, {
      method: "POST",
      headers: { authorization: `Bearer ${writerKey}`, "content-type": "application/json" },
      body: JSON.stringify(events),
    })
    expect(response.status).toBe(200)
    const { evidence } = (await response.json()) as { evidence: unknown }
    expect(evidence).not.toBeNull()
  }

  it.each([
    ["of one size", ["a1", "a2"], ["b1", "b2"]],
    ["of two sizes", ["a1", "a2"], ["b1", "b2", "b3", "b4"]],
  ])("catch a log that shows each another tree, %s, within two looks", async (_, toOne, toOther) => {
    // An honest log, its folder copied, and both go on with one key.
    const first = await serve(join(folder, "one"))
    await submit(first.server.url, first.writerKey, ["before"])
    await first.server.close()
    await cp(join(folder, "one"), join(folder, "other"), { recursive: true })
    const one = await serve(join(folder, "one"))
    const other = await serve(join(folder, "other"))
    await submit(one.server.url, first.writerKey, toOne)
    await submit(other.server.url, first.writerKey, toOther)
    const policyText = await readFile(one.server.folder.policyPath, "utf8")
    const policy = parsePolicy(policyText)
    const { origin } = one.server.folder
    const logs = { policy, log: { origin } }
    const a = await start(join(folder, "a"), one.server.url, logs)
    const b = await start(join(folder, "b"), other.server.url, { ...logs, peers: [defined(a.url)] })
    const all = () => [a, b].flatMap((monitor) => [...monitor.report().findings.values()].flat())
    for (let looks = 0; looks < 2; looks++) {
      await a.pollNow()
      await b.pollNow()
    }
    expect(all().map(({ kind }) => kind)).toContain("forked")
    // In an empty folder: the file and the policy.
    const files = await Promise.all(
      [a, b].map(async ({ accusationsFolder }) =>
        (await readdir(accusationsFolder)).map((file) => join(accusationsFolder, file)),
      ),
    )
    expect(files.flat().length).toBeGreaterThan(0)
    for (const file of files.flat()) {
      const { accused, proven } = verifyAccusation(
        parseAccusation(await readFile(file)),
        parsePolicy(policyText),
      )
      expect(accused).toBe(origin)
      expect(proven).toContain(
        toOne.length === toOther.length ? "two different trees" : "does not begin with",
      )
    }
  })

  it("are satisfied with an honest log that one of them sees later", async () => {
    const early = await ServedLog.start(logOf(opaqueEntries(300)))
    const late = await ServedLog.start(logOf(opaqueEntries(600)))
    closers.push(
      () => early.close(),
      () => late.close(),
    )
    const a = await start(join(folder, "a"), early.url)
    const b = await start(join(folder, "b"), late.url, { peers: [defined(a.url)] })
    await a.pollNow()
    await b.pollNow()
    early.show(logOf(opaqueEntries(600)))
    await a.pollNow()
    for (const { report } of [a, b]) {
      expect(report().logs[0]).toMatchObject({ openHeads: [] })
      expect(
        report()
          .findings.get(ORIGIN)
          ?.filter(({ kind }) => kind !== "off-clock"),
      ).toEqual([])
    }
  })

  it("tell of a head that one of them is not shown", async () => {
    const served = await ServedLog.start(logOf(opaqueEntries(300)))
    closers.push(() => served.close())
    let nowMs = START_MS + 60_000
    const config = configOf(join(folder, "a"), served.url, { log: { pollMs: 30_000 } })
    const monitor = await startMonitor(config, { logger: false, clock: () => nowMs })
    closers.push(() => monitor.close())
    await monitor.pollNow()
    await post(monitor, logOf(opaqueEntries(400)).checkpoint)
    await monitor.pollNow()
    expect(monitor.report().exitCode).toBe(0)
    nowMs += 100_000
    await monitor.pollNow()
    expect(monitor.report().findings.get(ORIGIN)).toMatchObject([
      { kind: "withheld", by: "gossip", message: expect.stringContaining("400 leaves") },
    ])
    served.show(logOf(opaqueEntries(400)))
    await monitor.pollNow()
    expect(monitor.report().exitCode).toBe(0)
  })

  it("tell of a head that cannot be compared while a tile is withheld, and prove the fork once it is not", async () => {
    const honest = logOf(opaqueEntries(1300))
    const served = await ServedLog.start(honest)
    closers.push(() => served.close())
    let nowMs = START_MS + 60_000
    const config = configOf(join(folder, "a"), served.url, { log: { pollMs: 30_000 } })
    const monitor = await startMonitor(config, { logger: false, clock: () => nowMs })
    closers.push(() => monitor.close())
    await monitor.pollNow()
    const tile = defined(served.files.get("tile/0/002"))
    served.files.delete("tile/0/002")
    const old = logOf([...opaqueEntries(599), opaqueEvent(9000)])
    await post(monitor, old.checkpoint)
    await monitor.pollNow()
    expect(monitor.report().findings.get(ORIGIN)).toEqual([])
    nowMs += 100_000
    await monitor.pollNow()
    const [withheld] = monitor.report().findings.get(ORIGIN) ?? []
    expect(withheld).toMatchObject({
      kind: "withheld",
      by: "gossip",
      message: expect.stringMatching(
        /someone who asked .* of 600 leaves, this monitor one of 1300, and the hashes/,
      ),
      heads: [honest.checkpoint, old.checkpoint],
    })
    expect(await (await fetch(`${monitor.url}`)).text()).not.toContain("All is well")
    served.files.set("tile/0/002", tile)
    await monitor.pollNow()
    expect(monitor.report().findings.get(ORIGIN)).toMatchObject([
      { kind: "forked", accusation: expect.stringMatching(/^inconsistent-/) },
    ])
  })

  it("cannot tell, looking once, of a head that is larger than what the log shows", async () => {
    const served = await ServedLog.start(logOf(opaqueEntries(300)))
    const peer = await serveHttp((_req, res) => void res.end(logOf(opaqueEntries(400)).checkpoint))
    closers.push(
      () => served.close(),
      () => peer.close(),
    )
    const once = () => {
      const config = configOf(join(folder, "a"), served.url, { peers: [peer.url], log: { clockMs: 1e15 } })
      return runMonitor(config, { once: true, logger: false })
    }
    const report = await once()
    expect(report.exitCode).toBe(2)
    const words = `${peer.url} showed a signed head of 400 leaves, which could not be held against ours of 300\n`
    expect(formatReport(report)).toContain(words)
    expect(reportToJson(report)).toMatchObject({ logs: [{ not_compared: [{ by: peer.url, size: 400 }] }] })
    // The peer was shown what the log had published a moment later.
    let looks = 0
    served.answer = (path) => {
      if (path === "checkpoint" && ++looks === 2) served.show(logOf(opaqueEntries(400)))
      return false
    }
    expect(await once()).toMatchObject({ exitCode: 0, logs: [{ openHeads: [] }] })
  })

  it("hear of a fork from a witness", async () => {
    const served = await ServedLog.start(logOf(opaqueEntries(300)))
    const forked = logOf([...opaqueEntries(299), opaqueEvent(9000)])
    const asked: string[] = []
    const witness = await serveHttp((req, res) => {
      asked.push(req.url ?? "")
      res.end(forked.checkpoint)
    })
    closers.push(
      () => served.close(),
      () => witness.close(),
    )
    const { policy } = configOf("", "").logs[0] ?? expect.fail()
    const key = OTHER_POLICY.logs[0]?.key ?? expect.fail()
    const witnessed = { ...policy, witnesses: [{ name: "w", key, url: `${witness.url}monitoring` }] }
    const monitor = await start(join(folder, "a"), served.url, { policy: witnessed })
    await monitor.pollNow()
    expect(asked[0]).toBe(`/monitoring/${originHash(ORIGIN)}/checkpoint`)
    expect(kindsOf(monitor)).toContain("forked")
  })

  it("understand each other about a log whose name begins like JSON", async () => {
    const origin = "{log.example}"
    const signer = createSignerKey(origin, new Uint8Array(32).fill(4), 0x01)
    const log = logOf([genesis({ origin })])
    const head = { origin, treeSize: 1, rootHash: leafHash(defined(log.entries[0])), extensions: [] }
    log.files.set("checkpoint", new TextEncoder().encode(signCheckpoint(head, signer)))
    const served = await ServedLog.start(log)
    closers.push(() => served.close())
    const policy = parsePolicy(`log ${formatVerifierKey(verifierKeyOf(signer))}\nquorum none\n`)
    const b = await start(join(folder, "b"), served.url, { policy, log: { origin } })
    await b.pollNow()
    const a = await start(join(folder, "a"), served.url, { policy, log: { origin }, peers: [defined(b.url)] })
    await a.pollNow()
    expect(a.peers()).toMatchObject([{ faults: { lie: 0 }, lastAnswerMs: expect.any(Number) }])
  })

  describe("and a peer that", () => {
    async function withPeer(answer: Parameters<typeof serveHttp>[0]) {
      const served = await ServedLog.start(logOf(opaqueEntries(300)))
      let asked = 0
      const peer = await serveHttp((req, res) => {
        asked++
        answer(req, res)
      })
      closers.push(
        () => served.close(),
        () => peer.close(),
      )
      const monitor = await start(join(folder, "a"), served.url, { peers: [peer.url] })
      await monitor.pollNow()
      return { monitor, asked: () => asked }
    }

    it.each([
      ["a text", "hello\n"],
      [
        "a head that another key has signed",
        logOf(opaqueEntries(3)).checkpoint.replace(/.{9}\n$/, "AAAAAAAA=\n"),
      ],
      ["a tree nobody signed", signHead(5, new Uint8Array(32)).replace("\n5\n", "\n6\n")],
    ])("shows %s lies: it is dropped and counted", async (_, text) => {
      const { monitor, asked } = await withPeer((_req, res) => void res.end(text))
      await monitor.pollNow()
      expect(asked()).toBe(1)
      expect(monitor.peers()).toMatchObject([{ faults: { lie: 1 }, droppedUntilMs: expect.any(Number) }])
      expect(kindsOf(monitor)).toEqual([])
    })

    it("floods is dropped and counted, and read no further", async () => {
      let written = 0
      const { monitor, asked } = await withPeer((_req, res) => {
        const flood = () => {
          while (!res.destroyed && written < 50e6 && res.write("x".repeat(65_536))) written += 65_536
        }
        res.on("drain", flood)
        flood()
      })
      await monitor.pollNow()
      expect(asked()).toBe(1)
      expect(monitor.peers()).toMatchObject([{ faults: { flood: 1 } }])
      expect(written).toBeLessThan(50e6)
    })

    it("fails three times in a row is dropped and counted", async () => {
      const { monitor, asked } = await withPeer((_req, res) => void res.writeHead(500).end())
      for (let looks = 0; looks < 4; looks++) await monitor.pollNow()
      expect(asked()).toBe(3)
      expect(monitor.peers()).toMatchObject([{ faults: { stall: 3 }, droppedUntilMs: expect.any(Number) }])
    })

    it("failed, and then shows us a good head, is asked again", async () => {
      const { monitor, asked } = await withPeer((_req, res) => void res.writeHead(500).end())
      for (let looks = 0; looks < 3; looks++) await monitor.pollNow()
      expect(asked()).toBe(3)
      await post(monitor, "no head")
      await monitor.pollNow()
      expect(asked()).toBe(3)
      await post(monitor, logOf(opaqueEntries(200)).checkpoint)
      await expect.poll(() => monitor.peers()[0]?.droppedUntilMs).toBeUndefined()
      await monitor.pollNow()
      expect(asked()).toBe(4)
    })

    it("never answers delays nothing but itself, and is given up", async () => {
      const { Gossip } = await import("./gossip.js")
      const { pino } = await import("pino")
      const sockets = new Set<Socket>()
      const mute = createTcpServer((socket) => sockets.add(socket))
      await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve))
      closers.push(async () => {
        for (const socket of sockets) socket.destroy()
        mute.close()
      })
      const { port } = mute.address() as { port: number }
      const served = await ServedLog.start(logOf(opaqueEntries(30)))
      closers.push(() => served.close())
      const watching = await start(join(folder, "a"), served.url)
      await watching.pollNow()
      const gossip = new Gossip({
        peers: [`http://127.0.0.1:${port}/`],
        clock: Date.now,
        logger: pino({ enabled: false }),
        timeoutMs: 50,
      })
      const { LogWatch } = await import("./watch.js")
      const source = { read: async (path: string) => served.files.get(path) }
      const watch = await LogWatch.open({
        log: defined(configOf("", served.url).logs[0]),
        entries: source,
        looks: source,
        path: join(folder, "state.json"),
        accusations: { folder, keep: async () => "" },
        listener: { raised: () => {}, settled: () => {} },
        clock: Date.now,
        logger: pino({ enabled: false }),
        signal: new AbortController().signal,
      })
      await watch.poll()
      for (let looks = 0; looks < 4; looks++) await gossip.exchange(watch, new AbortController().signal)
      expect(gossip.status()).toMatchObject([{ faults: { stall: 3 }, droppedUntilMs: expect.any(Number) }])
    })
  })

  describe("and whoever asks", () => {
    let monitor: RunningMonitor

    beforeEach(async () => {
      const served = await ServedLog.start(logOf(opaqueEntries(300)))
      closers.push(() => served.close())
      monitor = await start(join(folder, "a"), served.url)
      await monitor.pollNow()
    })

    it("is given the head that is believed, for a head of the log", async () => {
      const answer = await post(monitor, logOf(opaqueEntries(200)).checkpoint)
      expect([answer.status, await answer.text()]).toEqual([200, logOf(opaqueEntries(300)).checkpoint])
      const got = await fetch(`${monitor.url}v1/checkpoints/${originHash(ORIGIN)}`)
      expect([got.status, await got.text()]).toEqual([200, logOf(opaqueEntries(300)).checkpoint])
    })

    it("brings a fork: the monitor writes the proof", async () => {
      await post(monitor, logOf([...opaqueEntries(150), opaqueEvent(9000)]).checkpoint)
      await expect.poll(() => kindsOf(monitor)).toContain("forked")
    })

    it("brings one fork after the other: eight are written down, and none is left to compare", async () => {
      for (let i = 0; i < 10; i++) {
        const size = 100 + i
        await post(monitor, logOf([...opaqueEntries(size - 1), opaqueEvent(9000 + i)]).checkpoint)
      }
      await monitor.pollNow()
      expect(kindsOf(monitor)).toEqual(Array(8).fill("forked"))
      expect(await readdir(monitor.accusationsFolder)).toHaveLength(8)
      expect(monitor.report().logs[0]?.openHeads).toEqual([])
    })

    it.each([
      ["a text", "hello", 400],
      ["a head of another log", logOf(opaqueEntries(3)).checkpoint.replaceAll(ORIGIN, "other.example"), 404],
      ["a head that was not signed", logOf(opaqueEntries(3)).checkpoint.replace("\n3\n", "\n4\n"), 403],
      ["64 KiB and more", "x".repeat(65_537), 413],
      ["the text gone", "gone", 400],
      ["the text large", "large", 400],
      ["the text slow", "slow", 400],
    ])("shows %s is refused", async (_, body, status) => {
      expect((await post(monitor, body)).status).toBe(status)
    })

    it("asks too often is limited, then dropped and counted", async () => {
      const statuses = new Set<number | string>()
      for (let asked = 0; asked < 400 && !statuses.has("dropped"); asked++) {
        statuses.add(
          await post(monitor, "hello").then(
            ({ status }) => status,
            () => "dropped",
          ),
        )
      }
      expect([...statuses]).toEqual([400, 429, "dropped"])
      const metrics = await (await fetch(`${monitor.url}metrics`)).text()
      expect(metrics).toContain("prooflog_monitor_floods_total 1")
    })
  })

  function kindsOf(monitor: RunningMonitor): string[] {
    const findings = [...monitor.report().findings.values()].flat()
    return findings.map(({ kind }) => kind).filter((kind) => kind !== "off-clock")
  }

  function post(monitor: RunningMonitor, body: string): Promise<Response> {
    return fetch(`${monitor.url}v1/checkpoints`, { method: "POST", body })
  }
})
