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
import { escapeText } from "@prooflog/verifier/report"
import { type Command, Option } from "commander"
import { CliError } from "../error.js"
import { LogServer, logAddress } from "../log-server.js"
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
      .addOption(new Option("--dir <dir>", "the folder of the log, instead of its server").conflicts("url"))
      .option("--json", "print as JSON")

  add("create", "make a key; it is shown once")
    .requiredOption("--role <roles>", `one or several of ${ROLES.join(",")}`)
    .option("--source <name>", "the source of events written with it (default: api)")
    .option("--expires <time>", "RFC 3339, such as 2027-01-01T00:00:00Z")
    .action(async ({ role, source, expires, ...where }: CreateFlags) => {
      // An empty one is refused like any other: `--expires "$UNTIL"` must not make a key for ever.
      const request = {
        roles: names("--role", role),
        ...(source !== undefined && { source }),
        ...(expires !== undefined && { expires }),
      }
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
  const row = `${id}  ${roles.join(",").padEnd(14)}  source ${source.padEnd(12)}  created ${created}  ${state}`
  return escapeText(row)
}

async function openKeys({ dir, url }: WhereFlags, { environment }: Surroundings): Promise<KeyStore> {
  if (dir !== undefined) return keysInFolder((await openFolder(dir)).apiKeysPath)
  return keysOnServer(new LogServer(logAddress(environment, url, "admin")))
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
      const made = await server.json("v1/keys", { method: "POST", body, type: "application/json" })
      if (typeof made.key !== "string") throw unexpected(server)
      return { ...apiKeyIn(made, server), key: made.key }
    },
    async list() {
      const { keys } = await server.json("v1/keys")
      if (!Array.isArray(keys)) throw unexpected(server)
      return keys.map((each) => apiKeyIn(each, server))
    },
    async revoke(id) {
      return apiKeyIn(await server.json(`v1/keys/${encodeURIComponent(id)}`, { method: "DELETE" }), server)
    },
  }
}

function apiKeyIn(value: unknown, server: LogServer): ApiKey {
  const key = (value ?? {}) as Partial<ApiKey>
  const isWhole = typeof key.id === "string" && typeof key.source === "string" && Array.isArray(key.roles)
  if (!isWhole) throw unexpected(server)
  return key as ApiKey
}

function unexpected({ url }: LogServer): CliError {
  return new CliError("CLI_UNEXPECTED_ANSWER", `${url}v1/keys did not answer as a log does`)
}
