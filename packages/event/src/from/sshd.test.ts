import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { EventError } from "../error.js"
import type { AccessEvent } from "../schema.js"
import { checkEvent } from "../validate.js"
import { SshdLines } from "./sshd.js"

const DATASET = fileURLToPath(
  new URL("../../../../../shared/datasets/elastic-examples/ssh_auth.log", import.meta.url),
)
const isPresent = existsSync(DATASET)
if (!isPresent) console.log(`skipped: the real log is not at ${DATASET}`)

const NOW = Date.UTC(2026, 0, 1)

const lines = () => new SshdLines({ year: 2017, zone: "+02:00" })

const parse = (message: string) => lines().parse(`Mar 27 13:08:09 web-1 sshd[1361]: ${message}`)

function refusal(line: string, reader = lines()): string {
  try {
    reader.parse(line)
  } catch (error) {
    expect(error).toBeInstanceOf(EventError)
    expect((error as EventError).code).toBe("EVENT_UNMAPPABLE")
    return (error as EventError).message
  }
  throw new Error("the line was mapped")
}

describe("a line of sshd", () => {
  it("tells who came from where, how, and whether he was let in", () => {
    const line =
      "Mar 27 13:08:09 web-1 sshd[1361]: Accepted publickey for ada from 203.0.113.7 port 54259 ssh2: RSA SHA256:Kl8"
    expect(lines().parse(line)).toEqual({
      timestamp: "2017-03-27T13:08:09+02:00",
      user_id: "ada",
      action: "ssh.login",
      resource_accessed: "ssh://web-1",
      result: "success",
      category: "auth",
      activity: "login",
      service: "sshd",
      host: "web-1",
      ip_address: "203.0.113.7",
      raw: line,
      attributes: { pid: 1361, method: "publickey", port: 54259, key: "RSA SHA256:Kl8" },
    })
  })

  const KINDS: [message: string, expected: Partial<AccessEvent>][] = [
    [
      "Accepted password for ada from 2001:db8::1 port 22 ssh2",
      {
        action: "ssh.login",
        activity: "login",
        result: "success",
        user_id: "ada",
        ip_address: "2001:db8::1",
      },
    ],
    [
      "Failed password for ada from 192.0.2.1 port 22 ssh2",
      { action: "ssh.login", activity: "login", result: "failure", user_id: "ada", ip_address: "192.0.2.1" },
    ],
    [
      "Failed password for invalid user bob from 192.0.2.1 port 22 ssh2",
      { action: "ssh.login", result: "failure", user_id: "bob", reason: "invalid user" },
    ],
    [
      "Failed publickey for ada from host.example port 22 ssh2: RSA SHA256:x",
      { action: "ssh.login", source_address: "host.example" },
    ],
    [
      "Failed none for invalid user  from 192.0.2.1 port 22 ssh2",
      { action: "ssh.login", user_id: "unknown", reason: "invalid user" },
    ],
    [
      "message repeated 5 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]",
      { action: "ssh.login", result: "failure", user_id: "root", ip_address: "192.0.2.1" },
    ],
    [
      "User root from 192.0.2.1 not allowed because not listed in AllowUsers",
      { action: "ssh.not_allowed", result: "denied", user_id: "root", reason: "not listed in AllowUsers" },
    ],
    ["Invalid user bob from 192.0.2.1", { action: "ssh.invalid_user", result: "failure", user_id: "bob" }],
    ["Invalid user bob from 192.0.2.1 port 22", { action: "ssh.invalid_user", ip_address: "192.0.2.1" }],
    [
      "error: maximum authentication attempts exceeded for invalid user bob from 192.0.2.1 port 22 ssh2 [preauth]",
      { action: "ssh.too_many_attempts", result: "failure", user_id: "bob", ip_address: "192.0.2.1" },
    ],
    [
      "pam_unix(sshd:session): session opened for user ada by (uid=0)",
      { action: "ssh.session_opened", result: "success", user_id: "ada" },
    ],
    [
      "pam_unix(sshd:session): session opened for user ada(uid=1000) by (uid=0)",
      { action: "ssh.session_opened", user_id: "ada" },
    ],
    [
      "pam_unix(sshd:session): session closed for user ada",
      { action: "ssh.session_closed", activity: "logout", result: "success", user_id: "ada" },
    ],
    [
      "Received disconnect from 192.0.2.1 port 22:11: disconnected by user",
      {
        action: "ssh.disconnect",
        ip_address: "192.0.2.1",
        reason: "disconnected by user",
        user_id: "unknown",
      },
    ],
    ["Received disconnect from 192.0.2.1: 11: Bye [preauth]", { action: "ssh.message" }],
    ["Disconnected from 192.0.2.1 port 22", { action: "ssh.disconnect", ip_address: "192.0.2.1" }],
    ["Disconnected from user ada 192.0.2.1 port 22", { action: "ssh.disconnect", user_id: "ada" }],
    [
      "Connection closed by authenticating user ada 192.0.2.1 port 22 [preauth]",
      { action: "ssh.disconnect", user_id: "ada" },
    ],
    [
      "Connection reset by invalid user  192.0.2.1 port 22 [preauth]",
      { action: "ssh.disconnect", user_id: "unknown", ip_address: "192.0.2.1" },
    ],
    [
      "Connection from 192.0.2.1 port 22 on 10.0.0.1 port 22",
      { action: "ssh.connect", ip_address: "192.0.2.1" },
    ],
    [
      "Bad protocol version identification 'GET / HTTP/1.1' from 192.0.2.1 port 22",
      { action: "ssh.no_protocol", ip_address: "192.0.2.1" },
    ],
    [
      "Did not receive identification string from 192.0.2.1",
      { action: "ssh.no_protocol", ip_address: "192.0.2.1" },
    ],
    [
      "Server listening on 0.0.0.0 port 22.",
      { action: "ssh.message", result: "unknown", user_id: "unknown" },
    ],
    ["error: bad client public DH value", { action: "ssh.message" }],
  ]
  it.each(KINDS)("%s", (message, expected) => {
    const event = parse(message)
    expect(event).toMatchObject(expected)
    expect(event.category).toBe("auth")
    expect(event.raw).toContain(message)
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it("notes how often it was repeated, and which of the programs wrote it", () => {
    const repeated = parse(
      "message repeated 5 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]",
    )
    expect(repeated.attributes).toEqual({ pid: 1361, method: "password", port: 22, repeated: 5 })
    const session = lines().parse(
      "<86>Apr  1 00:00:00 web-1 sshd-session: Disconnected from 192.0.2.1 port 22",
    )
    expect(session.attributes).toEqual({ program: "sshd-session", port: 22 })
    expect(session.timestamp).toBe("2017-04-01T00:00:00+02:00")
  })

  // Whoever logs in writes the name.
  it.each([
    [
      "Failed password for invalid user a from 10.0.0.1 port 1 ssh2 from 192.0.2.1 port 22 ssh2",
      "a from 10.0.0.1 port 1 ssh2",
    ],
    [
      "Failed password for invalid user a from 10.0.0.1 port 1 ssh2: x from 192.0.2.1 port 22 ssh2",
      "a from 10.0.0.1 port 1 ssh2: x",
    ],
    [
      "Invalid user Accepted password for root from 10.0.0.1 port 1 ssh2 from 192.0.2.1",
      "Accepted password for root from 10.0.0.1 port 1 ssh2",
    ],
    ["Invalid user root from 10.0.0.1 port 1 from 192.0.2.1 port 22", "root from 10.0.0.1 port 1"],
    ["Connection closed by invalid user x 10.0.0.1 port 1 192.0.2.1 port 22 [preauth]", "x 10.0.0.1 port 1"],
    [
      "User x from 10.0.0.1 not allowed because y from 192.0.2.1 not allowed because not listed in AllowUsers",
      "x from 10.0.0.1 not allowed because y",
    ],
    [
      "Failed publickey for ada from 192.0.2.1 port 22 ssh2: ED25519-CERT SHA256:x ID a from 10.0.0.1 port 1 ssh2:  (serial 0)",
      "ada",
    ],
    [
      "Failed none for a b from 10.0.0.1 port 1 ssh2 from 192.0.2.1 port 22 ssh2",
      "a b from 10.0.0.1 port 1 ssh2",
    ],
  ])("is not deceived by a name: %s", (message, user) => {
    expect(parse(message)).toMatchObject({ user_id: user, ip_address: "192.0.2.1" })
    expect(parse(message).result).not.toBe("success")
  })

  it("is a login of whoever has an account, whatever the name of his certificate is", () => {
    const id = "a from 10.0.0.1 port 1 ssh2: x"
    const event = parse(
      `Accepted publickey for ada from 192.0.2.1 port 22 ssh2: ED25519-CERT SHA256:x ID ${id} (serial 0)`,
    )
    expect(event).toMatchObject({ result: "success", user_id: "ada", ip_address: "192.0.2.1" })
    expect(parse("Accepted password for DOM\\ada b from 192.0.2.1 port 22 ssh2")).toMatchObject({
      result: "success",
      user_id: "DOM\\ada b",
    })
  })

  it("with any name, and of any words, is an event that can be logged", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (name) => {
        const user = name.replace(/[\r\n]/g, "")
        const event = parse(`Failed password for invalid user ${user} from 192.0.2.1 port 22 ssh2`)
        expect(checkEvent(event, NOW)).toEqual([])
        if (user !== "" && user.length <= 256) expect(event.user_id).toBe(user)
        if (user !== "") expect(checkEvent(parse(user), NOW)).toEqual([])
      }),
    )
    expect(checkEvent(parse(`Invalid user ${"ü".repeat(60_000)} from 192.0.2.1`), NOW)).toEqual([])
  })

  it.each([
    ["", "column 1: expected a priority, or a month like Mar, found the end of the line"],
    ["2017-03-27T13:08:09Z web-1 sshd: x", "column 1: expected a priority, or a month like Mar"],
    ["Mar 7 13:08:09 web-1 sshd: x", "column 5: expected a day like 27"],
    ["Mar 27 13:08 web-1 sshd: x", "column 8: expected a time like 13:08:09"],
    ["Mar 27 13:08:09  sshd: x", "column 17: expected a host"],
    [
      "Mar 27 13:08:09 web-1 CRON[1]: x",
      "column 23: expected sshd: other programs' lines are none of this format",
    ],
    ["Mar 27 13:08:09 web-1 sshd[1]: ", "column 32: expected a message, found the end of the line"],
    ["Mär 27 13:08:09 web-1 sshd[1]: x", "column 1: expected a priority, or a month like Mar"],
    ["Foo 27 13:08:09 web-1 sshd[1]: x", "column 1: there is no such time"],
    ["Feb 30 13:08:09 web-1 sshd[1]: x", "column 1: there is no such time"],
    ["Feb 29 13:08:09 web-1 sshd[1]: x", "column 1: there is no such time"],
    ["Mar 27 25:08:09 web-1 sshd[1]: x", "column 1: there is no such time"],
    [
      `Mar 27 13:08:09 web-1 sshd[1]: ${"x".repeat(65_536)}`,
      "column 65536: a line has at most 65535 characters",
    ],
  ])("is refused with its column: %s", (line, message) => {
    expect(refusal(line)).toBe(message)
  })
})

