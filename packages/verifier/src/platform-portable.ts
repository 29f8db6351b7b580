/**
 * HTTP as every platform has it. Chosen by the `#platform` entry of package.json; its twin is
 * platform-node.ts.
 *
 * Effects: the network.
 */

import { getByFetch, type HttpGet } from "./http-get.js"

export const httpGet: HttpGet = (url, options) => getByFetch(globalThis.fetch)(url, options)
