import { describe, expect, it } from "vitest"
import { compiledSigma, SigmaWatch } from "./stand-in-sigma.js"

const DAY = Date.UTC(2026, 2, 1)

/** A rule of these lines, besides what every rule has. */
function ruleOf(...lines: string[]): string {
  return [
    "title: A title",
    "logsource: { product: prooflog }",
    "detection: { s: { user_id: ada }, condition: s }",
    ...lines,
  ]
    .filter((line, at, all) => all.findLastIndex((other) => nameOf(other) === nameOf(line)) === at)
    .join("\n")
}

const nameOf = (line: string) => line.split(":")[0]

const headOf = (...lines: string[]) => {
  const { rules, refused } = compiledSigma(ruleOf(...lines))
  expect(refused).toEqual([])
  return rules[0]?.head
}

describe("a Sigma rule", () => {
  it("says what it is called, why, and how grave it is", () => {
    const head = headOf(
      "id: 00000000-0000-4000-8000-000000000001",
      "name: a_name",
      "description: |\n  Someone does\n  something.\n",
      "level: critical",
      "status: test",
      "tags: [attack.t1110]",
      "references: ['https://example.org']",
      "author: somebody",
      "date: 2026-01-01",
      "falsepositives: [none]",
      "fields: [user_id]",
      "related: [{ id: x, type: similar }]",
      "anything_else: { is: passed over }",
    )
    expect(head).toEqual({
      id: "00000000-0000-4000-8000-000000000001",
      version: expect.stringMatching(/^[0-9a-f]{16}$/),
      title: "A title",
      why: "Someone does something.",
      severity: "critical",
    })
  })

  it("without an id is called by its name, or else by its title", () => {
    expect(headOf("name: a_name")?.id).toBe("a_name")
    expect(headOf("title: 'AWS CloudTrail: Stopped!'")?.id).toBe("aws-cloudtrail-stopped")
    expect(headOf("title: '…'")?.id).toBe("untitled")
  })

  it.each([
    ["informational", "info"],
    ["low", "low"],
    ["medium", "medium"],
    ["high", "high"],
    ["critical", "critical"],
  ])("of level %s is of severity %s", (level, severity) => {
    expect(headOf(`level: ${level}`)?.severity).toBe(severity)
    expect(headOf()?.severity).toBe("medium")
  })

  it("is another version if it says something else, and the same if it says it otherwise", () => {
    const version = headOf("level: high")?.version
    expect(headOf("level: 'high' # really")?.version).toBe(version)
    expect(headOf("level: low")?.version).not.toBe(version)
    expect(headOf("level: high", "detection: { s: { user_id: bob }, condition: s }")?.version).not.toBe(
      version,
    )
  })

  it("tells the reason in at most 500 characters", () => {
    expect(headOf(`description: ${"x".repeat(600)}`)?.why).toBe(`${"x".repeat(500)}…`)
    expect(headOf()?.why).toBe("A title")
  })

  it("fires on each event that it finds, and what is of one user and address belongs together", () => {
    const watch = new SigmaWatch(ruleOf("level: high"))
    watch.see({ user_id: "bob" }, DAY)
    watch.see({ user_id: "ada", ip_address: "192.0.2.1" }, DAY + 1)
    watch.see({ user_id: "ADA" }, DAY + 2)
    expect(watch.told).toEqual(["user_id=ada ip_address=192.0.2.1 1", "user_id=ADA 2"])
    expect(watch.firings[0]).toMatchObject({
      kind: "fires",
      severity: "high",
      timestampMs: DAY + 1,
      count: 1,
    })
  })

  it.each([
    ["no title", "title: ''", "3:8: title: expected a text"],
    [
      "an unknown level",
      "level: severe",
      "level: expected one of informational, low, medium, high, critical",
    ],
    ["an old way of several documents", "action: global", "documents of the old syntax are not evaluated"],
    ["a filter", "filter: { rules: [] }", "filters are not evaluated"],
    ["another taxonomy", "taxonomy: ecs", 'expected the taxonomy "sigma"'],
    ["what says of itself that it cannot be used", "status: unsupported", "it cannot be used"],
    ["a number for a name", "name: 5", "name: expected a text: put it in quotes"],
    [
      "a source that nobody knows",
      "logsource: { product: windows }",
      "no events of this log source are known here",
    ],
    [
      "a source that says too little",
      "logsource: { product: aws }",
      "no events of this log source are known here",
    ],
    ["an unknown member of the source", "logsource: { produkt: aws }", "unknown member"],
    [
      "a field that the source has not",
      "detection: { s: { EventID: 1 }, condition: s }",
      'this log source has no field "EventID" here',
    ],
    ["no condition", "detection: { s: { user_id: ada } }", "condition is missing"],
    [
      "a timeframe",
      "detection: { s: { user_id: ada }, timeframe: 5m, condition: s }",
      "aggregations of the old syntax",
    ],
    [
      "a count",
      "detection: { s: { user_id: ada }, condition: s | count() > 5 }",
      "aggregations of the old syntax",
    ],
    ["nothing under detection", "detection: null", "detection: expected a map"],
  ])("is refused with %s", (_, line, message) => {
    const { rules, refused } = compiledSigma(ruleOf(line))
    expect(rules).toEqual([])
    expect(refused).toEqual([expect.stringMatching(/^s\.yml:\d+:\d+: /)])
    expect(refused[0]).toContain(message)
  })

  it.each(["title", "logsource", "detection"])("is refused without %s", (name) => {
    const text = ruleOf()
      .split("\n")
      .filter((line) => nameOf(line) !== name)
      .join("\n")
    expect(compiledSigma(text).refused).toEqual([expect.stringContaining(`${name} is missing`)])
  })

  it("that is wrong takes no other with it", () => {
    const { rules, refused } = compiledSigma(
      ["just a text", ruleOf("id: a"), ruleOf("level: x"), ruleOf("id: b")].join("\n---\n"),
    )
    expect(rules.map(({ head }) => head.id)).toEqual(["a", "b"])
    expect(refused.map((message) => message.split(":")[1])).toEqual(["1", "11"])
  })
})

