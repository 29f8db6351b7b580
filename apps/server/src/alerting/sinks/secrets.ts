/**
 * Secrets of sinks, read where the settings say that they are, each time they are needed: one that is changed is used from
 * then on.
 *
 * What is said of a secret that cannot be used names its place, and nothing of it.
 *
 * Effects: reads files and the environment.
 */

import { open } from "node:fs/promises"
import { resolve } from "node:path"
import type { SecretPlace } from "@prooflog/alerts/sink-settings"

/** Bytes of the longest. */
const MAX_BYTES = 4_096

/** A secret is missing, or cannot be what it must be. */
export class SecretError extends Error {
  override readonly name = "SecretError"
}

/**
 * Reads a secret: one line of visible ASCII, without what stands around it.
 *
 * @param base - folder that paths are relative to
 * @throws {@link SecretError}
 */
export async function readSecret(place: SecretPlace, base: string): Promise<string> {
  const where = "env" in place ? `the environment variable ${place.env}` : `the file ${place.file}`
  const text = "env" in place ? process.env[place.env] : await textOf(resolve(base, place.file), where)
  const secret = text?.trim() ?? ""
  if (secret === "") throw new SecretError(`${where} is not set, or empty`)
  if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(secret)) {
    throw new SecretError(`${where} has more than one line of ASCII`)
  }
  return secret
}

async function textOf(path: string, where: string): Promise<string> {
  try {
    const file = await open(path, "r")
    try {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(MAX_BYTES + 1) })
      if (bytesRead > MAX_BYTES) throw new SecretError(`${where} has more than ${MAX_BYTES} bytes`)
      return buffer.toString("utf8", 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof SecretError) throw cause
    throw new SecretError(`${where} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? "unknown"}`)
  }
}
