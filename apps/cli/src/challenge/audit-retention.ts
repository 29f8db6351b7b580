/**
 * `prooflog audit --retention`: does the log still have what it promised to keep?
 *
 *     whole log audited ─► what was promised to each leaf ─► head, as new as it can be ─► nonce ─► challenge ─► judged
 *
 * The head is taken once more after the audit, which may have been long: a record that was erased meanwhile has its notice
 * there, and a notice behind the head excuses nothing.
 *
 * Effects: the network, the file of the audit.
 */

import { formatChallenge } from "@prooflog/verifier/challenge"
import { VerifierError } from "@prooflog/verifier/error"
import type { JudgedChallenge } from "@prooflog/verifier/judge-challenge"
import { row } from "@prooflog/verifier/report"
import { remembering } from "@prooflog/verifier/source"
import { type Auditing, auditLog } from "../audit-log.js"
import { writeNamedFile } from "../file.js"
import type { LogAddress } from "../log-server.js"
import { count, duration } from "../terminal.js"
import type { Report } from "../verdict.js"
import { askChallenge, drawChallenge } from "./ask-challenge.js"
import { type AuditFile, formatAudit, type Shown } from "./audit-file.js"
import { challengeJson, type SampleVerdict, sayChallenge } from "./challenge-verdict.js"
import { judgeAudit, readShown } from "./judge-audit.js"

/** Records are in the file. */
const OWNER_ONLY = 0o600

/** Tiles near the root are asked for again and again. */
const REMEMBERED_BYTES = 16 * 1024 * 1024

export interface Sampling {
  /** How many leaves to draw; all of them if there are no more. */
  readonly sample: number
  /** Drawn by somebody else; fresh unless given. */
  readonly nonce: Uint8Array | undefined
  /** Names that may be withheld from whose key it is. */
  readonly mayWithhold: readonly string[]
  /** What is due then is judged, ms since 1970; when the answers came unless given. */
  readonly atMs: number | undefined
  /** Where the file of the audit is written. */
  readonly out: string | undefined
}

/**
 * @param address - of the log, and the key of an auditor
 * @throws VerifierError what is wrong with the log, or with the form of its answers; CliError `CLI_NOT_VERIFIED`,
 * `CLI_CANNOT_TELL` as `sayChallenge`, and what asking the log throws
 */
export async function auditRetention(
  auditing: Auditing,
  address: LogAddress,
  { sample, nonce, mayWithhold, atMs, out }: Sampling,
): Promise<Report> {
  const scheduleLeaves: number[] = []
  const onSchedule = (leafIndex: number) => void scheduleLeaves.push(leafIndex)
  const whole = await auditLog(auditing, { onSchedule })
  const { verified, ms } = await auditLog(auditing, { from: whole.verified.end, onSchedule })
  const { source, policy, terminal } = auditing
  const { checkpoint, treeSize } = verified
  const read = remembering(source, REMEMBERED_BYTES)
  const schedules: Shown[] = []
  for (const leafIndex of scheduleLeaves) schedules.push(await readShown(read, leafIndex, checkpoint))
  const { challenge, answers, cameMs } = await askChallenge(
    address,
    drawChallenge(checkpoint, sample, nonce),
    terminal,
  )
  const file = {
    atMs: atMs ?? cameMs,
    mayWithhold,
    schedules,
    challenge: formatChallenge(challenge),
    answers,
  }
  const auditMs = whole.ms + ms
  const verdict = (judged: JudgedChallenge): SampleVerdict => ({
    judged,
    atMs: file.atMs,
    scheduleLeaves,
    rows: [
      row("audited", `all ${count(treeSize)} entries under this head, in ${duration(auditMs)}`),
      ...(out === undefined ? [] : [row("written to", `${out}: prooflog verify judges it again`)]),
    ],
    more: { ms: Math.round(auditMs), ...(out !== undefined && { file: out }) },
  })
  const judged = await judgeAndKeep(file, () => judgeAudit(file, policy), out, verdict)
  return sayChallenge(verdict(judged))
}

/** The file is written whatever it proves: answers that cannot be judged are kept as they came. */
async function judgeAndKeep(
  file: AuditFile,
  judge: () => JudgedChallenge,
  out: string | undefined,
  verdict: (judged: JudgedChallenge) => SampleVerdict,
): Promise<JudgedChallenge> {
  const keep = async (report: Readonly<Record<string, unknown>>) => {
    if (out === undefined) return
    await writeNamedFile(out, "the file", formatAudit(file, report), { mode: OWNER_ONLY })
  }
  let judged: JudgedChallenge
  try {
    judged = judge()
  } catch (error) {
    if (error instanceof VerifierError) await keep({ code: error.code, message: error.message })
    throw error
  }
  await keep(challengeJson(verdict(judged)))
  return judged
}
