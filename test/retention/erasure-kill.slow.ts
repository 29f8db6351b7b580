/** As erasure-kill.test.ts, at every step. */

import { ALL_KILLS, killErasures } from "./erasure-kills.js"

killErasures(ALL_KILLS)
