/** Challenges: what a log shows of leaves that an auditor draws, and that nobody is fooled by it. */

import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { readFile, rm, stat, writeFile } from "node:fs/promises"
import { createServer, request } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { encodeBase64 } from "@prooflog/tlog/base64"
import { parseCheckpoint, signCheckpoint } from "@prooflog/tlog/checkpoint"
import { createSignerKey } from "@prooflog/tlog/key"
import { formatNote, parseNote } from "@prooflog/tlog/note"
import { type Challenge, formatChallenge, parseChallenge } from "@prooflog/verifier/challenge"
import { type JudgedChallenge, type JudgedLeaf, judgeChallenge } from "@prooflog/verifier/judge-challenge"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { prooflog, prooflogHere } from "../cli/prooflog.js"
import { anEvent, ask, disappearingDisk, serve } from "../http/served.js"
import { eventually, get, type Json, logFor } from "./asked.js"
import {
  auditedPromises,
  type ChallengedLog,
  CLASSES,
  segmentsOf,
  startChallengedLog,
  tamper,
} from "./challenge-log.js"
import { DAY_MS } from "./log-at.js"
import { scheduleText } from "./schedule-texts.js"

let log: ChallengedLog
let ground: Awaited<ReturnType<typeof auditedPromises>>
beforeAll(async () => {
  log = await startChallengedLog()
  ground = await auditedPromises(log)
})
afterAll(() => log.close())

const sizeOf = (note: string) => parseCheckpoint(parseNote(note).text).treeSize

const wholeOf = (checkpoint: string): Challenge => ({
  checkpoint,
  nonce: randomBytes(16),
  leaves: sizeOf(checkpoint),
})

type Role = keyof ChallengedLog["keys"]

async function postText(body: string, role: Role | undefined = "auditor", type = "application/json") {
  const headers = { "content-type": type, ...(role && { authorization: `Bearer ${log.keys[role]}` }) }
  const response = await fetch(`${log.url}v1/challenges`, { method: "POST", headers, body })
  const text = await response.text()
  return { status: response.status, text, code: codeIn(text) }
}

function codeIn(text: string): unknown {
  const { code, parameter } = JSON.parse(text) as Json
  return parameter === undefined ? code : `${code} ${parameter}`
}

async function answered(challenge: Challenge, role: Role = "auditor"): Promise<string> {
  const { status, text } = await postText(formatChallenge(challenge), role)
  expect([status, status === 200 ? "" : text]).toEqual([200, ""])
  return text
}

const judge = (answers: string, options: object = {}): JudgedChallenge =>
  judgeChallenge(answers, ground.policy, { promises: ground.promises, atMs: Date.now(), ...options })

const leafIn = ({ leaves }: JudgedChallenge, leafIndex: number) =>
  leaves.find((leaf) => leaf.leafIndex === leafIndex) as JudgedLeaf

const verdictsOf = (judged: JudgedChallenge, leaves: readonly number[]) =>
  leaves.map((leaf) => leafIn(judged, leaf).verdict)

const each = <T>(leaves: readonly unknown[], value: T): T[] => leaves.map(() => value)

