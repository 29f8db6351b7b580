/** Restoring: up to what was signed, with what is lost said in public; and every reason not to. */

import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { decodeEntry } from "@prooflog/event/entry"
import { decodeTombstone, encodeTombstone } from "@prooflog/event/tombstone"
import { openLevelStorage } from "@prooflog/storage-level"
import { encodeHex } from "@prooflog/tlog/base64"
import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import { NoticeTree } from "@prooflog/verifier/notice"
import { folderSource } from "@prooflog/verifier/source-folder"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { fetchMissing, readMissing } from "../../apps/cli/dist/backup/missing-leaves.js"
import { prooflogHere } from "../cli/prooflog.js"
import { RealWitness } from "../http/real-witness.js"
import {
  addEvents,
  type BackedUpLog,
  backedUp,
  bytesAt,
  copyOf,
  filesIn,
  isThere,
  logWith,
  restored,
  runRestore,
  statusAt,
  whileServed,
  wordsIn,
} from "./backup-log.js"

describe("a backup that ends before the signed head", () => {
  let log: BackedUpLog
  let backup: string
  /** A mirror that has all of the log; as it was before the last events in `short`. */
  let mirror: string
  let short: string
  let headFile: string
  let lostLeaves: readonly number[]
  let signedSize: number
  let dir: string

  beforeAll(async () => {
    log = await logWith(500)
    backup = join(log.path, "backup")
    mirror = join(log.path, "mirror")
    headFile = join(log.path, "auditor.head")
    dir = join(log.path, "restored")
    await backedUp(log, backup)
    const first = await addEvents(log, 500, 300)
    await backedUp(log, mirror)
    short = await copyOf(mirror, "short")
    const second = await addEvents(log, 800, 300)
    lostLeaves = [...first, ...second]
    expect((await auditWithHead(log.url)).verdict).toBe(0)
    signedSize = (await backedUp(log, mirror)).tree_size as number
    await log.stop()
  })
  afterEach(() => rm(dir, { recursive: true, force: true }))
  afterAll(() => log.remove())

  function auditWithHead(url: string) {
    return prooflogHere(["audit", url, "--policy", log.policyFile, "--head", headFile], {})
  }

  async function keyCopy(name: string): Promise<string> {
    return join(await copyOf(join(log.path, "secret"), name), "signer.key")
  }

  it("is filled from a mirror, and the next entry says what is lost", async () => {
    const key = await keyCopy("keys 1")
    const said = await restored(backup, dir, key, "--mirror", short, "--mirror", mirror)
    // The own events of the two later backups, too.
    const lost = lostLeaves.length + 2
    expect(said).toMatchObject({ tree_size: signedSize + 1, lost, lost_notice: signedSize })
    await whileServed(dir, async ({ url }) => {
      const audit = await auditWithHead(url)
      expect([audit.verdict, audit.out]).toEqual([
        0,
        expect.stringContaining(`All ${signedSize + 1} entries`),
      ])
      expect(await statusAt(`${url}v1/events/${lostLeaves[0]}`, log.adminKey)).toBe(410)
      expect(await statusAt(`${url}v1/events/${lostLeaves.at(-1)}`, log.adminKey)).toBe(410)
      expect(await statusAt(`${url}v1/events/17`, log.adminKey)).toBe(200)
      const index = Math.floor(signedSize / 256)
      const width = (signedSize % 256) + 1
      const bundle = await bytesAt(`${url}${bundlePath(index, width)}`, log.adminKey)
      const notice = decodeEntry(parseBundle(new Uint8Array(bundle), width)[width - 1] as Uint8Array)
      const kept = JSON.parse(await readFile(join(dir, `retention/lost/${signedSize}.json`), "utf8"))
      const items = (kept.items as [number, string][]).map(([leafIndex, salt]) => ({
        leafIndex,
        salt: new Uint8Array(Buffer.from(salt, "hex")),
      }))
      const root = new NoticeTree(items).root
      expect(notice).toMatchObject({ type: "notice", kind: 3, count: lost, root })
      expect(items.map(({ leafIndex }) => leafIndex)).toEqual(expect.arrayContaining([...lostLeaves]))
    })
    const storage = await openLevelStorage(join(dir, "data", "log"))
    const [tombstone] = await storage.records(lostLeaves[5] as number, (lostLeaves[5] as number) + 1)
    const [, salt] = JSON.parse(
      await readFile(join(dir, `retention/lost/${signedSize}.json`), "utf8"),
    ).items.find(([leaf]: [number]) => leaf === lostLeaves[5])
    await storage.close()
    const opened = decodeTombstone(tombstone?.bytes as Uint8Array)
    expect(opened).toMatchObject({ state: "destroyed", reason: 3, reference: signedSize })
    expect(encodeHex((opened as { salt: Uint8Array }).salt)).toBe(salt)
  })

  it("is filled up to what a mirror shows, where an old copy of the signed head lies beside the key", async () => {
    const key = await keyCopy("keys 2")
    const { checkpoint } = JSON.parse(await readFile(join(short, "prooflog-backup.json"), "utf8"))
    await writeFile(`${key}.signed`, checkpoint)
    // Less would be a fork: the mirror has what this key signed.
    expect(await restored(backup, dir, key, "--mirror", mirror)).toMatchObject({ lost_notice: signedSize })
  })

  it("is filled from a mirror that went on since, which has no tiles of that width", async () => {
    const { tree_size: treeSize, root } = JSON.parse(
      await readFile(join(short, "prooflog-backup.json"), "utf8"),
    )
    const signed = { treeSize, rootHash: new Uint8Array(Buffer.from(root, "base64")) }
    const mirrors = [{ name: "mirror", source: folderSource(mirror) }]
    await fetchMissing({ from: 502, signed, mirrors, folder: dir, onProgress: () => {} })
    expect(await readMissing(dir, 768, treeSize)).toHaveLength(treeSize - 768)
  })

  it("is refused without a mirror, with one that is shorter, and with one that lies", async () => {
    const key = await keyCopy("keys 3")
    const none = await runRestore(backup, dir, key)
    expect(wordsIn(none)).toMatch(
      /^CLI_RESTORE_REFUSED\nthe log has signed 1104 leaves.*: 602 leaves are missing/,
    )
    expect(wordsIn(none)).toContain("--mirror URL")
    expect(await isThere(dir)).toBe(false)
    expect(wordsIn(await runRestore(backup, dir, key, "--mirror", short))).toContain("VERIFIER_")
    const liar = await copyOf(mirror, "liar")
    await flip(join(liar, bundlePath(3, 256)), 100)
    const refused = await runRestore(backup, dir, key, "--mirror", short, "--mirror", liar)
    expect(wordsIn(refused)).toMatch(/liar: leaf 769: .*VERIFIER_BUNDLE_REFUSED/)
    expect(await isThere(dir)).toBe(false)
    // One that is right is enough.
    expect(await restored(backup, dir, key, "--mirror", liar, "--mirror", mirror)).toMatchObject({
      lost: 602,
    })
  })

  it("is refused with a signed head that is older, or of another tree, both heads named", async () => {
    const key = await keyCopy("keys 4")
    const { checkpoint: older } = JSON.parse(await readFile(join(backup, "prooflog-backup.json"), "utf8"))
    await writeFile(`${key}.signed`, older)
    const refused = await runRestore(mirror, dir, key)
    expect(wordsIn(refused)).toMatch(/^CLI_RESTORE_REFUSED\nthe head beside the key is older than the backup/)
    expect(wordsIn(refused)).toMatch(/signed {2}502 leaves, root \S{44}\nbackup {2}1104 leaves, root \S{44}/)
    const { signCheckpoint } = await import("@prooflog/tlog/checkpoint")
    const { parseSignerKey } = await import("@prooflog/tlog/key")
    const signer = parseSignerKey((await readFile(key, "utf8")).trim())
    const fork = { origin: signer.name, rootHash: new Uint8Array(32), extensions: [] }
    await writeFile(`${key}.signed`, signCheckpoint({ ...fork, treeSize: 1104 }, signer))
    expect(wordsIn(await runRestore(mirror, dir, key))).toContain("of another tree than the backup's")
    // The same of a fork that is further: no mirror can lead there.
    await writeFile(`${key}.signed`, signCheckpoint({ ...fork, treeSize: 1104 }, signer))
    expect(wordsIn(await runRestore(backup, dir, key, "--mirror", mirror))).toContain("VERIFIER_ROOT_REFUSED")
    expect(await isThere(dir)).toBe(false)
  })

  it("is refused without a signed head, and says what to do; told to, it is believed", async () => {
    const key = await keyCopy("keys 5")
    await rm(`${key}.signed`)
    const refused = await runRestore(backup, dir, key)
    expect(wordsIn(refused)).toMatch(/^CLI_RESTORE_REFUSED\nthere is no .*signer.key.signed/)
    expect(wordsIn(refused)).toContain("--adopt-head")
    expect(await restored(backup, dir, key, "--adopt-head")).toEqual({
      origin: expect.any(String),
      tree_size: 502,
    })
    expect(await isThere(`${key}.signed`)).toBe(false)
    await expect(whileServed(dir, async () => {})).rejects.toMatchObject({ code: "LEDGER_NO_SIGNED_HEAD" })
    await whileServed(dir, ({ url }) => statusAt(`${url}v1/events/17`, log.adminKey), { adoptHead: true })
  })

  it("takes what a mirror shows for what was signed, where nobody else can tell", async () => {
    const key = await keyCopy("keys 6")
    await rm(`${key}.signed`)
    const said = await restored(backup, dir, key, "--adopt-head", "--mirror", mirror)
    expect(said).toMatchObject({ tree_size: 1105, lost: 602 })
  })

  it("is refused with the key of another log", async () => {
    const key = join(log.path, "other.key")
    expect((await prooflogHere(["keygen", "other.example", "-o", key], {})).verdict).toBe(0)
    expect(wordsIn(await runRestore(backup, dir, key))).toMatch(
      /^CLI_FILE\nthe backup is of .*that of other.example/,
    )
    const namesake = join(log.path, "namesake.key")
    const { origin } = JSON.parse(await readFile(join(backup, "prooflog-backup.json"), "utf8"))
    expect((await prooflogHere(["keygen", origin, "-o", namesake], {})).verdict).toBe(0)
    expect(wordsIn(await runRestore(backup, dir, namesake))).toMatch(
      /^CLI_DAMAGED_BACKUP\n.*not signed with this key/,
    )
  })

  it("is not served while it is not restored", async () => {
    await mkdir(join(dir, "data"), { recursive: true })
    await writeFile(join(dir, "restore.incomplete"), '{"format":"prooflog-restore/1","stage":"building"}')
    await expect(whileServed(dir, async () => {})).rejects.toMatchObject({ code: "SERVER_FOLDER_NOT_EMPTY" })
  })
})

