#!/usr/bin/env node
import "../dist/prooflog-verify.js"
