/**
 * `prooflog-verify`: checks an evidence file, a receipt or a certificate of erasure, offline, with nothing but a policy.
 *
 *     prooflog-verify FILE --policy FILE [--require user_id,ip_address] [--json]
 *
 *     exit 0   verified
 *          1   not verified, and that was found on purpose
 *          2   could not tell: too few witnesses, what was asked for is withheld, a file is missing, the command is
 *              wrong, a bug
 *
 * The verdict goes to stdout, everything else to stderr. For auditors who run none of the operator's software
 * but this: it imports `tlog`, `event` and this package, and is small enough to be read.
 *
 * Effects: reads two files, writes to stdout and stderr. Node only.
 */

import { open } from "node:fs/promises"
import { parseArgs } from "node:util"
import { type Policy, parsePolicy } from "@prooflog/tlog/policy"
import { isCertificate, verifyCertificate } from "./certificate.js"
import { VerifierError, verdictOf, wordsOf } from "./error.js"
import { EVIDENCE_FORMAT } from "./evidence.js"
import {
  escapeText,
  evidenceToJson,
  formatJson,
  receiptToJson,
  reportEvidence,
  reportReceipt,
} from "./report.js"
import { certificateToJson, reportCertificate } from "./retention-report.js"
import { verifyEvidence } from "./verify-evidence.js"
import { verifyReceipt } from "./verify-receipt.js"

/** Exit codes: 1 is only ever returned for a refusal, so that a crash never reads as an accusation. */
export const EXIT = { verified: 0, refused: 1, couldNotTell: 2 } as const

export interface Output {
  out(text: string): void
  err(text: string): void
}

const USAGE = `usage: prooflog-verify FILE --policy FILE [--require NAME,…] [--json]

  FILE        an evidence file (prooflog-evidence/1), a receipt (.tlog-proof) or a certificate of erasure
              (prooflog-certificate/1)
  --policy    the log's and its witnesses' keys, from someone you trust (c2sp.org/tlog-policy)
  --require   names every event must show; if one is withheld, nothing can be told
  --json      the verdict as JSON

exit status: 0 verified, 1 not verified, 2 could not tell
`

/** Bytes of the largest file that is read: some hundred thousand events. */
const MAX_FILE_BYTES = 256 * 1024 * 1024

const MAX_POLICY_BYTES = 1024 * 1024

/** Runs the command and returns its exit code; throws nothing that means "not verified". */
export async function main(args: readonly string[], { out, err }: Output): Promise<number> {
  let json = false
  try {
    const options = optionsOf(args)
    if (options === "help") {
      out(USAGE)
      return EXIT.couldNotTell
    }
    json = options.json
    const policy = await readPolicy(options.policy)
    const file = await readFileUpTo(options.file, MAX_FILE_BYTES)
    out(verdictFor(file, policy, options))
    return EXIT.verified
  } catch (error) {
    const refused = verdictOf(error) === "refused"
    const verdict = refused ? "not verified" : "could not tell"
    if (json) out(formatJson(refusalToJson(verdict, error)))
    err(`${verdict}: ${escapeText(wordsOf(error))}\n`)
    if (error instanceof UsageError) err(`\n${USAGE}`)
    return refused ? EXIT.refused : EXIT.couldNotTell
  }
}

interface Options {
  readonly file: string
  readonly policy: string
  readonly require: readonly string[]
  readonly json: boolean
}

class UsageError extends Error {}

function optionsOf(args: readonly string[]): Options | "help" {
  const { values, positionals } = parsed(args)
  if (values.help === true) return "help"
  const [file, ...others] = positionals
  if (file === undefined || others.length > 0) throw new UsageError("expected one file")
  const [policy, ...otherPolicies] = values.policy ?? []
  if (policy === undefined) throw new UsageError("--policy is missing")
  if (otherPolicies.length > 0) throw new UsageError("expected one policy")
  const names = (values.require ?? []).flatMap((list) => list.split(","))
  if (names.some((name) => !/^[a-z][a-z0-9_]{0,63}$/.test(name))) {
    throw new UsageError("--require takes names, separated by commas")
  }
  return { file, policy, require: names, json: values.json === true }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        policy: { type: "string", multiple: true },
        require: { type: "string", multiple: true },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    })
  } catch (cause) {
    throw new UsageError(wordsOf(cause), { cause })
  }
}

async function readPolicy(path: string): Promise<Policy> {
  const bytes = await readFileUpTo(path, MAX_POLICY_BYTES)
  try {
    return parsePolicy(bytes)
  } catch (cause) {
    throw new Error(`${path}: ${wordsOf(cause)}`, { cause })
  }
}

/** Reads a file, or a pipe, whose size nobody knows before its end. */
async function readFileUpTo(path: string, limit: number): Promise<Uint8Array> {
  const handle = await open(path, "r")
  try {
    const chunks: Uint8Array[] = []
    // One byte past the limit tells a file that is too large.
    for await (const chunk of handle.createReadStream({ end: limit, highWaterMark: 1 << 20 }))
      chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    if (bytes.length > limit) throw new Error(`${path} is larger than ${limit} bytes`)
    return bytes
  } finally {
    await handle.close()
  }
}

/** A receipt says what it is in its first line; evidence is a JSON object. Anything else is neither, and no verdict. */
function verdictFor(file: Uint8Array, policy: Policy, options: Options): string {
  const start = Buffer.from(file.subarray(0, 1024)).toString("latin1")
  if (start.startsWith(RECEIPT_FORMAT)) {
    const verified = verifyReceipt(file, policy)
    if (options.require.length > 0) {
      throw new VerifierError("VERIFIER_NOT_DISCLOSED", "a receipt shows no fields at all")
    }
    return options.json ? formatJson(receiptToJson(verified)) : reportReceipt(verified)
  }
  if (isCertificate(file)) {
    const verified = verifyCertificate(file, policy)
    if (options.require.length > 0) {
      throw new VerifierError("VERIFIER_NOT_DISCLOSED", "a certificate shows no fields at all")
    }
    return options.json ? formatJson(certificateToJson(verified)) : reportCertificate(verified)
  }
  if (/^[ \t\r\n]*\{/.test(start) && isOfFormat(file)) {
    const verified = verifyEvidence(file, policy, { require: options.require })
    return options.json ? formatJson(evidenceToJson(verified)) : reportEvidence(verified)
  }
  throw new Error(
    `${options.file} is neither a receipt nor evidence of format ${EVIDENCE_FORMAT}, nor a certificate`,
  )
}

const RECEIPT_FORMAT = "c2sp.org/tlog-proof@v1"

/** Whether the name of the format stands anywhere in the file: the member that says it may be the last. */
function isOfFormat(file: Uint8Array): boolean {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length)
  // Some writers of JSON put a backslash before each slash.
  return [EVIDENCE_FORMAT, EVIDENCE_FORMAT.replace("/", "\\/")].some((name) => bytes.includes(`"${name}"`))
}

function refusalToJson(verdict: string, error: unknown): Record<string, unknown> {
  const { code, leafIndex } =
    error instanceof VerifierError ? error : { code: undefined, leafIndex: undefined }
  return { verdict, code, leaf_index: leafIndex, message: wordsOf(error) }
}
