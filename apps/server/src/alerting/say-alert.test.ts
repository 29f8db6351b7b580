import { describe, expect, it } from "vitest"
import { alert } from "../../../../test/alerts/made-alerts.js"
import type { ShownSilence } from "../followers/alerts-calls.js"
import { sayAlert, saySilence } from "./say-alert.js"

/** Labels as rules of all forms make them: fields, what is derived of them, and names of other logs' records. */
const LABELS = {
  user_id: "u",
  user_email: "secret",
  country: "secret",
  "attributes.a.b": "secret",
  "raw.sub": "secret",
  "userIdentity.userName": "secret",
  "cs-uri": "secret",
  "webserver.uri": "secret",
  "cloudtrail.sourceIPAddress": "secret",
  who: "secret",
  class: "routine",
  service: "api",
  constructor: "secret",
}

const WITHHELD = ["user_email", "ip_address", "attributes", "raw", "user_name", "http_query"]

describe("an alert", () => {
  it("is told whole to whoever may see everything", () => {
    const said = sayAlert({ ...alert({ labels: LABELS, details: { d: "x" } }), silencedBy: ["s"] }, [])
    expect(said).toMatchObject({ labels: LABELS, details: { d: "x" }, silenced_by: ["s"] })
    expect(said).toHaveProperty("fingerprint")
  })

  it("shows no label that is, or may be made of, a field that is withheld; no details, and no hash of it", () => {
    const said = sayAlert(
      { ...alert({ labels: LABELS, details: { d: "secret" } }), silencedBy: [] },
      WITHHELD,
    )
    expect(said).toMatchObject({ labels: { user_id: "u", class: "routine", service: "api" }, details: {} })
    expect(JSON.stringify(said)).not.toContain("secret")
    expect(said).not.toHaveProperty("fingerprint")
  })

  it("shows no attributes to one from whom anything is withheld: the log's own have what others asked for", () => {
    const given = { ...alert({ labels: { "attributes.sql": "secret", user_name: "n" } }), silencedBy: [] }
    expect(sayAlert(given, ["raw"])).toMatchObject({ labels: { user_name: "n" } })
    expect(JSON.stringify(sayAlert(given, ["raw"]))).not.toContain("secret")
  })
})

describe("a silence", () => {
  const silence: ShownSilence = {
    ...{ id: "s", startsMs: 0, endsMs: 1, by: "k", why: "w" },
    matchers: ["rule = brute", 'user_email =~ "secret.*"', "severity != low", "who = secret"],
  }

  it("names what it matches, but no value of a field that is withheld", () => {
    expect(saySilence(silence, 0, [])).toMatchObject({ matchers: silence.matchers })
    expect(saySilence(silence, 0, WITHHELD)).toMatchObject({
      matchers: ["rule = brute", "user_email: withheld", "severity != low", "who: withheld"],
    })
  })
})
