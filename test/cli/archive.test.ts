/**
 * `prooflog archive`: what it asks, what it shows, and with which exit code it ends, of a server that says what it is told to.
 */

import { readFile } from "node:fs/promises"
import { afterEach, describe, expect, it } from "vitest"
import { parseConfig } from "../../apps/server/dist/folder-config.js"
import { type StandIn, startStandIn } from "./stand-in-log.js"

const KEY = "segments/routine/2023-10/1201-88410-0011223344556677.parquet"

const ROUTINE = {
  segments: 14,
  records: 1_204_882,
  bytes: 100_873_011,
  first_leaf: 1,
  last_leaf: 2_410_999,
  first_time: "2025-11-23T00:00:00.004Z",
  last_time: "2026-05-24T23:59:59.990Z",
  archived_before_leaf: 2_411_002,
  destroyed_before_leaf: 0,
  held_back: 3,
}

const NOTHING = { segments: 0, records: 0, bytes: 0 }

const HIGH = { ...NOTHING, archived_before_leaf: 0, destroyed_before_leaf: 0, held_back: 0 }

const NOT_OWED = {
  unfinished: 0,
  stale: 0,
  withdrawn: 0,
  purge: false,
  rewrite: false,
  untold: 0,
}

const STATUS = {
  store: "directory",
  place: "/srv/log/data/archive",
  segments: 14,
  records: 1_204_882,
  bytes: 100_873_011,
  by_class: { routine: ROUTINE, high: HIGH },
  owed: NOT_OWED,
  expiring: { records: 0 },
  faults: [],
  last_run: { at: "2026-11-23T01:00:00.000Z", archived: 6_612, withdrawn: 1_200, held_back: 3 },
}

/** What a run says that it did. */
const RAN = { archived: 6_612, withdrawn: 1_200, held_back: 3, failed: [] }

const REFUSED = {
  key: KEY,
  leaf_index: 1_300,
  code: "ARCHIVE_SEGMENT_REFUSED",
  message: `${KEY}: leaf 1300: its record does not open its commitment`,
}
const UNREADABLE = {
  key: KEY,
  leaf_index: 1_201,
  code: "ARCHIVE_SEGMENT_UNREADABLE",
  message: `${KEY}: leaf 1201: it cannot be read on`,
}

const FAILURE = { code: "OBJECTS_ACCESS_DENIED", message: "archive: the store does not allow it" }

let server: StandIn | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

interface Said {
  readonly jobs?: readonly object[]
  readonly status?: object
  /** To what begins a job. */
  readonly begin?: readonly [status: number, body: object]
}

/** Runs the verb against a server that says these jobs, one after the other, whenever it is asked how it stands. */
async function archive(
  args: readonly string[],
  { jobs = [], status = STATUS, begin = [202, job("running")] }: Said = {},
) {
  const bodies: unknown[] = []
  let at = 0
  server = await startStandIn((path, body) => {
    if (body !== "") bodies.push(JSON.parse(body))
    if (path !== "v1/archive") return begin
    return [200, jobs.length === 0 ? status : { ...status, job: jobs[Math.min(at++, jobs.length - 1)] }]
  })
  const { verdict, out, err, thrown } = await server.run(["archive", ...args])
  const { code, message, details } = (thrown ?? {}) as Record<string, unknown>
  return { verdict, out, err, code, message, details, asked: server.asked, bodies }
}

function job(state: "running" | "done" | "failed", more: object = {}) {
  return { id: "job_1", kind: "run", state, done: 0, ...more }
}