describe("a log source", () => {
  const RAW = {
    okta: {
      eventType: "user.session.start",
      outcome: { result: "FAILURE" },
      actor: { alternateId: "ada" },
      target: [{ displayName: "x" }],
    },
    github: { action: "repo.create", actor: "ada", org: "o" },
  }
  const EVENTS = {
    web: {
      http_method: "GET",
      http_path: "/a",
      http_query: "b=../etc/passwd",
      http_status: 404,
      user_agent: "sqlmap",
      ip_address: "192.0.2.1",
      http_referrer: "-",
      http_host: "h",
    },
    unreadable: { http_status: 400, resource_accessed: "\\x16\\x03" },
    cloudtrail: {
      service: "iam.amazonaws.com",
      action: "iam.CreateUser",
      user_id: "arn:aws:iam::1:user/ada",
      attributes: {
        eventVersion: "1.08",
        userIdentity: { type: "IAMUser" },
        requestParameters: { userName: "bob" },
      },
    },
    kubernetes: {
      action: "k8s.pods.exec/create",
      resource_type: "pods",
      http_status: 403,
      attributes: { stage: "ResponseComplete", objectRef: { subresource: "exec", namespace: "kube-system" } },
    },
    okta: { action: "x", raw: JSON.stringify(RAW.okta) },
    github: { action: "x", raw: JSON.stringify(RAW.github) },
    sshd: { service: "sshd", raw: "Mar 27 h sshd[1]: error: bad client public DH value" },
    other: { reason: "bad client public DH value", service: "other" },
  }
  type Name = keyof typeof EVENTS

  /** Names of the events that a rule finds. */
  function found(logsource: string, detection: string): string[] {
    const names = Object.keys(EVENTS) as Name[]
    const watch = new SigmaWatch(
      `title: t\nlogsource: { ${logsource} }\ndetection: { s: ${detection}, condition: s }`,
    )
    for (const [at, name] of names.entries()) watch.see({ user_id: name, ...EVENTS[name] }, DAY + at)
    return watch.firings.map(({ leaves }) => names[leaves[0] as number] as string)
  }

  it.each([
    ["category: webserver", "{ cs-method: GET }", ["web"]],
    ["category: webserver, service: nginx", "{ cs-method: GET }", ["web"]],
    ["category: webserver", "{ cs-uri-query|contains: ../etc }", ["web"]],
    ["category: webserver", "{ cs-uri-query|startswith: /a }", ["web"]],
    ["category: webserver", "{ cs-uri: '/a?b*' }", ["web"]],
    [
      "category: webserver",
      "{ cs-uri-stem: /a, c-ip|cidr: 192.0.2.0/24, cs-host: h, cs-referer: '-' }",
      ["web"],
    ],
    ["category: webserver", "{ cs-user-agent|contains: SQLMAP, sc-status: 404 }", ["web"]],
    ["category: webserver", "{ sc-status: 400 }", ["unreadable"]],
    ["category: webserver", "['../etc']", ["web"]],
    ["category: webserver", "{ country: null, sc-status|gte: 400 }", ["web", "unreadable", "kubernetes"]],
    [
      "product: aws, service: cloudtrail",
      "{ eventSource: iam.amazonaws.com, eventName: CreateUser }",
      ["cloudtrail"],
    ],
    [
      "product: aws, service: cloudtrail",
      "{ requestParameters.userName: bob, userIdentity.type: IAMUser }",
      ["cloudtrail"],
    ],
    ["product: aws, service: cloudtrail", "{ errorCode: null }", ["cloudtrail"]],
    [
      "product: kubernetes, service: audit",
      "{ verb: create, objectRef.resource: pods, objectRef.subresource: exec }",
      ["kubernetes"],
    ],
    [
      "category: application, product: kubernetes, service: audit",
      "{ responseStatus.code: [401, 403] }",
      ["kubernetes"],
    ],
    ["product: okta, service: okta", "{ eventType: user.session.start, outcome.result: failure }", ["okta"]],
    ["product: okta, service: okta", "{ target.displayName: x, actor.alternateId: ada }", ["okta"]],
    ["product: github, service: audit", "{ action: repo.create }", ["github"]],
    ["product: kubernetes, service: audit", "{ objectRef.name: null }", ["kubernetes"]],
    ["product: okta, service: okta", "{ client: null }", ["okta"]],
    ["product: github, service: audit", "{ repo: null }", ["github"]],
    ["product: linux, service: sshd", "{ reason: null }", ["sshd"]],
    ["product: linux, service: sshd", "['bad client public DH value']", ["sshd"]],
    ["product: linux, service: auth", "['bad client']", ["sshd"]],
    ["product: prooflog", "{ user_id: other }", ["other"]],
    ["product: prooflog, category: api", "['bad client']", ["sshd", "other"]],
  ])("%s finds, of %s, only its own events", (logsource, detection, expected) => {
    expect(found(logsource, detection)).toEqual(expected)
  })
})
