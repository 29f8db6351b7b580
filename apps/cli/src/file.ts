/**
 * Files that a person names, and what is said when they are not as hoped.
 */

import { readFile, stat } from "node:fs/promises"
import { CliError } from "./error.js"

/**
 * Reads a file whole.
 *
 * @param what - what it should be, for the message: "the policy"
 * @param maxBytes - a larger one is refused before it is read
 * @throws {@link CliError} `CLI_FILE`
 */
export async function readNamedFile(path: string, what: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size > maxBytes)
      throw new CliError("CLI_FILE", `${what} ${path} has ${size} bytes; at most ${maxBytes} are read`)
    return await readFile(path)
  } catch (error) {
    throw fileError(error, what, path)
  }
}

/** Turns what the operating system says about a path into a sentence. */
export function fileError(error: unknown, what: string, path: string): CliError {
  if (error instanceof CliError) return error
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  const why =
    (code !== undefined && SAID.get(code)) || (error instanceof Error ? error.message : String(error))
  return new CliError("CLI_FILE", `cannot use ${what} ${path}: ${why}`, { cause: error })
}

const SAID = new Map([
  ["ENOENT", "there is no such file"],
  ["EISDIR", "it is a directory"],
  ["ENOTDIR", "a part of the path is not a directory"],
  ["EACCES", "permission denied"],
  ["EEXIST", "it exists already"],
  ["ENOSPC", "the disk is full"],
])
