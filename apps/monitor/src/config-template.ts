/** The config that `init` prints: complete, commented, and read by the reader it is for. */

export const CONFIG_TEMPLATE = `# A monitor of transparency logs: prooflog monitor THIS-FILE
# Paths are relative to this file. Durations: 500ms, 10s, 5m, 2h, 1d.

# Heads, findings and accusations are kept here. One process at a time.
folder: ./monitor-state

# Status page, health, metrics, gossip, witness. Leave it out for no HTTP.
listen: 127.0.0.1:8090
# One address may have 64 connections at once. Behind a reverse proxy all are one address: then say how many it needs.
# listen: { address: 127.0.0.1:8090, connections_per_address: 500 }

# Who found it, as accusations say. Nobody need believe it.
name: monitor.example

logs:
  # A policy says whose signatures count (c2sp.org/tlog-policy). It is a file,
  # or the text itself after "policy: |". Get the log's key from someone other than the log.
  - policy: ./policy
    # Where the log is. Left out: the url in the policy.
    url: https://log.example/access/
    # Which log of the policy. Left out: the only one.
    # origin: log.example/access
    # From one look to the next.
    poll: 10s
    # A quorum of cosignatures must be younger than this.
    freshness: 2h
    # How far the time of new entries may be from this machine's clock.
    clock: 10m
    # From one reading of the whole log to the next: what was right once can be replaced later.
    reread: 1d
    # Show the log our heads, and compare with its own.
    compare: true
    # Where a log is read with a key: a file that holds it.
    # token_file: ./log-token

# Other monitors. Each is shown our newest heads and answers with its own.
peers: []
#  - https://monitor.other.example/

# What is found is posted here as JSON, until it is taken.
# alarm:
#   webhook: https://alerts.example/hook
#   token_file: ./webhook-token

# Cosign for the logs above (c2sp.org/tlog-witness). The key is of type 4:
# prooflog keygen --witness NAME. It needs "listen", and a folder that no backup brings back.
# witness:
#   key: ./witness.key
#   # Policies of further logs. Left out: those above.
#   # logs: [./other-policy]
`
