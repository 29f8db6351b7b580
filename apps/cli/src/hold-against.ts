/**
 * Holds a verified file against the log as it is now.
 *
 *     file      ├── tree of m leaves ──┤            signed, and in it the events or the entry
 *     log now   ├── tree of n leaves ───────────┤   the first m leaves are the same: it still contains them
 *                                                   they are not: the log has broken its word, and that is written down
 *
 * Only what convicts says so. A silent server, a wrong tile, an older head, a head of too few witnesses: could not tell.
 *
 * Effects: reads through the source given; writes the accusation.
 */

import { encodeBase64 } from "@prooflog/tlog/base64"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import {
  type Accusation,
  formatAccusation,
  openLogHead,
  verifyAccusation,
} from "@prooflog/verifier/accusation"
import { accusePromise, type LogPromise } from "@prooflog/verifier/accuse"
import { lacksQuorum, openHead } from "@prooflog/verifier/advance"
import { VerifierError } from "@prooflog/verifier/error"
import { escapeText, formatJson } from "@prooflog/verifier/report"
import { type LogSource, readCheckpoint } from "@prooflog/verifier/source"
import { CliError, wordsOf } from "./error.js"
import { writeNamedFile } from "./file.js"
import { counted, type Terminal } from "./terminal.js"
import type { Report } from "./verdict.js"

/** A file that can be verified, and what the log has promised in it. */
export interface Claim {
  /** @throws {@link VerifierError} what is wrong with the file */
  verify(): Report
  /** Suspect. To be asked for once the form of the file was found to be right. */
  promise(): LogPromise
}

/**
 * Verifies a file, and says whether the log still contains what is in it.
 *
 * A head that lacks nothing but its quorum, in the file or shown by the log, proves nothing, and convicts all the same.
 *
 * @param accusationPath - where an accusation of this kind is written; a file that is there is replaced
 * @throws {@link VerifierError} what is wrong with the file; {@link CliError} `CLI_NOT_VERIFIED` once it is written what
 * convicts the log, `CLI_CANNOT_TELL` for whatever does not convict it
 */
export async function holdAgainst(
  source: LogSource,
  claim: Claim,
  policy: Policy,
  accusationPath: (kind: string) => string,
  { say }: Pick<Terminal, "say">,
): Promise<Report> {
  const report = orLack(() => claim.verify())
  const promise = claim.promise()
  const known = openLogHead(promise.checkpoint, policy)
  const shown = await orCannotTell(async () => openLogHead(await readCheckpoint(source), policy))
  const [before, now] = [known, shown].map(leavesOf)
  const age = Math.sign(shown.checkpoint.treeSize - known.checkpoint.treeSize)
  const isOlder = age < 0 && shown.checkpoint.origin === known.checkpoint.origin
  const older = isOlder ? `it shows an older head, of ${now}; that in the file has ${before}` : undefined
  const accusation = await orCannotTell(() => accusePromise(promise, shown, source, policy), older)
  if (accusation !== undefined) {
    const path = accusationPath(accusation.kind)
    throw notVerified(accusation, policy, path, await written(accusation, path, say))
  }
  if (report instanceof VerifierError) throw report
  if (older !== undefined) throw cannotTell(older)
  await orCannotTell(async () => openHead(shown.note, policy))
  const how =
    age === 0
      ? `is still the one in the file, of ${now}`
      : `of ${now} extends the one in the file, of ${before}`
  const { treeSize, rootHash } = shown.checkpoint
  return {
    text: `${report.text.trimEnd()}\n\nThe log still contains it: its head ${how}.`,
    json: { ...report.json, still_contained: { tree_size: treeSize, root_hash: encodeBase64(rootHash) } },
  }
}

/** @returns the lack of a quorum, if it is nothing else that is wrong */
function orLack(verify: () => Report): Report | VerifierError {
  try {
    return verify()
  } catch (error) {
    if (error instanceof VerifierError && lacksQuorum(error)) return error
    throw error
  }
}

/**
 * What the verifier refuses here, nobody has signed, or nobody has to believe: no accusation comes of it.
 *
 * @param why - the reason, if it is known better than the verifier says it
 */
async function orCannotTell<T>(find: () => Promise<T>, why?: string): Promise<T> {
  try {
    return await find()
  } catch (error) {
    throw error instanceof VerifierError ? cannotTell(why ?? wordsOf(error), error) : error
  }
}

function cannotTell(why: string, cause?: VerifierError): CliError {
  const message = `could not tell whether the log still contains it: ${why}`
  return new CliError("CLI_CANNOT_TELL", message, { cause })
}

/** @returns whether the file is there; if not, the accusation is printed: the log may never show again what it showed now */
async function written(accusation: Accusation, path: string, say: Terminal["say"]): Promise<boolean> {
  const text = formatAccusation({ ...accusation, found: { at: new Date().toISOString(), by: "prooflog" } })
  try {
    await writeNamedFile(path, "the accusation", text)
    return true
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    say(escapeText(`${wordsOf(error)}; this is what was to be in it:`))
    say(formatJson(JSON.parse(text)).trimEnd())
    return false
  }
}

function notVerified(accusation: Accusation, policy: Policy, path: string, isWritten: boolean): CliError {
  const { proven } = verifyAccusation(accusation, policy)
  return new CliError("CLI_NOT_VERIFIED", proven, {
    details: isWritten ? [`proof of it        ${path} (prooflog verify-evidence checks it)`] : [],
    facts: { kind: accusation.kind, ...(isWritten && { accusation: path }) },
  })
}

function leavesOf({ checkpoint }: OpenedCheckpoint): string {
  return counted(checkpoint.treeSize, "leaf", "leaves")
}
