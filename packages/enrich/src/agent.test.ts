import Bowser from "bowser"
import fc from "fast-check"
import { afterEach, describe, expect, test, vi } from "vitest"
import { agentOf, cutAgent, LONGEST_AGENT } from "./agent.js"

afterEach(() => vi.restoreAllMocks())

const WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
const APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"

describe("browsers:", () => {
  test.each([
    [
      `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/120.0.0.0 Safari/537.36`,
      "Chrome 120",
      "Windows 10",
    ],
    [
      `Mozilla/5.0 (Linux; Android 13; SM-S908B) ${WEBKIT} Chrome/112.0.0.0 Mobile Safari/537.36`,
      "Chrome 112",
      "Android 13",
    ],
    [
      `Mozilla/5.0 (Linux; Android 9; CUBOT_X18) ${WEBKIT} Chrome/86.0.4240.99 Mobile Safari/537.36`,
      "Chrome 86",
      "Android 9",
    ],
    [
      `Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${WEBKIT} Chrome/119.0.0.0 Safari/537.36`,
      "Chrome 119",
      "Chrome OS",
    ],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) ${APPLE} CriOS/116.0.5845.103 Mobile/15E148 Safari/604.1`,
      "Chrome 116",
      "iOS 16",
    ],
    [
      `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/119.0.0.0 Safari/537.36 Edg/119.0.2151.58`,
      "Microsoft Edge 119",
      "Windows 10",
    ],
    [
      `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/51.0.2704.79 Safari/537.36 Edge/14.14393`,
      "Microsoft Edge 14",
      "Windows 10",
    ],
    [
      `Mozilla/5.0 (Windows NT 6.1; WOW64) ${WEBKIT} Chrome/105.0.0.0 Safari/537.36 OPR/91.0.4516.20`,
      "Opera 91",
      "Windows 7",
    ],
    ["Opera/9.80 (Windows NT 6.2; Win64; x64) Presto/2.12.388 Version/12.17", "Opera 12", "Windows 8"],
    [
      "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/118.0",
      "Firefox 118",
      "Linux",
    ],
    ["Mozilla/5.0 (Windows NT 6.3; WOW64; rv:44.0) Gecko/20100101 Firefox/44.0", "Firefox 44", "Windows 8.1"],
    ["Mozilla/5.0 (Android 14; Mobile; rv:121.0) Gecko/121.0 Firefox/121.0", "Firefox 121", "Android 14"],
    [
      `Mozilla/5.0 (iPad; CPU OS 17_1 like Mac OS X) ${APPLE} FxiOS/119.0 Mobile/15E148 Safari/605.1.15`,
      "Firefox 119",
      "iOS 17",
    ],
    [
      `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${APPLE} Version/17.1 Safari/605.1.15`,
      "Safari 17",
      "macOS 10.15",
    ],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 17_1_2 like Mac OS X) ${APPLE} Version/17.1 Mobile/15E148 Safari/604.1`,
      "Safari 17",
      "iOS 17",
    ],
    [
      `Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-G991B) ${WEBKIT} SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36`,
      "Samsung Internet for Android 23",
      "Android 13",
    ],
    [
      `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/118.0.0.0 Safari/537.36 Vivaldi/6.4.3160.44`,
      "Vivaldi 6",
      "Windows 10",
    ],
    [
      `Mozilla/5.0 (Windows NT 10.0) ${WEBKIT} Chrome/116.0.5845.188 YaBrowser/23.9.0.2325 Safari/537.36`,
      "Yandex Browser 23",
      "Windows 10",
    ],
    [
      "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
      "Internet Explorer 11",
      "Windows 7",
    ],
    ["Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)", "Internet Explorer 6", "Windows XP"],
    ["Mozilla/5.0 (compatible; Konqueror/3.5; Linux) KHTML/3.5.5 (like Gecko)", "Konqueror 3", "Linux"],
  ])("%s", (text, browser, os) => {
    expect(agentOf(text)).toEqual({ browser, os })
  })
})

