/**
 * `prooflog key`: API keys of a log, made, listed and revoked.
 *
 * Of a running log through its server; with `--dir`, in the key file of a log on this machine.
 */

import { openFolder } from "@prooflog/server/folder"
import {
  type ApiKey,
  type ApiKeyRequest,
  createApiKey,
  listApiKeys,
  ROLES,
  revokeApiKey,
} from "@prooflog/server/keys"
import type { Command } from "commander"
import { CliError } from "../error.js"
import { DEFAULT_URL, LogServer } from "../log-server.js"
import { names, type Surroundings } from "../verb.js"

interface WhereFlags {
  readonly url?: string
  readonly dir?: string
  readonly json?: true
}

interface CreateFlags extends WhereFlags {
  readonly role: string
  readonly source?: string
  readonly expires?: string
}

/** Keys, wherever they are kept. */
interface KeyStore {
  create(request: ApiKeyRequest): Promise<ApiKey & { readonly key: string }>
  list(): Promise<readonly ApiKey[]>
  revoke(id: string): Promise<ApiKey>
}

export function addKey(program: Command, surroundings: Surroundings): void {
  const key = program.command("key").description("make, list and revoke API keys")
  const add = (name: string, description: string) =>
    key
      .command(name)
      .description(description)
      .option("--url <url>", "the log's URL (default: PROOFLOG_URL); PROOFLOG_KEY must be an admin's key")
      .option("--dir <dir>", "the folder of the log, instead of its server")
      .option("--json", "print as JSON")

  add("create", "make a key; it is shown once")
    .requiredOption("--role <roles>", `one or several of ${ROLES.join(",")}`)
    .option("--source <name>", "the source of events written with it (default: api)")
    .option("--expires <time>", "RFC 3339, such as 2027-01-01T00:00:00Z")
    .action(async ({ role, source, expires, ...where }: CreateFlags) => {
      const request = { roles: names(role), ...(source && { source }), ...(expires && { expires }) }
      const created = await (await openKeys(where, surroundings)).create(request)
      surroundings.terminal.print(where.json ? JSON.stringify(created) : created.key)
      if (!where.json) surroundings.terminal.say(`made ${describe(created)}; the key is not shown again`)
      surroundings.verdict = 0
    })

  add("list", "list every key, the revoked ones too").action(async (where: WhereFlags) => {
    const keys = await (await openKeys(where, surroundings)).list()
    const { print } = surroundings.terminal
    if (where.json) print(JSON.stringify({ keys }))
    else for (const each of keys) print(describe(each))
    surroundings.verdict = 0
  })

  add("revoke", "revoke a key for ever")
    .argument("<id>", "its 8 hex digits")
    .action(async (id: string, where: WhereFlags) => {
      const revoked = await (await openKeys(where, surroundings)).revoke(id)
      surroundings.terminal.print(where.json ? JSON.stringify(revoked) : describe(revoked))
      surroundings.verdict = 0
    })
}

function describe({ id, roles, source, created, expires, revoked }: ApiKey): string {
  const state =
    revoked !== undefined ? `revoked ${revoked}` : expires !== undefined ? `expires ${expires}` : "valid"
  return `${id}  ${roles.join(",").padEnd(14)}  source ${source.padEnd(12)}  created ${created}  ${state}`
}

async function openKeys({ dir, url }: WhereFlags, { environment }: Surroundings): Promise<KeyStore> {
  if (dir !== undefined) return keysInFolder((await openFolder(dir)).apiKeysPath)
  const key = environment.PROOFLOG_KEY
  if (key === undefined) throw new CliError("CLI_USAGE", "set PROOFLOG_KEY to an admin's key, or give --dir")
  return keysOnServer(new LogServer({ url: url ?? environment.PROOFLOG_URL ?? DEFAULT_URL, key }))
}

function keysInFolder(path: string): KeyStore {
  return {
    async create(request) {
      const { key, apiKey } = await createApiKey(path, request, Date.now())
      return { key, ...apiKey }
    },
    list: () => listApiKeys(path),
    async revoke(id) {
      const revoked = await revokeApiKey(path, id, Date.now())
      if (revoked === undefined) throw new CliError("CLI_USAGE", `there is no key ${id}`)
      return revoked
    },
  }
}

function keysOnServer(server: LogServer): KeyStore {
  return {
    async create(request) {
      const body = JSON.stringify(request)
      return (await server.json("v1/keys", { method: "POST", body, type: "application/json" })) as ApiKey & {
        key: string
      }
    },
    async list() {
      const { keys } = (await server.json("v1/keys")) as { keys: readonly ApiKey[] }
      return keys
    },
    async revoke(id) {
      return (await server.json(`v1/keys/${encodeURIComponent(id)}`, { method: "DELETE" })) as ApiKey
    },
  }
}
