/**
 * A policy's text.
 *
 *     log example.com/log+530d903a+AekyeRrm56hA…
 *     witness X1 x1.example+2c9a8bd1+BDn2…
 *     witness X2 x2.example+91bd08f3+BHxx…
 *     group X any X1 X2
 *     quorum X
 *
 * Spec: c2sp.org/tlog-policy. One thing is stricter: names and URLs must be well-formed UTF-8
 * (comments need not be).
 * Pure: no I/O, no clock, no randomness.
 */

import { encodeBase64 } from "./base64.js"
import { TlogError } from "./error.js"
import {
  ECDSA,
  ED25519,
  ED25519_COSIGNATURE,
  formatVerifierKey,
  type OpaqueKey,
  parseAnyKey,
  RFC6962_TREE_HEAD,
  type VerifierKey,
} from "./key.js"
import { parseSize } from "./size.js"
import { encodeText, hasLoneSurrogate, readText } from "./text.js"

export interface PolicyLog {
  /** Its name is the log's origin. */
  readonly key: VerifierKey | OpaqueKey
  readonly url?: string
}

export interface PolicyWitness {
  /** Means something inside the policy only. */
  readonly name: string
  readonly key: VerifierKey | OpaqueKey
  readonly url?: string
}

export interface PolicyGroup {
  readonly name: string
  /** How many members must be met: 1 … members.length. */
  readonly threshold: number
  /** Names of witnesses, and of groups that stand before this one. */
  readonly members: readonly string[]
}

export interface Policy {
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  /** Each refers only to groups before it. */
  readonly groups: readonly PolicyGroup[]
  /** The name of a witness or a group, or `none`: no cosignatures are asked for. */
  readonly quorum: string
}

/** Bytes in the longest policy that is read. */
const MAX_POLICY_SIZE = 1_000_000

/** The quorum that asks for no cosignature, and no witness's or group's name. */
export const NONE = "none"

/**
 * Parses a policy.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_POLICY` with the number of the line; `TLOG_AMBIGUOUS_KEY` if two
 * keys share name and key ID
 */
export function parsePolicy(source: Uint8Array | string): Policy {
  if (typeof source === "string" && hasLoneSurrogate(source)) throw malformed("lone surrogates")
  const bytes = typeof source === "string" ? encodeText(source) : source
  if (bytes.length > MAX_POLICY_SIZE) throw malformed("longer than 1 MB")
  const reader = new PolicyReader()
  for (let start = 0; start < bytes.length; ) {
    const feed = bytes.indexOf(LINE_FEED, start)
    const end = feed < 0 ? bytes.length : feed
    reader.readLine(bytes.subarray(start, end))
    start = end + 1
  }
  return reader.finish()
}

const LINE_FEED = 0x0a
const TAB = 0x09
const SPACE = 0x20
const HASH = 0x23

/** Takes a policy's lines in order; knows what earlier lines defined. */
class PolicyReader {
  readonly #logs: PolicyLog[] = []
  readonly #witnesses: PolicyWitness[] = []
  readonly #groups: PolicyGroup[] = []
  /** Names of witnesses and groups, and whether a group already lists them. */
  readonly #listed = new Map<string, boolean>()
  /** `log` or `witness` with a public key. */
  readonly #publicKeys = new Set<string>()
  /** Names and key IDs, as notes write them. */
  readonly #identities = new Set<string>()
  #quorum: string | undefined
  /** The line being read, counted from 1. */
  #line = 0

  readLine(line: Uint8Array): void {
    this.#line++
    if (line.some((byte) => (byte < SPACE && byte !== TAB) || byte === 0x7f)) {
      throw this.#malformed("control characters")
    }
    const first = line.find((byte) => byte !== TAB && byte !== SPACE)
    if (first === undefined || first === HASH) return
    const text = readText(line, MAX_POLICY_SIZE)
    if (text === undefined) throw this.#malformed("not well-formed UTF-8")
    const [keyword, ...items] = text.split(/[ \t]+/).filter((item) => item !== "")
    if (keyword === "log") this.#readLog(items)
    else if (keyword === "witness") this.#readWitness(items)
    else if (keyword === "group") this.#readGroup(items)
    else if (keyword === "quorum") this.#readQuorum(items)
    else throw this.#malformed("expected log, witness, group or quorum")
  }

  finish(): Policy {
    if (this.#quorum === undefined) throw malformed("no quorum line")
    return { logs: this.#logs, witnesses: this.#witnesses, groups: this.#groups, quorum: this.#quorum }
  }

  #readLog([text, url, ...rest]: string[]): void {
    if (text === undefined || rest.length > 0) throw this.#malformed("expected log <vkey> [<url>]")
    const key = this.#readKey("log", text)
    this.#logs.push(url === undefined ? { key } : { key, url })
  }

  #readWitness([name, text, url, ...rest]: string[]): void {
    if (name === undefined || text === undefined || rest.length > 0) {
      throw this.#malformed("expected witness <name> <vkey> [<url>]")
    }
    const key = this.#readKey("witness", text)
    this.#define(name)
    this.#witnesses.push(url === undefined ? { name, key } : { name, key, url })
  }