describe("a challenge of every leaf", () => {
  let challenge: Challenge
  let answers: string
  let judged: JudgedChallenge
  beforeAll(async () => {
    // The notice of what is lost is the last of these leaves.
    challenge = wholeOf(await log.head(sizeOf(log.earlierHead) + 1))
    answers = await answered(challenge)
    judged = judge(answers, { challenge })
  })

  it("is answered with each record, or why there is none", () => {
    const { kept, archived, due, erased, held, lost } = log.leaves
    expect(judged.outcome).toBe("kept")
    expect(verdictsOf(judged, kept)).toEqual(each(kept, "kept"))
    expect(verdictsOf(judged, archived)).toEqual(each(archived, "kept"))
    expect(verdictsOf(judged, due)).toEqual(each(due, "due"))
    for (const leaf of erased) expect(leafIn(judged, leaf)).toMatchObject({ verdict: "noticed", kind: 1 })
    expect(leafIn(judged, lost)).toMatchObject({ verdict: "noticed", kind: 3 })
    expect(leafIn(judged, 0)).toMatchObject({ verdict: "no-event" })
    // What is held is there, and is shown, although its time is over.
    for (const leaf of held) expect(leafIn(judged, leaf)).toMatchObject({ verdict: "kept", isOverdue: true })
    expect(leafIn(judged, kept[0] as number)).toMatchObject({ isOverdue: false, event: { withheld: [] } })
    expect(judged.counts).toMatchObject({
      due: due.length,
      noticed: erased.length + 1,
      unanswered: 0,
      refused: 0,
    })
  })

  it("stands in the log, with the hash of its answers and who asked", async () => {
    const event = await eventually(async () => {
      const { body } = await get(log, "v1/events?source=prooflog&action=log.challenge&limit=1")
      return (body.events as Json[])[0]
    })
    expect(event).toMatchObject({
      user_id: `key:${/^pl_([0-9a-f]{8})_/.exec(log.keys.auditor)?.[1]}`,
      result: "success",
      attributes: {
        sha256: createHash("sha256").update(answers).digest("hex"),
        nonce: Buffer.from(challenge.nonce).toString("hex"),
        tree_size: challenge.leaves,
        leaves: challenge.leaves,
        records: judged.counts.kept,
        due: judged.counts.due,
        noticed: judged.counts.noticed,
        no_event: judged.counts["no-event"],
        silent: 0,
      },
    })
  })

  it("is not believed before a record is due, nor of what another role is not shown", async () => {
    const early = judge(answers, { atMs: Date.now() - 39 * DAY_MS })
    expect(verdictsOf(early, log.leaves.due)).toEqual(each(log.leaves.due, "refused"))
    const withheld = judge(await answered(wholeOf(await log.head()), "reader"))
    expect(withheld.outcome).toBe("open")
    const [leaf = 0] = log.leaves.kept
    expect(leafIn(withheld, leaf)).toMatchObject({ verdict: "in-part", event: { withheld: ["ip_address"] } })
  })

  it("says no more for being changed: each answer, in each of its members", () => {
    const file = JSON.parse(answers) as { answers: Json[] }
    const changed = (at: number, change: (answer: Json) => void) => {
      const copy = structuredClone(file)
      change(copy.answers[at] as Json)
      return judge(JSON.stringify(copy)).leaves[at]?.verdict
    }
    const at = (leaf: number) => file.answers.findIndex(({ leaf_index }) => leaf_index === leaf)
    const [kept = 0, other = 0] = log.leaves.kept
    const [erased = 0, sibling = 0] = log.leaves.erased
    const beside = (leaf: number) => file.answers[at(leaf)] as Json
    const claims: [string, number, (answer: Json) => void][] = [
      [
        "another record",
        kept,
        (answer) => Object.assign(answer, { core: beside(other).core, fields: beside(other).fields }),
      ],
      ["another value", kept, (answer) => (((answer.fields as unknown[][])[0] as unknown[])[2] = "U2")],
      ["another entry", kept, (answer) => (answer.entry = beside(other).entry)],
      ["another path", kept, (answer) => (answer.path = beside(other).path)],
      ["no event", kept, (answer) => said(answer, "no-event")],
      ["due", kept, (answer) => said(answer, "due")],
      ["due, which is erased", erased, (answer) => said(answer, "due")],
      ["noticed, as another is", kept, (answer) => said(answer, "noticed", beside(erased))],
      ["noticed under another's item", erased, (answer) => Object.assign(answer, proofOf(beside(sibling)))],
      ["noticed by what is no notice", erased, (answer) => (answer.notice = leafOf(beside(kept)))],
      ["noticed with another salt", erased, (answer) => (answer.salt = encodeBase64(new Uint8Array(16)))],
    ]
    for (const [why, leaf, change] of claims)
      expect([why, changed(at(leaf), change)]).toEqual([why, "refused"])
    const flipped = structuredClone(file)
    for (const answer of flipped.answers) {
      const entry = Buffer.from(answer.entry as string, "base64")
      entry[entry.length - 1] = (entry.at(-1) as number) ^ 1
      answer.entry = entry.toString("base64")
    }
    expect(judge(JSON.stringify(flipped)).counts.refused).toBe(challenge.leaves)
    const some = { ...file, answers: file.answers.filter((_, i) => i % 2 === 0) }
    expect(judge(JSON.stringify(some)).counts.unanswered).toBe(Math.floor(challenge.leaves / 2))
  })

  it("is the same under an older head, where a notice behind it excuses nothing", async () => {
    const older = judge(await answered(wholeOf(log.earlierHead)))
    expect(verdictsOf(older, log.leaves.erased)).toEqual(each(log.leaves.erased, "noticed"))
    expect(leafIn(older, log.leaves.lost)).toMatchObject({ verdict: "unanswered" })
    expect(older.counts.unanswered).toBe(1)
  })
})

