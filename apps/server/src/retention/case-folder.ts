/**
 * The private state of holds and erasures: small JSON files, each there whole or not at all after a power cut.
 *
 *     DIR/retention/holds.json            what is held, by whom, why
 *     DIR/retention/cases/case_….json     an erasure that was asked for, and how far it is
 *     DIR/retention/cases/case_….1.cert   its certificates, once its records are gone
 *     DIR/retention/notices/….json        which cases were announced together
 *
 * One process writes here: the one that has the log. A draft that it left behind when it died may name a person, and is
 * of no use: it is removed at the next start.
 */

import { mkdir, readdir, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { readText, rewriteFile, syncFolder } from "../durable-file.js"
import { ServerError } from "../error.js"

const OWNER_ONLY = 0o600
const DRAFT = ".new"

/** Makes folders of state if they are not there, and clears them of drafts. */
export async function openStateFolders(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(path, { recursive: true, mode: 0o700 })
    for (const name of await readdir(path)) if (name.endsWith(DRAFT)) await rm(join(path, name))
    await syncFolder(path)
    await syncFolder(dirname(path))
  }
}

/** Returns the text of a file of state, `undefined` if there is none; clears it of a draft. Before anyone writes it. */
export async function openState(path: string): Promise<string | undefined> {
  await rm(path + DRAFT, { force: true })
  return readText(path)
}

/** Replaces a file of state by a text; durable when it resolves. */
export function writeState(path: string, text: string): Promise<void> {
  return rewriteFile(path, OWNER_ONLY, () => text)
}

/** Returns the texts of the files in a folder whose names end so, by name. */
export async function readStates(path: string, suffix: string): Promise<readonly string[]> {
  const names = (await readdir(path)).filter((name) => name.endsWith(suffix)).sort()
  const texts: string[] = []
  for (const name of names) {
    const text = await readText(join(path, name))
    if (text !== undefined) texts.push(text)
  }
  return texts
}

/**
 * Returns the members of a file of state.
 *
 * @param format - that it must say it has
 * @throws {@link ServerError} `SERVER_MALFORMED_FOLDER`: nothing may be destroyed by what cannot be read
 */
export function stateOf<T extends object>(text: string, format: string, isWhole: (value: T) => boolean): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw malformed(format)
  }
  if (typeof value !== "object" || value === null) throw malformed(format)
  const { format: said, ...members } = value as { readonly format?: unknown }
  // Read by who wrote it: a check for damage and for other versions, not for lies.
  if (said !== format || !isWhole(members as T)) throw malformed(format)
  return members as T
}

function malformed(format: string): ServerError {
  return new ServerError("SERVER_MALFORMED_FOLDER", `a file of ${format} in the folder retention is damaged`)
}
