//! The page of keys.

/// Keys and what they do.
pub(super) const KEYS: [(&str, &str); 16] = [
    ("up down PgUp PgDn", "select a host"),
    ("Home End", "the first, the last"),
    ("Enter", "the selected host on the whole screen, and back"),
    ("/", "filter by name, state or problem; Esc clears it"),
    ("s", "another order: by trouble, name, CPU, memory, ..."),
    ("", ""),
    ("left right", "one scrape of the selected host back or on"),
    ("[ ] Shift-left, -right", "ten scrapes"),
    ("t", "a time: 10 min ago, 2h, 2026-11-21T12:00"),
    ("l End", "back to the present"),
    ("", ""),
    ("q Esc Ctrl-C", "quit"),
    ("", ""),
    ("X  !!  !  i", "down, critical, warning, information"),
    ("~  ?", "old numbers, not asked yet"),
    ("WAITS", "share of time in which tasks waited for something"),
];
