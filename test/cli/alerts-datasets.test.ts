/**
 * `prooflog alerts test` on real logs, against what is known of them.
 *
 * They are not part of the repository: where `../shared/datasets` is absent, this is skipped.
 */

import { existsSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { temporaryFolder } from "../running-log.js"
import { prooflogHere } from "./prooflog.js"

const DATASETS = fileURLToPath(new URL("../../../shared/datasets", import.meta.url))
const present = existsSync(DATASETS)
if (!present) console.log("skipped: ../shared/datasets is absent, so no rule is tried on a real log")

interface Fired {
  readonly rule: string
  readonly severity: string
  readonly labels: Readonly<Record<string, string>>
  readonly details: Readonly<Record<string, string>>
  readonly time: string
  readonly place?: { readonly line?: number }
  readonly places: readonly { readonly line?: number }[]
}

const CLOUD = `title: CloudTrail was switched off, or it was tried
id: 11111111-0000-4000-8000-000000000001
logsource: { product: aws, service: cloudtrail }
detection:
  selection:
    eventSource: cloudtrail.amazonaws.com
    eventName: [DeleteTrail, StopLogging]
  condition: selection
level: high
---
title: An access key was created
id: 11111111-0000-4000-8000-000000000002
logsource: { product: aws, service: cloudtrail }
detection:
  selection: { eventSource: iam.amazonaws.com, eventName|contains: AccessKey }
  read: { eventName|startswith: [List, Get] }
  condition: selection and not read
level: medium
---
rules:
  - id: console-login-new
    title: Someone logs in to the console for the first time
    why: Stolen keys are turned into sessions at the console.
    severity: medium
    where: { action: signin.ConsoleLogin }
    group_by: []
    first_seen: { of: user_id, learn_days: 0 }
`

describe.skipIf(!present)("rules over real logs", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>

  beforeAll(async () => {
    folder = await temporaryFolder()
    await writeFile(join(folder.path, "cloud.yaml"), CLOUD)
  })

  afterAll(() => folder?.remove())

  async function fired(rules: string, file: string, ...flags: string[]): Promise<(rule: string) => Fired[]> {
    const { verdict, out, thrown } = await prooflogHere(
      ["alerts", "test", rules, join(DATASETS, file), "--json", ...flags],
      {},
    )
    expect([verdict, thrown]).toEqual([0, undefined])
    const all = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Fired)
    return (rule) => all.filter((each) => each.rule === rule)
  }

  it("find journeys nobody makes, and the sources that fail most, in a log of sshd", async () => {
    const flags = ["--format", "sshd", "--year", "2017", "--zone", "+00:00"]
    const of = await fired("shipped", "elastic-examples/ssh_auth.log", ...flags)
    const journeys = of("impossible-travel")
    const impossible = journeys.filter(({ severity }) => severity === "high")
    expect(impossible).toHaveLength(47)
    const shortest = impossible.find(({ details }) => details.time === "18s")
    expect(shortest).toMatchObject({
      labels: { user_id: "elastic_user_9" },
      time: "2017-03-29T15:13:21.000Z",
    })
    expect(shortest?.places).toEqual([{ line: 1908 }, { line: 1916 }])
    const slow = journeys.filter(({ details }) => details.travel === "possible")
    expect(slow.map(({ severity }) => severity)).toEqual(["low", "low", "low", "low", "low"])
    const addresses = of("brute-force-address").map(({ labels }) => labels.ip_address)
    expect(addresses).toEqual(expect.arrayContaining(["24.151.103.17", "91.197.232.109", "34.204.227.175"]))
  })

  it("find the bursts of errors and the scans in a log of a web server", async () => {
    const of = await fired("shipped", "http-blog-2016/access.log.gz", "--format", "combined")
    const bursts = of("error-rate")
    expect(bursts.length).toBeGreaterThanOrEqual(15)
    expect(bursts.length).toBeLessThanOrEqual(30)
    expect(of("scan-not-found").length).toBeGreaterThan(20)
  }, 60_000)

  it("of Sigma find what an attack did in a trail of AWS, at its times", async () => {
    const of = await fired(
      join(folder.path, "cloud.yaml"),
      "cloudtrail-stratus/CloudTrail",
      "--format",
      "cloudtrail",
    )
    const times = (rule: string) => of(rule).map(({ time }) => time.slice(11, 19))
    expect(times("11111111-0000-4000-8000-000000000001")).toEqual([
      "11:59:02",
      "12:00:42",
      "12:01:23",
      "12:01:27",
      "12:08:04",
      "12:08:04",
    ])
    expect(times("11111111-0000-4000-8000-000000000002").slice(0, 2)).toEqual(["12:24:29", "12:24:50"])
    expect(times("console-login-new")[0]).toBe("12:23:15")
  })
})
