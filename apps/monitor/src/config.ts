/**
 * The config: one YAML file that says what to watch, whom to talk to, and what to do when something is wrong.
 *
 *     folder: ./state              where heads, findings and accusations are kept
 *     logs:    [{ url, policy }]   watched
 *     peers:   [url]               other monitors, to compare heads with
 *     witness: { key }             cosign for the logs
 *     alarm:   { webhook }
 *
 * Paths are relative to the file. What is wrong is refused with line and column.
 *
 * Effects: reads the config and the files it names.
 */

import { readFile } from "node:fs/promises"
import { basename, dirname, resolve } from "node:path"
import { SettingsError } from "@prooflog/settings/error"
import { parseYaml } from "@prooflog/settings/parse-yaml"
import type { YamlValue } from "@prooflog/settings/yaml-value"
import { TlogError } from "@prooflog/tlog/error"
import {
  ED25519,
  ED25519_COSIGNATURE,
  isVerifierKey,
  parseSignerKey,
  type SignerKey,
  type VerifierKey,
} from "@prooflog/tlog/key"
import { type Policy, type PolicyLog, parsePolicy } from "@prooflog/tlog/policy"
import { MonitorError, wordsOf } from "./error.js"

export interface MonitorConfig {
  /** State and accusations; made if it is not there. */
  readonly folder: string
  /** Where its HTTP listens; no HTTP unless set. */
  readonly listen?: ListenConfig
  /** Who this monitor says it is, in accusations. */
  readonly name: string
  readonly logs: readonly WatchedLog[]
  /** URL prefixes of other monitors. */
  readonly peers: readonly string[]
  readonly witness?: WitnessConfig
  readonly alarm?: AlarmConfig
}

export interface ListenConfig {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** At once; {@link CONNECTIONS_PER_ADDRESS} unless set. */
  readonly connectionsPerAddress?: number
}

export interface WatchedLog {
  readonly origin: string
  /** URL prefix, ending in `/`. */
  readonly url: string
  /** Of this log alone. Its quorum is asked of heads that the log shows. */
  readonly policy: Policy
  /** From one look to the next. */
  readonly pollMs: number
  /** A quorum of cosignatures must be younger. */
  readonly freshnessMs: number
  /** How far the time of new entries may be from our clock. */
  readonly clockMs: number
  /** From one reading of the whole log to the next. */
  readonly rereadMs: number
  /** Whether our heads are posted to the log's `v1/checkpoints`. */
  readonly compare: boolean
  /** Sent with every request to the log. */
  readonly headers: Readonly<Record<string, string>>
}

export interface WitnessConfig {
  /** Of type 0x04. */
  readonly signerKey: SignerKey
  /** For which it cosigns. */
  readonly logs: readonly { readonly origin: string; readonly keys: readonly VerifierKey[] }[]
}

export interface AlarmConfig {
  readonly webhook: string
  readonly headers: Readonly<Record<string, string>>
}

export const DEFAULTS = {
  pollMs: 10_000,
  // Cosignatures of an idle log are refreshed hourly.
  freshnessMs: 2 * 3_600_000,
  clockMs: 600_000,
  rereadMs: 86_400_000,
} as const

/** Connections that the monitor's HTTP has at once, of all addresses. */
export const MAX_CONNECTIONS = 1_000

/** … and of one address: of IPv6, the first 64 bits. */
export const CONNECTIONS_PER_ADDRESS = 64

/** Least time between two looks: a log publishes once a second at most. */
const LEAST_POLL_MS = 200

/**
 * Reads a config file, and the policies and keys that it names.
 *
 * @throws {@link MonitorError} `MONITOR_BAD_CONFIG` with file, line and column; `MONITOR_USAGE` if the file itself
 * cannot be read
 */
export async function readConfig(path: string): Promise<MonitorConfig> {
  let text: string
  try {
    text = await readFile(path, "utf8")
  } catch (cause) {
    throw new MonitorError("MONITOR_USAGE", `cannot read ${path}: ${wordsOf(cause)}`, { cause })
  }
  return await parseConfig(text, { name: basename(path), folder: dirname(resolve(path)) })
}

