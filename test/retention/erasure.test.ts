/** A person is forgotten: by every interface, in every file, and by whatever is rebuilt or sent again. */

import { randomBytes } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { decodeEntry } from "@prooflog/event/entry"
import { verifyCertificate } from "@prooflog/verifier/certificate"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { post, startLog } from "../running-log.js"
import { eventually, filesWith, followed, get, type Json, logFor, rowsOf, runNow, tell } from "./asked.js"

describe("a person", () => {
  let log: Awaited<ReturnType<typeof startLog>>
  /** Theirs, and nobody else's. */
  const person = `P${randomBytes(8).toString("hex")}`
  const needle = `needle-${randomBytes(8).toString("hex")}`
  let leaves: number[]
  let others: number[]
  let evidence: string
  let case1: Json
  let resent: object

  beforeAll(async () => {
    log = await startLog({ follow: true })
    others = await logFor(log, "U1", 50)
    resent = {
      timestamp: "2023-10-21T15:32:00Z",
      user_id: person,
      resource_accessed: `/home/${needle}`,
      result: "success",
      event_id: "again",
    }
    leaves = await logFor(log, person, 40, (n) => (n === 0 ? { ...resent } : { user_agent: needle }))
    const done = await logFor(log, "clerk", 1, () => ({ on_behalf_of: person }))
    leaves.push(...done)
    await followed(log)
    // Who looked at them has left their name in the log, too; and a whole file.
    expect(await rowsOf(log, `SELECT count(*) FROM access_logs WHERE user_id = '${person}'`)).toEqual([[40]])
    expect((await get(log, `v1/events?user_id=${person}`)).status).toBe(200)
    expect((await tell(log, "v1/exports", { filter: `user_id=${person}`, format: "ndjson" })).status).toBe(
      202,
    )
    await eventually(async () => {
      const { body } = await get(log, "v1/exports")
      return (body.exports as Json[])[0]?.state === "done" ? true : undefined
    })
    evidence = JSON.stringify((await get(log, `v1/evidence?leaf_index=${leaves.slice(0, 5).join()}`)).body)
    expect(await filesWith(log.dir, needle)).not.toEqual([])
    expect(await filesWith(log.dir, person)).not.toEqual([])
  })
  afterAll(() => log.close())

  it("is looked for before anything is asked: so many, of these classes, from when to when", async () => {
    const { status, body } = await tell(log, "v1/erasures?dry_run=true", { user_id: person })
    expect(status).toBe(200)
    // Three events of the log itself quote them: a question, a list, an export.
    expect(body).toMatchObject({
      records: 44,
      classes: { audit: 3, routine: 41 },
      held: { records: 0, holds: {} },
    })
    expect(Date.parse(body.first as string)).toBeLessThanOrEqual(Date.parse(body.last as string))
  })

  it("is announced, withdrawn and gone", async () => {
    const { status, body } = await tell(log, "v1/erasures", { user_id: person, why: "request 17" })
    expect([status, body.state]).toEqual([201, "queued"])
    // Whoever asks meanwhile waits, and is answered.
    let isOver = false
    const asking = Array.from({ length: 3 }, async () => {
      const answers: unknown[] = []
      while (!isOver)
        answers.push((await rowsOf(log, "SELECT count(*) FROM access_logs WHERE user_id = 'U1'"))[0])
      return answers
    })
    const { error } = await runNow(log)
    isOver = true
    expect(error).toBeUndefined()
    for (const answers of await Promise.all(asking)) expect(new Set(answers.flat())).toEqual(new Set([50]))
    case1 = (await get(log, `v1/erasures/${body.id}`)).body
    expect(case1).toMatchObject({ state: "gone", records: 44, certificates: 1, why: "request 17" })
    const steps = [
      case1.notice_leaf,
      ...["withdrawn", "gone"].map((step) => (case1[step] as Json).leaf_index),
    ]
    expect(steps).toEqual([...steps].sort((a, b) => (a as number) - (b as number)))
    expect(JSON.stringify(case1)).not.toContain(person)
  })

  it("stands in no file of the folder any more, nor does a word of theirs", async () => {
    expect(await filesWith(log.dir, needle)).toEqual([])
    expect(await filesWith(log.dir, person)).toEqual([])
    // It is looked for where it would be found.
    expect(await filesWith(log.dir, "clerk")).toEqual([])
    expect(await filesWith(log.dir, "U1")).not.toEqual([])
  })

  it("is answered with 410, the reason and the leaf of the notice, everywhere", async () => {
    const gone = {
      status: 410,
      body: expect.objectContaining({
        code: "SERVER_DESTROYED",
        reason: "erased-for-person",
        notice_leaf: case1.notice_leaf,
        leaf_index: leaves[3],
      }),
    }
    expect(await get(log, `v1/events/${leaves[3]}`)).toEqual(gone)
    expect(await get(log, `v1/evidence?leaf_index=${leaves[3]}`)).toEqual(gone)
    const response = await fetch(`${log.url}v1/records?start=${leaves[3]}&end=${(leaves[3] as number) + 1}`, {
      headers: { authorization: `Bearer ${log.adminKey}` },
    })
    const bytes = new Uint8Array(await response.arrayBuffer())
    // [leaf, null, 1, notice]
    expect(bytes[0]).toBe(0x84)
    expect(bytes.includes(0xf6)).toBe(true)
  })

  it("is not in any answer", async () => {
    await followed(log)
    expect(
      await rowsOf(log, `SELECT count(*) FROM access_logs WHERE leaf_index IN (${leaves.join()})`),
    ).toEqual([[0]])
    expect(await rowsOf(log, "SELECT count(*) FROM access_logs WHERE user_id = 'U1'")).toEqual([[50]])
    const { body } = await tell(log, "v1/erasures", { user_id: person, why: "again" })
    expect(body).toMatchObject({ status: 422, code: "SERVER_NOTHING_TO_ERASE", parameter: "user_id" })
  })

  it("is not brought back by rows that are made anew, nor by the same event sent again", async () => {
    expect((await tell(log, "v1/reindex")).status).toBe(202)
    await followed(log)
    expect(
      await rowsOf(log, `SELECT count(*) FROM access_logs WHERE leaf_index IN (${leaves.join()})`),
    ).toEqual([[0]])
    const { status, body } = await post(`${log.url}v1/events`, log.writerKey, resent)
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({ leaf_index: leaves[0], duplicate: true, unchecked: true }),
    ])
    expect(await filesWith(log.dir, needle)).toEqual([])
  })

  it("has a certificate that verifies with the policy alone, and names these leaves", async () => {
    const { status, body } = await get(log, `v1/erasures/${case1.id}/certificate`)
    expect(status).toBe(200)
    const { items, notice } = verifyCertificate(JSON.stringify(body), log.policy)
    expect(notice).toMatchObject({ leafIndex: case1.notice_leaf, kind: 1, count: 44 })
    expect(items.map(({ leafIndex }) => leafIndex)).toEqual(expect.arrayContaining(leaves))
    expect(items).toHaveLength(44)
    for (const [path, code] of [
      [`v1/erasures/${case1.id}/certificate?part=2`, 404],
      [`v1/erasures/case_0000000000000000/certificate`, 404],
    ] as const) {
      expect((await get(log, path)).status).toBe(code)
    }
  })

  it("is proven as before by evidence that was made before", () => {
    expect(verifyEvidence(evidence, log.policy).events).toHaveLength(5)
  })

  it("leaves the records of others as they were", async () => {
    const { status, body } = await get(log, `v1/evidence?leaf_index=${others.join()}`)
    expect(status).toBe(200)
    expect(verifyEvidence(JSON.stringify(body), log.policy).events).toHaveLength(50)
  })

  it("is named by no event of the erasure", async () => {
    const found = await rowsOf(
      log,
      "SELECT action, resource_accessed, attributes FROM access_logs WHERE action LIKE 'log.erase.%' AND result = 'success' ORDER BY leaf_index",
    )
    expect(found.map(([action]) => action)).toEqual([
      "log.erase.look",
      "log.erase.ask",
      "log.erase.run",
      "log.erase.withdrawn",
      "log.erase.gone",
    ])
    for (const [, , attributes] of found.slice(3)) expect(attributes).toEqual({ case: case1.id, records: 44 })
  })

  it.each([
    ["nobody", { why: "w" }, "SERVER_REFUSED_REQUEST", "user_id"],
    ["a user nobody knows", { user_id: "U0", why: "w" }, "SERVER_NOTHING_TO_ERASE", "user_id"],
    ["no reason", { user_id: "U1" }, "SERVER_REFUSED_REQUEST", "why"],
    ["a reason that names the person", { user_id: "U1", why: "for U1" }, "SERVER_REFUSED_REQUEST", "why"],
    ["an unknown column", { filter: "user=U1", why: "w" }, "QUERY_BAD_FILTER", "user"],
    ["an empty filter", { filter: "", why: "w" }, "SERVER_REFUSED_REQUEST", "filter"],
    ["a page", { filter: "user_id=U1&limit=5", why: "w" }, "QUERY_BAD_FILTER", "limit"],
    ["another member", { user_id: "U1", reason: "w" }, "SERVER_REFUSED_REQUEST", "reason"],
    ["another kind", { user_id: "U1", why: "w", kind: "lost" }, "SERVER_REFUSED_REQUEST", "kind"],
  ])("is not erased by a request with %s", async (_, asked, code, parameter) => {
    const { body } = await tell(log, "v1/erasures", asked)
    expect([body.code, body.parameter]).toEqual([code, parameter])
  })

  it("was announced by a notice in the log, of kind 1 and as many records", async () => {
    const bundle = await fetch(`${log.url}v1/receipts/${case1.notice_leaf}`)
    const [, extra = ""] = /^extra (\S+)$/m.exec(await bundle.text()) ?? []
    expect(decodeEntry(new Uint8Array(Buffer.from(extra, "base64")))).toMatchObject({
      type: "notice",
      kind: 1,
      count: 44,
    })
    expect(await readFile(join(log.dir, "retention/cases", `${case1.id}.json`), "utf8")).not.toContain(person)
  })
})
