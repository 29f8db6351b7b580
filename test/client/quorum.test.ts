/**
 * A service whose policy asks for a witness, and a log whose heads have its cosignature, or not yet, or never.
 */

import { join } from "node:path"
import {
  type Alarm,
  type ClientError,
  type ClientOptions,
  createClient,
  type RecordedEvent,
} from "@prooflog/client"
import { cosign } from "@prooflog/tlog/cosignature"
import { createSignerKey, ED25519_COSIGNATURE, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { formatNote, parseNote } from "@prooflog/tlog/note"
import { parsePolicy } from "@prooflog/tlog/policy"
import { parseAccusation, verifyAccusation } from "@prooflog/verifier/accusation"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { copyFolder, type RealLog, removeFolder, startLog, startProxy, temporaryFolder } from "./real-log.js"

const EVENT: RecordedEvent = { user_id: "U12345", resource_accessed: "/secure-data", result: "success" }
const WITNESS = createSignerKey("witness.example", new Uint8Array(32).fill(8), ED25519_COSIGNATURE)

const folder = temporaryFolder()
let log: RealLog
/** The log as it was at its start, with the same key. */
let forkDir: string
/** The log's own policy, and a witness. */
let policy: string
const closers: (() => unknown)[] = []

beforeAll(async () => {
  const first = await startLog(join(folder, "log"))
  await first.server.close()
  forkDir = copyFolder(first.dir)
  closers.push(() => removeFolder(forkDir))
  log = await startLog(first.dir, first.key)
  const witness = `witness w ${formatVerifierKey(verifierKeyOf(WITNESS))}\nquorum w`
  policy = log.policy.replace(/^quorum none$/m, witness)
})
afterAll(async () => {
  for (const close of closers.reverse()) await close()
  await log.server.close()
  removeFolder(folder)
})

/** A client that asks for the witness, behind a proxy that plays it: once `isCosigning`, evidence comes cosigned. */
async function watch(options: Partial<ClientOptions> = {}) {
  const proxy = await startProxy(log.server.url)
  const alarms: Alarm[] = []
  const errors: ClientError[] = []
  const asked: number[] = []
  const answers: Answers = { first: [], evidence: "without quorum" }
  proxy.onRequest = ({ method }) => method === "POST" && asked.push(performance.now())
  proxy.onAnswer = ({ method }, body) =>
    method === "POST" ? answerWith(answers.first.shift() ?? answers.evidence, body) : body
  const client = createClient({
    url: proxy.url,
    key: log.key,
    policy,
    flushEveryMs: 5,
    random: () => 0.02,
    onAlarm: (alarm) => alarms.push(alarm),
    onError: (error) => errors.push(error),
    onNotice: () => {},
    ...options,
  })
  closers.push(async () => {
    await client.close({ timeoutMs: 0 })
    proxy.close()
  })
  return { client, proxy, alarms, errors, asked, answers }
}

type Evidence = "none" | "without quorum" | "with quorum"

interface Answers {
  /** What comes with the first answers. */
  readonly first: Evidence[]
  /** What comes with all others. */
  evidence: Evidence
}

function answerWith(evidence: Evidence, body: string): string {
  const answer = JSON.parse(body) as { evidence?: { checkpoint: string } | null }
  if (answer.evidence === undefined || answer.evidence === null || evidence === "without quorum") return body
  if (evidence === "none") return JSON.stringify({ ...answer, evidence: null })
  const { text, signatures } = parseNote(answer.evidence.checkpoint)
  const cosignature = cosign(text, WITNESS, Math.floor(Date.now() / 1000))
  const cosigned = formatNote({ text, signatures: [...signatures, cosignature] })
  return body.replace(JSON.stringify(answer.evidence.checkpoint), () => JSON.stringify(cosigned))
}

describe("a policy with a quorum", () => {
  it("leaves an event unproven under a head without it, asks again, and proves it once the head has it", async () => {
    const { client, alarms, errors, asked, answers } = await watch()
    client.record(EVENT)
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(2), 10_000)
    expect(client.stats()).toMatchObject({ accepted: 1, verified: 0, unproven: 1, pending: 0 })
    for (const { code, message } of errors) {
      expect(code).toBe("CLIENT_UNPROVEN")
      expect(message).toMatch(/without the policy's quorum/)
    }
    answers.evidence = "with quorum"
    expect(await client.flush()).toMatchObject({ verified: 1, unproven: 0, givenUp: 0 })
    expect(alarms).toEqual([])
  })

  it.each([
    ["no evidence yet", "none"],
    ["evidence under a head without it", "without quorum"],
  ] as const)("asks again not before Retry-After, after %s", async (_why, first) => {
    const { client, proxy, alarms, asked, answers } = await watch()
    answers.first.push(first)
    answers.evidence = "with quorum"
    proxy.retryAfter = "1"
    client.record(EVENT)
    expect(await client.flush()).toMatchObject({ verified: 1, unproven: 0 })
    const [one, two] = asked
    expect((two as number) - (one as number)).toBeGreaterThanOrEqual(990)
    expect(alarms).toEqual([])
  })

  it("says what is unproven when the client is closed without a quorum", async () => {
    const { client } = await watch()
    client.record(EVENT)
    await vi.waitFor(() => expect(client.stats()).toMatchObject({ unproven: 1 }), 10_000)
    expect(await client.close({ timeoutMs: 50 })).toMatchObject({ accepted: 1, verified: 0, unproven: 1 })
  })

  it("does not wait for a quorum to see that a head contradicts the one it knows", async () => {
    const { client, proxy, alarms, answers } = await watch({ headFile: join(folder, "head") })
    answers.evidence = "with quorum"
    for (let i = 0; i < 3; i++) client.record(EVENT)
    expect(await client.flush()).toMatchObject({ verified: 3 })

    const fork = await startLog(forkDir, log.key)
    closers.push(() => fork.server.close())
    proxy.target = fork.server.url
    const plain = createClient({ url: fork.server.url, key: log.key })
    for (let i = 0; i < 30; i++) plain.record(EVENT)
    await plain.close()
    answers.evidence = "without quorum"
    client.record(EVENT)
    await vi.waitFor(() => expect(alarms).toHaveLength(1), 10_000)
    expect(alarms[0]).toMatchObject({
      code: "CLIENT_HEAD_INCONSISTENT",
      keptIn: [/refused/, /accusation/].map((it) => expect.stringMatching(it)),
    })
    const [accusation] = alarms[0]?.accusations ?? []
    expect(verifyAccusation(parseAccusation(accusation as string), parsePolicy(log.policy))).toMatchObject({
      proven: expect.stringContaining("does not begin with"),
    })
    expect(client.stats()).toMatchObject({ verified: 3 })
  })
})
