/**
 * What is written for people, held against the code: codes, statuses, links, examples, routes, verbs.
 *
 * Documents are those that git knows or would add. Examples run for real: in a process of their own, against
 * a log that is started for them.
 */

import { execFile, execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { homedir } from "node:os"
import { dirname, join, normalize, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { VERIFIER_ERROR_CODES, VerifierError, verdictOf } from "@prooflog/verifier/error"
import { transform } from "esbuild"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type AnsweredCode, statusOf } from "../apps/server/dist/status.js"
import { PROOFLOG, post, startLog, temporaryFolder } from "./running-log.js"

const ROOT = fileURLToPath(new URL("..", import.meta.url))
const run = promisify(execFile)

/** Paths from the root, with `/`: what is tracked, and what is new and not ignored. */
const FILES = listFiles()

function listFiles(): string[] {
  const command = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
  try {
    const listed = execFileSync("git", command, { cwd: ROOT, encoding: "utf8", stdio: "pipe" }).split("\0")
    // What is deleted and not yet committed is still listed.
    return listed.filter((file) => file !== "" && existsSync(join(ROOT, file)))
  } catch {
    console.log("not a checkout of git: every file counts that no tool has made")
    const made = /(?:^|\/)(?:node_modules|dist|\.git|prooflog-data)(?:\/|$)|\.tsbuildinfo$/
    return readdirSync(ROOT, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile())
      .map((each) => relative(ROOT, join(each.parentPath, each.name)))
      .filter((file) => !made.test(file))
  }
}

const DOCUMENTS = FILES.filter((file) => file.endsWith(".md"))

const ROOMS = ["packages", "apps"].flatMap((top) =>
  readdirSync(join(ROOT, top))
    .filter((name) => existsSync(join(ROOT, top, name, "package.json")))
    .map((name) => ({ name, path: `${top}/${name}` })),
)

const READMES = ["README.md", ...ROOMS.map(({ path }) => `${path}/README.md`)]

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8")
}

/** A document that may not be written yet: without it the test that needs it fails in these words. */
function readDocument(file: string): string {
  if (!existsSync(join(ROOT, file))) throw new Error(`${file} is missing: it is still to be written`)
  return read(file)
}

// ---- Markdown, as far as these documents use it

const FENCE = /^```([^\n]*)\n([\s\S]*?)^```[^\S\n]*$/gm

interface Block {
  /** First word of the info string. */
  readonly language: string
  /** The other words. */
  readonly marks: readonly string[]
  readonly text: string
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(FENCE)].map(([, info = "", text = ""]) => {
    const [language = "", ...marks] = info.trim().split(/[\s,]+/)
    return { language, marks, text }
  })
}

function withoutBlocks(markdown: string): string {
  return markdown.replace(FENCE, "")
}