describe("a log with a witness", () => {
  it.each(["that answers", "that is silent"])(
    "is restored, its loss announced under a witness %s",
    async (how) => {
      const witness = new RealWitness("w1")
      const log = await logWith(300, {
        async witness(key) {
          await witness.begin(key)
          return witness.line
        },
      })
      try {
        const backup = join(log.path, "backup")
        const mirror = join(log.path, "mirror")
        const dir = join(log.path, "restored")
        const headFile = join(log.path, "auditor.head")
        const audit = (url: string) =>
          prooflogHere(["audit", url, "--policy", log.policyFile, "--head", headFile], {})
        await backedUp(log, backup)
        await addEvents(log, 300, 40)
        const { tree_size } = await backedUp(log, mirror)
        expect((await audit(mirror)).verdict).toBe(0)
        await log.stop()
        if (how === "that is silent") await witness.die()
        expect(await restored(backup, dir, log.signerKey, "--mirror", mirror)).toMatchObject({
          tree_size: (tree_size as number) + 1,
          lost: 41,
        })
        if (how === "that is silent") await witness.revive()
        await whileServed(dir, async ({ url }) => {
          const all = `All ${(tree_size as number) + 1} entries`
          await expect.poll(async () => (await audit(url)).out, { timeout: 30_000 }).toContain(all)
        })
      } finally {
        await log.remove()
        await witness.end()
      }
    },
  )
})

