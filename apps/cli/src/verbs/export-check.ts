/**
 * `prooflog export-check`: checks an exported file, offline, by a policy of your own.
 */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { pipeline } from "node:stream/promises"
import type { Policy } from "@prooflog/tlog/policy"
import { formatInstant } from "@prooflog/verifier/instant"
import { escapeText } from "@prooflog/verifier/report"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import type { Command } from "commander"
import { CliError } from "../error.js"
import { exportEvent, type Manifest, readManifest } from "../export-manifest.js"
import { fileError, readNamedFile } from "../file.js"
import { POLICY_MEANING, readPolicy } from "../policy.js"
import { count, counted } from "../terminal.js"
import type { Surroundings } from "../verb.js"
import { type Report, sayVerdict } from "../verdict.js"

interface ExportCheckFlags {
  readonly policy: string
  readonly manifest?: string
  readonly evidence?: string
  readonly json?: true
}

const MAX_BYTES = 4 * 1024 * 1024

export function addExportCheck(program: Command, surroundings: Surroundings): void {
  program
    .command("export-check")
    .description("check that a file is the one that the log says was exported, offline")
    .argument("<file>", "the exported file")
    .requiredOption("--policy <file>", POLICY_MEANING)
    .option("--manifest <file>", "its manifest (default: FILE.manifest.json)")
    .option("--evidence <file>", "the evidence of its event (default: FILE.evidence.json)")
    .option("--json", "print as JSON")
    .addHelpText(
      "after",
      `
Examples:
  prooflog export-check u12345.csv --policy policy

Exit codes: 0 it is that file, 1 it is NOT, or what lies beside it was changed, 2 could not tell.`,
    )
    .action(async (path: string, flags: ExportCheckFlags) => {
      const policy = await readPolicy(flags.policy)
      const manifestPath = flags.manifest ?? `${path}.manifest.json`
      const evidencePath = flags.evidence ?? `${path}.evidence.json`
      const manifest = await readNamedFile(manifestPath, "the manifest", MAX_BYTES)
      const evidence = await readNamedFile(evidencePath, "the evidence", MAX_BYTES)
      const described = readManifest(Buffer.from(manifest).toString("utf8"), manifestPath)
      const file = await hashFile(path)
      const verify = () => check(file, manifest, described, evidence, policy)
      surroundings.verdict = await sayVerdict(verify, flags.json === true, surroundings.terminal)
    })
}

interface Hashed {
  readonly bytes: number
  readonly sha256: string
}

function check(
  file: Hashed,
  manifestBytes: Uint8Array,
  manifest: Manifest,
  evidence: Uint8Array,
  policy: Policy,
): Report {
  const verified = verifyEvidence(evidence, policy)
  const event = exportEvent(verified, manifestBytes)
  if (manifest.origin !== verified.origin)
    throw new CliError("CLI_NOT_VERIFIED", "the manifest is that of another log than its event")
  if (file.sha256 !== manifest.sha256 || file.bytes !== manifest.bytes)
    throw new CliError("CLI_NOT_VERIFIED", "the file is not the one that was exported: its hash is another", {
      facts: { exported: { bytes: manifest.bytes, sha256: manifest.sha256 }, file },
    })
  const { origin, treeSize, cosigned } = verified
  const when =
    cosigned === undefined
      ? "when, is the operator's word"
      : `not later than ${formatInstant(cosigned.timeSeconds * 1000)}`
  const row = (name: string, text: string) => `  ${name.padEnd(12)} ${text}`
  const shown = (text: string) => JSON.stringify(text)
  const hasParameters = Object.keys(manifest.parameters).length > 0
  const lines = [
    `verified: the file is the one that the log ${shown(origin)} says was exported; ${when}`,
    "Not claimed: that the answer was right, or that there is nothing else; query --verify proves rows.",
    "",
    row("question", shown(manifest.question)),
    ...(hasParameters ? [row("parameters", JSON.stringify(manifest.parameters))] : []),
    row("rows", `${count(manifest.rows)}, as ${shown(manifest.fileFormat)}`),
    row("through", counted(manifest.through, "leaf", "leaves")),
    row("event", `leaf ${event.leafIndex}, under the checkpoint of ${counted(treeSize, "leaf", "leaves")}`),
    ...(manifest.withheld.length === 0 ? [] : [row("withheld", shown(manifest.withheld.join(", ")))]),
  ]
  const json = {
    verdict: "verified",
    origin,
    tree_size: treeSize,
    leaf_index: event.leafIndex,
    question: manifest.question,
    parameters: manifest.parameters,
    file_format: manifest.fileFormat,
    rows: manifest.rows,
    bytes: manifest.bytes,
    sha256: manifest.sha256,
    through: manifest.through,
    withheld: manifest.withheld,
    ...(cosigned !== undefined && {
      cosigned: { witness: cosigned.witness, time_seconds: cosigned.timeSeconds },
    }),
  }
  return { text: lines.map(escapeText).join("\n"), json }
}

async function hashFile(path: string): Promise<Hashed> {
  const hash = createHash("sha256")
  let bytes = 0
  try {
    await pipeline(createReadStream(path), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        hash.update(chunk)
        bytes += chunk.length
      }
    })
  } catch (error) {
    throw fileError(error, "the file", path)
  }
  return { bytes, sha256: hash.digest("hex") }
}