/** What stands between backticks outside of blocks. */
function spansOf(markdown: string): string[] {
  return [...withoutBlocks(markdown).matchAll(/`([^`\n]+)`/g)].map(([, text = ""]) => text)
}

/** Targets of links and images, in either form. */
function linksOf(markdown: string): string[] {
  const prose = withoutBlocks(markdown).replace(/`[^`\n]*`/g, "")
  const inline = [...prose.matchAll(/\]\(\s*<?([^\s()<>]+(?:\([^\s()]*\))?)>?(?:\s+"[^"]*")?\s*\)/g)]
  const defined = [...prose.matchAll(/^ {0,3}\[[^\]\n]+\]:\s+<?([^\s>]+)>?/gm)]
  const html = [...prose.matchAll(/<(?:a|img)\s[^>]*?(?:href|src)="([^"]*)"/g)]
  return [...inline, ...defined, ...html].map(([, target = ""]) => target)
}

/** The anchors of a document as GitHub makes them: of headings, and those set by hand. */
function anchorsOf(markdown: string): Set<string> {
  const prose = withoutBlocks(markdown)
  const anchors = new Set([...prose.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)].map(([, id = ""]) => id))
  for (const [, heading = ""] of prose.matchAll(/^#{1,6}\s+(.+?)\s*#*\s*$/gm)) {
    const shown = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    const slug = shown
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
      .replaceAll(" ", "-")
    let anchor = slug
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`
    anchors.add(anchor)
  }
  return anchors
}

/** Cells of every table row but the head. */
function rowsOf(markdown: string): string[][] {
  const rows: string[][] = []
  let isBody = false
  for (const line of withoutBlocks(markdown).split("\n")) {
    if (!line.startsWith("|")) isBody = false
    else if (/^\|[\s:|-]+\|$/.test(line)) isBody = true
    else if (isBody) {
      const cells = line.slice(1, line.lastIndexOf("|")).split(/(?<!\\)\|/)
      rows.push(cells.map((cell) => cell.trim()))
    }
  }
  return rows
}

/** What follows a heading of the second level, up to the next one. */
function sectionOf(markdown: string, heading: string): string {
  const [, ...sections] = markdown.split(/^## /m)
  const section = sections.find((text) => text.startsWith(`${heading}\n`))
  if (section === undefined) throw new Error(`there is no section "${heading}"`)
  return section.slice(heading.length)
}

describe("docs/errors.md", () => {
  const page = read("docs/errors.md")
  const rooms = ROOMS.filter(({ path }) => existsSync(join(ROOT, path, "src/error.ts"))).map(
    ({ name, path }) => [name, path] as const,
  )

  /** Their codes are never in an answer: they are for the one who asks, or who starts the server. */
  const ASKERS = ["client", "enrich", "settings", "alerts", "objects", "cli", "monitor"]

  async function codesOf(path: string): Promise<string[]> {
    const module = (await import(pathToFileURL(join(ROOT, path, "dist/error.js")).href)) as object
    return Object.entries(module).flatMap(([name, value]) => (name.endsWith("_CODES") ? value : []))
  }

  function statusText(room: string, code: string): string {
    if (ASKERS.includes(room)) return "–"
    const { status, retryAfterSeconds } = statusOf(code as AnsweredCode)
    return retryAfterSeconds === undefined ? String(status) : `${status}, after ${retryAfterSeconds} s`
  }

  it.each(rooms)("has the codes of %s, in their order, and no others", async (name, path) => {
    const listed = rowsOf(sectionOf(page, name)).map(([code]) => code)
    expect(listed).toEqual((await codesOf(path)).map((code) => `\`${code}\``))
  })

  it.each(rooms)("gives the codes of %s the statuses that the server gives them", (name) => {
    const rows = rowsOf(sectionOf(page, name))
    const expected = rows.map(([code = ""]) => [code, statusText(name, code.replaceAll("`", ""))])
    expect(rows.map(([code, status]) => [code, status])).toEqual(expected)
  })

  it("has no table of codes but those of the rooms", () => {
    const counted = rooms.flatMap(([name]) => rowsOf(sectionOf(page, name))).length
    expect(rowsOf(page).filter((cells) => cells.length === 4)).toHaveLength(counted)
  })

  it("says of each code in one sentence what it means, and in one what to do", () => {
    const rows = rowsOf(page).filter((cells) => cells.length === 4)
    const odd = rows.flatMap(([, , ...sentences]) =>
      sentences.filter((sentence) => !/^[A-Z`].*\.$/.test(sentence) || /[.!?] [A-Z]/.test(sentence)),
    )
    expect(odd).toEqual([])
  })

  it("names the codes of the verifier that accuse nobody", () => {
    const [prose = ""] = sectionOf(page, "verifier").split("\n| code")
    const named = spansOf(prose).filter((span) => span.startsWith("VERIFIER_"))
    const innocent = VERIFIER_ERROR_CODES.filter(
      (code) => verdictOf(new VerifierError(code, "")) === "unknown",
    )
    expect(named).toEqual(innocent)
  })

  it("is not gone around: a code that stands in a source is exported by its room", async () => {
    const known = new Set((await Promise.all(rooms.map(([, path]) => codesOf(path)))).flat())
    const isSource = /^(?:packages|apps)\/[^/]+\/src\/.*(?<!\.test|\.slow)\.ts$/
    const strangers = FILES.filter((file) => isSource.test(file)).flatMap((file) =>
      [
        ...read(file).matchAll(
          /["'`]((?:TLOG|EVENT|LEDGER|VERIFIER|CLIENT|QUERY|ENRICH|SETTINGS|ALERTS|OBJECTS|ARCHIVE|SERVER|CLI|MONITOR)_[A-Z0-9_]+)\b/g,
        ),
      ]
        .filter(([, code = ""]) => !known.has(code) && !/_$|_ERROR_CODES$|_PROBLEM_CODES$/.test(code))
        .map(([, code]) => `${code} in ${file}`),
    )
    expect(strangers).toEqual([])
  })
})

