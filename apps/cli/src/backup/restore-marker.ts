/**
 * `restore.incomplete`: how far the restore of a folder is. While it is there and `prooflog.json` is not, the folder is no log.
 *
 *     building      nothing was signed: whoever finds it begins again
 *     announcing    the log is whole; the notice may be committed, and signed, already: whoever finds it goes on
 */

import { readdir, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { CliError, reasonOf } from "../error.js"
import { DRAFT, type DurableFolder, unlessAbsent } from "./durable-folder.js"
import type { LostNotice } from "./lost-records.js"

export const MARKER = "restore.incomplete"

/** Says which process restores into the folder. */
export const LOCK = "restore.lock"

/** Missing leaves, until the log is rebuilt. */
export const MISSING = "restore.mirror"

const FORMAT = "prooflog-restore/1"

/** What a restore makes before the log is whole. */
const MADE = ["data", "keys", "policy", "schedule.yaml", "alerts.yaml", "rules", "retention", MISSING]

export interface Marker {
  readonly stage: "building" | "announcing"
  readonly origin: string
  /** Absolute; of the key that it was begun with. */
  readonly signerKeyPath: string
  readonly treeSize: number
  /** Text of `prooflog.json`; of one that is announcing. */
  readonly config?: string
  readonly notice?: LostNotice | undefined
}

/** @throws {@link CliError} `CLI_FILE` if there is anything but an unfinished restore */
export async function look(
  root: string,
): Promise<{ readonly marker: Marker | undefined; readonly isNew: boolean }> {
  const names = await unlessAbsent(readdir(root)).catch((cause: unknown) => {
    throw new CliError("CLI_FILE", `cannot use the folder ${root}: ${reasonOf(cause)}`, { cause })
  })
  if (names === undefined) return { marker: undefined, isNew: true }
  if (!names.includes(MARKER)) {
    const stranger = names.find((name) => name !== `${MARKER}${DRAFT}` && !isLock(name))
    if (stranger === undefined) return { marker: undefined, isNew: false }
    throw new CliError("CLI_FILE", `${root} is not empty: it holds ${stranger}`)
  }
  const { format, ...marker } = JSON.parse(await readFile(join(root, MARKER), "utf8")) as Marker & {
    format: unknown
  }
  if (format === FORMAT) return { marker, isNew: false }
  throw new CliError("CLI_FILE", `${join(root, MARKER)} is of another version`)
}

/** The lock, or one that is being made or moved aside. */
function isLock(name: string): boolean {
  return name === LOCK || name.startsWith(`${LOCK}.`)
}

/** Durable when it resolves. */
export async function keepMarker(folder: DurableFolder, marker: Marker): Promise<void> {
  await folder.write(MARKER, `${JSON.stringify({ format: FORMAT, ...marker })}\n`)
  await folder.settle()
}

/** Removes what a restore made, all but the marker. */
export async function clear(root: string): Promise<void> {
  for (const name of MADE) await rm(join(root, name), { recursive: true, force: true })
}
