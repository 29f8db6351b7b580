import { describe, expect, it } from "vitest"
import { compileRules } from "./compile-rules.js"
import { FieldSlots } from "./seen-event.js"
import { SHIPPED_FILE, SHIPPED_RULES } from "./shipped.js"
import { DAY, type Fields, HOUR, MINUTE, MONDAY, Watch } from "./stand-in-rules.js"

const shipped = () => new Watch(SHIPPED_RULES.replace(/^rules:\n/, "").replace(/^ {2}/gm, ""))

/** Ids of the rules that fired. */
function fired(watch: Watch): readonly string[] {
  return [...new Set(watch.firings.filter(({ kind }) => kind === "fires").map(({ rule }) => rule.id))].sort()
}

/** How often, with what time between, and what: the number of the event is given. */
type Scene = readonly [count: number, everyMs: number, fields: (event: number) => Fields]

const SCENES: readonly (readonly [rule: string, ...scenes: Scene[]])[] = [
  ["brute-force-address", [20, MINUTE / 4, (n) => login("failure", { user_id: `u${n % 9}` })]],
  ["brute-force-user", [15, MINUTE / 2, (n) => login("denied", { ip_address: `203.0.113.${n}` })]],
  ["password-spraying", [10, 5 * MINUTE, (n) => login("failure", { user_id: `u${n}` })]],
  [
    "new-country",
    [20, MINUTE, () => login("success", { country: "DE" })],
    [1, 0, () => login("success", { country: "FR" })],
  ],
  [
    "impossible-travel",
    [1, 0, () => login("success", { country: "PT" })],
    [1, 0, () => login("success", { country: "US" })],
  ],
  [
    "first-admin-action",
    [7, DAY, () => ({ ...ADMIN, result: "unknown" })],
    [1, 0, () => ({ ...ADMIN, result: "unknown", action: "user.delete" })],
  ],
  ["off-hours-admin", [1, 12 * HOUR, () => ADMIN], [1, 0, () => ADMIN]],
  ["mass-export", [30, MINUTE, () => ({ user_id: "ada", activity: "export" })]],
  [
    "mass-access",
    [500, 1_000, (n) => ({ user_id: "ada", activity: "read", resource_accessed: `/patients/${n}` })],
  ],
  ["many-denied", [30, 1_000, () => ({ user_id: "ada", category: "api", result: "denied" })]],
  ["error-rate", [50, 1_000, (n) => ({ result: n % 3 ? "success" : "error" })]],
  [
    "scan-not-found",
    [30, 1_000, (n) => ({ ip_address: "203.0.113.7", http_status: 404, http_path: `/${n}` })],
  ],
  ["cloudtrail-trail-deleted", [1, 0, () => cloud("cloudtrail.DeleteTrail")]],
  ["cloudtrail-logging-stopped", [1, 0, () => cloud("cloudtrail.StopLogging")]],
  ["cloudtrail-access-key-created", [1, 0, () => cloud("iam.CreateAccessKey")]],
  [
    "cloudtrail-console-login-new",
    [2, 7 * DAY, () => cloud("signin.ConsoleLogin")],
    [1, 0, () => cloud("signin.ConsoleLogin", "eve")],
  ],
  [
    "k8s-exec",
    [
      1,
      0,
      () => ({
        user_id: "1",
        user_name: "ada",
        action: "k8s.pods.exec/create",
        resource_accessed: "pods/a/b/exec",
      }),
    ],
  ],
  [
    "k8s-secrets-read",
    [
      5,
      MINUTE,
      (n) => ({
        user_id: "1",
        user_type: "user",
        action: "k8s.secrets.get",
        resource_accessed: `secrets/a/${n}`,
      }),
    ],
  ],
  ["log-schedule-changed", [1, 0, () => own("log.schedule")]],
  ["log-hold-released", [1, 0, () => own("log.hold.release")]],
  ["log-exported", [5, MINUTE, () => own("log.export")]],
]

const TRIED = SCENES.map(([rule, ...scenes]) => ({ rule, scenes }))

const ADMIN = { user_id: "ada", category: "admin", action: "user.create" }

function login(result: string, more: Fields = {}): Fields {
  return { category: "auth", activity: "login", user_id: "ada", ip_address: "203.0.113.7", result, ...more }
}