/** Makes an answer one of another kind, with what that kind has beside it. */
function said(answer: Json, kind: string, like: Json = {}): void {
  for (const name of ["core", "fields", "notice", "salt", "position", "notice_path"]) delete answer[name]
  const beside = kind === "noticed" ? { notice: like.notice, ...proofOf(like) } : {}
  Object.assign(answer, { answer: kind, ...beside })
}

/** A server in front of a log that shows these heads first. */
async function startInFrontOf(url: string, heads: string[]) {
  const server = createServer(async (request, response) => {
    const [head] = request.url === "/checkpoint" ? heads.splice(0, 1) : []
    if (head !== undefined) {
      response.end(head)
      return
    }
    const body = await buffer(request)
    const { authorization = "" } = request.headers
    const answer = await fetch(`${url}${(request.url ?? "").slice(1)}`, {
      method: request.method ?? "GET",
      headers: { authorization, ...(body.length > 0 && { "content-type": "application/json" }) },
      ...(body.length > 0 && { body: new Uint8Array(body) }),
    })
    response.writeHead(answer.status).end(new Uint8Array(await answer.arrayBuffer()))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const proofOf = ({ salt, position, notice_path }: Json): Json => ({ salt, position, notice_path })
const leafOf = ({ leaf_index, path, entry }: Json): Json => ({ leaf_index, path, entry })

describe("a challenge is refused", () => {
  const codeOf = async (challenge: Challenge) => {
    const { status, code } = await postText(formatChallenge(challenge))
    return [status, code]
  }

  it("to whoever may not read events", async () => {
    const body = formatChallenge(wholeOf(log.earlierHead))
    expect(await postText(body, "writer")).toMatchObject({ status: 403, code: "SERVER_WRONG_ROLE" })
    const response = await fetch(`${log.url}v1/challenges`, { method: "POST", body })
    expect(response.status).toBe(401)
    expect((await postText(body, "admin")).status).toBe(200)
  })

  it("where it is none", async () => {
    const good = JSON.parse(formatChallenge(wholeOf(log.earlierHead))) as Json
    const bodies: [string, number, unknown][] = [
      ["{", 400, "malformed_json"],
      ...[
        {},
        { ...good, format: "prooflog-challenge/2" },
        { ...good, nonce: "AAAA" },
        { ...good, leaves: 0 },
        { ...good, leaves: 10_001 },
        { ...good, leaves: 1.5 },
        { ...good, size: 3 },
        { ...good, checkpoint: 7 },
      ].map((body): [string, number, unknown] => [JSON.stringify(body), 400, "SERVER_MALFORMED_CHALLENGE"]),
      [JSON.stringify({ ...good, checkpoint: "a note" }), 400, "SERVER_MALFORMED_CHECKPOINT"],
      [JSON.stringify({ ...good, leaves: 10_000 }), 422, "SERVER_REFUSED_REQUEST leaves"],
      [JSON.stringify({ ...good, checkpoint: "x".repeat(200_000) }), 413, "SERVER_BODY_TOO_LARGE"],
    ]
    for (const [body, status, code] of bodies) expect(await postText(body)).toMatchObject({ status, code })
    const text = await postText(JSON.stringify(good), "auditor", "text/plain")
    expect(text).toMatchObject({ status: 415, code: "SERVER_UNSUPPORTED_MEDIA_TYPE" })
  })

  it("under a head that this log has not published", async () => {
    const challenge = wholeOf(log.earlierHead)
    const { text, signatures } = parseNote(log.earlierHead)
    const spoilt = signatures.map((each) => ({ ...each, bytes: each.bytes.map((byte) => byte ^ 1) }))
    const unsigned = { ...challenge, checkpoint: formatNote({ text, signatures: spoilt }) }
    expect(await codeOf(unsigned)).toEqual([422, "SERVER_UNSIGNED_CHECKPOINT"])
    const head = parseCheckpoint(text)
    const stranger = createSignerKey("log.elsewhere", new Uint8Array(32), log.signerKey.type)
    const signed = (change: object, signer = log.signerKey) => ({
      ...challenge,
      leaves: 1,
      checkpoint: signCheckpoint({ ...head, ...change }, signer),
    })
    expect(await codeOf(signed({ origin: "log.elsewhere" }, stranger))).toEqual([422, "SERVER_OTHER_LOG"])
    // Whoever has the key can sign what was never a tree of ours: that is kept, and is no ground to draw from.
    expect(await codeOf(signed({ rootHash: new Uint8Array(32) }))).toEqual([422, "SERVER_FORKED_HEAD"])
    expect(await codeOf(signed({ treeSize: 10_000 }))).toEqual([404, "SERVER_NOT_PUBLISHED"])
  })

  it("while another with the same key is being answered, and not with another key", async () => {
    const challenge = formatChallenge({ ...wholeOf(log.earlierHead), leaves: 3 })
    const slow = request(`${log.url}v1/challenges`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${log.keys.auditor}`,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(challenge),
        expect: "100-continue",
      },
    })
    slow.flushHeaders()
    // Whoever is told to go on has been let in.
    await once(slow, "continue")
    expect(await postText(challenge)).toMatchObject({ status: 429, code: "SERVER_TOO_MANY_REQUESTS" })
    expect((await postText(challenge, "reader")).status).toBe(200)
    slow.end(challenge)
    const [response] = await once(slow, "response")
    expect(response.statusCode).toBe(200)
    response.resume()
    await once(response, "end")
    await eventually(async () => ((await postText(challenge)).status === 200 ? true : undefined))
  })

  it("with no byte of an answer, where the log cannot say that it was asked", async () => {
    const disk = disappearingDisk()
    const served = await serve({ wrap: disk.wrap, publishEveryMs: 20 })
    try {
      expect((await ask(served, "v1/events?wait=receipt", "writer", anEvent())).status).toBe(201)
      const checkpoint = (await served.request({ path: "checkpoint" })).body.toString()
      const body = formatChallenge({ ...wholeOf(checkpoint), leaves: 2 })
      const asked = {
        method: "POST",
        path: "v1/challenges",
        key: served.keys.auditor,
        type: "application/json",
        body,
      }
      expect((await served.request(asked)).status).toBe(200)
      disk.fail()
      const { status, json } = await served.request(asked)
      expect([status, json.code]).toEqual([503, "LEDGER_POISONED"])
    } finally {
      await served.stop()
    }
  })
})

describe("prooflog audit --retention", () => {
  const audit = (args: readonly string[] = [], role: Role = "auditor") =>
    prooflogHere(["audit", log.url, "--policy", log.policyFile, "--retention", ...args], {
      PROOFLOG_KEY: log.keys[role],
    })
  const at = (name: string) => join(log.path, name)

  it("finds everything kept or excused, and says how sure it is", async () => {
    const { verdict, out, err, thrown } = await audit(["--sample", "20", "-o", at("audit.json")])
    expect([verdict, thrown]).toEqual([0, undefined])
    expect(out).toMatch(/^✓ kept: All 20 leaves drawn among the \d+ of the log ".*" are kept/)
    expect(out).toMatch(/^ {2}leaves drawn +20$/m)
    expect(out).toMatch(/^ {2}ACCUSED +0$/m)
    expect(out).toMatch(
      /^ {2}confidence +a loss of 1 % of all records would have been found with 18.2 %, of 0.1 % with 1.9 %$/m,
    )
    expect(out).toMatch(/^ {2}judged as of +\S+, by the schedules of leaf 0$/m)
    expect(err).toMatch(/challenge: waits: the log shows what it has of 20 leaves/)
    // Records are in it.
    expect((await stat(at("audit.json"))).mode & 0o777).toBe(0o600)
    expect(JSON.parse(await readFile(at("audit.json"), "utf8"))).toMatchObject({
      format: "prooflog-retention-audit/1",
      report: { verdict: "kept", accused: [], counts: { refused: 0, unanswered: 0 } },
    })
  })

  it("draws all there are if they are fewer, and by a nonce that is given", async () => {
    const nonce = "000102030405060708090a0b0c0d0e0f"
    const { verdict, out } = await audit(["--sample", "10000", "--nonce", nonce, "--json"])
    expect(verdict).toBe(0)
    const said = JSON.parse(out)
    expect(said).toMatchObject({
      verdict: "kept",
      nonce: encodeBase64(Buffer.from(nonce, "hex")),
      accused: [],
      found_with: [
        { loss: 0.01, probability: 1 },
        { loss: 0.001, probability: 1 },
      ],
    })
    expect(said.leaves).toHaveLength(said.tree_size)
    expect(said.counts).toMatchObject({ due: log.leaves.due.length, noticed: log.leaves.erased.length + 1 })
  })

  it("cannot tell what is withheld from whose key it is, unless that may be", async () => {
    const all = ["--sample", "10000"]
    const { verdict, thrown } = await audit(all, "reader")
    expect([verdict, thrown]).toEqual([
      undefined,
      expect.objectContaining({
        code: "CLI_CANNOT_TELL",
        details: expect.arrayContaining([expect.stringMatching(/^leaf \d+ +in part, without ip_address$/)]),
      }),
    ])
    expect((await audit([...all, "--may-withhold", "ip_address,attributes"], "reader")).verdict).toBe(0)
  })

  it("is judged again from its file, offline, and by what is in it alone", async () => {
    expect((await audit(["--sample", "10000", "-o", at("whole.json")])).verdict).toBe(0)
    const verify = (name: string, ...args: string[]) =>
      prooflogHere(["verify", at(name), "--policy", log.policyFile, ...args], {})
    const again = await verify("whole.json")
    expect([again.verdict, again.thrown]).toEqual([0, undefined])
    expect(again.out).toMatch(/^✓ kept: All \d+ leaves/)
    expect((await verify("whole.json", "--against", log.url)).verdict).toBe(0)

    const file = JSON.parse(await readFile(at("whole.json"), "utf8"))
    const changed = async (change: object) => {
      await writeFile(at("changed.json"), JSON.stringify({ ...file, ...change }))
      return verify("changed.json", "--json")
    }
    const answers = JSON.parse(file.answers)
    const [leaf] = log.leaves.due
    const without = answers.answers.filter((each: Json) => each.leaf_index !== leaf)
    const silent = await changed({ answers: JSON.stringify({ ...answers, answers: without }) })
    expect([silent.verdict, JSON.parse(silent.out)]).toEqual([
      1,
      expect.objectContaining({ verdict: "not verified", code: "CLI_NOT_VERIFIED", accused: [leaf] }),
    ])
    const early = await changed({ at: new Date(Date.now() - 39 * DAY_MS).toISOString() })
    expect([early.verdict, JSON.parse(early.out).accused]).toEqual([1, log.leaves.due])
    const [genesis] = file.schedules
    const malformed = "VERIFIER_MALFORMED_EVIDENCE"
    const changes: [object, string][] = [
      [
        { challenge: formatChallenge({ ...parseChallenge(file.challenge), nonce: randomBytes(16) }) },
        malformed,
      ],
      [{ challenge: "{}" }, malformed],
      [{ answers: "{}" }, malformed],
      [{ schedules: [] }, malformed],
      [{ schedules: [genesis, genesis] }, malformed],
      [{ schedules: [genesis, leafOf(answers.answers[1])] }, malformed],
      [{ schedules: [{ ...genesis, path: genesis.path.toReversed() }] }, "VERIFIER_NOT_IN_TREE"],
      [{ schedules: [genesis, { ...genesis, leaf_index: 1 }] }, "VERIFIER_NOT_IN_TREE"],
      [{ at: "yesterday" }, malformed],
      [{ may_withhold: "all" }, malformed],
      [{ title: "all well" }, malformed],
    ]
    for (const [change, code] of changes) {
      const { verdict, out } = await changed(change)
      expect([change, verdict, JSON.parse(out)]).toEqual([change, 1, expect.objectContaining({ code })])
    }
  })

  it("judges what is due as of another time, if it is told to", async () => {
    const at = new Date(Date.now() - 39 * DAY_MS).toISOString()
    const { verdict, out } = await audit(["--sample", "10000", "--at", at, "--json"])
    expect([verdict, JSON.parse(out)]).toEqual([
      1,
      expect.objectContaining({ judged_at: at, accused: log.leaves.due }),
    ])
  })

  it("takes the newest head, with what was promised up to it, when all of the log was audited", async () => {
    const wider = scheduleText({ ...CLASSES, late: "{ hot: 10y }" }, ['{ class: late, user_id: "U10" }'])
    const headers = { authorization: `Bearer ${log.keys.admin}`, "content-type": "application/yaml" }
    const put = await fetch(`${log.url}v1/schedule`, { method: "PUT", headers, body: wider })
    expect(put.status).toBe(200)
    const [leaf = 0] = await logFor({ url: log.url, writerKey: log.keys.writer }, "U10", 1)
    await log.head(leaf + 1)
    // First it shows an older head: that of a log that was small when its audit began.
    const before = await startInFrontOf(log.url, [log.earlierHead])
    try {
      const args = [
        "audit",
        before.url,
        "--policy",
        log.policyFile,
        "--retention",
        "--sample",
        "10000",
        "--json",
      ]
      const { verdict, out } = await prooflogHere(args, { PROOFLOG_KEY: log.keys.auditor })
      const said = JSON.parse(out)
      expect([verdict, said.accused]).toEqual([0, []])
      expect(said.schedules).toEqual([0, expect.any(Number)])
      expect(said.tree_size).toBeGreaterThan(sizeOf(log.earlierHead))
    } finally {
      await before.close()
    }
  })

  it("wants flags that go together, and a log that can be asked", async () => {
    const usage = async (...args: string[]) =>
      (await prooflogHere(["audit", ...args, "--policy", log.policyFile], { PROOFLOG_KEY: "pl_x" })).thrown
    const wrong = { code: "CLI_USAGE" }
    for (const flags of [
      ["--sample", "3"],
      ["--at", "2026-03-01T12:00:00Z"],
      ["-o", "x"],
      ["--may-withhold", "a"],
    ])
      expect(await usage(log.url, ...flags)).toMatchObject(wrong)
    expect(await usage(log.dir, "--retention")).toMatchObject(wrong)
    for (const flags of [
      ["--sample", "0"],
      ["--sample", "10001"],
      ["--nonce", "00"],
      ["--at", "now"],
    ])
      expect(await usage(log.url, "--retention", ...flags)).toMatchObject(wrong)
    const noKey = await prooflogHere(["audit", log.url, "--retention", "--policy", log.policyFile], {})
    expect(noKey.thrown).toMatchObject({ code: "CLI_USAGE", message: expect.stringContaining("auditor") })
    expect((await audit([], "writer")).thrown).toMatchObject({ code: "CLI_REFUSED" })
  })

  it("accuses a log of records that were destroyed by hand, replaced, or damaged in the archive", async () => {
    const { kept, archived } = log.leaves
    const [gone = 0, replaced = 0, other] = kept
    const [segment = ""] = await segmentsOf(log.dir)
    await log.whileClosed(async (dir) => {
      await tamper(dir, gone)
      await tamper(dir, replaced, other)
      const bytes = await readFile(segment)
      await writeFile(segment, bytes.fill(0, 100, bytes.length - 100))
    })
    const policy = ["--policy", log.policyFile]
    const { code, out } = await prooflog(
      ["audit", log.url, ...policy, "--retention", "--sample", "10000", "-o", at("accused.json")],
      { env: { PROOFLOG_KEY: log.keys.auditor } },
    )
    const accused = [gone, replaced, ...archived]
    expect([code, out.split("\n")[0]]).toEqual([
      1,
      expect.stringMatching(
        new RegExp(
          `^✗ not verified: ${accused.length} leaves accuse the log\\. Of \\d+ leaves drawn .* \\(CLI_NOT_VERIFIED\\)$`,
        ),
      ),
    ])
    expect(out).toMatch(new RegExp(`^ {2}ACCUSED +${accused.length}$`, "m"))
    expect(out).toMatch(
      new RegExp(`^ {2}leaf ${gone} +ACCUSED: neither its record is shown, nor anything`, "m"),
    )
    expect(out).toMatch(
      new RegExp(`^ {2}leaf ${replaced} +ACCUSED: .* \\(VERIFIER_DISCLOSURE_REFUSED\\)$`, "m"),
    )
    expect(out).not.toMatch(/confidence/)
    const again = await prooflogHere(["verify", at("accused.json"), ...policy, "--json"], {})
    expect([again.verdict, JSON.parse(again.out).accused]).toEqual([1, accused])
    // The operator is told.
    const told = JSON.stringify(log.alarms)
    for (const alarm of ["LEDGER_MISSING_RECORD", "SERVER_ARCHIVE_DAMAGED"]) expect(told).toContain(alarm)
  })

  it("cannot tell while the archive cannot be read", async () => {
    const [segment = ""] = await segmentsOf(log.dir)
    await rm(segment)
    const { status, code } = await postText(formatChallenge(wholeOf(await log.head())))
    expect([status, code]).toEqual([503, "SERVER_ARCHIVE_UNAVAILABLE"])
  })
})
