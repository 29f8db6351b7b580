/** `kill -9` while schedules change: the file is what is wanted, the log what is in force, and the next start joins them. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseScheduleFile, publicSchedule } from "@prooflog/archive/schedule-file"
import { expect, it } from "vitest"
import { serve, temporaryFolder } from "../running-log.js"
import { audited, scheduleText } from "./schedule-texts.js"

const ROUNDS = 6

interface Shown {
  readonly schedule: { readonly classes: object; readonly leaf_index: number }
}

const shownBy = async (url: string) => (await (await fetch(`${url}v1/log`)).json()) as Shown

it("a server killed while its schedule changes has in force what its file wants, and audits clean", async () => {
  const folder = await temporaryFolder()
  const dir = join(folder.path, "log")
  try {
    let key = ""
    let names: readonly string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const server = await serve(dir)
      key ||= /admin key +(\S+)/.exec(server.printed)?.[1] ?? ""
      const { schedule } = await shownBy(server.url)
      const file = parseScheduleFile(await readFile(join(dir, "schedule.yaml"), "utf8"))
      expect(schedule.classes).toEqual(publicSchedule(file).classes)
      // What was answered is kept, whatever came after.
      expect(Object.keys(schedule.classes)).toEqual(expect.arrayContaining([...names]))
      names = Object.keys(schedule.classes).filter((name) => name.startsWith("n"))
      const changing = (async () => {
        for (;;) {
          const wanted = [...names, `n${names.length}`]
          const body = scheduleText(Object.fromEntries(wanted.map((name) => [name, "{ hot: 1d }"])))
          const headers = { authorization: `Bearer ${key}`, "content-type": "application/yaml" }
          const { status } = await fetch(`${server.url}v1/schedule`, { method: "PUT", headers, body })
          expect(status).toBe(200)
          names = wanted
        }
      })()
      const ended = changing.catch((error: unknown) => {
        // The connection breaks when the server is killed; nothing else may end it.
        if (!(error instanceof TypeError)) throw error
      })
      // Not a wait for something: any moment will do.
      await new Promise((resolve) => setTimeout(resolve, 60 + 37 * round))
      await server.kill()
      await ended
    }
    const last = await serve(dir)
    let schedules: readonly number[]
    try {
      // It may be in force a moment before it is signed.
      const { schedule } = await shownBy(last.url)
      schedules = (await audited(last.url, join(dir, "policy"), schedule.leaf_index + 1)).schedules
      expect(schedules.at(-1)).toBe(schedule.leaf_index)
      expect(schedules.length).toBeGreaterThan(ROUNDS)
    } finally {
      await last.stop()
    }
    const noted = JSON.parse(await readFile(join(dir, "retention", "promises.json"), "utf8"))
    expect(noted.leaves).toEqual(schedules)
  } finally {
    await folder.remove()
  }
}, 120_000)
