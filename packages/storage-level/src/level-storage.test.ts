import { storageSuite } from "@prooflog/ledger/storage-suite"
import { beforeAll, describe, it } from "vitest"
import { LevelUnderTest, patchBatches } from "./level-under-test.js"

beforeAll(patchBatches)

storageSuite("LevelDB", { describe, it }, () => LevelUnderTest.make())