  #readGroup([name, count, ...members]: string[]): void {
    if (name === undefined || count === undefined || members.length === 0) {
      throw this.#malformed("expected group <name> all|any|<k> <member>...")
    }
    const threshold = count === "all" ? members.length : count === "any" ? 1 : parseSize(count)
    if (threshold === undefined || threshold < 1 || threshold > members.length) {
      throw this.#malformed(`cannot ask for ${quote(count)} of ${members.length} members`)
    }
    for (const member of members) {
      if (this.#listed.get(member) === true) throw this.#malformed(`${quote(member)} is a member already`)
      this.#requireDefined(member)
      this.#listed.set(member, true)
    }
    this.#define(name)
    this.#groups.push({ name, threshold, members })
  }

  #readQuorum([name, ...rest]: string[]): void {
    if (name === undefined || rest.length > 0) throw this.#malformed("expected quorum <name>|none")
    if (this.#quorum !== undefined) throw this.#malformed("a second quorum")
    if (name !== NONE) this.#requireDefined(name)
    this.#quorum = name
  }

  #define(name: string): void {
    if (name === NONE) throw this.#malformed(`${NONE} is reserved`)
    if (this.#listed.has(name)) throw this.#malformed(`${quote(name)} is defined already`)
    this.#listed.set(name, false)
  }

  #requireDefined(name: string): void {
    if (!this.#listed.has(name)) throw this.#malformed(`${quote(name)} is not defined on an earlier line`)
  }

  #readKey(kind: "log" | "witness", text: string): VerifierKey | OpaqueKey {
    const key = this.#parseKey(text)
    if (OTHER_PURPOSE[kind].has(key.type)) throw this.#malformed(`a ${kind} has no key of type ${key.type}`)
    // One public key under two names would let one party count twice.
    const publicKey = `${kind} ${encodeBase64(key.publicKey)}`
    if (this.#publicKeys.has(publicKey)) throw this.#malformed(`another ${kind} has this key`)
    this.#publicKeys.add(publicKey)
    const identity = `${key.name} ${key.keyId}`
    if (this.#identities.has(identity)) {
      throw new TlogError("TLOG_AMBIGUOUS_KEY", `two keys are called ${key.name} and have one key ID`)
    }
    this.#identities.add(identity)
    return key
  }

  #parseKey(text: string): VerifierKey | OpaqueKey {
    try {
      return parseAnyKey(text)
    } catch (cause) {
      if (cause instanceof TlogError) throw this.#malformed(cause.message, cause)
      throw cause
    }
  }

  #malformed(why: string, cause?: TlogError): TlogError {
    return malformed(`line ${this.#line}: ${why}`, cause)
  }
}

/** Key types that are made for the other purpose: notes and tree heads are signed by logs, cosignatures made by witnesses. */
const OTHER_PURPOSE: Record<"log" | "witness", ReadonlySet<number>> = {
  log: new Set([ED25519_COSIGNATURE]),
  witness: new Set([ED25519, ECDSA, RFC6962_TREE_HEAD]),
}

/**
 * Returns the policy as text: logs, witnesses, groups, quorum, one space between items, no comments.
 *
 * @throws {@link TlogError} as {@link parsePolicy}, if that would not give the same policy back
 */
export function formatPolicy({ logs, witnesses, groups, quorum }: Policy): string {
  const lines = [
    ...logs.map(({ key, url }) => ["log", formatVerifierKey(key), url]),
    ...witnesses.map(({ name, key, url }) => ["witness", name, formatVerifierKey(key), url]),
    ...groups.map(({ name, threshold, members }) => [
      "group",
      name,
      formatThreshold(threshold, members),
      ...members,
    ]),
    ["quorum", quorum],
  ].map((items) => items.filter((item) => item !== undefined))
  // A name or URL with a line feed in it would write lines of its own.
  const torn = lines.flat().find((item) => NOT_AN_ITEM.test(item))
  if (torn !== undefined) throw malformed(`${quote(torn)} is not one item`)
  const text = lines.map((items) => `${items.join(" ")}\n`).join("")
  parsePolicy(text)
  return text
}

const NOT_AN_ITEM = /^$|[\u0000-\u0020\u007f]/

function formatThreshold(threshold: number, members: readonly string[]): string {
  if (threshold === members.length) return "all"
  return threshold === 1 ? "any" : String(threshold)
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}

function malformed(why: string, cause?: TlogError): TlogError {
  return new TlogError("TLOG_MALFORMED_POLICY", `malformed policy: ${why}`, cause && { cause })
}