describe("archive status", () => {
  const linesOf = async (status: object) => (await archive(["status"], { status })).out.trimEnd().split("\n")

  it("shows each class, where it all lies, and how the last run ended", async () => {
    const { verdict, out, asked } = await archive(["status"])
    expect({ verdict, asked }).toEqual({ verdict: 0, asked: ["GET v1/archive"] })
    expect(out.trimEnd().split("\n")).toEqual([
      "class    segments    records      size  first received  last received  archived before  held back",
      "high            0          0       0 B  –               –              leaf 0                   0",
      "routine        14  1,204,882  96.2 MiB  2025-11-23      2026-05-24     leaf 2,411,002           3",
      "all            14  1,204,882  96.2 MiB  –               –                                       3",
      "",
      "in        directory /srv/log/data/archive",
      "last run  2026-11-23T01:00:00.000Z: 6,612 records archived, 1,200 destroyed, 3 held back",
    ])
  })

  it("says that there is nothing yet", async () => {
    const { last_run: _, ...status } = { ...STATUS, ...NOTHING, by_class: {} }
    const lines = [
      "nothing was archived yet: prooflog retention show says when each class is",
      "",
      "in        directory /srv/log/data/archive",
      "last run  none yet",
    ]
    expect(await linesOf(status)).toEqual(lines)
  })

  it("says what went wrong, what is left to do, and what goes on just now", async () => {
    const lines = await linesOf({
      ...STATUS,
      store: "s3",
      place: "s3://acme/eu",
      last_run: { ...STATUS.last_run, error: FAILURE },
      owed: { ...NOT_OWED, stale: 2, purge: true, novelty: 7 },
      expiring: { records: 1, next: "2026-12-23T01:00:00.000Z" },
      faults: [REFUSED],
      job: job("running", { step: "check", class: "routine", key: KEY, done: 66_000, of: 100_000 }),
    })
    expect(lines.slice(5)).toEqual([
      "in        s3 s3://acme/eu",
      "last run  2026-11-23T01:00:00.000Z: 6,612 records archived, 1,200 destroyed, 3 held back",
      "trouble   archive: the store does not allow it (OBJECTS_ACCESS_DENIED)",
      `trouble   ${REFUSED.message} (ARCHIVE_SEGMENT_REFUSED)`,
      "          prooflog archive verify looks again",
      "next run  2 segments to be written anew, storage to be purged, novelty 7",
      "expiring  1 record gone here, and in backups from before, the first of them until 2026-12-23",
      `now       run running: check routine ${KEY}, 66,000 of 100,000 (job_1)`,
    ])
  })

  it("says of a damaged segment once that it is", async () => {
    const error = { code: REFUSED.code, message: `${REFUSED.message} (and 1 more)` }
    const lines = await linesOf({
      ...STATUS,
      last_run: { ...STATUS.last_run, error },
      faults: [REFUSED, UNREADABLE],
    })
    expect(lines.filter((line) => line.startsWith("trouble"))).toEqual([
      `trouble   ${REFUSED.message} (ARCHIVE_SEGMENT_REFUSED)`,
      `trouble   ${UNREADABLE.message} (ARCHIVE_SEGMENT_UNREADABLE)`,
    ])
  })

  it("as JSON is what the server says", async () => {
    const { verdict, out } = await archive(["status", "--json"])
    expect(verdict).toBe(0)
    expect(JSON.parse(out)).toEqual(STATUS)
  })

  it("lets no word of a server move the cursor", async () => {
    const classes = { "a\u001b[2J": HIGH }
    const { out } = await archive(["status"], {
      status: { ...STATUS, place: "\u001b[1A", by_class: classes },
    })
    expect(out).not.toContain("\u001b")
  })

  it.each([
    ["no numbers", { ...STATUS, records: "many" }],
    ["less than nothing", { ...STATUS, bytes: -1 }],
    ["no classes", { ...STATUS, by_class: [] }],
    ["no faults", { ...STATUS, faults: undefined }],
    ["a job in no state", { ...STATUS, job: { ...job("done"), state: "lost" } }],
  ])("takes an answer with %s for that of no log", async (_, status) => {
    const { verdict, code } = await archive(["status"], { status })
    expect({ verdict, code }).toEqual({ verdict: undefined, code: "CLI_UNEXPECTED_ANSWER" })
  })
})