describe("a backup that is damaged", () => {
  let log: BackedUpLog
  let backup: string
  let files: readonly string[]

  beforeAll(async () => {
    log = await logWith(300)
    backup = join(log.path, "backup")
    await backedUp(log, backup)
    await log.stop()
    files = await filesIn(backup)
  })
  afterAll(() => log.remove())

  const CLASSES = [
    ["a tile of the leaves", /^tile\/0\/000$/],
    ["a tile above", /^tile\/1\//],
    ["a partial tile", /^tile\/0\/001\.p/],
    ["a bundle of entries", /^tile\/entries\/000$/],
    ["a partial bundle", /^tile\/entries\/001\.p/],
    ["records", /^records\//],
    ["a small file", /^state\//],
    ["the manifest", /^prooflog-backup\.json$/],
  ] as const

  it.each(CLASSES)("is refused: %s with a flipped bit, cut short, or gone", async (_, pattern) => {
    const victims = files.filter((name) => pattern.test(name))
    expect(victims.length).toBeGreaterThan(0)
    const hurt = [
      (path: string) => flip(path, 40),
      (path: string) => truncate(path, 7),
      (path: string) => rm(path),
    ]
    for (const name of victims) {
      for (const wound of hurt) {
        const copy = await copyOf(backup, "damaged")
        await wound(join(copy, name))
        const dir = join(log.path, "restored")
        const { thrown } = await runRestore(copy, dir, log.signerKey)
        expect([name, (thrown as { code?: string })?.code]).toEqual([
          name,
          expect.stringMatching(/^(CLI_DAMAGED_BACKUP|CLI_FILE|VERIFIER_)/),
        ])
        expect(await isThere(dir)).toBe(false)
      }
    }
  })

  it("is refused where manifest and files agree on what was never logged", async () => {
    const { sha256 } = await import("@prooflog/tlog/hash")
    const copy = await copyOf(backup, "forged")
    const path = join(copy, "prooflog-backup.json")
    const manifest = JSON.parse(await readFile(path, "utf8"))
    const [range] = manifest.records
    const name = (await readdir(join(copy, "records")))[0] as string
    const bytes = await readFile(join(copy, "records", name))
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] as number) ^ 1
    range.sha256 = encodeHex(sha256(bytes))
    await writeFile(join(copy, "records", `${name.slice(0, -16)}${range.sha256.slice(0, 16)}`), bytes)
    await writeFile(path, JSON.stringify(manifest))
    const refused = await runRestore(copy, join(log.path, "restored"), log.signerKey)
    expect(wordsIn(refused)).toMatch(/^CLI_DAMAGED_BACKUP\nleaf \d+: /)
  })

  it("is refused where a tombstone stands by a schedule for what was not due", async () => {
    const { sha256 } = await import("@prooflog/tlog/hash")
    const copy = await copyOf(backup, "buried")
    const path = join(copy, "prooflog-backup.json")
    const manifest = JSON.parse(await readFile(path, "utf8"))
    const [range] = manifest.records
    const name = (await readdir(join(copy, "records")))[0] as string
    const bytes = await readFile(join(copy, "records", name))
    let last = 0
    for (let at = 0; at < bytes.length; at += 3 + bytes.readUInt16BE(at + 1)) last = at
    const tombstone = encodeTombstone({ state: "destroyed", reason: 0, reference: 0 })
    const buried = Buffer.concat([bytes.subarray(0, last), Buffer.of(1, 0, tombstone.length), tombstone])
    range.sha256 = encodeHex(sha256(buried))
    await writeFile(join(copy, "records", `${name.slice(0, -16)}${range.sha256.slice(0, 16)}`), buried)
    await writeFile(path, JSON.stringify(manifest))
    const refused = await runRestore(copy, join(log.path, "restored"), log.signerKey)
    expect(wordsIn(refused)).toMatch(/^CLI_DAMAGED_BACKUP\nleaf \d+: .*it was not due/)
    expect(await isThere(join(log.path, "restored"))).toBe(false)
  })

  it("of another log, its key and its head in place of ours, is refused by what the genesis says", async () => {
    const copy = await copyOf(backup, "strange label key")
    const { sha256 } = await import("@prooflog/tlog/hash")
    const path = join(copy, "prooflog-backup.json")
    const manifest = JSON.parse(await readFile(path, "utf8"))
    const file = manifest.files.find(({ name }: { name: string }) => name === "keys/label.key")
    const bytes = Buffer.alloc(32, 7)
    file.sha256 = encodeHex(sha256(bytes))
    const state = join(copy, "state", file.sha256.slice(0, 32))
    await mkdir(dirname(state), { recursive: true })
    await writeFile(state, bytes)
    await writeFile(path, JSON.stringify(manifest))
    const refused = await runRestore(copy, join(log.path, "restored"), log.signerKey)
    expect(wordsIn(refused)).toContain("keys/label.key is not the one that the genesis commits to")
  })
})

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  const place = Math.min(at, bytes.length - 1)
  bytes[place] = (bytes[place] as number) ^ 0x10
  await writeFile(path, bytes)
}
