/**
 * Rules as they are named on a command line, read from where they lie.
 *
 *     prooflog-data    folder of a log    its alerts.yaml, its rules, and those that come with it: what the log itself would use
 *     rules/           another folder     every *.yml and *.yaml in it
 *     rule.yaml        a file
 *     shipped                             those that come with the log
 *
 * Names of files in messages are those that were typed. What is read is suspect.
 */

import { stat } from "node:fs/promises"
import { basename, join } from "node:path"
import { type AlertSettings, parseAlertSettings } from "@prooflog/alerts/alert-settings"
import type { RuleSource } from "@prooflog/alerts/compile-rules"
import { SHIPPED_FILE, SHIPPED_RULES } from "@prooflog/alerts/shipped"
import { readRuleFiles } from "@prooflog/server/rule-sources"
import { SettingsError } from "@prooflog/settings/error"
import { parseYamlDocuments } from "@prooflog/settings/parse-yaml"
import { CliError } from "../error.js"
import { fileError, readNamedFile } from "../file.js"

export interface RulesAt {
  /** Those that hold where nothing was said, but for a folder of a log and a file of settings. */
  readonly settings: AlertSettings
  readonly sources: readonly RuleSource[]
  /** Whether there was a file of settings. */
  readonly hasSettings: boolean
}

/** The file of settings in the folder of a log. */
export const SETTINGS = "alerts.yaml"

const MAX_BYTES = 1 << 20

/** The word for rules that come with the log. */
const SHIPPED = "shipped"

/**
 * Reads what a path names.
 *
 * @throws {@link CliError} `CLI_FILE` if there is no such file, or no rule in a folder; AlertsError
 * `ALERTS_BAD_SETTINGS` with line and column
 */
export async function rulesAt(path: string): Promise<RulesAt> {
  if (path === SHIPPED) return { ...DEFAULTS, sources: [shippedBut([])] }
  if (!(await isFolder(path))) return rulesOfFile(path)
  const settingsPath = join(path, SETTINGS)
  if (await isThere(settingsPath)) return rulesOfLog(path, settingsPath)
  const sources = await readRuleFiles(path, ".")
  if (sources.length > 0) return { ...DEFAULTS, sources }
  throw new CliError(
    "CLI_FILE",
    `the folder ${path} holds no ${SETTINGS}, and no .yml or .yaml file of rules`,
  )
}

const DEFAULTS = { settings: parseAlertSettings(""), hasSettings: false }

async function rulesOfLog(folder: string, settingsPath: string): Promise<RulesAt> {
  const settings = parseAlertSettings(await textOf(settingsPath), settingsPath)
  const { on, without } = settings.shipped
  const files = await readRuleFiles(join(folder, settings.rules), ".")
  return { settings, sources: on ? [shippedBut(without), ...files] : files, hasSettings: true }
}

async function rulesOfFile(path: string): Promise<RulesAt> {
  const text = await textOf(path)
  if (isSettings(text, path))
    return { settings: parseAlertSettings(text, path), sources: [], hasSettings: true }
  return { ...DEFAULTS, sources: [{ file: path, text }] }
}

function shippedBut(without: readonly string[]): RuleSource {
  return { file: SHIPPED_FILE, text: SHIPPED_RULES, without }
}

/** Members that settings have, and rules have not. */
const OF_SETTINGS = ["shipped", "tolerance", "history_after", "external_url", "sinks", "routes", "inhibit"]

/** A file that is nothing yet is taken for what its name says. */
function isSettings(text: string, path: string): boolean {
  try {
    const [first] = parseYamlDocuments(text, path)
    if (first?.kind !== "map") return basename(path) === SETTINGS
    return (
      OF_SETTINGS.some((name) => first.member(name) !== undefined) || first.member("rules")?.kind === "text"
    )
  } catch (error) {
    if (error instanceof SettingsError) return basename(path) === SETTINGS
    throw error
  }
}

async function textOf(path: string): Promise<string> {
  const bytes = await readNamedFile(path, "the file", MAX_BYTES)
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new CliError("CLI_FILE", `${path} is not UTF-8`, { cause })
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    throw fileError(error, "the rules", path)
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false
    throw fileError(error, "the settings", path)
  }
}