/**
 * Reads a config's text.
 *
 * @param where - what the file is called in messages, and the folder that its paths are relative to
 * @throws {@link MonitorError} `MONITOR_BAD_CONFIG`
 */
export async function parseConfig(
  text: string,
  where: { readonly name: string; readonly folder: string },
): Promise<MonitorConfig> {
  try {
    return await readWhole(parseYaml(text, where.name), where.folder)
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    const { message, place, cause } = error
    throw new MonitorError("MONITOR_BAD_CONFIG", message, { place, cause })
  }
}

async function readWhole(root: YamlValue, folder: string): Promise<MonitorConfig> {
  const members = root.members({
    required: ["folder"],
    optional: ["listen", "name", "logs", "peers", "witness", "alarm"],
  })
  const logs: WatchedLog[] = []
  for (const place of members.logs?.list() ?? []) {
    const log = await readLog(place, folder)
    if (logs.some(({ origin }) => origin === log.origin)) {
      throw place.refuse(`the log ${JSON.stringify(log.origin)} is watched twice`)
    }
    logs.push(log)
  }
  if (logs.length === 0 && members.witness === undefined) {
    throw root.refuse("there is nothing to do: neither logs nor witness")
  }
  return {
    folder: resolve(folder, members.folder.text()),
    ...(members.listen && { listen: readListen(members.listen) }),
    name: members.name?.text() ?? "a monitor without a name",
    logs,
    peers: (members.peers?.list() ?? []).map(readUrlPrefix),
    ...(members.witness && { witness: await readWitness(members.witness, folder, logs) }),
    ...(members.alarm && { alarm: await readAlarm(members.alarm, folder) }),
  }
}

async function readLog(place: YamlValue, folder: string): Promise<WatchedLog> {
  const members = place.members({
    required: ["policy"],
    optional: ["url", "origin", "poll", "freshness", "clock", "reread", "compare", "token_file"],
  })
  const policy = await readPolicy(members.policy, folder)
  const origin = members.origin?.text() ?? originOf(policy, members.policy)
  const logs = policy.logs.filter(({ key }) => key.name === origin)
  if (logs.length === 0)
    throw members.policy.refuse(`no log of the policy is called ${JSON.stringify(origin)}`)
  if (!logs.some(({ key }) => isVerifierKey(key) && key.type === ED25519)) {
    throw members.policy.refuse("the log's key is of a type that cannot be checked here")
  }
  return {
    origin,
    url: members.url === undefined ? urlOf(logs, members.policy) : readUrlPrefix(members.url),
    policy: { ...policy, logs },
    pollMs: members.poll?.durationMs({ minMs: LEAST_POLL_MS }) ?? DEFAULTS.pollMs,
    freshnessMs: members.freshness?.durationMs({ minMs: 1_000 }) ?? DEFAULTS.freshnessMs,
    clockMs: members.clock?.durationMs({ minMs: 1_000 }) ?? DEFAULTS.clockMs,
    rereadMs: members.reread?.durationMs({ minMs: 1_000 }) ?? DEFAULTS.rereadMs,
    compare: members.compare?.boolean() ?? true,
    headers: await readToken(members.token_file, folder),
  }
}

/** The policy's text itself, where it is given in the config, or that of the file it names. */
async function readPolicy(place: YamlValue, folder: string): Promise<Policy> {
  const given = place.text()
  const text = given.includes("\n") ? given : await readNamed(place, folder)
  try {
    return parsePolicy(text)
  } catch (cause) {
    if (cause instanceof TlogError) throw place.refuse(cause.message, cause)
    throw cause
  }
}

function originOf(policy: Policy, place: YamlValue): string {
  const [name, ...others] = new Set(policy.logs.map(({ key }) => key.name))
  if (name !== undefined && others.length === 0) return name
  throw place.refuse("the policy names several logs, or none: say which with origin")
}

