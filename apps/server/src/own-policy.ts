/**
 * The log's own policy: whose quorum it needs before it shows a head.
 *
 *     DIR/policy    log …            this log's own key must be among them
 *                   witness … <url>  asked at that prefix
 *                   quorum …         none: what is signed is published
 *
 * The same file goes to auditors. A log that asked for less than they do would show heads that they refuse; so one
 * policy serves both, and one that the log cannot live up to is refused before anything is signed.
 *
 * Spec: c2sp.org/tlog-policy.
 */

import { TlogError } from "@prooflog/tlog/error"
import { formatVerifierKey, isVerifierKey } from "@prooflog/tlog/key"
import { isQuorum, type Policy, type PolicyWitness, parsePolicy } from "@prooflog/tlog/policy"
import { toleranceOf } from "@prooflog/tlog/quorum-tolerance"
import { readText } from "./durable-file.js"
import { ServerError } from "./error.js"
import type { LogFolder } from "./folder.js"

export interface OwnPolicy {
  readonly policy: Policy
  /** Whether a head is published only once a quorum of witnesses has cosigned it. */
  readonly isWitnessed: boolean
  /** What *published* means for this log, in a sentence. */
  readonly meaning: string
  /** What its operator and its readers should know, each a sentence. */
  readonly warnings: readonly string[]
}

/** What it means to publish without witnesses. */
const NO_WITNESS =
  "no witness is asked, so what is signed is published: whoever holds the signer key could show different histories to different readers, and nobody would have cosigned against it"

/**
 * Reads the policy of a log.
 *
 * @throws {@link ServerError} `SERVER_BAD_POLICY` with the line, if it is missing, malformed, not for this log, or asks
 * for a quorum that cannot be asked
 */
export async function readOwnPolicy(
  folder: Pick<LogFolder, "policyPath" | "verifierKey">,
): Promise<OwnPolicy> {
  const { policyPath, verifierKey } = folder
  const text = await readText(policyPath)
  if (text === undefined) throw new ServerError("SERVER_BAD_POLICY", `${policyPath}: there is no such file`)
  try {
    return examine(text, verifierKey)
  } catch (cause) {
    if (!(cause instanceof TlogError) && !(cause instanceof BadPolicy)) throw cause
    throw new ServerError("SERVER_BAD_POLICY", `${policyPath}: ${cause.message}`, { cause })
  }
}

/** Says what is wrong, and in which line. */
class BadPolicy extends Error {
  constructor(text: string, keyword: string, name: string | undefined, why: string) {
    const line = lineOf(text, keyword, name) ?? lineOf(text, keyword, undefined)
    super(line === undefined ? why : `line ${line}: ${why}`)
  }
}

function examine(text: string, verifierKey: string): OwnPolicy {
  const policy = parsePolicy(text)
  if (!policy.logs.some(({ key }) => formatVerifierKey(key) === verifierKey)) {
    throw new BadPolicy(text, "log", undefined, `expected this log's own key, ${verifierKey}`)
  }
  if (isQuorum(policy, [])) {
    const meaning = "what is signed is published: no witness is asked"
    return { policy, isWitnessed: false, meaning, warnings: [NO_WITNESS, ...unasked(policy)] }
  }
  for (const { name, url } of policy.witnesses) {
    if (url === undefined || isPrefix(url)) continue
    throw new BadPolicy(text, "witness", name, "expected an http or https URL without query")
  }
  const silent = policy.witnesses.filter((witness) => !canBeAsked(witness))
  const asked = policy.witnesses.filter(canBeAsked).map(({ name }) => name)
  if (!isQuorum(policy, asked)) {
    const without =
      silent.length === 0 ? "" : `; without a URL, or a key that can be checked: ${names(silent)}`
    const why = `the quorum ${quote(policy.quorum)} cannot be reached by the witnesses that can be asked${without}`
    throw new BadPolicy(text, "quorum", undefined, why)
  }
  return {
    policy,
    isWitnessed: true,
    meaning: `a head is published once the quorum ${quote(policy.quorum)} of ${asked.length} witnesses has cosigned it`,
    warnings: [...toleranceOf(policy).warnings, ...withoutUrl(policy)],
  }
}

function canBeAsked({ key, url }: PolicyWitness): boolean {
  return url !== undefined && isVerifierKey(key)
}

function unasked({ witnesses }: Policy): readonly string[] {
  if (witnesses.length === 0) return []
  return [`the policy names ${names(witnesses)}, but its quorum is none: they are not asked`]
}

/** That a key cannot be checked, the policy's tolerance says. */
function withoutUrl({ witnesses }: Policy): readonly string[] {
  return witnesses
    .filter(({ key, url }) => url === undefined && isVerifierKey(key))
    .map(({ name }) => `The witness ${quote(name)} has no URL: it is not asked.`)
}

function isPrefix(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, search, hash } = new URL(text)
  return /^https?:$/.test(protocol) && search === "" && hash === ""
}

/** Line of the policy, from 1, with this keyword, and this name behind it if one is given. */
function lineOf(text: string, keyword: string, name: string | undefined): number | undefined {
  const found = text.split("\n").findIndex((line) => {
    const [first, second] = line.split(/[ \t]+/).filter((item) => item !== "")
    return first === keyword && (name === undefined || second === name)
  })
  return found < 0 ? undefined : found + 1
}

function names(witnesses: readonly PolicyWitness[]): string {
  return witnesses.map(({ name }) => quote(name)).join(", ")
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}
