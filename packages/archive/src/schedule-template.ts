/** The schedule file that a new log gets: complete, commented, and read by the reader it is for. */

export const SCHEDULE_TEMPLATE = `# How long records are kept, and when they are destroyed. What the log has promised is never shortened.
# Times: days as 30 or 30d, months as 6mo (30.4375 days), years as 7y (365.25 days), rounded up to days.

# The least that a rule book asks of every class: pci, hipaa, soc2. A class that says less is refused.
# preset: [pci]

# Names of classes are public for ever: name none after a case, a patient or a customer.
#   hot            at hand
#   archive        then in the archive; 0 if left out
#   destroy_after  destroyed so long after that; 30d if left out
#   destroy: never instead
classes:
  critical: { hot: 7y, archive: 0, destroy_after: 30d }
  high:     { hot: 5y }
  routine:  { hot: 6mo, archive: 2y }
  # Events of the log about itself: who read it, who changed it. Must be there.
  audit:    { hot: 7y }

# The class of every event that no rule takes.
default: routine

# The first rule that takes an event decides. All conditions of a rule must hold; a list is any of.
# * is any run of characters, ? is one; put patterns in quotes. Case counts. Conditions are on: user_id, action,
# resource_accessed, resource_type, result, service, environment, source, category, tags.
rules: []
#  - { class: critical, action: ["iam.*", "key.*"] }
#  - { class: high, result: [denied, failure], resource_accessed: "/admin/*" }
`