describe("programs:", () => {
  test.each([
    ["curl/7.68.0", { browser: "curl 7" }],
    ["Go-http-client/1.1", { browser: "Go-http-client 1" }],
    ["python-requests/2.5.0 CPython/2.7.9 Linux/3.14", { browser: "python-requests 2", os: "Linux" }],
    [
      "aws-cli/1.18.69 Python/3.8.10 Linux/5.4.0-1029 botocore/1.16.19",
      { browser: "aws-cli 1", os: "Linux" },
    ],
    ["[aws-sdk-java/1.11.1]", { browser: "aws-sdk-java 1" }],
    ["kubectl/v1.22.0 (linux/amd64) kubernetes/c2b5237", { browser: "kubectl 1", os: "Linux" }],
    ["prometheus-operator/v0.55.0", { browser: "prometheus-operator 0" }],
    ["WordPress/4.4.2; http://example.com/bot", { browser: "WordPress 4" }],
    ["Feedly/1.0 (+http://example.com/fetcher.html; like FeedFetcher-Google)", { browser: "Feedly 1" }],
    ["signin.amazonaws.com", { browser: "signin.amazonaws.com" }],
  ])("%s", (text, agent) => {
    expect(agentOf(text)).toEqual(agent)
  })
})

describe("nothing is told by", () => {
  test.each([
    "",
    "-",
    " ",
    "Mozilla/5.0",
    "Mozilla/4.0 (compatible;)",
    "() { :;}; /bin/true",
    "' OR 1=1 --",
    "\u0000",
    "12345",
  ])("%j", (text) => {
    expect(agentOf(text)).toEqual({})
  })
})

describe("hostile agents", () => {
  const pieces = [
    "version/|opt/|opr/|opt/1|opt/1_|version/1|version/1.|version/1._|se 1.1|silk/|Ddg/1.|os 1_|os 1 |yahoo!".split(
      "|",
    ),
    "linespider-|slackbot-|slack-imgproxy-a|linespider-a|googlebot/1.1|blackberry1|bb1|Macintosh|bot|www.".split(
      "|",
    ),
    "yahoo | FxiOS|windows phone |mac os x 1_|like android android|(compatible; |tizen browser/|http:".split(
      "|",
    ),
    ["/", "(", ") (", "/ (", "1", "1.", "1_", ".", " ", "\t", "-", "a", "[", "bot ", "\ud800", "é"],
  ].flat()
  const hostile = pieces.flatMap((piece) => [
    piece.repeat(Math.ceil(8192 / piece.length)),
    ...pieces.map((head) => head + piece.repeat(Math.ceil(8192 / piece.length))),
    `Mozilla/5.0 ${piece.repeat(Math.ceil(8192 / piece.length))}`,
  ])

  test("reach bowser cut, so that its work has a bound", () => {
    const parser = vi.spyOn(Bowser, "getParser")
    for (const text of hostile) agentOf(text)
    expect(parser.mock.calls.length).toBeGreaterThan(500)
    expect(Math.max(...parser.mock.calls.map(([text]) => text.length))).toBe(LONGEST_AGENT)
  })

  test("tell no more than their first 512 characters do", () => {
    for (const text of hostile) {
      expect(cutAgent(text)).toHaveLength(LONGEST_AGENT)
      expect(agentOf(text)).toEqual(agentOf(text.slice(0, LONGEST_AGENT)))
    }
  })

  test("are all told within the test's time, which a cubic or exponential pattern would not allow", () => {
    // Linear work on 2,000 agents of 512 characters takes some 50 ms; 512³ steps on each would take an hour.
    expect(hostile.length).toBeGreaterThan(2000)
    for (const text of hostile) expect(Object.keys(agentOf(text)).length).toBeLessThanOrEqual(2)
  })
})

test("any string tells something short, or nothing, without a throw", () => {
  const words = fc.constantFrom(
    ..."Mozilla/5.0 Chrome/ 120.0 Safari/ (compatible; bot spider like Android Windows NT 10.0 / ( ) ;".split(
      " ",
    ),
  )
  const text = fc.oneof(
    fc.string({ maxLength: 2000 }),
    fc.string({ unit: "binary", maxLength: 600 }),
    fc.array(fc.oneof(words, fc.string({ maxLength: 5 })), { maxLength: 60 }).map((parts) => parts.join(" ")),
  )
  fc.assert(
    fc.property(text, (agent) => {
      for (const value of Object.values(agentOf(agent))) {
        expect(value).not.toBe("")
        expect(value.length).toBeLessThanOrEqual(80)
      }
    }),
    { numRuns: 3000 },
  )
})
