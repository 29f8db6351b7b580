/**
 * Whole events as OCSF, one JSON object a line.
 *
 *     category auth      ─►  3002  Authentication
 *     category network   ─►  4002  HTTP Activity, if it says something of HTTP
 *     all else           ─►  6003  API Activity
 *
 *     leaf_index   ─► metadata.sequence                 what proves it: the leaf's hash is the
 *     leaf hash    ─► attestation_list[0].fingerprint   fingerprint, the log the chain
 *     event_id     ─► metadata.uid
 *     received_at  ─► metadata.logged_time
 *
 * What has no place in OCSF is in `unmapped`, under its own name. A name that is required there and was not
 * said here, or is withheld, is `Unknown`.
 *
 * Spec: OCSF 1.9.0-dev (github.com/ocsf/ocsf-schema, a5cfc68): the three classes, objects/metadata.json,
 * actor.json, network_endpoint.json, http_request.json, attestation.json, fingerprint.json,
 * profiles/record_integrity.json, trace.json.
 * Pure, but for the leaf hashes it is given.
 */

import { normalizeIpAddress } from "@prooflog/event/ip-address"
import { type Encoder, type ExportSource, NO_BYTES, type Row } from "./export-encoder.js"
import {
  API_ACTIVITY,
  AUTHENTICATION,
  apiActivity,
  authActivity,
  HTTP_ACTIVITY,
  httpActivity,
  type Numbered,
  type OcsfClass,
  severityOf,
  statusOf,
  userTypeOf,
} from "./export-ocsf-ids.js"
import { MappedRow, placesOf, some } from "./export-ocsf-row.js"
import type { OutputColumn } from "./store.js"

/** The first version with the profile `record_integrity`. */
const OCSF_VERSION = "1.9.0-dev"

/** How to make again what is hashed: it is not this JSON. */
const LEAF_SERIALIZATION = "RFC 6962 leaf hash of the entry at this leaf index: SHA-256(0x00 || entry)"

/**
 * Returns the encoder of OCSF.
 *
 * @throws {@link QueryError} `QUERY_INVALID` if the rows are not whole events
 */
export function ocsfEncoder(columns: readonly OutputColumn[], source: ExportSource): Encoder {
  const places = placesOf(columns)
  const encoder = new TextEncoder()
  return {
    begin: () => NO_BYTES,
    encode: async (rows) => {
      const indices = rows.map((row) => Number(row[places.get("leaf_index") as number]))
      const hashes = (await source.leafHashes?.(indices)) ?? []
      if (source.leafHashes !== undefined && hashes.length !== rows.length) {
        throw new Error(`bug: ${hashes.length} leaf hashes for ${rows.length} leaves`)
      }
      return encoder.encode(rows.map((row, at) => line(places, row, source, hashes[at])).join(""))
    },
    end: () => NO_BYTES,
  }
}

function line(
  places: ReadonlyMap<string, number>,
  row: Row,
  source: ExportSource,
  hash: Uint8Array | undefined,
): string {
  return `${JSON.stringify(ocsfEvent(new MappedRow(places, row), source, hash))}\n`
}

