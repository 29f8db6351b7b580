/**
 * The query store: the events of a log as SQL.
 *
 *     reader ─ pages of checked leaves ─► projection ─► rows and cursor, in one transaction
 *                                                              │
 *     asker ─ one SELECT ─► statement filter ─► snapshot ◄─────┘ ─► rows as JSON
 *
 * It is derived from the log and trusted with nothing: every row names its leaf. It may lag; it never skips,
 * repeats or invents a row, whatever kills it.
 */

import { Writer } from "./append.js"
import { type Discarded, openDatabase } from "./database.js"
import type { QueryError } from "./error.js"
import { type LeavesToForget, rowsToForget } from "./forget.js"
import { type Enrich, Projection } from "./projection.js"
import { Questions, type Rows, type SqlQuestion } from "./questions.js"
import { openSyntaxTrees, type SyntaxTrees } from "./syntax-tree.js"

export type { Discarded } from "./database.js"
export type { Derived } from "./derived-columns.js"
export type { LeafRange, LeavesToForget } from "./forget.js"
export type { JsonValue } from "./json-value.js"
export type { SqlParameters, SqlValue } from "./parameters.js"
export type { Enrich } from "./projection.js"
export type { OutputColumn, Rows, SqlQuestion } from "./questions.js"

export interface QueryStoreOptions {
  /** The database file, in a directory that is there; or `:memory:`. */
  readonly path: string
  /** Most memory the database may use, in MiB: questions that need more fail. */
  readonly memoryMb: number
  /** Threads of one question. 2 if absent. */
  readonly threads?: number
  /** Makes the derived columns. They are NULL if absent. */
  readonly enrich?: Enrich
  /** Is told when the file there is thrown away, and why. Must not throw. */
  readonly onDiscard?: (reason: Discarded) => void
}

/** Leaves of a log, checked. */
export interface LeafPage {
  readonly firstLeaf: number
  readonly count: number
  /** Packed (uint16be length ‖ bytes), one per leaf. */
  readonly entries: Uint8Array
  /** Packed, one per leaf; 0 bytes for a leaf that is no event and for a tombstone. */
  readonly records: Uint8Array
  /** Opaque: what the next start needs. It is committed with the rows. */
  readonly cursor: string
  /** More leaves are known to follow: this page need not be seen before they are. */
  readonly more?: boolean
  /** Only in `:memory:`: the leaves of this page, ascending, if they are not those from `firstLeaf` on. */
  readonly leafIndices?: readonly number[]
}

export interface QueryStore {
  /** Leaves whose rows are committed, and visible to every question from now on. */
  readonly through: number
  /** The cursor of the last page that ends there or before; `undefined` in a new store. */
  readonly cursor: string | undefined
  /** The mark of the last {@link forget}; `undefined` before the first. */
  readonly forgotten: string | undefined
  /** Rows forgotten since the file was last written anew: until `rewriteDatabase`, their bytes may be in it. */
  readonly deletedRows: number
  /** The parser, for `analyse`. */
  readonly trees: SyntaxTrees

  /**
   * Takes the leaves that come next (the first page may begin anywhere before them, and what is there is passed
   * over), and commits them soon: after 250 ms, or while many come, by row groups of 122,880, for which rows wait 5 s,
   * or 15 s while `more` are known to follow. Resolves when it can take more.
   *
   * @throws RangeError if they are not the next, or the page is not well formed
   * @throws {@link QueryError} `QUERY_UNAVAILABLE` once a commit has failed: the store must be opened again
   */
  append(page: LeafPage): Promise<void>

  /** Commits what was appended. Resolves when it is visible. @throws as `append` */
  commit(): Promise<void>

  /** @param listener - is called after each commit; must not throw */
  onCommit(listener: (through: number) => void): void

  /**
   * @param listener - is told once, when a commit has failed, also if nobody waits for it: nothing is taken any more,
   * and the store must be opened again; must not throw
   */
  onFailure(listener: (error: QueryError) => void): void

