/**
 * The settings of alerts that a new log begins with: they are complete, and tell nobody.
 *
 * Lines of prose begin with "# "; lines that begin with "#" and something else are settings that are ready to be used.
 */

/** Text of `alerts.yaml`. */
export const ALERTS_TEMPLATE = `# Alerts: which rules look at the log, and who is told.
# Changes take effect while the log runs. If something here is wrong, what was in force stays in force, and the log says
# where the fault is.

# Rules that come with the log. To do without some: shipped: { without: [rule-id] }. None at all: false
shipped: true

# Folder of your own rules: Sigma files, and files with a list of rules.
rules: rules

# How much later than others an event may come and still be counted with those of its time.
tolerance: 10m

# What is older than this when it comes, as imported history is, never fires.
history_after: 24h

# Where people find this log; messages link to it.
#external_url: https://log.example.org/

# Who can be told. Secrets are never written here: { env: NAME } is an environment variable of the server, { file: PATH }
# a file that has nothing else in it, relative to this one.
#sinks:
#  security-channel:
#    type: slack
#    url: { env: SLACK_WEBHOOK_URL }
#  on-call:
#    type: pagerduty
#    routing_key: { file: keys/pagerduty }
#  tickets:
#    type: webhook
#    url: https://tickets.example.org/hooks/prooflog
#    secrets: [{ env: TICKETS_WEBHOOK_SECRET }]
#  bridge:
#    type: alertmanager
#    url: https://bridge.example.org/alerts
#    send_resolved: true
#  mail:
#    type: email
#    host: smtp.example.org
#    port: 587
#    tls: starttls
#    user: prooflog
#    password: { file: keys/smtp }
#    from: prooflog@example.org
#    to: [security@example.org]

# Who is told of what. The first route that matches takes an alert; those below it are asked only if it says continue.
# A matcher compares a label, or rule or severity: = != and, with regular expressions for the whole value, =~ !~
# Alerts of one group are told together: first after group_wait, then every group_interval if anything has changed, and
# every repeat_interval if nothing has and nobody has acknowledged them. group_by: ["..."] tells each by itself.
#routes:
#  - match: ['severity =~ "high|critical"']
#    to: [on-call, security-channel]
#    group_by: [rule]
#    group_wait: 1s
#    group_interval: 5m
#    repeat_interval: 4h
#  - match: [severity != info]
#    to: [security-channel]

# Alerts that nobody needs to hear of while another one fires that has the same values of the labels in equal.
#inhibit:
#  - source: [rule = source-silent]
#    target: [severity = low]
#    equal: [service]
`
