/// <reference path="./s3rver.d.ts" />

/**
 * The store on s3rver: a server by others. It knows neither versions nor lists of uploads, cannot abort one, and passes
 * conditions over in silence.
 */

import { mkdtemp, readFile, rm, stat, truncate } from "node:fs/promises"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import S3rver from "s3rver"
import { describe, expect, it } from "vitest"
import { type ObjectStoreUnderTest, objectStoreSuite } from "./object-store-suite.js"
import { openS3, type S3Options } from "./s3.js"
import { filesOf, flipBit } from "./store-under-test.js"

const BUCKET = "archive"

class S3rverUnderTest implements ObjectStoreUnderTest {
  readonly #folder: string
  readonly #server: S3rver
  readonly options: S3Options

  private constructor(folder: string, server: S3rver, port: number) {
    this.#folder = folder
    this.#server = server
    this.options = {
      bucket: BUCKET,
      prefix: "logs/one",
      region: "us-east-1",
      endpoint: `http://127.0.0.1:${port}`,
      // The only ones that it knows.
      credentials: { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" },
    }
  }

  static async make(): Promise<S3rverUnderTest> {
    const folder = await mkdtemp(join(tmpdir(), "s3rver-"))
    const server = new S3rver({
      address: "127.0.0.1",
      port: 0,
      silent: true,
      directory: folder,
      configureBuckets: [{ name: BUCKET }],
    })
    const { port } = (await server.run()) as AddressInfo
    return new S3rverUnderTest(folder, server, port)
  }

  open() {
    return openS3(this.options)
  }

  async flipBit(key: string) {
    await flipBit(this.#pathOf(key))
  }

  async cutShort(key: string) {
    const path = this.#pathOf(key)
    await truncate(path, (await stat(path)).size - 1)
  }

  async holds(bytes: Uint8Array) {
    const files = await filesOf(this.#folder)
    for (const path of files) if ((await readFile(path)).includes(Buffer.from(bytes))) return true
    return false
  }

  async destroy() {
    this.#server.httpServer.closeAllConnections()
    await this.#server.close()
    await rm(this.#folder, { recursive: true })
  }

  #pathOf(key: string): string {
    return join(this.#folder, BUCKET, "logs/one", `${key}._S3rver_object`)
  }
}

const CANNOT_ABORT = "it cannot abort an upload, so that parts stay"

objectStoreSuite("s3rver", { describe, it }, () => S3rverUnderTest.make(), {
  "lets one of two win who put at the same time": "it does not know the condition If-None-Match",
  "keeps nothing of an object whose source fails, and passes its error on": CANNOT_ABORT,
  "keeps nothing of an object that is not what it was said to be": CANNOT_ABORT,
  "lists in the order of keys": "it lists folder by folder",
})

describe("s3rver", () => {
  it("refuses a stranger and another bucket, and is told so", async () => {
    const under = await S3rverUnderTest.make()
    try {
      const stranger = { accessKeyId: "STRANGER", secretAccessKey: "S3RVER" }
      await expect(openS3({ ...under.options, credentials: stranger })).rejects.toMatchObject({
        code: "OBJECTS_BAD_CREDENTIALS",
      })
      await expect(openS3({ ...under.options, bucket: "none" })).rejects.toMatchObject({
        code: "OBJECTS_NO_BUCKET",
      })
    } finally {
      await under.destroy()
    }
  })
})
