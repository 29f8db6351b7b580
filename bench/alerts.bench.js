/**
 * How fast are rules evaluated, and how much memory do the pasts of a million users take?
 *
 *     node --expose-gc bench/alerts.bench.js [thousand events] [runs] [thousand users]
 *
 * `@prooflog/alerts` and `@prooflog/enrich` as the alerts process has them: pages of leaves are read, enriched and shown
 * to 50 rules of all kinds; changed rows are handed out every 500 ms, and after a page with a firing, and go nowhere.
 */

import { compileRules } from "@prooflog/alerts/compile-rules"
import { EventReader } from "@prooflog/alerts/event-reader"
import { RuleSet } from "@prooflog/alerts/rule-set"
import { FieldSlots } from "@prooflog/alerts/seen-event"
import { SHIPPED_FILE, SHIPPED_RULES } from "@prooflog/alerts/shipped"
import { openEnricher } from "@prooflog/enrich/enrich"
import { encodeEventEntry, stampEntryTime } from "@prooflog/event/entry"
import { normalizeEvent } from "@prooflog/event/event"
import { sealRecord } from "@prooflog/event/record"
import { formatBundle } from "@prooflog/tlog/bundle"
import { figure, header } from "./report.js"

const [thousands = 200, n = 5, thousandUsers = 1_000] = process.argv.slice(2).map(Number)
const size = thousands * 1_000
const users = thousandUsers * 1_000
const PAGE = 4_096
const COMMIT_MS = 500
const TIMES = { toleranceMs: 600_000, historyAfterMs: 86_400_000 }
const BEGAN = Date.UTC(2026, 2, 2, 9)

/** With the shipped ones that look at events, fifty. */
const MORE = `rules:
  - { id: c1, title: t, why: w., severity: low, where: { http_status|gte: 500 }, group_by: [http_path], count: { over: 5m, at_least: 50 } }
  - { id: c2, title: t, why: w., severity: low, where: { result: denied }, group_by: [service, user_id], count: { over: 1h, at_least: 100 } }
  - { id: c3, title: t, why: w., severity: low, group_by: [user_id], count: { over: 1m, at_least: 500 } }
  - { id: d1, title: t, why: w., severity: low, where: { category: auth }, group_by: [user_id], distinct: { of: ip_address, over: 1h, at_least: 20 } }
  - { id: d2, title: t, why: w., severity: low, where: { activity: read }, group_by: [ip_address], distinct: { of: resource_accessed, over: 5m, at_least: 300 } }
  - { id: d3, title: t, why: w., severity: low, group_by: [user_id], distinct: { of: country, over: 1h, at_least: 4 } }
  - { id: r1, title: t, why: w., severity: low, rate: { over: 1m, above: 100000 } }
  - { id: r2, title: t, why: w., severity: low, group_by: [service], rate: { over: 5m, above: 50000 } }
  - { id: r3, title: t, why: w., severity: low, where: { http_status: 404 }, group_by: [ip_address], rate: { over: 1m, above: 100 } }
  - { id: q1, title: t, why: w., severity: low, group_by: [service], ratio: { of: { result: [denied, failure] }, over: 5m, at_least: 100, above: 50%, times_baseline: 3 } }
  - { id: q2, title: t, why: w., severity: low, where: { http_method: GET }, group_by: [http_path], ratio: { of: { http_status|gte: 400 }, over: 5m, at_least: 50, above: 90%, times_baseline: 5 } }
  - { id: p1, title: t, why: w., severity: low, new_country: { learn_days: 7, learn_events: 20 } }
  - { id: p2, title: t, why: w., severity: low, impossible_travel: {} }
  - { id: p3, title: t, why: w., severity: low, first_seen: { of: service, learn_days: 7 } }
  - { id: p4, title: t, why: w., severity: low, group_by: [], first_seen: { of: user_agent, learn_days: 7 } }
  - { id: o1, title: t, why: w., severity: low, where: { action|startswith: admin. }, off_hours: { zone: Europe/Berlin, days: mon-fri, hours: 07:00-19:00 } }
  - { id: s1, title: t, why: w., severity: low, group_by: [service], silence: { for: 15m } }
  - { id: e1, title: t, why: w., severity: low, where: { http_path|contains: [".git/", ".env", "wp-login", "../", "etc/passwd", "cmd.exe"] } }
  - { id: e2, title: t, why: w., severity: low, where: { user_agent|contains: [sqlmap, nikto, nmap, masscan, gobuster] } }
  - { id: e3, title: t, why: w., severity: low, where: { http_query|re: "(?i)union(\\\\s|%20)+select|sleep\\\\(\\\\d+\\\\)" } }
  - { id: e4, title: t, why: w., severity: low, where: { inside: { ip_address|cidr: 10.0.0.0/8 }, auth: { category: auth, result: denied }, condition: auth and inside } }
  - { id: e5, title: t, why: w., severity: low, where: { http_path|endswith: [.bak, .old, .sql, .zip] } }
  - { id: e6, title: t, why: w., severity: low, where: { resource_accessed|startswith: /payroll, result: denied } }
`

