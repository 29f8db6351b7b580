/** `retention/promises.json`: believed as far as it fits the log, and made anew where it does not. */

import { readFile, rm, writeFile } from "node:fs/promises"
import type { LogStorage } from "@prooflog/ledger/storage"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { anEvent, ask, eventually, type Served, storageBut } from "../http/served.js"
import { makePlace, type Place, putSchedule, scheduleText } from "./schedule-texts.js"

let place: Place
/** Of 1,235 leaves, 256 of which are a bundle: there is no schedule in the third, and one in the last. */
const LEAVES = [0, 301, 1_203]
const SIZE = 1_235
let kept: string
beforeEach(async () => {
  place = await makePlace()
  const served = await place.serve()
  const events = (length: number) => Array.from({ length }, () => anEvent())
  await ask(served, "v1/events", "writer", events(300))
  await putSchedule(served, scheduleText({ a: "{ hot: 1d }" }))
  await ask(served, "v1/events", "writer", events(900))
  await putSchedule(served, scheduleText({ a: "{ hot: 1d }", b: "{ hot: 2d }" }))
  await ask(served, "v1/events", "writer", events(30))
  await signed(served, SIZE)
  await served.stop()
  kept = await readFile(place.promisesPath, "utf8")
})
afterEach(() => place.remove())

/** Resolves when so many leaves are signed: no more of them are noted. */
async function signed(served: Served, treeSize: number): Promise<void> {
  await eventually(async () => {
    const { json } = await served.request({ path: "v1/log" })
    return (json.signed as { tree_size: number }).tree_size === treeSize ? true : undefined
  })
}

/** Starts, and returns which bundles were read before anyone asked, and what stands in the file afterwards. */
async function restarted(): Promise<{ bundles: readonly string[]; leafIndex: number; leaves: unknown }> {
  const bundles = new Set<string>()
  let served: Served | undefined
  const wrap = (storage: LogStorage) =>
    storageBut(storage, {
      read(path) {
        if (served === undefined && path.startsWith("tile/entries/")) bundles.add(path)
        return storage.read(path)
      },
    })
  served = await place.serve({ wrap })
  const { leafIndex } = served.server.schedule
  await served.stop()
  const { leaves } = JSON.parse(await readFile(place.promisesPath, "utf8"))
  return { bundles: [...bundles], leafIndex, leaves }
}

/** Only who reads the whole log reads this one. */
const WITHOUT_SCHEDULE = "tile/entries/002"

describe("where the schedules stand", () => {
  it("is noted when the server stops, with how far and of which tree", () => {
    expect(JSON.parse(kept)).toEqual({
      format: "prooflog-promises/1",
      log_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      through: SIZE,
      root: expect.stringMatching(/^[0-9A-Za-z+/]{43}=$/),
      leaves: LEAVES,
    })
  })

  it("is found again, and only the end of the log is read", async () => {
    const { bundles, leafIndex, leaves } = await restarted()
    expect({ leafIndex, leaves }).toEqual({ leafIndex: 1_203, leaves: LEAVES })
    expect(bundles).not.toContain(WITHOUT_SCHEDULE)
  })

  const note = (changes: object) => JSON.stringify({ ...JSON.parse(kept), ...changes })
  it.each([
    ["gone", () => undefined],
    ["empty", () => ""],
    ["cut short", () => kept.slice(0, 40)],
    ["no object", () => "7"],
    ["of another format", () => note({ format: "prooflog-promises/2" })],
    ["of another log", () => note({ log_id: "00".repeat(16) })],
    ["of another tree", () => note({ root: Buffer.alloc(32).toString("base64") })],
    ["of a longer tree", () => note({ through: 4_000 })],
    ["of a tree it was not noted for", () => note({ through: SIZE - 1 })],
    ["naming an event", () => note({ leaves: [0, 5, 301, 1_203] })],
    ["naming the key's event", () => note({ leaves: [0, 302] })],
    ["without genesis", () => note({ leaves: [301, 1_203] })],
    ["out of order", () => note({ leaves: [0, 1_203, 301] })],
    ["naming leaves that are not there", () => note({ leaves: [0, 301, 1_203, SIZE] })],
    ["naming texts", () => note({ leaves: ["0"] })],
    ["through no number", () => note({ through: "905" })],
  ])("is read from the whole log where the file is %s", async (_, change) => {
    const text = change()
    if (text === undefined) await rm(place.promisesPath)
    else await writeFile(place.promisesPath, text)
    const { bundles, leafIndex, leaves } = await restarted()
    expect({ leafIndex, leaves }).toEqual({ leafIndex: 1_203, leaves: LEAVES })
    expect(bundles).toContain(WITHOUT_SCHEDULE)
    expect(await readFile(place.promisesPath, "utf8")).toContain("prooflog-promises/1")
  })

  it("is read from where the note ends, if the log went on", async () => {
    const served = await place.serve()
    await ask(served, "v1/events", "writer", [anEvent()])
    await putSchedule(served, scheduleText({ a: "{ hot: 1d }", b: "{ hot: 3d }" }))
    await served.stop()
    // As a killed server leaves it.
    await writeFile(place.promisesPath, kept)
    const { bundles, leafIndex, leaves } = await restarted()
    expect({ leafIndex, leaves }).toEqual({ leafIndex: SIZE + 1, leaves: [...LEAVES, SIZE + 1] })
    expect(bundles).not.toContain(WITHOUT_SCHEDULE)
  })
})
