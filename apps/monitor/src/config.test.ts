import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createSignerKey, formatSignerKey } from "@prooflog/tlog/key"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ORIGIN, POLICY_TEXT, WITNESSED_POLICY_TEXT } from "../../../packages/verifier/fixtures/small-log.js"
import { temporaryFolder } from "../fixtures/served-log.js"
import { DEFAULTS, parseConfig, readConfig } from "./config.js"
import { CONFIG_TEMPLATE } from "./config-template.js"

describe("a config", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>

  beforeAll(async () => {
    folder = await temporaryFolder()
    const file = (name: string, text: string) => writeFile(join(folder.path, name), text)
    await file("policy", POLICY_TEXT)
    await file("witnessed", WITNESSED_POLICY_TEXT)
    await file("witness.key", formatSignerKey(createSignerKey("w.example", new Uint8Array(32).fill(5), 0x04)))
    await file("log.key", formatSignerKey(createSignerKey("log.example", new Uint8Array(32).fill(5), 0x01)))
    await file("token", "secret-token\n")
    await file("two-words", "two words\n")
    await file("monitor.yaml", CONFIG_TEMPLATE)
  })

  afterAll(() => folder.remove())

  const parse = (text: string) => parseConfig(text, { name: "m.yaml", folder: folder.path })
  const LOG = "logs: [{ url: https://log.example/a, policy: policy }]\n"

  it("is what the template says, which can be read as it stands", async () => {
    const config = await readConfig(join(folder.path, "monitor.yaml"))
    expect(config).toMatchObject({
      folder: join(folder.path, "monitor-state"),
      listen: { host: "127.0.0.1", port: 8090 },
      name: "monitor.example",
      peers: [],
      logs: [{ ...DEFAULTS, origin: ORIGIN, url: "https://log.example/access/", compare: true, headers: {} }],
    })
  })

  it("names every member in its template, in comments too", () => {
    for (const member of [
      "origin",
      "token_file",
      "webhook",
      "witness",
      "key",
      "logs",
      "alarm",
      "peers",
      "reread",
    ]) {
      expect(CONFIG_TEMPLATE).toMatch(new RegExp(`^[# -]*${member}:`, "m"))
    }
  })

  it("may say how many connections an address may have, as its template does", async () => {
    const [, listen = ""] = /^# (listen: .*)$/m.exec(CONFIG_TEMPLATE) ?? []
    expect(await parse(`folder: s\n${listen}\n${LOG}`)).toMatchObject({
      listen: { host: "127.0.0.1", port: 8090, connectionsPerAddress: 500 },
    })
    expect(await parse(`folder: s\nlisten: { address: "[::1]:80" }\n${LOG}`)).toMatchObject({
      listen: { host: "::1", port: 80 },
    })
  })

  it("has the defaults where it says nothing", async () => {
    expect(await parse(`folder: state\n${LOG}`)).toMatchObject({
      folder: join(folder.path, "state"),
      peers: [],
      logs: [{ ...DEFAULTS, url: "https://log.example/a/" }],
    })
  })

  it("may hold the policy itself, tokens in files, a witness and an alarm", async () => {
    const text = `folder: state
logs:
  - url: http://127.0.0.1:8080
    policy: |
${WITNESSED_POLICY_TEXT.replace(/^/gm, "      ")}
    token_file: token
    poll: 500ms
    clock: 1m
peers: [https://peer.example/m]
alarm: { webhook: "https://hook.example/x?y=1", token_file: token }
witness: { key: witness.key }
`
    expect(await parse(text)).toMatchObject({
      logs: [{ pollMs: 500, clockMs: 60_000, headers: { authorization: "Bearer secret-token" } }],
      peers: ["https://peer.example/m/"],
      alarm: { webhook: "https://hook.example/x?y=1", headers: { authorization: "Bearer secret-token" } },
      witness: { signerKey: { name: "w.example" }, logs: [{ origin: ORIGIN, keys: [{ name: ORIGIN }] }] },
    })
  })

  it.each([
    [
      "an unknown member",
      `folder: s\nlogs:\n  - url: https://a.example\n    pol: x\n`,
      "m.yaml:4:5: logs[0].pol: unknown member",
    ],
    ["YAML that is none", "folder: [s\n", "m.yaml:2:1: "],
    ["a member twice", `folder: s\nfolder: t\n${LOG}`, "m.yaml:2:1: "],
    ["an anchor", `folder: &a s\nname: *a\n${LOG}`, "m.yaml:1:12: folder: anchors"],
    ["a member without a value", `folder: s\npeers:\n${LOG}`, "m.yaml:2:1: peers: it has no value"],
    ["no folder", LOG, "m.yaml:1:1: folder is missing"],
    ["nothing to do", "folder: s\n", "m.yaml:1:1: there is nothing to do"],
    ["no map", "- a\n", "m.yaml:1:1: expected a map"],
    ["nothing at all", "", "m.yaml:1:1: expected a map"],
    [
      "a policy that is not there",
      "folder: s\nlogs: [{ policy: nowhere }]\n",
      "m.yaml:2:18: logs[0].policy: cannot read",
    ],
    [
      "a policy that is none",
      "folder: s\nlogs: [{ policy: token }]\n",
      "m.yaml:2:18: logs[0].policy: malformed policy",
    ],
    [
      "no policy",
      "folder: s\nlogs: [{ url: https://a.example }]\n",
      "m.yaml:2:8: logs[0]: policy is missing",
    ],
    ["no url anywhere", "folder: s\nlogs: [{ policy: policy }]\n", "url is missing"],
    [
      "a log twice",
      `folder: s\n${LOG.trim().slice(0, -1)}, { url: https://b.example, policy: policy }]\n`,
      "watched twice",
    ],
    [
      "another origin",
      "folder: s\nlogs: [{ url: https://a.example, policy: policy, origin: b }]\n",
      'is called "b"',
    ],
    [
      "a duration that is none",
      `folder: s\nlogs: [{ url: https://a.example, policy: policy, poll: 10 }]\n`,
      "10s, 5m",
    ],
    [
      "a hasty interval",
      `folder: s\nlogs: [{ url: https://a.example, policy: policy, poll: 1ms }]\n`,
      "at least 200 ms",
    ],
    [
      "a URL of another kind",
      "folder: s\nlogs: [{ url: ftp://a.example, policy: policy }]\n",
      "http or https URL",
    ],
    [
      "an address that is none",
      `folder: s\nlisten: "8090"\n${LOG}`,
      "m.yaml:2:9: listen: expected an address",
    ],
    ["a listener nowhere", `folder: s\nlisten: { connections_per_address: 5 }\n${LOG}`, "address is missing"],
    ...["0", "1001", "1.5", "many"].map((number): [string, string, string] => [
      `${number} connections`,
      `folder: s\nlisten: { address: "a:1", connections_per_address: ${number} }\n${LOG}`,
      "m.yaml:2:52: listen.connections_per_address: expected a whole number from 1 to 1000",
    ]),
    ["a log's key for a witness", `folder: s\nwitness: { key: log.key }\n${LOG}`, "key of type 4"],
    ["a key that is none", `folder: s\nwitness: { key: token }\n${LOG}`, "malformed key"],
    [
      "a token of two words",
      `folder: s\nalarm: { webhook: https://a.example, token_file: two-words }\n${LOG}`,
      "one word",
    ],
  ])("with %s is refused, and where", async (_, text, message) => {
    const refused = expect(parse(text)).rejects
    await refused.toMatchObject({ code: "MONITOR_BAD_CONFIG", message: expect.stringContaining(message) })
  })
})