/** Rules that look at no event. */
const OF_HEALTH = new Set(
  ["checkpoint-late", "quorum-missing", "verification-failed", "reading-behind", "disk"].map(
    (name) => `log-${name}`,
  ),
)

const sigma = (id, logsource, detection) =>
  `title: ${id}\nid: ${id}\nlogsource: ${logsource}\ndetection:\n  selection: ${detection}\n  condition: selection\nlevel: medium\n`

const SIGMA = [
  sigma("x1", "{ category: webserver }", "{ cs-uri-stem|contains: [/admin/, /console/] , sc-status: 200 }"),
  sigma("x2", "{ category: webserver }", "{ cs-user-agent|startswith: [curl, python-requests] }"),
  sigma(
    "x3",
    "{ product: aws, service: cloudtrail }",
    "{ eventSource: iam.amazonaws.com, eventName: CreateUser }",
  ),
  sigma(
    "x4",
    "{ product: aws, service: cloudtrail }",
    "{ eventName: [PutBucketPolicy, DeleteBucketPolicy] }",
  ),
  "title: x5\nid: x5\ncorrelation:\n  type: value_count\n  rules: [x2]\n  group-by: [c-ip]\n  timespan: 10m\n  condition: { gte: 20, field: cs-uri-stem }\nlevel: high\n",
].join("---\n")

header(`${size.toLocaleString("en-US")} events shown to rules, pages of ${PAGE}`)
const { enrich } = await openEnricher()
const pages = Array.from({ length: Math.ceil(size / PAGE) }, (_, i) => pageAt(i * PAGE))
const looking = newSet().set.heads.filter(({ id }) => !OF_HEALTH.has(id)).length
console.log(`rules     ${looking} that look at events`)

const rates = []
const reading = []
let firings = 0
let rowsKept = 0
let rows
for (let run = 0; run < n; run++) {
  reading.push(secondsOf(() => readAll()))
  const { set, reader } = newSet()
  firings = 0
  rowsKept = 0
  const seconds = secondsOf(() => evaluateAll(set, reader))
  rates.push(size / seconds)
  rows = set.size
}
figure("evaluated, with reading and enriching", rates, "events/s")
figure(
  "reading and enriching what rules ask for, alone",
  reading.map((seconds) => size / seconds),
  "events/s",
)
console.log(
  `firings   ${firings}; rows ${rows.rows.toLocaleString("en-US")}, ${mib(rows.bytes)} MiB by our own estimate; ` +
    `${(rowsKept / size).toFixed(1)} rows handed out for each event`,
)

/** Rules that remember each user. */
const PASTS = `rules:
  - { id: country, title: t, why: w., severity: low, new_country: {} }
  - { id: travel, title: t, why: w., severity: low, impossible_travel: {} }
  - { id: first, title: t, why: w., severity: low, first_seen: { of: action } }
`
pages.length = 0
globalThis.gc?.()
const before = process.memoryUsage().heapUsed
const { set } = seeUsers()
globalThis.gc?.()
const after = process.memoryUsage()
console.log(
  `${users.toLocaleString("en-US")} users, each seen by 3 rules about pasts: ${set.size.rows.toLocaleString("en-US")} rows, ` +
    `${mib(after.heapUsed - before)} MiB of heap, ${mib(set.size.bytes)} MiB by our own estimate, RSS ${mib(after.rss)} MiB`,
)