function ocsfEvent(row: MappedRow, source: ExportSource, hash: Uint8Array | undefined): object {
  const kind = classOf(row)
  const leafIndex = row.peek("leaf_index")
  const [activityId, activityName] = activityOf(row, kind)
  const [severityId, severity] = severityOf(row.takeText("severity"))
  const [statusId, status] = takeStatus(row)
  const tracing = kind === AUTHENTICATION ? undefined : some({ uid: row.takeText("trace_id") })
  const event = {
    class_uid: kind.uid,
    class_name: kind.name,
    category_uid: kind.category[0],
    category_name: kind.category[1],
    activity_id: activityId,
    activity_name: activityName,
    type_uid: kind.uid * 100 + activityId,
    severity_id: severityId,
    severity,
    status_id: statusId,
    status,
    status_code: row.takeText("error_code"),
    status_detail: row.takeText("reason"),
    time: millisecondsOf(row.peekText("timestamp")),
    metadata: metadataOf(row, kind, source, [
      ...(hash === undefined ? [] : ["record_integrity"]),
      ...(tracing === undefined ? [] : ["trace"]),
      // Only through this profile has HTTP Activity an actor.
      ...(kind === HTTP_ACTIVITY ? ["host"] : []),
    ]),
    ...who(row, kind),
    ...what(row, kind),
    src_endpoint: originOf(row),
    dst_endpoint: destinationOf(row),
    trace: tracing,
    duration: wholeOf(row, "duration_ms"),
    raw_data: row.takeText("raw"),
    attestation_list: hash === undefined ? undefined : [attestation(String(leafIndex), hash, source)],
  }
  return { ...event, unmapped: row.rest() }
}

function classOf(row: MappedRow): OcsfClass {
  const category = row.peekText("category")
  const http = ["http_method", "http_path", "http_status"].some((name) => row.peek(name) !== undefined)
  const kind =
    category === "auth" ? AUTHENTICATION : category === "network" && http ? HTTP_ACTIVITY : API_ACTIVITY
  // The class says all that these say; `admin` or `data` would be lost.
  if (kind !== API_ACTIVITY || category === "api") row.take("category")
  return kind
}

function activityOf(row: MappedRow, kind: OcsfClass): Numbered {
  const method = row.peekText("http_method")
  if (kind === HTTP_ACTIVITY) return httpActivity(method)
  const said = row.takeText("activity")
  const action = row.peekText("action") ?? ""
  return kind === AUTHENTICATION ? authActivity(said, action) : apiActivity(said, method, action)
}

function takeStatus(row: MappedRow): Numbered {
  const result = row.peekText("result")
  // `denied` and `error` are both failures to OCSF: the word stays in `unmapped`.
  if (result !== "denied" && result !== "error") row.take("result")
  return statusOf(result)
}

function metadataOf(
  row: MappedRow,
  kind: OcsfClass,
  source: ExportSource,
  profiles: readonly string[],
): object {
  return {
    version: OCSF_VERSION,
    product: { name: "Prooflog", vendor_name: "Prooflog" },
    profiles,
    uid: row.takeText("event_id"),
    sequence: row.take("leaf_index"),
    original_time: row.takeText("timestamp"),
    logged_time: millisecondsOf(row.takeText("received_at")),
    log_name: source.origin,
    log_source: row.takeText("source"),
    event_code: kind === API_ACTIVITY ? undefined : row.takeText("action"),
    labels: row.take("tags"),
  }
}

/** The user, once or twice: Authentication is about one, the other classes have one that acts. */
function who(row: MappedRow, kind: OcsfClass): object {
  const [typeId, type] = userTypeOf(row.takeText("user_type"))
  const uid = row.takeText("user_id")
  const name = row.takeText("user_name") ?? (uid === undefined ? "Unknown" : undefined)
  const user = { uid, name, email_addr: row.takeText("user_email"), type_id: typeId, type }
  const session = some({ uid: row.takeText("session_id"), issuer: row.takeText("on_behalf_of") })
  const actor = { user, session }
  return kind === AUTHENTICATION ? { user, session, actor, is_mfa: row.take("mfa") } : { actor }
}

/** What was asked for, and what was answered. */
function what(row: MappedRow, kind: OcsfClass): object {
  if (kind === API_ACTIVITY) {
    const requestId = row.takeText("request_id")
    const service = row.takeText("service")
    return {
      api: {
        operation: row.takeText("action") ?? "Unknown",
        service: service === undefined ? undefined : { name: service },
        request: requestId === undefined ? undefined : { uid: requestId },
      },
      resources: resourcesOf(row),
      ...http(row, kind),
    }
  }
  if (kind === HTTP_ACTIVITY) return { app_name: row.takeText("service"), ...http(row, kind) }
  return {
    service: { name: row.takeText("service") ?? row.peekText("source") ?? "Unknown" },
    ...http(row, kind),
  }
}