describe("links", () => {
  it.each(DOCUMENTS)("%s links to what is there", (document) => {
    const broken = linksOf(read(document)).filter((link) => !leads(document, link))
    expect(broken).toEqual([])
  })

  /** Whether a link ends at a file or folder of this repository, and its anchor at a heading. */
  function leads(document: string, link: string): boolean {
    if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return true
    const [path = "", anchor] = decodeURI(link).split("#")
    const target = path === "" ? document : normalize(join(dirname(document), path)).replace(/\/$/, "")
    // Exact spelling counts: not every disk tells README.md from Readme.md, the web does.
    const isFile = FILES.includes(target)
    if (!isFile && target !== "." && !FILES.some((file) => file.startsWith(`${target}/`))) return false
    if (anchor === undefined) return true
    if (!isFile) return false
    if (target.endsWith(".md")) return anchorsOf(read(target)).has(anchor)
    const line = /^L(\d+)(?:-L\d+)?$/.exec(anchor)?.[1]
    return line !== undefined && Number(line) <= read(target).split("\n").length
  }
})

describe("a README", () => {
  it.each(READMES)("is there: %s", (readme) => {
    expect(readDocument(readme).trim()).not.toBe("")
  })
})

describe("examples", () => {
  /** Longer than any example takes, and short enough to tell of one that never ends. */
  const TIMEOUT_MS = 20_000

  /** Questions to a log need a key that may read. */
  const QUESTIONS = "docs/query.md"

  /** Of every README and of {@link QUESTIONS}, all that is not marked `fragment`, in TypeScript or JavaScript. */
  const examples = [...READMES.filter((readme) => existsSync(join(ROOT, readme))), QUESTIONS].flatMap(
    (readme) =>
      blocksOf(read(readme))
        .filter(({ language, marks }) => ["ts", "js"].includes(language) && !marks.includes("fragment"))
        .map(({ language, text }, i) => ({
          name: `${readme}, example ${i + 1}`,
          file: `${readme.replace(".md", "").replaceAll("/", "-")}-${i + 1}`,
          language,
          text,
        })),
  )

  let log: Awaited<ReturnType<typeof startLog>>
  /** Examples lie here, so that their imports resolve; git, and every other tool, looks away. */
  let scripts: string
  /** Examples are run here, and may leave files behind. */
  let folder: Awaited<ReturnType<typeof temporaryFolder>>

  beforeAll(async () => {
    log = await startLog({ follow: true })
    scripts = await mkdtemp(fileURLToPath(new URL("node_modules/.examples-", import.meta.url)))
    folder = await temporaryFolder()
  })

  afterAll(async () => {
    await log?.close()
    await rm(scripts, { recursive: true, force: true })
    await folder?.remove()
  })

  /** Runs an example, and returns what it printed. */
  async function outputOf({ name, file, text }: (typeof examples)[number]): Promise<string> {
    const { code } = await transform(text, { loader: "ts", format: "esm", target: "node20" })
    const script = join(scripts, `${file}.mjs`)
    await writeFile(script, code)
    const options = {
      cwd: folder.path,
      timeout: TIMEOUT_MS,
      env: {
        ...process.env,
        PROOFLOG_URL: log.url,
        PROOFLOG_KEY: name.startsWith(QUESTIONS) ? log.adminKey : log.writerKey,
        PROOFLOG_POLICY: join(log.dir, "policy"),
      },
    }
    const { stdout, stderr } = await run(process.execPath, [script], options).catch((error) => {
      throw new Error(`${name} ${error.killed ? "does not end" : "fails"}:\n${error.stdout}${error.stderr}`)
    })
    // An alarm of the client, for one, is a warning here.
    expect(stderr, `${name} complains`).toBe("")
    return stdout
  }

  /** What must be among the words of an example, where ending well says too little. */
  const PROMISED: Readonly<Record<string, RegExp>> = {
    "README.md, example 1": /^1 event proven, 0 alarms$/m,
  }

  it("keep what is promised of them: they are there", () => {
    readDocument("README.md")
    expect(examples.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(PROMISED)))
  })

  it.each(examples.map((example) => [example.name, example] as const))("%s: runs", async (name, example) => {
    const output = await outputOf(example)
    // What is there to be imported shows nothing by itself.
    if (/^export /m.test(example.text)) return
    expect(output, `${name} shows nothing`).toMatch(PROMISED[name] ?? /\S/)
  })

  it(`${QUESTIONS}: every question in SQL has an answer`, async () => {
    const questions = blocksOf(read(QUESTIONS)).filter(({ language }) => language === "sql")
    expect(questions.length).toBeGreaterThan(0)
    for (const { text } of questions) {
      const { status, body } = await post(`${log.url}v1/query`, log.adminKey, { sql: text })
      expect([status, body]).toEqual([200, expect.objectContaining({ columns: expect.any(Array) })])
    }
  })

  it("in TypeScript have types that fit", async () => {
    const typed = examples.filter(({ language }) => language === "ts")
    const files = typed.map(({ file }) => `${file}.mts`)
    await Promise.all(typed.map(({ text }, i) => writeFile(join(scripts, files[i] as string), text)))
    const compilerOptions = {
      noEmit: true,
      composite: false,
      declaration: false,
      declarationMap: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
      types: ["node"],
      lib: ["es2023", "dom"],
    }
    const config = { extends: join(ROOT, "tsconfig.base.json"), compilerOptions, files }
    await writeFile(join(scripts, "tsconfig.json"), JSON.stringify(config))
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc")
    const said = await run(process.execPath, [compiler, "-p", scripts], { cwd: scripts }).catch(
      (error) => error,
    )
    expect(said.stdout).toBe("")
  })

  it("docs/errors.md shows the answer that the server gives", async () => {
    const [event = "", answer = ""] = blocksOf(read("docs/errors.md")).map(({ text }) => text)
    const { status, body } = await post(`${log.url}v1/events`, log.writerKey, JSON.parse(event))
    expect(body).toEqual(JSON.parse(answer))
    expect(status).toBe(body.status)
  })

  describe("routes of apps/server/README.md", () => {
    const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

    /** `GET v1/receipts/{leaf_index}`; the path of a tile has slashes, other parameters have none. */
    interface Route {
      readonly method: string
      readonly path: string
    }

    async function servedRoutes(): Promise<Route[]> {
      const response = await fetch(`${log.url}openapi.json`)
      const { paths } = (await response.json()) as { paths: Record<string, Record<string, unknown>> }
      return Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path: path.slice(1) })),
      )
    }

    /** Code that names a route, with its method or without; a table may give each a column of its own. */
    function namedRoutes(): (Route & { span: string })[] {
      const readme = readDocument("apps/server/README.md")
      const pairs = rowsOf(readme).map(([one = "", two = ""]) => `${one} ${two}`.replaceAll("`", ""))
      return [...spansOf(readme), ...pairs].flatMap((span) => {
        const [, method, text = ""] = /^(?:([A-Z]+) )?\/?([a-z][^\s?]*)(?:\?\S*)?$/.exec(span) ?? []
        if (method !== undefined && !METHODS.includes(method)) return []
        return text === "" ? [] : [{ method: method ?? "GET", path: text, span }]
      })
    }

    function isSame(served: Route, named: Route): boolean {
      const pattern = served.path.replace("tile/{path}", "tile/.+").replaceAll(/\{\w+\}/g, "[^/]+")
      return served.method === named.method && new RegExp(`^${pattern}$`).test(named.path)
    }

    it("are all that are served", async () => {
      const named = namedRoutes()
      const left = (await servedRoutes()).filter((route) => !named.some((it) => isSame(route, it)))
      expect(left).toEqual([])
    })

    it("are served, all of them", async () => {
      const served = await servedRoutes()
      const wrong = namedRoutes()
        // "v1/…" is no route but a way of speaking.
        .filter(({ span, path }) => /^([A-Z]+ |\/?v1\/)/.test(span) && !/[…*/]$/.test(path))
        .filter((it) => !served.some((route) => isSame(route, it)))
      expect(wrong.map(({ span }) => span)).toEqual([])
    })
  })
})