describe("the year", () => {
  const years = (...dates: string[]) => {
    const reader = lines()
    return dates.map((date) => reader.parse(`${date} 12:00:00 h sshd: x`).timestamp.toString().slice(0, 10))
  }

  it("passes where December is followed by January", () => {
    expect(years("Dec 30", "Dec 31", "Jan  1", "Jul  1", "Dec 31", "Jan  1")).toEqual([
      "2017-12-30",
      "2017-12-31",
      "2018-01-01",
      "2018-07-01",
      "2018-12-31",
      "2019-01-01",
    ])
  })

  it("is that of the line, where lines are a little out of order", () => {
    expect(years("Dec 31", "Jan  1", "Dec 31", "Jan  1", "Feb 28")).toEqual([
      "2017-12-31",
      "2018-01-01",
      "2017-12-31",
      "2018-01-01",
      "2018-02-28",
    ])
    expect(years("Jun  1", "Mar  1", "Apr  1")).toEqual(["2017-06-01", "2017-03-01", "2017-04-01"])
  })

  it("is not moved by a line that is refused", () => {
    const reader = lines()
    reader.parse("Dec 31 12:00:00 h sshd: x")
    expect(refusal("Jan 40 12:00:00 h sshd: x", reader)).toContain("no such time")
    expect(reader.parse("Dec 31 13:00:00 h sshd: x").timestamp).toBe("2017-12-31T13:00:00+02:00")
  })

  it.each([
    [{ year: 1969, zone: "Z" }, "year"],
    [{ year: 9999, zone: "Z" }, "year"],
    [{ year: 2017.5, zone: "Z" }, "year"],
    [{ year: 2017, zone: "" }, "zone"],
    [{ year: 2017, zone: "Europe/Berlin" }, "zone"],
    [{ year: 2017, zone: "+2:00" }, "zone"],
  ])("and the zone have to be some: %o", (time, what) => {
    expect(() => new SshdLines(time)).toThrow(what)
    expect(() => new SshdLines({ year: 2017, zone: "Z" })).not.toThrow()
  })
})

