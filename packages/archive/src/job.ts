/** What every step of a run is given. */

import type { Catalog } from "./catalog.js"
import type { Ports, Progress, RunOptions } from "./ports.js"

export interface Job extends Ports {
  readonly catalog: Catalog
  /** Told to whoever watches. */
  progress(progress: Progress): void
  /** Between two steps. @throws the reason for which the run is to end */
  pause(): void
  readonly signal: AbortSignal | undefined
}

export function jobOf(catalog: Catalog, ports: Ports, { signal, onProgress }: RunOptions): Job {
  const { log, storage, objects, segments, rows, holds } = ports
  return {
    ...{ catalog, log, storage, objects, segments, rows, holds, signal },
    tell: (told) => ports.tell(told),
    newId: () => ports.newId(),
    progress: (progress) => onProgress?.(progress),
    pause: () => signal?.throwIfAborted(),
  }
}