describe("verbs of the command", () => {
  /** As its own help lists them. */
  async function verbs(): Promise<string[]> {
    const { stdout } = await run(process.execPath, [PROOFLOG, "--help"])
    const [, commands = ""] = stdout.split("Commands:\n")
    const [list = ""] = commands.split("\n\n")
    return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, verb = ""]) => verb)
  }

  it("are all in apps/cli/README.md", async () => {
    const readme = readDocument("apps/cli/README.md")
    const own = (await verbs()).filter((verb) => verb !== "help")
    expect(own).toContain("verify")
    expect(own.filter((verb) => !new RegExp(`(?:prooflog |\`)${verb}\\b`).test(readme))).toEqual([])
  })

  it("exist, wherever a document tells to type one", async () => {
    const known = await verbs()
    const unknown = typed()
      .map(({ line, document }) => ({ verb: /^(?:npx )?prooflog ([a-z][a-z-]*)/.exec(line)?.[1], document }))
      .filter(({ verb }) => verb !== undefined && !known.includes(verb))
      .map(({ verb, document }) => `prooflog ${verb} in ${document}`)
    expect(unknown).toEqual([])
  })

  it("and commands that npx is to find here are here, and not fetched from afar", () => {
    const missing = typed()
      .map(({ line, document }) => ({ name: /^npx ([a-z][\w-]*)/.exec(line)?.[1], document }))
      .filter(({ name }) => name !== undefined && !existsSync(join(ROOT, "node_modules/.bin", name)))
      .map(({ name, document }) => `npx ${name} in ${document}`)
    expect(missing).toEqual([])
  })

  /** Lines of blocks, and code in running text: some of it is to be typed. */
  function typed(): { line: string; document: string }[] {
    return DOCUMENTS.flatMap((document) => {
      const markdown = read(document)
      const lines = blocksOf(markdown).flatMap(({ text }) => text.split("\n"))
      return [...lines, ...spansOf(markdown)].map((line) => ({
        line: line.trim().replace(/^\$ /, ""),
        document,
      }))
    })
  }
})

