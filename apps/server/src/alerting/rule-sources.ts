/**
 * The files that say what is alerted on and who is told: read, and looked at again and again.
 *
 *     alerts.yaml         settings; need not be there
 *     rules/…             *.yml, *.yaml, in folders, too; what is hidden is passed over: editors and mounted volumes
 *                         keep other copies there
 *
 * What is read is suspect: whoever reads it compiles it, or refuses it.
 */

import { createHash } from "node:crypto"
import { readdir, readFile, stat } from "node:fs/promises"
import { join, relative } from "node:path"
import { type AlertSettings, parseAlertSettings } from "@prooflog/alerts/alert-settings"
import type { RuleSource } from "@prooflog/alerts/compile-rules"
import { AlertsError } from "@prooflog/alerts/error"

/** Where they are. */
export interface RulePlaces {
  readonly settingsPath: string
  /** Folder that paths in the settings are relative to. */
  readonly base: string
}

const MAX_FILES = 2_000
const MAX_FILE_BYTES = 1 << 20
const MAX_DEPTH = 8

/** Returns a text that changes whenever one of the files does. @throws as {@link readRuleFiles} */
export async function stampOf({ settingsPath, base }: RulePlaces, rules: string): Promise<string> {
  const hash = createHash("sha256")
  for (const path of [settingsPath, ...(await pathsOf(join(base, rules)))]) {
    const found = await orAbsent(stat(path))
    hash.update(`${path}\0${found?.mtimeMs}\0${found?.size}\0`)
  }
  return hash.digest("hex")
}

/** @throws AlertsError `ALERTS_BAD_SETTINGS` with line and column; what the file system says */
export async function readAlertSettings({ settingsPath, base }: RulePlaces): Promise<AlertSettings> {
  const text = await orAbsent(readFile(settingsPath, "utf8"))
  return parseAlertSettings(text ?? "", relative(base, settingsPath))
}

/**
 * Reads the files of rules in a folder, which need not be there; in the order of their paths.
 *
 * @param base - folder that their names are relative to
 * @throws AlertsError `ALERTS_BAD_RULE`; what the file system says
 */
export async function readRuleFiles(folder: string, base: string): Promise<readonly RuleSource[]> {
  const files: RuleSource[] = []
  for (const path of await pathsOf(folder)) {
    const file = relative(base, path)
    const found = await stat(path)
    // A pipe would be waited for, and no rule looked at meanwhile.
    if (!found.isFile()) throw unfit(`${file}: no file`)
    if (found.size > MAX_FILE_BYTES) throw unfit(`${file}: more than ${MAX_FILE_BYTES} bytes`)
    files.push({ file, text: await readFile(path, "utf8") })
  }
  return files
}

async function pathsOf(folder: string, depth = 0): Promise<readonly string[]> {
  const entries = (await orAbsent(readdir(folder, { withFileTypes: true }))) ?? []
  const paths: string[] = []
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".")) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory() && depth < MAX_DEPTH) paths.push(...(await pathsOf(path, depth + 1)))
    else if (!entry.isDirectory() && /\.ya?ml$/.test(entry.name)) paths.push(path)
  }
  if (paths.length > MAX_FILES) throw unfit(`${folder}: more than ${MAX_FILES} files of rules`)
  return paths
}

async function orAbsent<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

function unfit(message: string): AlertsError {
  return new AlertsError("ALERTS_BAD_RULE", message)
}
