/** A server that is killed while it erases, where the next one has something else to do each time. */

import { killErasures } from "./erasure-kills.js"

killErasures([
  { when: "before", step: 1 },
  { when: "after", step: 2 },
  // The notice is in the log, and only the log knows.
  { when: "before", step: 3 },
  { when: "before", step: 6 },
  { when: "before", step: 8 },
])