describe("no file", () => {
  /** Folders of this very machine, unless they are so short that they may be anybody's. */
  const here = [ROOT.replace(/\/$/, ""), homedir()].filter((path) => path.split("/").length > 2)

  /** Spelled so that none of them matches itself. */
  const REFUSED: Readonly<Record<string, RegExp>> = {
    "the home of a developer":
      /(?<![\w.:/-])\/(?:home|Users)\/[A-Za-z][\w.-]*\/|(?<![\w./-])\/root\/\w|[A-Z]:\\Users\\/,
    "the folder it was written in": here.length === 0 ? /(?!)/ : new RegExp(here.map(escaped).join("|")),
    "the host of a package registry":
      /:\/\/[^\s/"']*\b(?:registry|registries|artifactory|nexus|verdaccio)\b/i,
    "a tarball's address in the lock file": /\btarball: *\S+:\/\//,
    "a registry of its own": /^(?:@[\w-]+:)?registry *=|_auth(?:Token)? *=/m,
  }

  function escaped(text: string): string {
    return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
  }

  const texts = FILES.map((file) => ({ file, text: read(file) })).filter(({ text }) => !text.includes("\0"))

  it.each(Object.entries(REFUSED))("names %s", (_, pattern) => {
    const found = texts.flatMap(({ file, text }) => {
      const [match] = pattern.exec(text) ?? []
      return match === undefined ? [] : [`${file}: ${match.trim()}`]
    })
    expect(found).toEqual([])
  })
})
