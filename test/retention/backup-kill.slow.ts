/** As backup-kill.test.ts, at every step. */

import { killBackups } from "./backup-kills.js"

killBackups((steps) => Array.from({ length: steps }, (_, i) => i + 1))