describe.skipIf(!isPresent)("a real log of April 2017", () => {
  const text = isPresent ? readFileSync(DATASET, "utf8").split("\n").slice(0, -1) : []
  const reader = new SshdLines({ year: 2017, zone: "+00:00" })
  const events: AccessEvent[] = []
  const refused: string[] = []
  for (const line of text) {
    try {
      events.push(reader.parse(line))
    } catch (error) {
      refused.push((error as Error).message.replace(/\d+/, "N"))
    }
  }

  const count = (test: (event: AccessEvent) => boolean) => events.filter(test).length

  it("has an event for each line of sshd, all of them valid; the other programs' lines are named", () => {
    expect([text.length, events.length, refused.length]).toEqual([7_121, 4_095, 3_026])
    expect(new Set(refused)).toEqual(
      new Set(["column N: expected sshd: other programs' lines are none of this format"]),
    )
    expect(events.flatMap((event) => checkEvent(event, NOW)).slice(0, 3)).toEqual([])
  })

  it("has the logins that are known of it: 226 let in, 674 refused with a name and 43 without", () => {
    const isLogin = ({ action }: AccessEvent) => action === "ssh.login"
    expect(count((event) => isLogin(event) && event.result === "success")).toBe(226)
    const failed = events.filter((event) => isLogin(event) && event.result === "failure")
    expect(failed.length).toBe(717)
    expect(failed.filter(({ user_id }) => user_id !== "unknown").length).toBe(674)
    expect(count(({ action }) => action === "ssh.invalid_user")).toBe(178)
  })

  it("has the addresses that failed most often: one of them never got as far as a password", () => {
    const most = (action: string) => {
      const failures = new Map<string, number>()
      for (const event of events) {
        if (event.action !== action || event.result !== "failure") continue
        const from = event.ip_address ?? ""
        failures.set(from, (failures.get(from) ?? 0) + 1)
      }
      return [...failures].sort(([, one], [, other]) => other - one)
    }
    expect(most("ssh.login").slice(0, 2)).toEqual([
      ["24.151.103.17", 157],
      ["34.204.227.175", 43],
    ])
    expect(most("ssh.invalid_user")[0]).toEqual(["91.197.232.109", 58])
    expect(most("ssh.login").find(([from]) => from === "91.197.232.109")).toBe(undefined)
  })

  it("has ten users that log in from Portugal and from the United States", () => {
    const homes = new Map<string, Set<string | undefined>>()
    for (const { action, result, user_id, ip_address } of events) {
      if (action !== "ssh.login" || result !== "success" || !user_id.startsWith("elastic_user_")) continue
      homes.set(user_id, (homes.get(user_id) ?? new Set()).add(ip_address))
    }
    expect(homes.size).toBe(10)
    expect(
      [...homes.values()].every((addresses) => addresses.has("24.151.103.17") && addresses.size > 1),
    ).toBe(true)
  })

  it("keeps each line as it was", () => {
    const sshd = text.filter((line) => / sshd\[/.test(line))
    expect(events.map(({ raw }) => raw)).toEqual(sshd)
  })
})