describe("archive run", () => {
  it("waits until it is done, and says what it did", async () => {
    const jobs = [
      job("running", { step: "write", class: "routine", done: 4_096 }),
      job("done", { result: RAN }),
    ]
    const { verdict, out, err, asked } = await archive(["run"], { jobs })
    expect({ verdict, err }).toEqual({ verdict: 0, err: "" })
    expect(out).toBe("6,612 records archived, 1,200 destroyed, 3 held back\n")
    expect(asked).toEqual(["POST v1/archive/run", "GET v1/archive", "GET v1/archive"])
  })

  it("only begins it, if told so", async () => {
    const { verdict, out, err, asked } = await archive(["run", "--no-wait"])
    expect({ verdict, out, asked }).toEqual({ verdict: 0, out: "", asked: ["POST v1/archive/run"] })
    expect(err).toBe("run has begun (job_1); prooflog archive status says how far it is\n")
  })

  it("that fails in part says what it did, what failed, and ends with exit code 2", async () => {
    const failed = [
      { step: "archive", ...FAILURE, message: "the store does not allow it" },
      { step: "verify", code: "OBJECTS_UNAVAILABLE", message: "the store cannot be reached" },
    ]
    const jobs = [job("failed", { result: { ...RAN, failed }, error: failed[0] })]
    const { verdict, out, code, details } = await archive(["run"], { jobs })
    expect({ verdict, code }).toEqual({ verdict: undefined, code: "CLI_REFUSED" })
    expect(out).toBe("6,612 records archived, 1,200 destroyed, 3 held back\n")
    expect(details).toEqual([
      "archive: the store does not allow it (OBJECTS_ACCESS_DENIED)",
      "verify: the store cannot be reached (OBJECTS_UNAVAILABLE)",
    ])
  })

  it("that comes to nothing ends with the server's words, and exit code 2", async () => {
    const jobs = [job("failed", { error: FAILURE })]
    const { verdict, out, code, message } = await archive(["run"], { jobs })
    expect({ verdict, out, code }).toEqual({ verdict: undefined, out: "", code: "CLI_REFUSED" })
    expect(message).toBe("run failed: archive: the store does not allow it (OBJECTS_ACCESS_DENIED)")
    const { out: json } = await archive(["run", "--json"], { jobs })
    expect(JSON.parse(json)).toEqual(jobs[0])
  })

  it.each([
    ["is not what the log says", REFUSED, { verdict: 1, code: undefined }],
    ["could not be read", UNREADABLE, { verdict: undefined, code: "CLI_CANNOT_TELL" }],
  ])("that finds a segment which %s does not end with exit code 0", async (_, fault, expected) => {
    const verified = { segments: 1, records: 99, faults: [fault] }
    const jobs = [job("done", { result: { ...RAN, verified } })]
    const { verdict, code, err, details } = await archive(["run"], { jobs })
    expect({ verdict, code }).toEqual(expected)
    expect(`${err}${details}`).toContain(`${fault.message} (${fault.code})`)
  })

  it("beside another ends with that one's name, and exit code 2", async () => {
    const busy = { status: 409, code: "SERVER_ARCHIVE_BUSY", detail: "verify job_0 is running" }
    const { verdict, message, asked } = await archive(["run"], { begin: [409, busy] })
    expect(verdict).toBeUndefined()
    expect(message).toContain("answered 409: verify job_0 is running (SERVER_ARCHIVE_BUSY)")
    expect(asked).toHaveLength(1)
  })

  it("that the server has forgotten is not taken for done", async () => {
    const { verdict, code, message } = await archive(["run"], { jobs: [{ ...job("done"), id: "job_2" }] })
    expect({ verdict, code }).toEqual({ verdict: undefined, code: "CLI_CANNOT_TELL" })
    expect(message).toContain("no longer knows run job_1")
  })
})

describe("archive verify", () => {
  const verify = (faults: readonly object[], ...args: string[]) =>
    archive(["verify", ...args], {
      jobs: [job("done", { kind: "verify", result: { segments: 14, records: 1_204_882, faults } })],
    })

  it("ends with exit code 0 if every segment is what the log says", async () => {
    const { verdict, out, asked } = await verify([])
    expect(verdict).toBe(0)
    expect(out).toBe("✓ verified: 14 segments with 1,204,882 records: all are what the log says\n")
    expect(asked).toEqual(["POST v1/archive/verify", "GET v1/archive"])
    expect(JSON.parse((await verify([], "--json")).out)).toEqual({
      verdict: "verified",
      segments: 14,
      records: 1_204_882,
      faults: [],
    })
  })

  it("with exit code 1, key and leaf, if one is not", async () => {
    const { verdict, out } = await verify([UNREADABLE, REFUSED])
    expect(verdict).toBe(1)
    expect(out.trimEnd().split("\n")).toEqual([
      "✗ not verified: 1 of 14 segments is not what the log says (CLI_NOT_VERIFIED)",
      `  ${UNREADABLE.message} (ARCHIVE_SEGMENT_UNREADABLE)`,
      `  ${REFUSED.message} (ARCHIVE_SEGMENT_REFUSED)`,
    ])
    const json = JSON.parse((await verify([REFUSED], "--json")).out)
    expect(json).toMatchObject({ verdict: "not verified", segments: 14, faults: [REFUSED] })
  })

  it("with exit code 2 if one could not be read, and none is false", async () => {
    const { verdict, out, code, details } = await verify([UNREADABLE])
    expect({ verdict, out, code }).toEqual({ verdict: undefined, out: "", code: "CLI_CANNOT_TELL" })
    expect(details).toEqual([`${UNREADABLE.message} (ARCHIVE_SEGMENT_UNREADABLE)`])
    expect(JSON.parse((await verify([UNREADABLE], "--json")).out)).toMatchObject({
      verdict: "could not tell",
    })
  })

  it("with exit code 2 if nobody could look", async () => {
    const { verdict, code } = await archive(["verify"], { jobs: [job("failed", { error: FAILURE })] })
    expect({ verdict, code }).toEqual({ verdict: undefined, code: "CLI_REFUSED" })
  })

  it("with exit code 2 if what it found is not said", async () => {
    const { verdict, code } = await archive(["verify"], { jobs: [job("done", { result: { segments: 1 } })] })
    expect({ verdict, code }).toEqual({ verdict: undefined, code: "CLI_UNEXPECTED_ANSWER" })
  })
})

