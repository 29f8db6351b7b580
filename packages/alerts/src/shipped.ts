/**
 * The rules that come with the log: on unless the settings say otherwise.
 *
 * They are written in the form in which everyone writes rules, to be read, copied and changed. Their thresholds are for
 * a company of some hundred people; each says in a sentence what it finds and why that matters.
 */

/** What their file is called in messages. */
export const SHIPPED_FILE = "shipped.yaml"

/** Text of a file of rules. */
export const SHIPPED_RULES = `rules:
  # Logins. Of one guess at a user who does not exist sshd writes two or three lines: it counts for more than one.

  - id: brute-force-address
    title: Many failed logins from one address
    why: Someone who guesses passwords fails many times from the same place before getting in.
    severity: high
    where:
      - { category: auth, result: [failure, denied] }
      - { activity: login, result: [failure, denied] }
    group_by: [ip_address]
    count: { over: 10m, at_least: 20 }

  - id: brute-force-user
    title: Many failed logins of one user
    why: Guesses at one account may come from many addresses, and only the account shows that they belong together.
    severity: medium
    where:
      - { category: auth, result: [failure, denied] }
      - { activity: login, result: [failure, denied] }
    group_by: [user_id]
    count: { over: 10m, at_least: 15 }

  - id: password-spraying
    title: One address tries to be many users
    why: A few guesses at each of many accounts stay below every limit per account, but come from one place.
    severity: high
    where:
      - { category: auth, result: [failure, denied] }
      - { activity: login, result: [failure, denied] }
    group_by: [ip_address]
    distinct: { of: user_id, over: 1h, at_least: 10 }

  # What users usually do

  - id: new-country
    title: A user logs in from a country for the first time
    why: Stolen passwords are used from places where their owners have never been.
    severity: medium
    where:
      - { category: auth, result: [success, failure, denied] }
      - { activity: login, result: [success, failure, denied] }
    new_country: { learn_days: 7, learn_events: 20 }

  - id: impossible-travel
    title: A user is at two places that nobody gets between so fast
    why: If nobody can travel so fast, it is two persons who use one account.
    severity: high
    where:
      - { category: auth, result: [success, failure, denied] }
      - { activity: login, result: [success, failure, denied] }
    impossible_travel: { above_kmh: 900, beyond_km: 500 }

  - id: first-admin-action
    title: An administrator does something for the first time
    why: Whoever has taken over an account uses rights that its owner never needed.
    severity: low
    where: { category: admin, user_type|neq: [service, system] }
    group_by: [user_id]
    first_seen: { of: action, learn_days: 7 }

  - id: off-hours-admin
    title: Administration at night or on a weekend
    why: Attackers work when nobody looks, and administrators rarely do; set the zone and hours to your own.
    severity: low
    where: { category: admin, result: success, user_type|neq: [service, system] }
    off_hours: { zone: UTC, days: mon-fri, hours: 05:00-21:00 }

  # Amounts

  - id: mass-export
    title: One user exports again and again
    why: Before someone leaves with data, it is taken out piece by piece in a short time.
    severity: high
    where: { activity: export, result: success }
    group_by: [user_id]
    count: { over: 1h, at_least: 30 }

  - id: mass-access
    title: One user reads hundreds of different things
    why: People read what they work on; who reads everything within minutes is copying it.
    severity: medium
    where: { reads: { activity: read, result: success }, nobody: { user_id: anonymous }, condition: reads and not nobody }
    group_by: [user_id]
    distinct: { of: resource_accessed, over: 10m, at_least: 500 }

  - id: many-denied
    title: One user is refused again and again
    why: Whoever looks around for what can be reached runs into closed doors, people at work hardly do.
    severity: medium
    where: { refused: { result: denied }, login: { category: auth }, nobody: { user_id: anonymous }, condition: refused and not login and not nobody }
    group_by: [user_id]
    count: { over: 10m, at_least: 30 }

  # Services

  - id: error-rate
    title: A service fails more often than it does
    why: A burst of server errors means that something broke, or that someone has found an input that breaks it.
    severity: medium
    group_by: [source, service?]
    ratio: { of: { result: error }, over: 5m, at_least: 50, above: 5%, times_baseline: 5 }

  - id: scan-not-found
    title: One address asks for many pages that do not exist
    why: Scanners try the names of known weak spots, and most of them do not exist here.
    severity: low
    where: { http_status: 404 }
    group_by: [ip_address]
    distinct: { of: http_path, over: 10m, at_least: 30 }

  - id: source-silent
    title: A source is not heard any more
    why: Whoever switches off a log hides what comes next; and what is not logged cannot be found.
    severity: medium
    group_by: [source]
    silence: { for: 6h }

  # Cloud

  - id: cloudtrail-trail-deleted
    title: A trail of CloudTrail was deleted
    why: Without its trail, nothing that is done in the account is recorded any more.
    severity: critical
    where: { action: cloudtrail.DeleteTrail, result: success }
    group_by: [user_id, resource_accessed]

  - id: cloudtrail-logging-stopped
    title: CloudTrail stopped logging
    why: Attackers stop the recording first, and start it again when they are done.
    severity: critical
    where: { action: cloudtrail.StopLogging, result: success }
    group_by: [user_id, resource_accessed]

  - id: cloudtrail-access-key-created
    title: An access key was created in AWS
    why: A key of one's own keeps the door open after the way in was found and closed.
    severity: medium
    where: { action: iam.CreateAccessKey, result: success }
    group_by: [user_id]

  - id: cloudtrail-console-login-new
    title: Someone logs in to the AWS console for the first time
    why: Keys that were stolen from programs are turned into sessions at the console, where their owners never were.
    severity: medium
    where: { action: signin.ConsoleLogin, result: success }
    group_by: []
    first_seen: { of: user_id, learn_days: 7 }

  # Kubernetes

  - id: k8s-exec
    title: Someone opened a shell in a container
    why: What is done inside a running container leaves no trace in its image, and few have reason to go there.
    severity: medium
    where: { action: [k8s.pods.exec/create, k8s.pods.exec/get, k8s.pods.attach/create, k8s.pods.ephemeralcontainers/patch] }
    group_by: [user_name?, resource_accessed]

  - id: k8s-secrets-read
    title: One user reads many secrets of a cluster
    why: Secrets are the keys to everything else; programs read the one that they need.
    severity: high
    where: { secrets: { action: [k8s.secrets.get, k8s.secrets.list, k8s.secrets.watch] }, cluster: { user_type: system }, condition: secrets and not cluster }
    group_by: [user_id]
    distinct: { of: resource_accessed, over: 10m, at_least: 5 }

  # The log itself

  - id: log-schedule-changed
    title: The schedule of this log was changed
    why: What is promised is never shortened, but who decides how long records are kept should know of every change.
    severity: medium
    own: true
    where: { source: prooflog, action: log.schedule }
    group_by: [user_id]

  - id: log-hold-released
    title: A hold on records was released
    why: Records that were held for a case can be destroyed from now on.
    severity: medium
    own: true
    where: { source: prooflog, action: log.hold.release }
    group_by: [user_id]

  - id: log-exported
    title: Large parts of this log were taken out
    why: The log knows who did what, for everyone; copies of it need a reason.
    severity: medium
    own: true
    where: { source: prooflog, action: [log.export, log.backup] }
    group_by: [user_id]
    count: { over: 1h, at_least: 5 }

  - id: log-checkpoint-late
    title: This log has not published a head for too long
    why: What is not under a published head can still be changed without anyone noticing.
    severity: high
    health: checkpoint_late

  - id: log-quorum-missing
    title: Too few witnesses cosign this log
    why: Without witnesses, different people could be shown different logs.
    severity: high
    health: quorum_missing

  - id: log-verification-failed
    title: What this log has stored is not what it signed
    why: An entry or record was changed after it was logged, or the disk is failing.
    severity: critical
    health: verification_failed

  - id: log-reading-behind
    title: Alerts or queries are far behind this log
    why: What is not read is not found; and who wants to stay unseen floods the log.
    severity: medium
    health: follower_lag

  - id: log-disk
    title: The disk of this log is filling up or failing
    why: A log that cannot write refuses events, and what refuses them may go on without.
    severity: high
    health: disk
`