function resourcesOf(row: MappedRow): readonly object[] | undefined {
  if (["resource_accessed", "resource_id", "resource_name"].every((name) => row.peek(name) === undefined))
    return undefined
  const accessed = row.takeText("resource_accessed")
  const id = row.takeText("resource_id")
  return [
    {
      uid: accessed ?? id,
      uid_alt: accessed === undefined ? undefined : id,
      name: row.takeText("resource_name"),
      type: row.takeText("resource_type"),
    },
  ]
}

function http(row: MappedRow, kind: OcsfClass): object {
  const code = row.take("http_status")
  const response =
    code === undefined
      ? undefined
      : { code, length: row.take("response_bytes"), latency: wholeOf(row, "duration_ms") }
  const request = some({
    http_method: row.takeText("http_method"),
    url: urlOf(row, kind),
    version: row.takeText("http_protocol"),
    user_agent: row.takeText("user_agent"),
    referrer: row.takeText("http_referrer"),
    length: row.take("request_bytes"),
    x_forwarded_for: addressesOf(row),
    // In API Activity the request of the API has it.
    uid: kind === API_ACTIVITY ? undefined : row.takeText("request_id"),
  })
  return { http_request: request, http_response: response }
}

/** A URL needs a path: without `http_path`, what was accessed is one if it looks so. */
function urlOf(row: MappedRow, kind: OcsfClass): object | undefined {
  const accessed = row.peekText("resource_accessed")
  const path =
    row.takeText("http_path") ?? (kind === HTTP_ACTIVITY && accessed?.startsWith("/") ? accessed : undefined)
  if (path === undefined) return undefined
  if (path === accessed) row.take("resource_accessed")
  return { path, query_string: row.takeText("http_query") }
}

/** X-Forwarded-For holds addresses, by OCSF. Anyone may have written anything into it. */
function addressesOf(row: MappedRow): unknown {
  const chain = row.peek("ip_chain")
  const addresses =
    Array.isArray(chain) && chain.every((each) => normalizeIpAddress(String(each)) !== undefined)
  return addresses ? row.take("ip_chain") : undefined
}

function originOf(row: MappedRow): object {
  const address = row.takeText("source_address")
  const hostname = address !== undefined && /^[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\.?$/.test(address)
  const country = row.takeText("country")
  const ip = row.takeText("ip_address")
  return {
    ip,
    hostname: hostname ? address : undefined,
    svc_name: hostname ? undefined : address,
    name: ip === undefined && address === undefined ? "Unknown" : undefined,
    location: country === undefined ? undefined : { country },
    autonomous_system: some({ number: row.take("asn"), name: row.takeText("as_organization") }),
  }
}

function destinationOf(row: MappedRow): object | undefined {
  const asked = row.takeText("http_host")
  const host = row.takeText("host")
  return some({ hostname: asked ?? host, name: asked === undefined ? undefined : host })
}

function attestation(leafIndex: string, hash: Uint8Array, { origin, logId }: ExportSource): object {
  return {
    uid: leafIndex,
    authority_uid: origin,
    chain_uid: logId,
    fingerprint: {
      algorithm: "SHA-256",
      algorithm_id: 3,
      encoding: "Hex",
      encoding_id: 1,
      serialization: LEAF_SERIALIZATION,
      serialization_id: 99,
      value: Buffer.from(hash).toString("hex"),
    },
  }
}

/** Returns whole milliseconds. What is finer stays in `unmapped` too. */
function wholeOf(row: MappedRow, name: string): number | undefined {
  const value = row.peek(name)
  if (typeof value !== "number") return undefined
  if (Number.isInteger(value)) row.take(name)
  return Math.round(value)
}

/** 2023-10-21T15:32:00.123456Z → 1697902320123. */
function millisecondsOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(`${text.slice(0, 23)}Z`)
}
