/**
 * Programs that fetch pages for nobody who sits before them, by the name they give themselves.
 *
 *     Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)   ─►  bingbot
 *     Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)   ─►  Sogou web spider
 *     Mozilla/5.0 (Linux; Android 9; CUBOT_X18) … Chrome/120.0 Mobile Safari    ─►  none: a telephone
 *
 * Anyone can call himself Googlebot; this is what was said, not who it was.
 * Pure. Work is linear in the length of the text.
 */

/** What robots have in their names. "bot" ends a word: "bottle" is none. */
const ROBOT_WORD = /bots?(?![a-z])|crawl|spider|slurp/i

/** Robots that say so in no word of their name, in lower case. */
const ROBOT_NAMES = [
  "apis-google",
  "bingpreview",
  "chatgpt-user",
  "claude-user",
  "facebookcatalog",
  "facebookexternalhit",
  "feedfetcher-google",
  "ia_archiver",
  "mediapartners-google",
  "meta-externalads",
  "meta-externalagent",
  "meta-externalfetcher",
  "perplexity-user",
  "slack-imgproxy",
]

/** Whether it is worth looking closer: most agents are no robots. */
const HINT = new RegExp(["bot", "crawl", "spider", "slurp", ...ROBOT_NAMES].join("|"), "i")

/** A kind, not a name: the words before it are wanted too. */
const KIND_ALONE = /^(?:(?:ro)?bots?|(?:web)?crawler|spider|slurp)$/i

/** No names: telephones of a maker called Cubot, pages, mail addresses. */
const NO_NAME = /^cubot|\.(?:html?|php|aspx?|txt)$|@/i

/** The next word is whom it wants to be treated like: `like FeedFetcher-Google`. */
const LIKENESS = /like$/i

/** Links explain a robot, and often have "bot" in them. */
const LINK = /(?:https?:|www\.)[^\s;,)]*/gi

/** UTF-16 units kept of a name. */
const LONGEST_NAME = 64

/** Returns the robot's name without its version, or `undefined` if the agent names none. */
export function robotIn(agent: string): string | undefined {
  if (!HINT.test(agent)) return undefined
  for (const phrase of agent.replace(LINK, " ").split(/[;,()[\]{}"'/<>+]+/)) {
    const words = phrase.split(/\s+/)
    const at = words.findIndex((word, index) => isRobotName(word) && !LIKENESS.test(words[index - 1] ?? ""))
    if (at >= 0) return nameEndingAt(words, at).slice(0, LONGEST_NAME)
  }
  return undefined
}

function isRobotName(word: string): boolean {
  return ROBOT_NAMES.includes(word.toLowerCase()) || (ROBOT_WORD.test(word) && !NO_NAME.test(word))
}

/** ["Sogou", "web", "spider"], 2 → "Sogou web spider"; ["yoozBot-2.2"], 0 → "yoozBot". */
function nameEndingAt(words: readonly string[], at: number): string {
  const last = words[at] as string
  if (!KIND_ALONE.test(last)) return last.replace(/[-_]v?\d[\d.]*$/, "")
  let from = at
  while (at - from < 2 && /^[A-Za-z][\w.!-]*$/.test(words[from - 1] ?? "")) from--
  return words.slice(from, at + 1).join(" ")
}