function cloud(action: string, user_id = "ada"): Fields {
  return { action, user_id, resource_accessed: "trail/1", source: "cloudtrail" }
}

function own(action: string): Fields {
  return { action, source: "prooflog", user_id: "k_01" }
}

describe("of the rules that come with the log", () => {
  it.each(TRIED)("$rule fires, and nothing else", ({ rule, scenes }) => {
    const watch = shipped()
    let nowMs = MONDAY + 10 * HOUR
    for (const [count, everyMs, fields] of scenes) {
      for (let event = 0; event < count; event++, nowMs += everyMs) watch.see(fields(event), nowMs)
    }
    // Some of it takes days.
    expect(fired(watch).filter((id) => id !== "source-silent")).toEqual([rule])
  })

  it.each(TRIED.filter(({ scenes: [first, second] }) => second === undefined && (first?.[0] ?? 0) > 1))(
    "$rule does not fire for one less",
    ({ scenes }) => {
      const watch = shipped()
      for (const [count, everyMs, fields] of scenes) {
        for (let event = 0; event < count - 1; event++)
          watch.see(fields(event), MONDAY + 10 * HOUR + event * everyMs)
      }
      expect(fired(watch)).toEqual([])
    },
  )

  it("a login counts whether its category is told or its activity", () => {
    const failures = (fields: Fields) => {
      const watch = shipped()
      for (let event = 0; event < 20; event++) {
        const user_id = `u${event % 9}`
        watch.see({ user_id, ip_address: "203.0.113.7", result: "failure", ...fields }, MONDAY + event)
      }
      return fired(watch)
    }
    expect(failures({ category: "auth" })).toEqual(["brute-force-address"])
    expect(failures({ activity: "login" })).toEqual(["brute-force-address"])
    expect(failures({ category: "auth", result: "unknown" })).toEqual([])
    expect(failures({ category: "api" })).toEqual([])
  })

  it("source-silent fires after six hours", () => {
    const watch = shipped()
    watch.see({ user_id: "ada" }, MONDAY)
    watch.tick(MONDAY + 6 * HOUR - 1)
    expect(fired(watch)).toEqual([])
    watch.tick(MONDAY + 6 * HOUR)
    expect(fired(watch)).toEqual(["source-silent"])
  })

  it("those about health fire when it is reported", () => {
    const watch = shipped()
    const names = [
      "checkpoint_late",
      "quorum_missing",
      "verification_failed",
      "follower_lag",
      "disk",
    ] as const
    for (const name of names) watch.health(name, "a problem", MONDAY)
    expect(fired(watch)).toEqual([
      "log-checkpoint-late",
      "log-disk",
      "log-quorum-missing",
      "log-reading-behind",
      "log-verification-failed",
    ])
  })

  it("every one was tried", () => {
    const { rules } = compileRules([{ file: SHIPPED_FILE, text: SHIPPED_RULES }], new FieldSlots(), {
      toleranceMs: 0,
      historyAfterMs: DAY,
    })
    const tried = [...SCENES.map(([rule]) => rule), "source-silent"]
    const others = rules.map(({ head }) => head.id).filter((id) => !tried.includes(id))
    expect(others.sort()).toEqual([
      "log-checkpoint-late",
      "log-disk",
      "log-quorum-missing",
      "log-reading-behind",
      "log-verification-failed",
    ])
  })

  it("nothing fires about people at work", () => {
    const watch = shipped()
    for (let hour = 0; hour < 10 * 24; hour++) {
      const nowMs = MONDAY + hour * HOUR
      watch.see(
        { user_id: "ada", ip_address: "203.0.113.7", country: "DE", result: "success", category: "auth" },
        nowMs,
      )
      watch.see(
        { user_id: "ada", activity: "read", resource_accessed: `/${hour}`, country: "DE" },
        nowMs + MINUTE,
      )
      watch.see({ user_id: "bob", result: hour % 5 ? "success" : "error", country: "FR" }, nowMs + 2 * MINUTE)
      watch.see(
        { user_id: "bob", result: hour % 9 ? "success" : "failure", category: "auth", country: "FR" },
        nowMs + 3 * MINUTE,
      )
    }
    expect(watch.firings).toEqual([])
  })
})