function urlOf(logs: readonly PolicyLog[], place: YamlValue): string {
  const url = logs.find((log) => log.url !== undefined)?.url
  if (url === undefined) throw place.refuse("url is missing, and the policy has none")
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw place.refuse("the policy's url is no http or https URL")
  return url.endsWith("/") ? url : `${url}/`
}

async function readWitness(
  place: YamlValue,
  folder: string,
  watched: readonly WatchedLog[],
): Promise<WitnessConfig> {
  const members = place.members({ required: ["key"], optional: ["logs"] })
  const signerKey = parseKey(members.key, await readNamed(members.key, folder))
  const policies =
    members.logs === undefined
      ? watched.map(({ policy }) => policy)
      : await Promise.all(members.logs.list().map((each) => readPolicy(each, folder)))
  const logs = new Map<string, VerifierKey[]>()
  for (const { key } of policies.flatMap((policy) => policy.logs)) {
    if (!isVerifierKey(key)) continue
    const keys = logs.get(key.name) ?? []
    if (!keys.some(({ keyId }) => keyId === key.keyId)) logs.set(key.name, [...keys, key])
  }
  if (logs.size === 0) throw place.refuse("there is no log to cosign for")
  return { signerKey, logs: [...logs].map(([origin, keys]) => ({ origin, keys })) }
}

function parseKey(place: YamlValue, text: string): SignerKey {
  let key: SignerKey
  try {
    key = parseSignerKey(text.trim())
  } catch (cause) {
    if (cause instanceof TlogError) throw place.refuse(cause.message, cause)
    throw cause
  }
  if (key.type === ED25519_COSIGNATURE) return key
  throw place.refuse("a witness cosigns with a key of type 4, and this one is made for logs")
}

async function readAlarm(place: YamlValue, folder: string): Promise<AlarmConfig> {
  const { webhook, token_file } = place.members({ required: ["webhook"], optional: ["token_file"] })
  return { webhook: webhook.url(), headers: await readToken(token_file, folder) }
}

/** A URL that ends in `/`, so that paths can be put behind it. */
function readUrlPrefix(place: YamlValue): string {
  const url = place.url()
  if (/[?#]/.test(url)) throw place.refuse("expected a URL without query and fragment")
  return url.endsWith("/") ? url : `${url}/`
}

async function readToken(
  place: YamlValue | undefined,
  folder: string,
): Promise<Readonly<Record<string, string>>> {
  if (place === undefined) return {}
  const token = (await readNamed(place, folder)).trim()
  if (!/^[\x21-\x7e]+$/.test(token))
    throw place.refuse("the file holds no token: one word of visible characters")
  return { authorization: `Bearer ${token}` }
}

async function readNamed(place: YamlValue, folder: string): Promise<string> {
  const path = resolve(folder, place.text())
  try {
    return await readFile(path, "utf8")
  } catch (cause) {
    throw place.refuse(`cannot read the file: ${wordsOf(cause)}`, cause)
  }
}

/** `127.0.0.1:8090`, `[::1]:8090` */
const LISTEN = /^(\[[0-9a-f:.]+\]|[^\s:[\]]+):(\d{1,5})$/i

/** An address, or a map of it and how many connections each address of others may have. */
function readListen(place: YamlValue): ListenConfig {
  if (place.kind !== "map") return readAddress(place)
  const members = place.members({ required: ["address"], optional: ["connections_per_address"] })
  const connectionsPerAddress = members.connections_per_address?.integer({ min: 1, max: MAX_CONNECTIONS })
  return {
    ...readAddress(members.address),
    ...(connectionsPerAddress !== undefined && { connectionsPerAddress }),
  }
}

function readAddress(place: YamlValue): ListenConfig {
  const [, host = "", port = ""] = LISTEN.exec(place.text()) ?? []
  if (host === "" || Number(port) > 65_535) throw place.refuse("expected an address such as 127.0.0.1:8090")
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) }
}