describe("archive restore", () => {
  const jobs = [job("done", { kind: "restore", result: { records: 20_000, segments: 1 } })]

  it("of leaves says how many came back, and that they stay", async () => {
    const { verdict, out, err, bodies } = await archive(
      ["restore", "--from-leaf", "120000", "--to-leaf", "140000"],
      { jobs },
    )
    expect({ verdict, bodies }).toEqual({ verdict: 0, bodies: [{ from_leaf: 120_000, to_leaf: 140_000 }] })
    expect(out).toBe("20,000 records restored\n")
    expect(err.split("\n")).toEqual([
      "they are hot from now on, and stay so until they are destroyed",
      "1 segment became empty, and went",
      "",
    ])
  })

  it("of a class and a time asks for these", async () => {
    const range = ["--class", "routine", "--from", "2023-10-01", "--to", "2023-11-01"]
    const { verdict, bodies } = await archive(["restore", ...range, "--json"], { jobs })
    expect({ verdict, bodies }).toEqual({
      verdict: 0,
      bodies: [{ class: "routine", from: "2023-10-01", to: "2023-11-01" }],
    })
  })

  it.each([
    [[]],
    [["--from-leaf", "1"]],
    [["--from-leaf", "1", "--to-leaf", "x"]],
    [["--from-leaf", "-1", "--to-leaf", "2"]],
    [["--class", "routine", "--from", "2023-10-01"]],
    [["--class", "routine", "--from-leaf", "1", "--to-leaf", "2"]],
  ])("asks nobody with %j", async (range) => {
    const { verdict, code, asked } = await archive(["restore", ...range], { jobs })
    expect({ verdict, code, asked }).toEqual({ verdict: undefined, code: "CLI_USAGE", asked: [] })
  })
})

describe("docs/retention.md", async () => {
  const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), "utf8")
  const page = await read("docs/retention.md")
  const jsons = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => JSON.parse(text))

  it.each([...page.matchAll(/^\$ npx prooflog archive ([^#\n]*)/gm)].map(([, line = ""]) => line.trim()))(
    "types what there is: prooflog archive %s",
    async (line) => {
      const result = { ...RAN, segments: 0, records: 0, faults: [] }
      const { verdict } = await archive(line.split(" "), { jobs: [job("done", { result })] })
      expect(verdict).toBe(0)
    },
  )

  it("shows settings that a log takes", () => {
    const settings = jsons.filter((each) => each.archive !== undefined)
    const log = { format: 1, origin: "log.example", log_id: "00".repeat(16), signer_key: "keys/signer.key" }
    const stores = settings.map((each) => {
      const { serving } = parseConfig(JSON.stringify({ ...log, ...each }), "/srv/log")
      return serving.archive.store.kind
    })
    expect(stores).toEqual(["directory", "s3"])
  })

  it("asks of a bucket all the permissions that its room needs, and no others", async () => {
    const [, needs = ""] = (await read("packages/objects/README.md")).split("## What a bucket needs")
    const [permissions = ""] = needs.split("\n- A lifecycle rule")
    const named = [...permissions.matchAll(/`(s3:\w+)`/g)].map(([, name]) => name)
    const policy = jsons.find((each) => each.Statement !== undefined)
    const asked = policy.Statement.flatMap(({ Action }: { Action: string[] }) => Action)
    expect(asked.sort()).toEqual(named.sort())
  })
})