  /**
   * Deletes rows of leaves, and keeps a mark together with that: whoever finds another mark here after a crash says it
   * again. No question that is asked once it resolves sees them; one that was begun before may, to its end. Leaves
   * that are appended later are not held against it: their records must be gone by then. Their bytes stay in the file
   * until `rewriteDatabase`.
   *
   * @param leaves - one for which there is no row is passed over
   * @param mark - opaque: where the caller is with its forgetting
   * @returns how many rows there were
   * @throws RangeError if these are no leaves
   * @throws {@link QueryError} `QUERY_UNAVAILABLE` if it failed, or a commit before it: the store must be opened again
   */
  forget(leaves: LeavesToForget, mark: string): Promise<number>

  /**
   * Answers a question.
   *
   * @throws {@link QueryError} for whatever is wrong with it; no message holds a value of a row
   */
  run(question: SqlQuestion): Promise<Rows>

  /** Interrupts all questions, commits what was appended, closes the file. */
  close(): Promise<void>
}

/**
 * Opens the store at a path, or begins it. A file that is damaged, or was written with other columns, is thrown
 * away; one that another process has open is waited for up to 5 s.
 *
 * @throws {@link QueryError} `QUERY_UNAVAILABLE`
 */
export async function openQueryStore(options: QueryStoreOptions): Promise<QueryStore> {
  const { instance, writer: connection, ...kept } = await openDatabase(options)
  let failed = (_error: QueryError) => {}
  const writer = await Writer.open(connection, new Projection(options.enrich), kept, (error) => failed(error))
  const parser = await instance.connect()
  const trees = openSyntaxTrees(parser)
  const questions = new Questions(instance, trees)
  const inMemory = options.path === ":memory:"
  return {
    get through() {
      return writer.committed.through
    },
    get cursor() {
      return writer.committed.cursor
    },
    get forgotten() {
      return writer.forgotten.mark
    },
    get deletedRows() {
      return writer.forgotten.rows
    },
    trees,
    async append(page) {
      const last = lastLeafOf(page, inMemory)
      const after = { through: last + 1, cursor: page.cursor }
      const check = (through: number, isFirst: boolean) => checkNext(page, through, isFirst)
      await writer.append(page, check, after, page.more === true)
    },
    commit: () => writer.commit(),
    onCommit: (listener) => writer.onCommit(listener),
    onFailure(listener) {
      failed = listener
    },
    forget: async (leaves, mark) => writer.forget(rowsToForget(leaves), mark),
    run: (question) => questions.ask(question),
    async close() {
      await questions.close()
      try {
        await writer.close()
      } finally {
        parser.closeSync()
        connection.closeSync()
        instance.closeSync()
      }
    },
  }
}

function lastLeafOf(page: LeafPage, inMemory: boolean): number {
  const { firstLeaf, count, leafIndices } = page
  if (!Number.isSafeInteger(firstLeaf) || !Number.isSafeInteger(count) || firstLeaf < 0 || count < 1) {
    throw new RangeError("page: expected leaves")
  }
  if (leafIndices === undefined) return firstLeaf + count - 1
  if (!inMemory) throw new RangeError("leafIndices: only a store in memory may leave leaves out")
  if (leafIndices.length !== count || leafIndices[0] !== firstLeaf) {
    throw new RangeError("leafIndices: expected one for each leaf, from firstLeaf on")
  }
  leafIndices.forEach((leaf, i) => {
    if (!Number.isSafeInteger(leaf) || leaf <= (leafIndices[i - 1] ?? -1)) {
      throw new RangeError("leafIndices: expected leaf indices, ascending")
    }
  })
  return leafIndices.at(-1) as number
}

function checkNext({ firstLeaf, leafIndices }: LeafPage, through: number, isFirst: boolean): void {
  if (leafIndices !== undefined ? firstLeaf >= through : firstLeaf === through) return
  if (isFirst && firstLeaf < through) return
  throw new RangeError(`page: expected leaf ${through} next, got ${firstLeaf}`)
}
