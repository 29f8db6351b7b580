/**
 * The policy that a person trusts: the only thing a verdict rests on.
 */

import { type Policy, parsePolicy } from "@prooflog/tlog/policy"
import { CliError, wordsOf } from "./error.js"
import { readNamedFile } from "./file.js"

/** What the flag `--policy` wants, for whoever has never seen one. */
export const POLICY_MEANING =
  "the log's policy file, which says whose signatures you trust; get it from somewhere other than what you check"

/**
 * Reads a policy file.
 *
 * @throws {@link CliError} `CLI_FILE` if it cannot be read or is no policy: nobody can tell anything by it
 */
export async function readPolicy(path: string): Promise<Policy> {
  const bytes = await readNamedFile(path, "the policy", 1024 * 1024)
  try {
    return parsePolicy(bytes)
  } catch (cause) {
    throw new CliError("CLI_FILE", `${path} is not a policy: ${wordsOf(cause)}`, { cause })
  }
}
