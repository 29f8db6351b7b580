/**
 * The files that say what is alerted on and who is told: read, and looked at again and again.
 *
 *     alerts.yaml         settings; need not be there
 *     rules/…             *.yml, *.yaml, in folders, too
 *
 * What is read is suspect: whoever reads it compiles it, or refuses it.
 */

import { createHash } from "node:crypto"
import { readdir, readFile, stat } from "node:fs/promises"
import { join, relative } from "node:path"
import { type AlertSettings, parseAlertSettings } from "@prooflog/alerts/alert-settings"
import type { RuleSource } from "@prooflog/alerts/compile-rules"
import { AlertsError } from "@prooflog/alerts/error"

export interface RuleSources {
  readonly settings: AlertSettings
  /** In the order of their paths below the folder of rules. */
  readonly files: readonly RuleSource[]
}

/** Where they are. */
export interface RulePlaces {
  readonly settingsPath: string
  /** Folder that paths in the settings are relative to. */
  readonly base: string
}

const MAX_FILES = 2_000
const MAX_FILE_BYTES = 1 << 20
const MAX_DEPTH = 8

/** Returns a text that changes whenever one of the files does. */
export async function stampOf({ settingsPath, base }: RulePlaces, rules: string): Promise<string> {
  const hash = createHash("sha256")
  for (const path of [settingsPath, ...(await pathsOf(join(base, rules)))]) {
    const found = await orAbsent(stat(path))
    hash.update(`${path}\0${found?.mtimeMs}\0${found?.size}\0`)
  }
  return hash.digest("hex")
}

/** @throws AlertsError `ALERTS_BAD_SETTINGS` with line and column; what the file system says */
export async function readRuleSources({ settingsPath, base }: RulePlaces): Promise<RuleSources> {
  const text = await orAbsent(readFile(settingsPath, "utf8"))
  const settings = parseAlertSettings(text ?? "", relative(base, settingsPath))
  return { settings, files: await readRuleFiles(join(base, settings.rules), base) }
}

/**
 * Reads the files of rules in a folder, which need not be there.
 *
 * @param base - folder that their names are relative to
 * @throws as {@link readRuleSources}
 */
export async function readRuleFiles(folder: string, base: string): Promise<readonly RuleSource[]> {
  const files: RuleSource[] = []
  for (const path of await pathsOf(folder)) {
    const file = relative(base, path)
    const { size } = await stat(path)
    if (size > MAX_FILE_BYTES) throw tooLarge(`${file}: more than ${MAX_FILE_BYTES} bytes`)
    files.push({ file, text: await readFile(path, "utf8") })
  }
  return files
}

async function pathsOf(folder: string, depth = 0): Promise<readonly string[]> {
  const entries = (await orAbsent(readdir(folder, { withFileTypes: true }))) ?? []
  const paths: string[] = []
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && depth < MAX_DEPTH) paths.push(...(await pathsOf(path, depth + 1)))
    else if (!entry.isDirectory() && /\.ya?ml$/.test(entry.name)) paths.push(path)
  }
  if (paths.length > MAX_FILES) throw tooLarge(`${folder}: more than ${MAX_FILES} files of rules`)
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

function tooLarge(message: string): AlertsError {
  return new AlertsError("ALERTS_BAD_RULE", message)
}
