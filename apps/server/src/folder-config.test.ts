import { describe, expect, it } from "vitest"
import { parseConfig } from "./folder-config.js"

const LOG = { format: 1, origin: "log.example/acme", log_id: "00".repeat(16), signer_key: "keys/signer.key" }

const archiveOf = (archive?: unknown) =>
  parseConfig(JSON.stringify({ ...LOG, archive }), "/srv/log").serving.archive

describe("where the archive is", () => {
  it("is in the log's folder, unless it is said otherwise", () => {
    expect(archiveOf()).toEqual({
      store: { kind: "directory", path: "/srv/log/data/archive" },
      segmentRows: 250_000,
    })
    expect(archiveOf({ directory: "../cold", segment_rows: 10_000 })).toEqual({
      store: { kind: "directory", path: "/srv/cold" },
      segmentRows: 10_000,
    })
  })

  it("is in a bucket", () => {
    const s3 = {
      bucket: "acme-archive",
      prefix: "logs/eu",
      region: "eu-central-1",
      endpoint: "http://127.0.0.1:9000",
      storage_class: "STANDARD_IA",
      profile: "archive",
    }
    const { storage_class: storageClass, ...others } = s3
    expect(archiveOf({ s3 }).store).toEqual({ kind: "s3", storageClass, ...others })
    const { bucket, region } = s3
    expect(archiveOf({ s3: { bucket, region } }).store).toEqual({ kind: "s3", bucket, region })
  })

  it.each([
    ["archive that is not an object", "here"],
    ["both", { directory: "a", s3: { bucket: "b", region: "r" } }],
    ["archive.directory", { directory: "" }],
    ["archive.segment_rows", { segment_rows: 9_999 }],
    ["archive.segment_rows", { segment_rows: 1_000_001 }],
    ['"bucket" in archive', { bucket: "b" }],
    ["archive.s3 that is not an object", { s3: "b" }],
    ["archive.s3.bucket", { s3: { region: "r" } }],
    ["archive.s3.region", { s3: { bucket: "b" } }],
    ["archive.s3.prefix", { s3: { bucket: "b", region: "r", prefix: 5 } }],
    ["archive.s3.endpoint", { s3: { bucket: "b", region: "r", endpoint: "127.0.0.1:9000" } }],
    ["archive.s3.storage_class", { s3: { bucket: "b", region: "r", storage_class: "GLACIER" } }],
    ['"secret_access_key" in archive.s3', { s3: { bucket: "b", region: "r", secret_access_key: "s" } }],
  ])("is refused: %s", (what, archive) => {
    expect(() => archiveOf(archive)).toThrow(
      expect.objectContaining({
        code: "SERVER_MALFORMED_FOLDER",
        message: expect.stringContaining(what),
      }),
    )
  })
})