function newSet(sources) {
  const slots = new FieldSlots()
  const all = sources ?? [
    { file: SHIPPED_FILE, text: SHIPPED_RULES },
    { file: "more.yaml", text: MORE },
    { file: "sigma.yml", text: SIGMA },
  ]
  const { rules, refused } = compileRules(all, slots, TIMES)
  if (refused.length > 0) throw refused[0]
  const set = new RuleSet(rules, slots, TIMES)
  return { set, reader: new EventReader(slots, enrich), slots }
}

function evaluateAll(set, reader) {
  let kept = performance.now()
  for (const page of pages) {
    const before = firings
    for (const event of reader.eventsOf(page)) set.take(event, () => firings++)
    if (firings === before && performance.now() - kept < COMMIT_MS) continue
    handOut(set)
    kept = performance.now()
  }
  handOut(set)
}

function handOut(set) {
  set.takeChanges(
    () => rowsKept++,
    () => {},
  )
}

/** What any rules cost that look at these events. */
function readAll() {
  const { reader, slots } = newSet()
  const names = slots.names()
  const asked = ["source", "category", "result", "action", "country", "user_id"].map((name) =>
    names.indexOf(name),
  )
  for (const page of pages) {
    for (const event of reader.eventsOf(page)) for (const slot of asked) event.value(slot)
  }
}

function secondsOf(work) {
  const began = performance.now()
  work()
  return (performance.now() - began) / 1_000
}

/** A page at a time, so that only rows are left at the end. */
function seeUsers() {
  const { set, reader } = newSet([{ file: "pasts.yaml", text: PASTS }])
  for (let first = 0; first < users; first += PAGE) {
    const page = pageAt(first, (i) => ({ ...eventOf(i), user_id: `user-${i}`, result: "success" }), users)
    for (const event of reader.eventsOf(page)) set.take(event, () => {})
    handOut(set)
  }
  return { set }
}

function pageAt(firstLeaf, makeEvent = eventOf, end = size) {
  const count = Math.min(PAGE, end - firstLeaf)
  const leaves = Array.from({ length: count }, (_, i) => leafAt(firstLeaf + i, makeEvent(firstLeaf + i)))
  const entries = formatBundle(leaves.map(({ entry }) => entry))
  const records = formatBundle(leaves.map(({ record }) => record))
  return { firstLeaf, count, entries, records }
}

function leafAt(leaf, event) {
  const seed = new Uint8Array(32).fill(leaf & 0xff)
  const added = { source: "api", source_key_id: "k_01", event_id: `e-${leaf}` }
  const { record, commitment } = sealRecord(normalizeEvent(event, added), seed)
  const entry = encodeEventEntry("routine", commitment)
  stampEntryTime(entry, 0, BEGAN + leaf)
  return { entry, record }
}

/** Reads, requests of a web server, logins and administration, of 5,000 users: a thousand events a second. */
function eventOf(i) {
  const user = (i * 2_654_435_761) % 5_000
  const common = {
    timestamp: BEGAN + i - (i % 7) * 100,
    user_id: `U${10_000 + user}`,
    ip_address: `${11 + (user % 180)}.${(user >> 2) % 250}.${user % 250}.${user % 199}`,
    user_agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0",
  }
  switch (i % 10) {
    case 0:
      return {
        ...common,
        category: "auth",
        activity: "login",
        action: "user.login",
        resource_accessed: "/login",
        result: i % 50 ? "success" : "failure",
      }
    case 1:
      return {
        ...common,
        category: "admin",
        action: "admin.user.update",
        resource_accessed: `/users/${i % 900}`,
        result: "success",
        service: "directory",
      }
    case 2:
    case 3:
    case 4:
    case 5: {
      const status = i % 50 === 2 ? 404 : i % 400 === 3 ? 500 : 200
      return {
        ...common,
        category: "network",
        action: "http.GET",
        http_method: "GET",
        http_path: `/shop/items/${(i * 31) % 700}`,
        http_query: `page=${i % 30}&sort=price`,
        http_status: status,
        resource_accessed: `/shop/items/${(i * 31) % 700}`,
        result: status === 200 ? "success" : status === 404 ? "failure" : "error",
        service: "shop",
      }
    }
    default:
      return {
        ...common,
        action: "document.read",
        activity: "read",
        resource_accessed: `/api/v2/documents/${(i * 7919) % 100_000}`,
        result: i % 90 === 9 ? "denied" : "success",
        service: "documents",
      }
  }
}

function mib(bytes) {
  return (bytes / 2 ** 20).toFixed(1)
}
