/**
 * Browser and operating system, by what a user agent says of itself.
 *
 *     Mozilla/5.0 (Windows NT 10.0; Win64; x64) … Chrome/120.0.0.0 Safari/537.36  ─►  Chrome 120, Windows 10
 *     Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)    ─►  Googlebot
 *     aws-cli/1.18.69 Python/3.8.10 Linux/5.4.0                                   ─►  aws-cli 1, Linux
 *
 * Three kinds of agents, in this order: robots by their name; programs, whose agent begins
 * with another product than Mozilla or Opera; and browsers, which bowser tells apart. Bowser
 * is asked last because it searches for words anywhere: "prometheus-operator" holds "opera".
 *
 * Agents are frozen in part, and so is what can be told: Windows 11 says Windows NT 10.0,
 * every macOS after 10.15 says 10.15.
 *
 * Pure. Agents are suspect. What is searched is at most {@link LONGEST_AGENT} long, and each
 * pattern is linear or nearly so, which bounds the work: whatever is sent, tens of microseconds.
 */

import Bowser from "bowser"
import { robotIn } from "./robot.js"

/** UTF-16 units of an agent that are looked at. Of 4,890 real ones, 3 are longer. */
export const LONGEST_AGENT = 512

export interface Agent {
  /** Name and major version, such as "Chrome 120"; a robot's or program's own name. */
  readonly browser?: string
  /** Name, and version as it is commonly said: "Windows 10", "Android 13", "macOS 10.15". A robot has none. */
  readonly os?: string
}

/** A product and its major version, at the start: `curl/7.68.0`, `kubectl/v1.22.0`, `[aws-cli/1.16`. */
const PRODUCT = /^\[?([A-Za-z][\w.!-]{0,63})\/v?(\d{1,5})/

/** An agent that is one word. */
const WORD = /^[A-Za-z][\w.-]{1,63}$/

/** What calls itself Mozilla and is none that bowser knows: `(compatible; Konqueror/3.5; Linux)`. */
const COMPATIBLE = /\(compatible; ([A-Za-z][\w.!-]{0,63})\/v?(\d{1,5})/

/** Names bowser gives by knowledge. Any other is a piece of the agent that it could not tell. */
const KNOWN_BROWSERS: ReadonlySet<string> = new Set([
  ...Object.values(Bowser.BROWSER_MAP),
  "Miui",
  "PlayStation 4",
  "SlimerJS",
])

/** Returns what is searched of an agent. */
export function cutAgent(text: string): string {
  return text.length > LONGEST_AGENT ? text.slice(0, LONGEST_AGENT) : text
}

/** @param text - any string; only its first {@link LONGEST_AGENT} units count */
export function agentOf(text: string): Agent {
  const agent = cutAgent(text)
  if (agent === "" || agent === "-") return {}
  const robot = robotIn(agent)
  if (robot !== undefined) return { browser: robot }
  const parser = Bowser.getParser(agent, true)
  const [, product, major] = PRODUCT.exec(agent) ?? []
  const isBrowser = product === undefined || product === "Mozilla" || product === "Opera"
  const browser = isBrowser ? browserOf(agent, parser.parseBrowser()) : `${product} ${major}`
  const os = osOf(parser.parseOS())
  return { ...(browser !== undefined && { browser }), ...(os !== undefined && { os }) }
}

function browserOf(agent: string, { name, version }: Described): string | undefined {
  if (WORD.test(agent)) return agent
  if (name !== undefined && KNOWN_BROWSERS.has(name)) return join(name, /^\d{1,5}/.exec(version ?? "")?.[0])
  const [, product, major] = COMPATIBLE.exec(agent) ?? []
  return product === undefined ? undefined : join(product, major)
}

function osOf({ name, version, versionName }: Described): string | undefined {
  if (name === undefined || name === "") return undefined
  if (name === "Windows") return join(name, versionName)
  // Up to 10.15 the second number was the one that changed from year to year.
  const pattern = name === "macOS" ? /^10\.\d{1,2}|^\d{1,5}/ : /^\d{1,5}/
  return join(name, pattern.exec(version ?? "")?.[0])
}

interface Described {
  readonly name?: string | undefined
  readonly version?: string | undefined
  readonly versionName?: string | undefined
}

function join(name: string, version: string | undefined): string {
  return version === undefined || version === "" ? name : `${name} ${version}`
}
