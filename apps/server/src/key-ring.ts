/**
 * The keys a running server knows: from the text of an `Authorization` header to its caller.
 *
 * A key is looked up by its public id; only then are the two hashes compared, in constant time. The file is
 * read again when it changes on disk, so that `prooflog key revoke` needs no restart. While it is damaged, empty or
 * gone, as it is for a moment when something else than `prooflog` replaces it, the keys known before stay valid.
 */

import { timingSafeEqual } from "node:crypto"
import { stat } from "node:fs/promises"
import { HASH_SIZE, sha256Into } from "@prooflog/tlog/hash"
import { ServerError } from "./error.js"
import { type Role, readKeyFile, type StoredApiKey } from "./keys.js"

/** Who asks: what every later step knows of an API key. */
export interface Caller {
  readonly keyId: string
  readonly roles: readonly Role[]
  readonly source: string
}

export interface KeyRing {
  /**
   * Returns the holder of the key in an `Authorization` header, or `undefined` if the header carries no key
   * of ours (none at all, or another scheme).
   *
   * @throws {@link ServerError} `SERVER_UNKNOWN_KEY`, `SERVER_REVOKED_KEY` or `SERVER_EXPIRED_KEY`
   */
  identify(authorization: string | undefined, nowMs: number): Caller | undefined
  /**
   * Reads the file now; otherwise that happens within `everyMs` of a change.
   *
   * @throws {@link ServerError} `SERVER_MALFORMED_KEY_FILE`; the keys known before stay valid
   */
  reload(): Promise<void>
  close(): void
}

export interface KeyRingOptions {
  /** How often the file is looked at, in ms. */
  readonly everyMs: number
  /** Told when the file cannot be read; the keys known before stay valid. */
  readonly onError: (error: unknown) => void
}

interface Held {
  readonly hash: Uint8Array
  readonly caller: Caller
  readonly revoked: boolean
  readonly expiresMs: number
}

const SCHEME = /^bearer /i
const KEY = /^pl_([0-9a-f]{8})_[0-9a-f]{64}$/
const KEY_LENGTH = "pl_".length + 8 + "_".length + 64

export async function openKeyRing(path: string, { everyMs, onError }: KeyRingOptions): Promise<KeyRing> {
  // Looked at before it is read: a change in between is read again.
  let seen = await versionOf(path)
  const first = await readKeyFile(path)
  let held = hold(first ?? [])
  let wasThere = first !== undefined
  const keyBytes = Buffer.alloc(KEY_LENGTH)
  const keyHash = new Uint8Array(HASH_SIZE)

  /** @param text - as long as every key: {@link KEY} matched it */
  function hashOf(text: string): Uint8Array {
    keyBytes.write(text, "latin1")
    sha256Into(keyBytes, keyHash, 0)
    return keyHash
  }

  async function reload(): Promise<void> {
    const version = await versionOf(path)
    const keys = await readKeyFile(path)
    if (keys === undefined && wasThere) {
      throw new ServerError("SERVER_MALFORMED_KEY_FILE", "the key file is gone")
    }
    held = hold(keys ?? [])
    wasThere = keys !== undefined
    seen = version
  }

  async function reloadIfChanged(): Promise<void> {
    try {
      if ((await versionOf(path)) !== seen) await reload()
    } catch (error) {
      onError(error)
    }
  }

  const timer = setInterval(reloadIfChanged, everyMs).unref()

  return {
    identify(authorization, nowMs) {
      if (authorization === undefined || !SCHEME.test(authorization)) return undefined
      const text = authorization.slice("Bearer ".length)
      const [, id = ""] = KEY.exec(text) ?? []
      const key = held.get(id)
      if (key === undefined || !timingSafeEqual(hashOf(text), key.hash)) {
        throw new ServerError("SERVER_UNKNOWN_KEY", "no such API key")
      }
      if (key.revoked) throw new ServerError("SERVER_REVOKED_KEY", `API key ${id} was revoked`)
      if (nowMs >= key.expiresMs) throw new ServerError("SERVER_EXPIRED_KEY", `API key ${id} has expired`)
      return key.caller
    },
    reload,
    close: () => clearInterval(timer),
  }
}

function hold(keys: readonly StoredApiKey[]): ReadonlyMap<string, Held> {
  return new Map(
    keys.map(({ id, sha256, roles, source, revoked, expires }) => [
      id,
      {
        hash: Buffer.from(sha256, "hex"),
        caller: { keyId: id, roles, source },
        revoked: revoked !== undefined,
        expiresMs: expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires),
      },
    ]),
  )
}

/** A rewritten file is a new inode with a new time; either tells. */
async function versionOf(path: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(path)
    return `${ino} ${mtimeMs} ${size}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "none"
    throw error
  }
}
