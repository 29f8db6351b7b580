/**
 * `prooflog audit`: derives a whole log again from what it serves.
 *
 *     0   in order      1   not verified      2   could not tell: no answer, or a head that has no quorum yet
 */

import { equalBytes } from "@prooflog/tlog/hash"
import type { Policy } from "@prooflog/tlog/policy"
import { tilePath } from "@prooflog/tlog/tile"
import { VerifierError } from "@prooflog/verifier/error"
import { logToJson, reportLog } from "@prooflog/verifier/report"
import { type LogSource, readCheckpoint } from "@prooflog/verifier/source"
import { type VerifiedLog, type VerifyLogOptions, verifyLog } from "@prooflog/verifier/verify-log"
import type { Command } from "commander"
import { HEAD_FLAG, HeadFile, openAndFollow } from "../head-file.js"
import { sourceAt } from "../log-source.js"
import { POLICY_MEANING, readPolicy } from "../policy.js"
import { startProgress } from "../progress.js"
import { count, counted, duration, type Terminal } from "../terminal.js"
import type { Surroundings } from "../verb.js"
import { type Report, sayVerdict } from "../verdict.js"

interface AuditFlags {
  readonly policy: string
  readonly head?: string
  readonly crossCheck?: true
  readonly json?: true
}

export function addAudit(program: Command, surroundings: Surroundings): void {
  program
    .command("audit")
    .description("re-derive a whole log from its URL: every entry, every tile, every rule")
    .argument("<url>", "the log's URL, or a folder that mirrors it, such as a backup")
    .requiredOption("--policy <file>", POLICY_MEANING)
    .option(...HEAD_FLAG)
    .option("--cross-check", "have every tile's root computed a second time, by merkletreejs")
    .option("--json", "print as JSON")
    .action(async (url: string, flags: AuditFlags) => {
      const policy = await readPolicy(flags.policy)
      const { terminal } = surroundings
      const source = sourceAt(url)
      const head =
        flags.head === undefined ? undefined : await HeadFile.open(flags.head, policy, source, terminal)
      const verify = () => audit(source, policy, head, flags.crossCheck === true, terminal)
      const within = (verdict: object) => ({ ...verdict, ...head?.facts() })
      surroundings.verdict = await sayVerdict(verify, flags.json === true, terminal, within)
      if (flags.json !== true) for (const line of head?.lines() ?? []) terminal.print(line)
    })
}

async function audit(
  source: LogSource,
  policy: Policy,
  head: HeadFile | undefined,
  crossChecks: boolean,
  terminal: Terminal,
): Promise<Report> {
  const progress = startProgress(terminal, "audit", "entries")
  const second = { tiles: 0 }
  const started = performance.now()
  try {
    // First of all: a log that was rewritten may be audited without a fault.
    const checkpoint = await readCheckpoint(source)
    await openAndFollow(checkpoint, policy, head)
    const verified = await verifyLog(source, policy, {
      checkpoint,
      onProgress: ({ leaves, treeSize }) => progress.update(treeSize === 0 ? 1 : leaves / treeSize, leaves),
      ...(crossChecks && { onTile: await crossCheck(second) }),
    })
    return report(verified, performance.now() - started, crossChecks ? second.tiles : undefined)
  } finally {
    progress.stop()
  }
}

function report(verified: VerifiedLog, ms: number, tiles: number | undefined): Report {
  const rate = count((verified.treeSize / ms) * 1000)
  const rows = [`  time taken         ${duration(ms)} (${rate} entries/s)`]
  if (tiles !== undefined)
    rows.unshift(`  second opinion     merkletreejs finds the same root for ${counted(tiles, "tile")}`)
  const json = {
    ...logToJson(verified),
    ...(tiles !== undefined && { cross_checked_tiles: tiles }),
    ms: Math.round(ms),
  }
  return { text: [reportLog(verified).trimEnd(), ...rows].join("\n"), json }
}

/** Two implementations that disagree over a signed tile: one of them is wrong, and the audit must not pass. */
async function crossCheck(seen: { tiles: number }): Promise<NonNullable<VerifyLogOptions["onTile"]>> {
  const { secondRoot } = await import("../cross-check.js")
  return (tile, hashes, rootHash) => {
    seen.tiles += 1
    if (equalBytes(secondRoot(hashes), rootHash)) return
    const path = tilePath(tile)
    throw new VerifierError("VERIFIER_TILE_REFUSED", `merkletreejs finds another root for ${path}`, { path })
  }
}
